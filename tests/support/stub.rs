//! An endpoint that answers from a script and keeps what it was asked: for what no stand-in can show.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the endpoint answers.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    /// An error of SQS, in both spellings that AWS sends: the shape in the body, the old code in the header.
    pub fn sqs_error(shape: &str, code: &str) -> Self {
        Self {
            status: 400,
            headers: format!("x-amzn-query-error: {code};Sender\r\n"),
            body: format!(r#"{{"__type":"com.amazonaws.sqs#{shape}","message":"said so"}}"#),
        }
    }

    /// A service that cannot answer now, and is asked again.
    pub fn unavailable() -> Self {
        Self { status: 503, headers: String::new(), body: "{}".to_owned() }
    }

    /// A reply of SQS.
    pub fn sqs(body: &str) -> Self {
        Self { status: 200, headers: "x-amzn-requestid: r-1\r\n".to_owned(), body: body.to_owned() }
    }

    /// A reply of ELBv2 to `call`, with this inside its result.
    pub fn elbv2(call: &str, result: &str) -> Self {
        let xmlns = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
        Self::query(xmlns, call, result)
    }

    /// A reply of RDS to `call`, with this inside its result.
    pub fn rds(call: &str, result: &str) -> Self {
        Self::query("http://rds.amazonaws.com/doc/2014-10-31/", call, result)
    }

    /// A transaction of DynamoDB that was cancelled, with the reason of each of its statements.
    pub fn cancelled(reasons: [&str; 2]) -> Self {
        let [first, second] = reasons.map(|code| format!(r#"{{"Code":"{code}"}}"#));
        Self {
            status: 400,
            headers: String::new(),
            body: format!(
                r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"said so",
                "CancellationReasons":[{first},{second}]}}"#
            ),
        }
    }

    /// A refusal of DynamoDB, with a status of 400 as it gives to all of them.
    pub fn dynamodb_error(code: &str) -> Self {
        Self {
            status: 400,
            headers: "x-amzn-requestid: r-1\r\n".to_owned(),
            body: format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"said so"}}"#),
        }
    }

    /// A reply of STS to `call`, with this inside its result.
    pub fn sts(call: &str, result: &str) -> Self {
        Self::query("https://sts.amazonaws.com/doc/2011-06-15/", call, result)
    }

    /// The same with this as its time.
    pub fn dated(mut self, date: &str) -> Self {
        self.headers.push_str("Date: ");
        self.headers.push_str(date);
        self.headers.push_str("\r\n");
        self
    }

    /// An error of RDS.
    pub fn rds_error(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            headers: "x-amzn-requestid: r-1\r\n".to_owned(),
            body: format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
                 </Error><RequestId>r-1</RequestId></ErrorResponse>"
            ),
        }
    }

    fn query(xmlns: &str, call: &str, result: &str) -> Self {
        Self {
            status: 200,
            headers: "x-amzn-requestid: r-1\r\n".to_owned(),
            body: format!(
                r#"<{call}Response xmlns="{xmlns}"><{call}Result>{result}</{call}Result></{call}Response>"#
            ),
        }
    }
}

/// A running endpoint.
pub struct Stub {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// An endpoint that gives this answer to everything.
    pub fn answering(answer: Answer) -> Self {
        Self::scripted(vec![("", answer)])
    }

    /// An endpoint that gives the first answer whose words are in the request's body.
    pub fn scripted(script: Vec<(&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                let body = read(&mut stream).expect("a request of the SDK can be read");
                let mut fitting = script.iter().filter(|(words, _)| body.contains(words));
                let (_, answer) = fitting.next().expect("the script has an answer");
                // Before it is answered: whoever has the answer may look at once.
                keep.lock().expect("no test panics while it reads").push(body);
                write(stream.get_mut(), answer).expect("the SDK takes an answer");
            }
        });
        Self { port, asked }
    }

    /// Where to find it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bodies of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics while it writes").clone()
    }
}

/// Reads one request; gives its body.
fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn write(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let Answer { status, headers, body } = answer;
    write!(
        stream,
        "HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
