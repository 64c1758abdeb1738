//! The target groups.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetTypeEnum};
use writerlink_aws::elbv2::Elbv2TargetGroups;
use writerlink_core::actuation::plan::RegisteredProof;
use writerlink_core::model::names::TargetGroupArn;
use writerlink_core::model::route::TargetGroup;
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};
use writerlink_engine::ports::{CallError, ErrorKind, TargetGroups};

use crate::support::Account;
use crate::support::ministack::Ministack;
use crate::support::stub::{Answer, Stub};

pub(crate) const NOWHERE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067";

pub(crate) fn group(arn: &str) -> TargetGroup {
    TargetGroup { arn: TargetGroupArn::new(arn).unwrap(), availability_zone: None }
}

pub(crate) fn target(ip: &str) -> Target {
    Target { ip: ip.parse().unwrap(), port: 3306 }
}

/// An empty target group of type ip, in an account of its own.
pub(crate) async fn empty_group(account: &Account) -> TargetGroup {
    let config = account.config(&Ministack::shared().endpoint()).await;
    let created = Client::new(&config)
        .create_target_group()
        .name("db")
        .protocol(ProtocolEnum::Tcp)
        .port(3306)
        .vpc_id("vpc-1")
        .target_type(TargetTypeEnum::Ip)
        .send()
        .await
        .unwrap();
    group(created.target_groups()[0].target_group_arn().unwrap())
}

pub(crate) async fn target_groups(account: &Account, endpoint: &str) -> Elbv2TargetGroups {
    Elbv2TargetGroups::new(Client::new(&account.config(endpoint).await))
}

pub(crate) fn targets(observed: &[ObservedTarget]) -> Vec<Target> {
    observed.iter().map(|row| row.target).collect()
}

/// The adapter in front of ministack, with an empty group.
async fn fixture() -> (Elbv2TargetGroups, TargetGroup) {
    let account = Account::fresh();
    let group = empty_group(&account).await;
    let groups = target_groups(&account, &Ministack::shared().endpoint()).await;
    (groups, group)
}

#[tokio::test]
async fn what_is_registered_is_observed_until_it_is_deregistered() {
    let (groups, group) = fixture().await;
    let (old, new) = (target("10.0.1.10"), target("10.0.2.10"));
    assert_eq!(groups.observe(&group).await.unwrap().value, []);
    let registered = groups.register(&group, &[old, new]).await.unwrap();
    assert!(registered.request_id.is_some(), "AWS Support asks for it");

    let observed = groups.observe(&group).await.unwrap().value;
    assert_eq!(targets(&observed), [old, new]);
    assert!(observed.iter().all(ObservedTarget::is_registered));

    let present = RegisteredProof::observed(new, &observed).unwrap();
    let leaving: Vec<_> = observed.into_iter().filter(|row| row.target == old).collect();
    groups.deregister(&group, &leaving, &present).await.unwrap();
    let left = groups.observe(&group).await.unwrap().value;
    assert_eq!(targets(&left), [new]);
}

#[tokio::test]
async fn registering_and_deregistering_again_changes_nothing() {
    let (groups, group) = fixture().await;
    let (old, new) = (target("10.0.1.10"), target("10.0.2.10"));
    groups.register(&group, &[old, new]).await.unwrap();
    let observed = groups.observe(&group).await.unwrap().value;
    let present = RegisteredProof::observed(new, &observed).unwrap();
    for _ in 0..2 {
        groups.register(&group, &[new]).await.unwrap();
        groups.deregister(&group, &observed[..1], &present).await.unwrap();
        let left = groups.observe(&group).await.unwrap().value;
        assert_eq!(targets(&left), [new]);
    }
}

