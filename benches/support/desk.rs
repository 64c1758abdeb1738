//! Commands, typed at a ledger that stands where AWS would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use clap::Parser as _;
use tokio::sync::watch;
use writerlink::cli;
use writerlink::cli::args::Args;
use writerlink::cli::{
    Answers, Connect, Exit, Failure, Look, OpenQueue, ProcessContext, ReadPorts, Resource, Session,
};
use writerlink::config::Config;
use writerlink_aws::dynamodb::DynamoLedger;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::installation::Installation;
use writerlink_engine::ports::{AuditQuery, AuditReader, CallError, Page, Ports};

/// A ledger, and how often its audit was asked.
pub(crate) struct Desk {
    ledger: Arc<DynamoLedger>,
    audit: Arc<Counted>,
}

struct Counted {
    ledger: Arc<DynamoLedger>,
    requests: AtomicU64,
}

#[async_trait]
impl AuditReader for Counted {
    async fn page(&self, query: &AuditQuery, limit: u32, cursor: Option<&str>) -> Result<Page, CallError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.ledger.page(query, limit, cursor).await
    }
}

impl Desk {
    pub(crate) fn at(ledger: Arc<DynamoLedger>) -> Self {
        let audit = Arc::new(Counted { ledger: Arc::clone(&ledger), requests: AtomicU64::new(0) });
        Self { ledger, audit }
    }

    /// Types a command that has to end well; how many requests it took.
    pub(crate) async fn types(&self, words: &[&str]) -> u64 {
        let args = Args::try_parse_from(["writerlink"].iter().chain(words)).unwrap();
        let mut err = Vec::new();
        let log = args.global.log;
        let before = self.audit.requests.load(Ordering::Relaxed);
        let mut session = Session {
            env: &environment,
            now: Timestamp::EPOCH,
            connect: self,
            input: &mut std::io::empty(),
            out: &mut std::io::sink(),
            err: &mut err,
            log,
            look: Look::Plain,
            answers: Answers::Nobody,
        };
        let exit = cli::run(args, &mut session).await;
        let said = String::from_utf8_lossy(&err);
        assert_eq!(exit, Exit::Done, "{}: {said}", words.join(" "));
        self.audit.requests.load(Ordering::Relaxed) - before
    }
}

/// A configuration without a file, as small as there is: of whose records a command is about its words say.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "TARGET_GROUP_ARN" => {
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067"
        }
        "IP_DICT" => "{'orders-1': '10.0.1.10'}",
        _ => return None,
    };
    Some(value.to_owned())
}

#[async_trait(?Send)]
impl Connect for Desk {
    async fn books(&self, _: &Config) -> Result<ReadPorts, Failure> {
        Ok(ReadPorts { audit: Arc::clone(&self.audit) as _, ledger: Arc::clone(&self.ledger) as _ })
    }

    async fn ports(&self, _: &Config) -> Result<Ports, Failure> {
        unreachable!("who reads the audit needs no load balancer")
    }

    async fn queue(&self, _: &Config) -> Result<OpenQueue, Failure> {
        unreachable!("nor a queue")
    }

    async fn set_up(&self, _: &Config) -> Result<Vec<Resource>, Failure> {
        unreachable!("creates nothing")
    }

    async fn identity(&self, _: &Config) -> Result<String, Failure> {
        unreachable!("gives no orders")
    }

    async fn installation(&self, _: &Config) -> Result<Arc<dyn Installation>, Failure> {
        unreachable!("and looks at no installation")
    }

    fn process(&self) -> Result<ProcessContext, Failure> {
        Ok(ProcessContext { owner: Owner::new("desk"), stops: watch::channel(0).1, open_files_max: None })
    }
}
