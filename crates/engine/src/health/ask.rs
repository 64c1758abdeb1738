//! The client that asks a worker how it is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a health check waits for its answer; ECS gives it 5 s by default.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Asks the worker at `address`; `Ok` holds its answer when it is well.
///
/// # Errors
/// When nothing answers in time, or the answer is that the worker is stuck.
pub async fn ask(address: SocketAddr) -> io::Result<String> {
    let answer = tokio::time::timeout(ASK_TIMEOUT, exchange(address)).await;
    let answer = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Ok(body.trim().to_owned());
    }
    Err(io::Error::other(format!("the worker answered {status}: {}", body.trim())))
}

/// One exchange on a connection of its own: the answer has a length and ends with the connection, so there is nothing to
/// parse but a line.
async fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    Ok(answer)
}