#[tokio::test]
async fn the_desired_target_is_never_deregistered() {
    let (groups, group) = fixture().await;
    let desired = target("10.0.2.10");
    groups.register(&group, &[desired]).await.unwrap();
    let observed = groups.observe(&group).await.unwrap().value;
    let present = RegisteredProof::observed(desired, &observed).unwrap();
    let refused = groups.deregister(&group, &observed, &present).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    assert_eq!(refused.code, "DesiredTarget");
    let left = groups.observe(&group).await.unwrap().value;
    assert_eq!(targets(&left), [desired]);
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_missing_whatever_is_asked_of_it() {
    let groups = target_groups(&Account::fresh(), &Ministack::shared().endpoint()).await;
    let (group, new) = (group(NOWHERE), target("10.0.2.10"));
    let old = ObservedTarget {
        target: target("10.0.1.10"),
        health: TargetHealth::Healthy,
        reason: None,
        availability_zone: None,
    };
    let errors = [
        groups.observe(&group).await.unwrap_err(),
        groups.register(&group, &[new]).await.unwrap_err(),
        groups.deregister(&group, &[old], &RegisteredProof::registered(new)).await.unwrap_err(),
    ];
    let calls = ["DescribeTargetHealth", "RegisterTargets", "DeregisterTargets"];
    for (error, call) in errors.iter().zip(calls) {
        assert_eq!((error.call, error.kind), (call, ErrorKind::Missing));
        assert_eq!(error.code, "TargetGroupNotFound");
        assert!(error.request_id.is_some());
    }
}

#[tokio::test]
async fn an_empty_list_of_targets_asks_the_service_nothing() {
    let (groups, stub) = scripted("RegisterTargets", "").await;
    let present = RegisteredProof::registered(target("10.0.2.10"));
    groups.register(&group(NOWHERE), &[]).await.unwrap();
    groups.deregister(&group(NOWHERE), &[], &present).await.unwrap();
    assert_eq!(stub.asked(), Vec::<String>::new());
}

/// The adapter in front of a scripted answer: ministack keeps no zones and no ports, and knows no states.
async fn scripted(call: &str, result: &str) -> (Elbv2TargetGroups, Stub) {
    let stub = Stub::answering(Answer::elbv2(call, result));
    let groups = target_groups(&Account::fresh(), &stub.endpoint()).await;
    (groups, stub)
}

fn row(id: &str, state: &str) -> String {
    format!(
        "<TargetHealthDescriptions><member>\
         <Target><Id>{id}</Id><Port>3306</Port><AvailabilityZone>all</AvailabilityZone></Target>\
         <TargetHealth><State>{state}</State><Reason>Target.NotInUse</Reason></TargetHealth>\
         </member></TargetHealthDescriptions>"
    )
}

#[tokio::test]
async fn a_target_is_registered_in_the_zone_that_the_group_asks_for() {
    let (groups, stub) = scripted("RegisterTargets", "").await;
    let peered = TargetGroup { availability_zone: Some("all".to_owned()), ..group(NOWHERE) };
    let new = target("10.0.2.10");
    groups.register(&peered, &[new]).await.unwrap();
    groups.register(&group(NOWHERE), &[new]).await.unwrap();
    let asked = stub.asked();
    assert!(asked[0].contains("Targets.member.1.AvailabilityZone=all"), "{asked:?}");
    assert!(!asked[1].contains("AvailabilityZone"), "{asked:?}");
    for body in asked {
        assert!(body.contains("Targets.member.1.Id=10.0.2.10&Targets.member.1.Port=3306"), "{body}");
    }
}

#[tokio::test]
async fn a_target_is_deregistered_with_its_port_and_the_zone_that_was_read_back() {
    let (groups, _stub) = scripted("DescribeTargetHealth", &row("10.0.1.10", "unused")).await;
    let observed = groups.observe(&group(NOWHERE)).await.unwrap().value;
    let expected = ObservedTarget {
        target: target("10.0.1.10"),
        health: TargetHealth::Unused,
        reason: Some("Target.NotInUse".to_owned()),
        availability_zone: Some("all".to_owned()),
    };
    assert_eq!(observed, [expected]);

    let (groups, stub) = scripted("DeregisterTargets", "").await;
    let present = RegisteredProof::registered(target("10.0.2.10"));
    groups.deregister(&group(NOWHERE), &observed, &present).await.unwrap();
    let asked = stub.asked();
    for part in ["Id=10.0.1.10", "Port=3306", "AvailabilityZone=all"] {
        assert!(asked[0].contains(&format!("Targets.member.1.{part}")), "{asked:?}");
    }
}

#[tokio::test]
async fn a_health_state_unknown_to_this_version_is_kept_and_counts_registered() {
    let (groups, _stub) = scripted("DescribeTargetHealth", &row("10.0.1.10", "resting")).await;
    let observed = groups.observe(&group(NOWHERE)).await.unwrap().value;
    assert_eq!(observed[0].health, TargetHealth::Other("resting".to_owned()));
    assert!(observed[0].is_registered());
}

#[tokio::test]
async fn a_group_of_instances_is_refused_with_the_type_it_has_to_be() {
    let instance = row("i-0598c7d356eba48d7", "healthy");
    let (groups, _stub) = scripted("DescribeTargetHealth", &instance).await;
    let refused = groups.observe(&group(NOWHERE)).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Invalid, "TargetTypeNotIp"));
    assert!(refused.message.contains("target type ip"), "{refused}");
}

/// The words are AWS's own (aws-load-balancer-controller issues 561 and 3714).
#[tokio::test]
async fn an_address_that_is_refused_is_told_with_what_its_zone_has_to_be() {
    let outside = "The Availability Zone is required for IP address '10.9.0.7' because it is not in the VPC";
    let inside = "The IP address '10.0.2.10' is within the VPC, and cannot have its Availability Zone overridden to 'all'";
    let cases = [
        (None, "ValidationError", outside, "set availability_zone = \"all\""),
        (None, "InvalidTarget", outside, "set availability_zone = \"all\""),
        (Some("all"), "ValidationError", inside, "availability_zone = \"all\", which is right only"),
    ];
    for (zone, code, said, remedy) in cases {
        let refused = refused(zone, code, said).await;
        assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Invalid, code));
        assert!(refused.message.starts_with(said), "{refused}");
        assert!(refused.message.contains(remedy), "{refused}");
    }
    // What is refused for another reason needs another remedy.
    let too_many = refused(None, "TooManyTargets", "too many").await;
    assert_eq!(too_many.message, "too many");
}

async fn refused(zone: Option<&str>, code: &str, said: &str) -> CallError {
    let stub = Stub::answering(Answer::rds_error(400, code, said));
    let groups = target_groups(&Account::fresh(), &stub.endpoint()).await;
    let group = TargetGroup { availability_zone: zone.map(str::to_owned), ..group(NOWHERE) };
    groups.register(&group, &[target("10.9.0.7")]).await.unwrap_err()
}
