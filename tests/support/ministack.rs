//! ministack: SQS, DynamoDB, ELBv2 and RDS in one process, one per test binary.
//!
//! It models no NLB: nothing drains, everything is healthy at once, ports and zones of targets are not
//! told apart, an expired handle of a FIFO message still deletes it, and every database is at `localhost`
//! and available, whatever happens to it. What it cannot show is shown by [`super::stub`] with AWS's own words.

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
        let program = Program {
            name: "ministack",
            health: "/_ministack/health",
        };
        Self(Standin::start(&program, |command, port| {
            command
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string());
        }))
    }

    /// Where to find it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}
