//! A proxy in front of ministack that keeps which actions of AWS were asked for, on what.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::support::Account;
use crate::support::ministack::Ministack;

/// An action, such as `sqs:ReceiveMessage`, and the ARN of what it was asked on; `*` for an action without a
/// resource level.
pub(crate) type Call = (String, String);

/// A running recorder.
pub(crate) struct Recorder {
    port: u16,
    calls: Arc<Mutex<BTreeSet<Call>>>,
}

impl Recorder {
    /// A recorder of one account's calls.
    pub(crate) fn start(account: &Account) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = Ministack::shared().endpoint().replace("http://", "");
        let account = account.id().to_owned();
        let calls = Arc::new(Mutex::new(BTreeSet::new()));
        let keep = Arc::clone(&calls);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (upstream, account, keep) = (upstream.clone(), account.clone(), Arc::clone(&keep));
                thread::spawn(move || {
                    // A client that went away in the middle of a call is no fault of the recorder.
                    let request = pass_on(stream, &upstream).unwrap_or_default();
                    keep.lock().unwrap().extend(request.calls(&account));
                });
            }
        });
        Self { port, calls }
    }

    /// Where to find it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> BTreeSet<Call> {
        self.calls.lock().unwrap().clone()
    }
}

/// What is looked at of a request.
#[derive(Default)]
struct Request {
    target: String,
    scope: String,
    body: String,
}

/// Hands one request to ministack and its reply back. The connection ends with it, so that a reply needs no
/// reading to be passed on.
fn pass_on(client: TcpStream, upstream: &str) -> std::io::Result<Request> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length, mut request) = (String::new(), 0, Request::default());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        let (name, value) = line.trim_end().split_once(':').unwrap_or((line.trim_end(), ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "x-amz-target" => value.trim().clone_into(&mut request.target),
            "authorization" => value.trim().clone_into(&mut request.scope),
            "connection" => continue,
            _ => {}
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    let mut server = TcpStream::connect(upstream)?;
    write!(server, "{head}Connection: close\r\n\r\n")?;
    server.write_all(&body)?;
    let mut client = client;
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)?;
    Ok(request)
}

impl Request {
    /// What IAM would be asked about this request.
    fn calls(&self, account: &str) -> Vec<Call> {
        // Credential=KEY/DATE/REGION/SERVICE/aws4_request
        let Some(service) = self.scope.split('/').nth(3) else {
            return Vec::new();
        };
        let arn = |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:{account}:{rest}");
        let Some((_, operation)) = self.target.rsplit_once('.') else {
            return self.query_protocol(service, account);
        };
        let body: Value = serde_json::from_str(&self.body).unwrap();
        match service {
            "dynamodb" => dynamodb(operation, &body, |table| arn("dynamodb", table)),
            "sqs" => {
                let named = body["QueueUrl"].as_str().or(body["QueueName"].as_str());
                let name = named.and_then(|url| url.rsplit('/').next());
                let name = name.expect("a call of SQS names a queue");
                vec![(format!("sqs:{operation}"), arn("sqs", name))]
            }
            "events" => {
                let rule = body["Name"].as_str().or(body["Rule"].as_str());
                let on = rule.map_or("*".to_owned(), |name| arn("events", &format!("rule/{name}")));
                vec![(format!("events:{operation}"), on)]
            }
            _ => vec![(format!("{service}:{operation}"), "*".to_owned())],
        }
    }

    /// ELBv2, RDS and STS send forms.
    fn query_protocol(&self, service: &str, account: &str) -> Vec<Call> {
        let field = |name: &str| {
            let mut pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let operation = field("Action").expect("a form names its action");
        let on = match operation {
            "RegisterTargets" | "DeregisterTargets" => field("TargetGroupArn"),
            "ModifyListener" => field("ListenerArn"),
            _ => None,
        };
        let on = on.unwrap_or("*").replace("%3A", ":").replace("%2F", "/");
        let rds = |kind: &str, name: Option<&str>| {
            // A look-up by filter is one of all there are.
            let name = name.unwrap_or("*");
            format!("arn:aws:rds:us-east-1:{account}:{kind}:{name}")
        };
        let on = match (service, operation) {
            ("rds", "DescribeDBClusters") => rds("cluster", field("DBClusterIdentifier")),
            ("rds", "DescribeDBInstances") => rds("db", field("DBInstanceIdentifier")),
            _ => on,
        };
        vec![(format!("{service}:{operation}"), on)]
    }
}

/// A statement is authorised by its verb, on its own or in a transaction (DynamoDB developer guide, "IAM security
/// policies with PartiQL for DynamoDB").
fn dynamodb(operation: &str, body: &Value, arn: impl Fn(&str) -> String) -> Vec<Call> {
    let table = |name: &str| arn(&format!("table/{name}"));
    let partiql = |statement: &Value| {
        let text = statement["Statement"].as_str().unwrap();
        let verb = match text.split_whitespace().next() {
            Some("INSERT") => "PartiQLInsert",
            Some("UPDATE") => "PartiQLUpdate",
            Some("DELETE") => "PartiQLDelete",
            Some("SELECT") => "PartiQLSelect",
            other => panic!("a statement that begins with {other:?}"),
        };
        let name = text.split('"').nth(1).expect("a quoted table");
        (format!("dynamodb:{verb}"), table(name))
    };
    match operation {
        "ExecuteStatement" => vec![partiql(body)],
        "ExecuteTransaction" => {
            let statements = body["TransactStatements"].as_array().unwrap();
            statements.iter().map(partiql).collect()
        }
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().expect("a table for each list of keys");
            tables.keys().map(|name| (format!("dynamodb:{operation}"), table(name))).collect()
        }
        _ => {
            let name = body["TableName"].as_str().expect("a table");
            let on = match body["IndexName"].as_str() {
                Some(index) => table(&format!("{name}/index/{index}")),
                None => table(name),
            };
            vec![(format!("dynamodb:{operation}"), on)]
        }
    }
}
