//! What the adapters make of a wire that fails.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use serde_json::json;
use writerlink_aws::config::Timeouts;
use writerlink_aws::elbv2::Elbv2TargetGroups;
use writerlink_core::model::route::TargetGroup;
use writerlink_core::model::time::CALL_TIMEOUT;
use writerlink_engine::ports::{CallError, ErrorKind, TargetGroups};

use crate::elbv2::{NOWHERE, empty_group, group, target, target_groups, targets};
use crate::support::Account;
use crate::support::microburst::{Microburst, Rule};
use crate::support::ministack::Ministack;

/// The adapter behind microburst, with an empty group and an account that faults can be aimed at.
struct Fixture {
    groups: Elbv2TargetGroups,
    group: TargetGroup,
    account: Account,
}

impl Fixture {
    /// With limits that a slow machine does not reach: these tests are not about time.
    async fn fresh() -> Self {
        Self::within(Timeouts {
            connect: Duration::from_secs(20),
            attempt: Duration::from_secs(30),
            operation: Duration::from_mins(2),
        })
        .await
    }

    async fn within(timeouts: Timeouts) -> Self {
        let account = Account::fresh();
        let group = empty_group(&account).await;
        let endpoint = Microburst::shared().endpoint();
        let config = account.config_within(&endpoint, timeouts).await;
        let groups = Elbv2TargetGroups::new(Client::new(&config));
        Self { groups, group, account }
    }

    fn befall(&self, operation: &str, fault: &serde_json::Value) -> Rule {
        Microburst::shared().befall(&self.account, operation, fault)
    }

    async fn register(&self) -> Result<(), CallError> {
        let new = target("10.0.2.10");
        let registered = self.groups.register(&self.group, &[new]).await;
        registered.map(|reply| reply.value)
    }

    /// What is in the group, asked for on a sound wire.
    async fn registered(&self) -> usize {
        let sound = target_groups(&self.account, &Ministack::shared().endpoint()).await;
        let observed = sound.observe(&self.group).await.unwrap().value;
        targets(&observed).len()
    }
}

#[tokio::test]
async fn a_throttled_call_is_tried_three_times_and_then_throttled() {
    let fixture = Fixture::fresh().await;
    let fault = json!({"error": {"code": "ThrottlingException", "message": "Rate exceeded", "status": 400}});
    let rule = fixture.befall("RegisterTargets", &fault);
    let error = fixture.register().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert_eq!(error.code, "ThrottlingException");
    assert_eq!(Microburst::shared().times_fired(&rule), 3);
    assert_eq!(fixture.registered().await, 0);
}

#[tokio::test]
async fn a_call_that_is_throttled_once_succeeds() {
    let fixture = Fixture::fresh().await;
    let fault = json!({"error": {"code": "ThrottlingException", "status": 400}, "times": 1});
    fixture.befall("RegisterTargets", &fault);
    fixture.register().await.unwrap();
    assert_eq!(fixture.registered().await, 1);
}

#[tokio::test]
async fn a_call_without_permission_is_denied_and_not_tried_again() {
    let fixture = Fixture::fresh().await;
    let fault = json!({"error": {"code": "AccessDenied", "status": 403}});
    let rule = fixture.befall("RegisterTargets", &fault);
    let error = fixture.register().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert_eq!(Microburst::shared().times_fired(&rule), 1);
}

#[tokio::test]
async fn a_fault_of_the_service_is_unreachable() {
    let fixture = Fixture::fresh().await;
    let fault = json!({"error": {"code": "ServiceUnavailable", "status": 503}});
    fixture.befall("DescribeTargetHealth", &fault);
    let error = fixture.groups.observe(&fixture.group).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(error.code, "ServiceUnavailable");
}

#[tokio::test]
async fn a_connection_that_is_reset_every_time_is_unreachable() {
    let fixture = Fixture::fresh().await;
    let rule = fixture.befall("RegisterTargets", &json!({"reset": true}));
    let error = fixture.register().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(error.request_id, None);
    assert!(Microburst::shared().times_fired(&rule) > 1, "the SDK tries again");
}

#[tokio::test]
async fn a_call_that_hangs_is_tried_again_and_unreachable_within_its_limit() {
    // Two attempts and their backoff fit, as they do with the real limits.
    let hasty = Timeouts {
        connect: Duration::from_millis(500),
        attempt: Duration::from_millis(800),
        operation: Duration::from_secs(2),
    };
    let fixture = Fixture::within(hasty).await;
    let rule = fixture.befall("RegisterTargets", &json!({"timeout_ms": 60_000}));
    let error = tokio::time::timeout(CALL_TIMEOUT, fixture.register())
        .await
        .expect("the operation's own limit ends it")
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(Microburst::shared().times_fired(&rule) >= 2);
}

#[tokio::test]
async fn an_endpoint_that_nobody_listens_on_is_unreachable_and_says_why() {
    // The port of a listener that is gone again.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let groups = target_groups(&Account::fresh(), &endpoint).await;
    let error = groups.observe(&group(NOWHERE)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_reply_that_is_lost_is_unreachable_though_the_call_took_effect() {
    let fixture = Fixture::fresh().await;
    fixture.befall("RegisterTargets", &json!({"response": {"abort_bytes": 0}}));
    let error = fixture.register().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(fixture.registered().await, 1, "so the group has to be observed again");
}
