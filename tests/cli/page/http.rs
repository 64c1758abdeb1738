//! A client that takes no notice of anything but the bytes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, if there is exactly one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let mut values = pairs.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value);
        value.filter(|_| values.next().is_none())
    }
}

/// Who asks, and as what.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    host: String,
}

impl Client {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, host: address.to_string() }
    }

    /// The same with another name for the machine, as a browser has it whom a name was rebound.
    pub(crate) fn calling_it(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        let host = &self.host;
        self.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        ))
        .await
    }

    /// Sends these bytes, and reads until the other side closes.
    pub(crate) async fn send(&self, request: String) -> Answer {
        let address = self.address;
        elsewhere(move || exchange(address, &request)).await
    }

    /// The same as `get` for what is answered from memory: the paused clock stands meanwhile, whatever else runs on it.
    pub(crate) async fn get_at_once(&self, path: &str) -> Answer {
        let Self { address, host } = self.clone();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let asking = tokio::task::spawn_blocking(move || exchange(address, &request));
        asking.await.unwrap()
    }
}

/// Does something that blocks on a thread of its own, since the world's runtime has one alone. Not by `spawn_blocking`,
/// which stops the paused clock: a page that waits its turn would wait for ever.
pub(crate) async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(work()).ok());
    result.await.unwrap()
}

fn exchange(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
