//! How the SDK is set up: one HTTP client, one retry rule, and a time limit that no call outlasts.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_http_client::tls;

use writerlink_core::model::time::CALL_TIMEOUT;

/// How often the SDK tries a call, the first time included. Three is its own default, written down since
/// the two limits below are chosen for it.
const ATTEMPTS_MAX: u32 = 3;

/// The longest one attempt may take, so that a second one fits in [`CALL_TIMEOUT`] after an attempt that
/// hung: 2 s, at most 0.2 s of backoff, 2 s. Ten times what a slow control-plane call takes.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// What the user agent of a call names: the program, and not this crate of it.
const APP_NAME: &str = "writerlink";

/// The longest a TCP connection may take to open. Endpoints are in the same region, a lost SYN is sent
/// again after 1 s, and a dead address must not use up the attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The first backoff, and the second is twice as long; both are jittered downwards. The SDK's own 1 s would
/// leave no room for a third attempt, and ELBv2 refills four registrations a second
/// (elb-api-throttling), so a throttled call has a chance after this.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// The longest backoff, which also bounds a wait that the server asks for.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The time limits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Of opening a connection.
    pub connect: Duration,
    /// Of one attempt.
    pub attempt: Duration,
    /// Of the whole call, every retry and its backoff included.
    pub operation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, attempt: ATTEMPT_TIMEOUT, operation: CALL_TIMEOUT }
    }
}

/// The configuration of every client: credentials, region and endpoints by the SDK's own rules
/// (`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SQS`, …); where those name no Region, this one.
pub async fn sdk_config(region: &str) -> SdkConfig {
    let found = loader(Timeouts::default()).load().await;
    if found.region().is_some() {
        return found;
    }
    // Loaded again and not only completed: credentials that are asked for at an endpoint need the Region too.
    let region = Region::new(region.to_owned());
    loader(Timeouts::default()).region(region).load().await
}

/// The same before it is loaded, for whoever brings their own credentials, endpoint or limits.
#[must_use]
pub fn loader(timeouts: Timeouts) -> ConfigLoader {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http_client = aws_smithy_http_client::Builder::new().tls_provider(ring).build_https();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(BACKOFF_FIRST)
        .with_max_backoff(BACKOFF_MAX);
    let limits = TimeoutConfig::builder()
        .connect_timeout(timeouts.connect)
        .operation_attempt_timeout(timeouts.attempt)
        .operation_timeout(timeouts.operation)
        .build();
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client)
        // It looks at the pace of each upload ten times a second until the reply is there, for all of a receive's 20 s.
        // What stalls meets the limits below first: its own grace is 20 s.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(retries)
        .timeout_config(limits);
    match AppName::new(APP_NAME) {
        Ok(name) => loader.app_name(name),
        // The test below shows that an app name may have these letters.
        Err(_) => loader,
    }
}

/// The limits of a call that waits on the server's side for up to `wait`: SQS answers a long poll only then.
pub fn longer_by(limits: Option<&TimeoutConfig>, wait: Duration) -> TimeoutConfig {
    let mut longer = TimeoutConfig::builder();
    let attempt = limits.and_then(TimeoutConfig::operation_attempt_timeout);
    let operation = limits.and_then(TimeoutConfig::operation_timeout);
    longer.set_operation_attempt_timeout(attempt.map(|limit| limit + wait));
    longer.set_operation_timeout(operation.map(|limit| limit + wait));
    longer.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_fits_after_one_that_hung() {
        assert!(ATTEMPT_TIMEOUT * 2 + BACKOFF_FIRST <= CALL_TIMEOUT);
    }

    #[test]
    fn a_dead_address_does_not_use_up_the_attempt() {
        assert!(CONNECT_TIMEOUT < ATTEMPT_TIMEOUT);
    }

    #[test]
    fn throttling_alone_never_uses_up_the_call() {
        assert!(BACKOFF_MAX * (ATTEMPTS_MAX - 1) + ATTEMPT_TIMEOUT <= CALL_TIMEOUT);
    }

    #[tokio::test]
    async fn no_call_outlasts_what_the_lease_grants_it() {
        let config = sdk_config("us-east-1").await;
        let limits = config.timeout_config().unwrap();
        assert_eq!(limits.operation_timeout(), Some(CALL_TIMEOUT));
        assert_eq!(limits.operation_attempt_timeout(), Some(ATTEMPT_TIMEOUT));
        assert_eq!(limits.connect_timeout(), Some(CONNECT_TIMEOUT));
        assert_eq!(config.app_name().map(AppName::as_ref), Some("writerlink"));
    }

    #[test]
    fn a_long_poll_may_take_its_wait_on_top() {
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let longer = longer_by(Some(&limits), Duration::from_secs(20));
        assert_eq!(longer.operation_attempt_timeout(), Some(Duration::from_secs(22)));
        assert_eq!(longer.operation_timeout(), Some(Duration::from_secs(25)));
    }
}
