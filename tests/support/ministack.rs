//! ministack: SQS, DynamoDB, ELBv2 and RDS in one process, one per test binary.
//!
//! It models no NLB: nothing drains, everything is healthy at once, ports and zones of targets are not
//! told apart, an expired handle of a FIFO message still deletes it, and every database is at `localhost`
//! and available, whatever happens to it. What it cannot show is shown by [`super::stub`] with AWS's own words.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::standin::{Program, Standin};

/// A running ministack.
pub struct Ministack(Standin);

impl Ministack {
    /// The one of this test binary, started by whoever comes first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Ministack> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let program = Program { name: "ministack", health: "/_ministack/health" };
        Self(Standin::start(&program, |command, port| {
            command
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string())
                .env("PERSIST_STATE", "1")
                .env("STATE_DIR", new_directory(port));
        }))
    }

    /// Stands still: every call waits, and those that wait too long are given up by whoever made them.
    pub fn freeze(&self) {
        self.0.signal("-STOP");
    }

    /// Goes on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.0.signal("-CONT");
    }

    /// Ends and starts again with what it held, as a service does behind its endpoint.
    pub fn restart(&self) {
        self.0.restart();
    }

    /// Where to find it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}

/// Where one keeps what it holds from its end to its next start: empty, whoever had the port before.
fn new_directory(port: u16) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ministack-{port}"));
    // Most often there is none.
    drop(std::fs::remove_dir_all(&directory));
    directory
}
