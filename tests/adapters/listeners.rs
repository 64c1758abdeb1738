//! The listeners of weighted routes. ministack drops `ForwardConfig` and knows no Network Load Balancer, so weights are
//! shown by a stub in AWS's own words.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use writerlink_aws::listeners::Elbv2Listeners;
use writerlink_core::actuation::weights::{RegisteredIn, Stickiness, Weight, WeightChange, Weights};
use writerlink_core::model::names::{InstanceId, ListenerArn, RouteName};
use writerlink_core::model::policy::Policy;
use writerlink_core::model::route::{OnStarted, Route, Source, Strategy, Weighted};
use writerlink_engine::ports::{ErrorKind, Listeners};

use super::elbv2::{group, target};
use crate::support::Account;
use crate::support::ministack::Ministack;
use crate::support::stub::{Answer, Stub};

const LISTENER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/db/50dc6c495c0c9188/f2f7dc8efc522ab2";
const DB_1: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db-1/73e2d6bc24d8a067";
const DB_2: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db-2/1111111111111111";

fn listener() -> ListenerArn {
    ListenerArn::new(LISTENER).unwrap()
}

async fn listeners(endpoint: &str) -> Elbv2Listeners {
    Elbv2Listeners::new(Client::new(&Account::fresh().config(endpoint).await))
}

/// The adapter in front of a listener with this protocol and these default actions.
async fn standing(protocol: &str, actions: &str) -> (Elbv2Listeners, Stub) {
    let result = format!(
        "<Listeners><member><ListenerArn>{LISTENER}</ListenerArn><Port>3306</Port><Protocol>{protocol}</Protocol>\
         <DefaultActions>{actions}</DefaultActions></member></Listeners>"
    );
    let stub = Stub::scripted(vec![
        ("Action=DescribeListeners", Answer::elbv2("DescribeListeners", &result)),
        ("Action=ModifyListener", Answer::elbv2("ModifyListener", "")),
    ]);
    (listeners(&stub.endpoint()).await, stub)
}

/// A forward action as the API answers it: with stickiness, and `TargetGroupArn` only where there is one group.
fn forward(weights: &[(&str, i32)]) -> String {
    let tuple = |(arn, weight): &(&str, i32)| {
        format!("<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>")
    };
    let tuples: String = weights.iter().map(tuple).collect();
    format!(
        "<member><Type>forward</Type><Order>1</Order><ForwardConfig><TargetGroups>{tuples}</TargetGroups>\
         <TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>3600</DurationSeconds>\
         </TargetGroupStickinessConfig></ForwardConfig></member>"
    )
}

/// A shift to the second of two groups.
fn shift(standing: &Weights) -> WeightChange {
    let own = |name: &str, arn: &str| (InstanceId::new(name).unwrap(), group(arn));
    let weighted = Weighted { listener: listener(), groups: [own("db-1", DB_1), own("db-2", DB_2)].into() };
    let route = Route {
        name: RouteName::new("orders").unwrap(),
        source: Source::Any,
        strategy: Strategy::Weighted(weighted.clone()),
        group: group(DB_1),
        port: 3306,
        instances: BTreeMap::new(),
        allowed_cidrs: Vec::new(),
        exclusive: true,
        on_started: OnStarted::Swap,
        policy: Policy::default(),
    };
    let warm = RegisteredIn::registered(&group(DB_2), target("10.0.2.10"));
    WeightChange::to(&warm, &route, &weighted, standing).unwrap()
}

