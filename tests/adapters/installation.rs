//! What `check` asks of AWS: ministack for queue, rules and tables, a script in AWS's own words for what it does not have.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::{DeadLetterConfig, RuleState, SqsParameters, Target};
use writerlink_aws::dns::names::Names;
use writerlink_aws::dynamodb::{TableNames, create_tables};
use writerlink_aws::installation::{AwsInstallation, What};
use writerlink_aws::setup;
use writerlink_core::model::names::TargetGroupArn;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{
    BalancerFacts, DeadLetters, Encryption, Installation, Right, RuleTarget, Switch, Unseen,
};
use writerlink_engine::schema;
use writerlink_engine::system_clock::SystemClock;

use super::dns;
use super::elbv2::NOWHERE;
use super::sqs::NAME;
use crate::support::Account;
use crate::support::dns::NameServer;
use crate::support::ministack::Ministack;
use crate::support::stub::{Answer, Stub};

const BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/db/50dc6c495c0c9188";

const WRITES: [Right; 4] = [Right::UpdateState, Right::InsertState, Right::AppendAudit, Right::ChangeAudit];

pub(crate) fn of(sdk: &SdkConfig, names: Option<Names>) -> AwsInstallation {
    let what = What { queue: NAME.to_owned(), tables: TableNames::default(), endpoints: Vec::new() };
    AwsInstallation::new(sdk, what, names, Arc::new(SystemClock::start()))
}

async fn on_ministack() -> (AwsInstallation, SdkConfig) {
    let sdk = Account::fresh().config(&Ministack::shared().endpoint()).await;
    (of(&sdk, None), sdk)
}

async fn on(stub: &Stub) -> AwsInstallation {
    of(&Account::fresh().config(&stub.endpoint()).await, None)
}

