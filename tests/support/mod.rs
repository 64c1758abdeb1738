//! What the wire tests share: AWS stand-ins on loopback, and clients that talk to them.
#![allow(dead_code, unreachable_pub, reason = "every test binary includes this module and uses a part of it")]

pub mod dns;
pub mod microburst;
pub mod ministack;
pub mod standin;
pub mod stub;

use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;
use writerlink_aws::config::{Timeouts, loader};

/// An AWS account of its own: ministack takes twelve digits of an access key for one, so tests that run at
/// the same time on one ministack never meet.
pub struct Account(String);

impl Account {
    /// One that nobody else has, in this process or another.
    pub fn fresh() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed) % 10_000;
        let process = std::process::id() % 100_000_000;
        Self(format!("{process:08}{nth:04}"))
    }

    /// Its twelve digits.
    pub fn id(&self) -> &str {
        &self.0
    }

    /// The worker's own configuration, pointed at a stand-in.
    pub async fn config(&self, endpoint: &str) -> SdkConfig {
        self.config_within(endpoint, Timeouts::default()).await
    }

    /// The same with other limits: a test of a limit cannot wait for the real one.
    pub async fn config_within(&self, endpoint: &str, timeouts: Timeouts) -> SdkConfig {
        let credentials = Credentials::new(self.id(), "secret", None, None, "tests");
        loader(timeouts)
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(endpoint)
            .load()
            .await
    }
}
