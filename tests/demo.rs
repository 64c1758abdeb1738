//! The demo: what a stranger sees first, and that it is the same every time.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test stops where a step fails")]

use async_trait::async_trait;
use clap::Parser as _;
use writerlink::cli::args::Args;
use writerlink::cli::{self, Books, Connect, Exit, Failure, Look, Session};
use writerlink::config::Config;
use writerlink::domain::time::Timestamp;

/// Nobody: the demo needs no connection.
struct Offline;

#[async_trait(?Send)]
impl Connect for Offline {
    async fn books(&self, _: &Config) -> Result<Books, Failure> {
        panic!("the demo asked for a connection")
    }
}

struct Said {
    exit: Exit,
    out: String,
    err: String,
}

/// The demo as `main` runs it, but for its streams.
async fn demo_in(look: Look, line: &str) -> Said {
    let line = format!("writerlink demo {line}");
    let args = Args::try_parse_from(line.split_whitespace()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut session = Session {
        env: &|_| None,
        now: Timestamp::from_millis(1_790_000_000_123),
        connect: &Offline,
        out: &mut out,
        err: &mut err,
        look,
    };
    let exit = cli::run(args, &mut session).await;
    Said {
        exit,
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
    }
}

async fn demo(line: &str) -> Said {
    demo_in(Look::Plain, line).await
}

#[tokio::test]
async fn look() {
    let said = demo("--seed 7").await;
    std::fs::write("/tmp/g.txt", format!("{}{}{:?}\n", said.out, said.err, said.exit)).unwrap();
}