fn refused<T: std::fmt::Debug>(seen: Result<T, Unseen>) -> ErrorKind {
    match seen {
        Err(Unseen::Refused(error)) => error.kind,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_queue_of_setup_is_read_as_it_is_made() {
    let (installation, sdk) = on_ministack().await;
    assert_eq!(refused(installation.queue().await), ErrorKind::Missing);
    let client = aws_sdk_sqs::Client::new(&sdk);
    let made = setup::ensure_queues(&client, NAME).await.unwrap();
    let queue = installation.queue().await.unwrap();
    assert!(queue.fifo && queue.content_based_deduplication);
    assert_eq!(queue.visibility, Some(setup::VISIBILITY));
    assert!(queue.arn.ends_with(NAME), "{}", queue.arn);
    assert_eq!(queue.encryption, Ok(Encryption::Nothing));
    assert_eq!(queue.policy, Ok(None));
    let redrive = queue.redrive.unwrap();
    assert_eq!(redrive.receives_max, setup::RECEIVES_MAX);
    let letters = |messages| Ok(DeadLetters { fifo: true, messages });
    assert_eq!(redrive.seen, letters(0));
    let letter = client.send_message().queue_url(made.dead_letter_url);
    letter.message_group_id("db").message_body("x").send().await.unwrap();
    let redrive = installation.queue().await.unwrap().redrive.unwrap();
    assert_eq!(redrive.seen, letters(1));
}

#[tokio::test]
async fn a_queue_under_a_key_and_with_a_policy_says_so() {
    let attributes = r#"{"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:1:q.fifo", "KmsMasterKeyId": "alias/aws/sqs",
        "Policy": "{}", "VisibilityTimeout": "20"}}"#;
    let stub = Stub::scripted(vec![
        ("QueueName", Answer::sqs(r#"{"QueueUrl": "http://127.0.0.1/1/q.fifo"}"#)),
        ("QueueUrl", Answer::sqs(attributes)),
    ]);
    let queue = on(&stub).await.queue().await.unwrap();
    assert!(!queue.fifo && !queue.content_based_deduplication);
    assert_eq!(queue.redrive, None);
    assert_eq!(queue.encryption, Ok(Encryption::Kms("alias/aws/sqs".to_owned())));
    assert_eq!(queue.policy, Ok(Some("{}".to_owned())));
}

#[tokio::test]
async fn a_queue_under_sqss_own_key_is_told_from_one_under_none() {
    let attributes =
        r#"{"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:1:q.fifo", "SqsManagedSseEnabled": "true"}}"#;
    let stub = Stub::scripted(vec![
        ("QueueName", Answer::sqs(r#"{"QueueUrl": "http://127.0.0.1/1/q.fifo"}"#)),
        ("QueueUrl", Answer::sqs(attributes)),
    ]);
    let queue = on(&stub).await.queue().await.unwrap();
    assert_eq!(queue.encryption, Ok(Encryption::Sqs));
}

#[tokio::test]
async fn rules_are_found_by_the_queue_and_only_their_target_for_it_is_kept() {
    let (installation, sdk) = on_ministack().await;
    let queue = "arn:aws:sqs:us-east-1:123456789012:failovers.fifo";
    let client = aws_sdk_eventbridge::Client::new(&sdk);
    let pattern = r#"{"source": ["aws.rds"]}"#;
    let rule = client.put_rule().name("orders").event_pattern(pattern);
    rule.state(RuleState::Disabled).send().await.unwrap();
    let letters = "arn:aws:sqs:us-east-1:123456789012:letters";
    let sqs = SqsParameters::builder().message_group_id("orders").build();
    let target = Target::builder().id("queue").arn(queue).sqs_parameters(sqs);
    let target = target.dead_letter_config(DeadLetterConfig::builder().arn(letters).build());
    let other = Target::builder().id("other").arn(letters).build().unwrap();
    let put = client.put_targets().rule("orders").targets(target.build().unwrap());
    put.targets(other).send().await.unwrap();

    let rules = installation.rules(queue).await.unwrap();
    let [Ok(rule)] = rules.as_slice() else {
        panic!("{rules:?}");
    };
    assert_eq!((rule.name.as_str(), rule.state.as_str()), ("orders", "DISABLED"));
    assert_eq!(rule.pattern.as_deref(), Some(pattern));
    assert!(rule.arn.as_ref().unwrap().ends_with(":rule/orders"));
    let target = RuleTarget {
        message_group: Some("orders".to_owned()),
        dead_letters: Some(letters.to_owned()),
        role: None,
        reshaped_by: None,
    };
    assert_eq!(rule.targets, [target]);
    assert_eq!(installation.rules("arn:aws:sqs:us-east-1:1:none").await, Ok(Vec::new()));
}

#[tokio::test]
async fn every_page_of_rules_is_read_and_a_denied_one_hides_no_other() {
    let target = |more: &str| format!(r#"{{"Targets": [{{"Id": "q", "Arn": "Q", {more}}}]}}"#);
    let stub = Stub::scripted(vec![
        ("NextToken", Answer::sqs(r#"{"RuleNames": ["second"]}"#)),
        ("TargetArn", Answer::sqs(r#"{"RuleNames": ["first"], "NextToken": "t"}"#)),
        ("\"Name\":\"first\"", Answer::sqs(r#"{"Name": "first", "State": "ENABLED"}"#)),
        ("\"Rule\":\"first\"", Answer::sqs(&target(r#""InputPath": "$.detail", "RoleArn": "R""#))),
        ("second", Answer::sqs_error("AccessDeniedException", "AccessDeniedException")),
    ]);
    let rules = on(&stub).await.rules("Q").await.unwrap();
    let [Ok(first), second] = rules.as_slice() else {
        panic!("{rules:?}");
    };
    assert_eq!(first.pattern, None);
    assert_eq!(first.targets[0].reshaped_by, Some("InputPath"));
    assert_eq!(first.targets[0].role.as_deref(), Some("R"));
    assert_eq!(refused(second.clone()), ErrorKind::Denied);
}

#[tokio::test]
async fn the_ledgers_tables_are_read_as_setup_makes_them() {
    let (installation, sdk) = on_ministack().await;
    let names = TableNames::default();
    let missing = installation.table(&names.audit).await;
    assert_eq!(refused(missing.described), ErrorKind::Missing);
    create_tables(&aws_sdk_dynamodb::Client::new(&sdk), &names).await.unwrap();
    for (name, wanted) in [(&names.state, &schema::STATE), (&names.audit, &schema::AUDIT)] {
        let table = installation.table(name).await;
        let described = table.described.unwrap();
        assert_eq!(described.status, "ACTIVE");
        let keys = |of: &[(String, String)]| of.iter().map(|(n, k)| format!("{n} {k}")).collect::<Vec<_>>();
        let wanted_keys =
            |of: &schema::Keys| of.attributes().map(|(n, k)| format!("{n} {k}")).collect::<Vec<_>>();
        assert_eq!(keys(&described.keys), wanted_keys(&wanted.keys));
        for (index, of) in wanted.indexes {
            let found = &described.indexes[*index];
            assert_eq!((keys(&found.keys), found.projection.as_str()), (wanted_keys(of), "ALL"));
        }
        assert_eq!(described.deletion_protection, Switch::Off);
        assert_eq!(table.recovery, Ok(Switch::Off));
        assert_eq!(table.expiry, Ok(wanted.expiry.map(str::to_owned)));
    }
    let recovery = aws_sdk_dynamodb::types::PointInTimeRecoverySpecification::builder();
    let on = recovery.point_in_time_recovery_enabled(true).build().unwrap();
    let client = aws_sdk_dynamodb::Client::new(&sdk);
    let update = client.update_continuous_backups().table_name(&names.audit);
    update.point_in_time_recovery_specification(on).send().await.unwrap();
    assert_eq!(installation.table(&names.audit).await.recovery, Ok(Switch::On));
}

#[tokio::test]
async fn a_write_that_is_tried_is_refused_and_leaves_nothing_behind() {
    let (installation, sdk) = on_ministack().await;
    let client = aws_sdk_dynamodb::Client::new(&sdk);
    let names = TableNames::default();
    for right in WRITES {
        assert_eq!(refused(installation.may(right).await), ErrorKind::Missing, "{right:?}");
    }
    create_tables(&client, &names).await.unwrap();
    for right in WRITES {
        assert_eq!(installation.may(right).await, Ok(()), "{right:?}");
    }
    for table in [&names.state, &names.audit] {
        let all = client.scan().table_name(table).send().await.unwrap();
        assert_eq!(all.items(), []);
    }
}

#[tokio::test]
async fn a_write_that_is_denied_is_told_from_one_whose_condition_does_not_hold() {
    let denied = Answer::sqs_error("AccessDeniedException", "x");
    let installation = on(&Stub::answering(denied)).await;
    for right in WRITES {
        let said = installation.may(right).await;
        assert_eq!(refused(said), ErrorKind::Denied, "{right:?}");
    }
    let refusal = Answer::sqs_error("ConditionalCheckFailedException", "x");
    let installation = on(&Stub::answering(refusal)).await;
    for right in [Right::UpdateState, Right::ChangeAudit] {
        assert_eq!(installation.may(right).await, Ok(()), "{right:?}");
    }
}

#[tokio::test]
async fn a_cancelled_transaction_proves_the_right_only_if_the_condition_failed() {
    for (reasons, may) in [
        (["None", "ConditionalCheckFailed"], Ok(())),
        (["None", "ConditionalCheckFailedException"], Ok(())),
        (["AccessDenied", "None"], Err(ErrorKind::Denied)),
        (["TransactionConflict", "None"], Err(ErrorKind::Invalid)),
        (["None", "ThrottlingError"], Err(ErrorKind::Invalid)),
    ] {
        let installation = on(&Stub::answering(Answer::cancelled(reasons))).await;
        for right in [Right::InsertState, Right::AppendAudit] {
            let said = installation.may(right).await;
            match may {
                Ok(()) => assert_eq!(said, Ok(()), "{reasons:?}"),
                Err(kind) => assert_eq!(refused(said), kind, "{reasons:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_engine_that_does_not_know_conditions_is_no_dynamodb() {
    let installation = on(&Stub::answering(Answer::sqs("{}"))).await;
    for right in WRITES {
        assert_eq!(refused(installation.may(right).await), ErrorKind::Invalid, "{right:?}");
    }
}

/// In the words of the API reference's examples.
fn elbv2() -> Stub {
    let group = format!(
        "<TargetGroups><member><TargetGroupArn>{NOWHERE}</TargetGroupArn><Protocol>TCP</Protocol><Port>3306</Port><VpcId>vpc-1</VpcId>\
         <TargetType>ip</TargetType><IpAddressType>ipv6</IpAddressType><HealthCheckProtocol>TCP</HealthCheckProtocol>\
         <HealthCheckPort>40000</HealthCheckPort><HealthCheckIntervalSeconds>30</HealthCheckIntervalSeconds>\
         <LoadBalancerArns><member>{BALANCER}</member></LoadBalancerArns></member></TargetGroups>"
    );
    let attribute = |key: &str, value: &str| {
        format!("<Attributes><member><Key>{key}</Key><Value>{value}</Value></member></Attributes>")
    };
    let zone = |name: &str| format!("<member><ZoneName>{name}</ZoneName><SubnetId>s</SubnetId></member>");
    let balancer = format!(
        "<LoadBalancers><member><LoadBalancerArn>{BALANCER}</LoadBalancerArn><Type>network</Type>\
         <SecurityGroups><member>sg-1</member></SecurityGroups>\
         <EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>on</EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>\
         <AvailabilityZones>{}{}</AvailabilityZones></member></LoadBalancers>",
        zone("us-east-1a"),
        zone("us-east-1b"),
    );
    let answer = |call: &str, result: &str| Answer::elbv2(call, result);
    let of_group = attribute("deregistration_delay.timeout_seconds", "0");
    let of_balancer = attribute("load_balancing.cross_zone.enabled", "true");
    Stub::scripted(vec![
        ("Action=DescribeTargetGroupAttributes", answer("DescribeTargetGroupAttributes", &of_group)),
        ("Action=DescribeTargetGroups", answer("DescribeTargetGroups", &group)),
        ("Action=DescribeLoadBalancerAttributes", answer("DescribeLoadBalancerAttributes", &of_balancer)),
        ("Action=DescribeLoadBalancers", answer("DescribeLoadBalancers", &balancer)),
    ])
}

#[tokio::test]
async fn a_group_and_its_load_balancer_are_read_in_awss_own_words() {
    let installation = on(&elbv2()).await;
    let group = installation.group(&TargetGroupArn::new(NOWHERE).unwrap()).await;
    let described = group.described.unwrap();
    assert_eq!(
        (described.target_type.as_str(), described.protocol.as_str(), described.port),
        ("ip", "TCP", Some(3306))
    );
    assert_eq!((described.family.as_str(), described.health_port.as_str()), ("ipv6", "40000"));
    assert_eq!(described.health_protocol, "TCP");
    assert_eq!(described.health_interval, Some(Duration::from_secs(30)));
    assert_eq!(described.balancers, [BALANCER]);
    assert_eq!(described.vpc.as_deref(), Some("vpc-1"));
    let attributes = group.attributes.unwrap();
    assert_eq!(attributes["deregistration_delay.timeout_seconds"], "0");
    let balancer = BalancerFacts {
        kind: "network".to_owned(),
        zones: ["us-east-1a", "us-east-1b"].map(str::to_owned).into(),
        security_groups: vec!["sg-1".to_owned()],
        inbound_rules_on_private_link: Some(Switch::On),
        attributes: Ok([("load_balancing.cross_zone.enabled".to_owned(), "true".to_owned())].into()),
    };
    assert_eq!(installation.balancer(BALANCER).await, Ok(balancer));
}

#[tokio::test]
async fn a_group_that_is_not_there_is_missing() {
    let (installation, _) = on_ministack().await;
    let group = installation.group(&TargetGroupArn::new(NOWHERE).unwrap()).await;
    assert_eq!(refused(group.described), ErrorKind::Missing);
    assert_eq!(refused(installation.balancer(BALANCER).await), ErrorKind::Missing);
}

#[tokio::test]
async fn who_calls_and_what_time_it_is_there_come_from_one_reply() {
    let who = "<Arn>arn:aws:sts::123456789012:assumed-role/Operator/ada</Arn>";
    let reply = Answer::sts("GetCallerIdentity", who);
    let dated = reply.clone().dated("Wed, 06 May 2026 23:07:45 GMT");
    let identity = on(&Stub::answering(dated)).await.identity().await;
    assert!(identity.arn.unwrap().ends_with("Operator/ada"));
    assert_eq!(identity.clock.unwrap().said.to_string(), "2026-05-06T23:07:45.000Z");

    let identity = on(&Stub::answering(reply)).await.identity().await;
    assert!(identity.arn.is_ok());
    assert!(matches!(identity.clock, Err(Unseen::NotHere(_))), "{:?}", identity.clock);
}

#[tokio::test]
async fn a_refusal_of_the_credentials_tells_the_time_too() {
    let refusal = Answer::rds_error(403, "InvalidClientTokenId", "said so");
    let dated = refusal.dated("Wed, 06 May 2026 23:07:45 GMT");
    let identity = on(&Stub::answering(dated)).await.identity().await;
    assert_eq!(refused(identity.arn), ErrorKind::Denied);
    assert!(identity.clock.is_ok());
}

#[tokio::test]
async fn the_instances_of_a_source_come_with_zone_and_resolved_address() {
    let row = |name: &str, zone: &str| {
        format!(
            "<DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus>\
             <AvailabilityZone>{zone}</AvailabilityZone><Endpoint><Address>{}</Address></Endpoint></DBInstance>",
            dns::at_home(name)
        )
    };
    let rows =
        format!("<DBInstances>{}{}</DBInstances>", row("db-2", "us-east-1b"), row("db-1", "us-east-1a"));
    let stub = Stub::answering(Answer::rds("DescribeDBInstances", &rows));
    let server = NameServer::start();
    server.addresses(&dns::at_home("db-1"), &["10.0.1.10"]);
    let sdk = Account::fresh().config(&stub.endpoint()).await;
    let names = dns::names(&server);
    let route = dns::route(&[DiscoverySource::Rds]);

    let members = of(&sdk, Some(names)).members(&route).await.unwrap();
    let seen: Vec<_> =
        members.iter().map(|member| (member.instance.as_str(), member.zone.as_deref())).collect();
    assert_eq!(seen, [("db-1", Some("us-east-1a")), ("db-2", Some("us-east-1b"))]);
    assert_eq!(members[0].address, Ok("10.0.1.10".parse().unwrap()));
    assert_eq!(refused(members[1].address.clone()), ErrorKind::Missing);
    let without = of(&sdk, None).members(&route).await;
    assert!(matches!(without, Err(Unseen::NotHere(_))), "{without:?}");
}