#[tokio::test]
async fn weights_are_read_and_written_with_everything_else_of_the_action() {
    for protocol in ["TCP", "TLS"] {
        let (listeners, stub) = standing(protocol, &forward(&[(DB_1, 100), (DB_2, 0)])).await;
        let weights = listeners.weights(&listener()).await.unwrap().value;
        assert_eq!(weights.of(&group(DB_1).arn), Some(Weight::WHOLE));
        assert_eq!(weights.of(&group(DB_2).arn), Some(Weight::NONE));
        let hour = Some(Duration::from_hours(1));
        assert_eq!(weights.stickiness, Some(Stickiness::On(hour)));

        listeners.set_weights(&listener(), &shift(&weights)).await.unwrap();
        let asked = stub.asked().pop().unwrap();
        let action = "DefaultActions.member.1";
        let config = format!("{action}.ForwardConfig");
        for part in [
            "Action=ModifyListener".to_owned(),
            format!("{action}.Type=forward"),
            format!("{config}.TargetGroups.member.1.Weight=0"),
            format!("{config}.TargetGroups.member.2.Weight=100"),
            format!("{config}.TargetGroupStickinessConfig.Enabled=true"),
            format!("{config}.TargetGroupStickinessConfig.DurationSeconds=3600"),
        ] {
            assert!(asked.contains(&part), "{part} in {asked}");
        }
        assert!(asked.contains("db-2%2F1111111111111111"), "{asked}");
        assert!(
            !asked.contains(&format!("{action}.TargetGroupArn")),
            "beside weights it may not stand: {asked}"
        );
        assert!(!asked.contains("Port="), "the rest of the listener stays");
    }
}

#[tokio::test]
async fn a_listener_with_one_group_in_the_old_spelling_gives_it_all_weight() {
    let action = format!("<member><Type>forward</Type><TargetGroupArn>{DB_1}</TargetGroupArn></member>");
    let (listeners, _stub) = standing("TCP", &action).await;
    let weights = listeners.weights(&listener()).await.unwrap().value;
    assert_eq!(weights.in_service(), [&group(DB_1).arn].into());
    assert_eq!(weights.stickiness, None);
}

/// ELB's own default (`TargetGroupTuple`, ELB API reference).
#[tokio::test]
async fn a_group_whose_weight_is_not_said_has_weight_one() {
    let actions = forward(&[(DB_1, 0), (DB_2, 1)]).replace("<Weight>1</Weight>", "");
    let (listeners, _stub) = standing("TCP", &actions).await;
    let weights = listeners.weights(&listener()).await.unwrap().value;
    assert_eq!(weights.in_service(), [&group(DB_2).arn].into());
}

#[tokio::test]
async fn a_listener_that_no_route_can_weigh_is_refused_with_what_it_has_to_be() {
    let good = forward(&[(DB_1, 100)]);
    let redirect = "<member><Type>redirect</Type></member>";
    let cases = [
        ("UDP", good.clone(), "ListenerProtocol", "TCP or TLS"),
        ("TCP", redirect.to_owned(), "ListenerActions", "forward"),
        ("TCP", format!("{good}{good}"), "ListenerActions", "needs one"),
        ("TCP", forward(&[(DB_1, 1000)]), "WeightUnreadable", "0 to 999"),
        ("TCP", forward(&[("no-arn", 1)]), "TargetGroupUnreadable", "ARN"),
    ];
    for (protocol, actions, code, remedy) in cases {
        let (listeners, _stub) = standing(protocol, &actions).await;
        let refused = listeners.weights(&listener()).await.unwrap_err();
        assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Invalid, code));
        assert!(refused.message.contains(remedy), "{refused}");
    }
}

#[tokio::test]
async fn a_listener_that_does_not_exist_is_missing_whatever_is_asked_of_it() {
    let listeners = listeners(&Ministack::shared().endpoint()).await;
    let shift = shift(&Weights::default());
    let errors = [
        listeners.weights(&listener()).await.unwrap_err(),
        listeners.set_weights(&listener(), &shift).await.unwrap_err(),
    ];
    for (error, call) in errors.iter().zip(["DescribeListeners", "ModifyListener"]) {
        assert_eq!((error.call, error.kind), (call, ErrorKind::Missing));
        assert_eq!(error.code, "ListenerNotFound");
    }
}
