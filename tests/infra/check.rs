//! `check` of installations on ministack: the templates' own, and some that somebody broke.
//!
//! ministack is at fault, not the templates, where something has to be set by hand here: it leaves out a table's
//! point-in-time recovery and TTL, and makes no private link. Databases are a script: its own are all at `localhost`.

use std::process::Command;

use aws_sdk_dynamodb::types::{PointInTimeRecoverySpecification, TimeToLiveSpecification};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, LoadBalancerAttribute, LoadBalancerTypeEnum, ProtocolEnum, TargetGroupAttribute,
};
use writerlink_aws::dynamodb::TableNames;

use crate::stacks::{ROUTE, Stacks};
use crate::support::ministack::Ministack;
use crate::support::stub::{Answer, Stub};
use crate::trial::{Said, Trial, said};

/// The attributes of infra/privatelink.yaml.
const ATTRIBUTES: [(&str, &str); 6] = [
    ("deregistration_delay.timeout_seconds", "0"),
    ("deregistration_delay.connection_termination.enabled", "true"),
    ("target_health_state.unhealthy.connection_termination.enabled", "false"),
    ("load_balancing.cross_zone.enabled", "true"),
    ("preserve_client_ip.enabled", "false"),
    ("proxy_protocol_v2.enabled", "false"),
];

/// An installation, and what differs from run to run in what is said of it.
struct Installed {
    trial: Trial,
    databases: Stub,
    /// What stands in its place in the snapshot, of the same length.
    changing: Vec<(String, String)>,
}

impl Installed {
    /// By the templates.
    async fn by_the_templates() -> Self {
        let trial = Trial::bare(&[ROUTE]).await;
        let stacks = Stacks::deployed_for(&trial);
        let key = stacks.0["queues"]["writerlink.fifo"]["KmsMasterKeyId"].as_str();
        let key = key.unwrap().rsplit('/').next().unwrap().to_owned();
        let balancer = in_front(&trial).await;
        settle(&trial).await;
        let id = |arn: &str| arn.rsplit('/').next().unwrap().to_owned();
        let changing = vec![
            (key, "12345678-90ab-cdef-1234-567890abcdef".to_owned()),
            (id(&trial.groups[0]), "73e2d6bc24d8a067".to_owned()),
            (id(&balancer), "50dc6c495c0c9188".to_owned()),
        ];
        Self { databases: databases(), trial, changing }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.trial.command(line);
        command.env("AWS_ENDPOINT_URL_RDS", self.databases.endpoint());
        command
    }

    fn says(&self, line: &str) -> Said {
        let said = said(&mut self.command(line));
        let mut out = said.out.replace(self.trial.account().id(), "123456789012");
        let ministack = (Ministack::shared().endpoint(), "http://127.0.0.1:45661".to_owned());
        let rds = (self.databases.endpoint(), "http://127.0.0.1:45662".to_owned());
        for (changing, fixed) in self.changing.iter().chain([&ministack, &rds]) {
            out = out.replace(changing, fixed);
        }
        Said { out, ..said }
    }

    /// The lines that are not right, as `what: verdict`.
    fn complains(&self) -> Vec<String> {
        self.complains_with(&[])
    }

    /// The same with these variables.
    fn complains_with(&self, variables: &[(&str, &str)]) -> Vec<String> {
        let mut command = self.command("check --output json");
        let said = said(command.envs(variables.iter().copied()));
        assert!([0, 1].contains(&said.code), "{}", said.err);
        let rows = said.json()["findings"].as_array().unwrap().clone();
        let reported =
            rows.iter().filter(|row| !["pass", "skipped"].contains(&row["verdict"].as_str().unwrap()));
        reported
            .map(|row| format!("{}: {}", row["what"].as_str().unwrap(), row["verdict"].as_str().unwrap()))
            .collect()
    }
}

/// Two instances in the one zone that ministack has, of which nobody says where they are.
fn databases() -> Stub {
    let row = |n: u32, zone: &str| {
        format!(
            "<DBInstance><DBInstanceIdentifier>{ROUTE}-instance-{n}</DBInstanceIdentifier>\
             <DBInstanceStatus>available</DBInstanceStatus><AvailabilityZone>{zone}</AvailabilityZone></DBInstance>"
        )
    };
    let rows = format!("<DBInstances>{}{}</DBInstances>", row(1, "us-east-1a"), row(2, "us-east-1a"));
    let cluster = format!(
        "<DBClusters><DBCluster><DBClusterIdentifier>{ROUTE}</DBClusterIdentifier></DBCluster></DBClusters>"
    );
    Stub::scripted(vec![
        ("Action=DescribeDBClusters", Answer::rds("DescribeDBClusters", &cluster)),
        ("", Answer::rds("DescribeDBInstances", &rows)),
    ])
}

/// A load balancer, and a listener that forwards to the trial's group.
pub(crate) async fn in_front(trial: &Trial) -> String {
    let client = trial.elbv2();
    let made = client
        .create_load_balancer()
        .name("orders")
        .r#type(LoadBalancerTypeEnum::Network)
        .subnets("subnet-12345678")
        .subnets("subnet-87654321")
        .send()
        .await
        .unwrap();
    let balancer = made.load_balancers()[0].load_balancer_arn().unwrap().to_owned();
    let cross_zone =
        LoadBalancerAttribute::builder().key("load_balancing.cross_zone.enabled").value("true").build();
    let modify = client.modify_load_balancer_attributes().load_balancer_arn(&balancer);
    modify.attributes(cross_zone).send().await.unwrap();
    let forward =
        Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&trial.groups[0]).build();
    let listener = client.create_listener().load_balancer_arn(&balancer);
    let listener = listener.protocol(ProtocolEnum::Tcp).port(3306);
    listener.default_actions(forward).send().await.unwrap();
    for (key, value) in ATTRIBUTES {
        set(trial, key, value).await;
    }
    let modify = client.modify_target_group().target_group_arn(&trial.groups[0]);
    let modify = modify.health_check_protocol(ProtocolEnum::Tcp);
    modify.send().await.unwrap();
    balancer
}

async fn set(trial: &Trial, key: &str, value: &str) {
    let attribute = TargetGroupAttribute::builder().key(key).value(value).build();
    let client = trial.elbv2();
    let modify = client.modify_target_group_attributes();
    let modify = modify.target_group_arn(&trial.groups[0]);
    modify.attributes(attribute).send().await.unwrap();
}

/// What the templates say of the tables and ministack leaves out.
async fn settle(trial: &Trial) {
    let names = TableNames::default();
    let client = trial.dynamodb();
    for table in [&names.state, &names.audit] {
        recovery(trial, table, true).await;
    }
    let expiry = TimeToLiveSpecification::builder().attribute_name("expires_at");
    let update = client.update_time_to_live().table_name(&names.state);
    let update = update.time_to_live_specification(expiry.enabled(true).build().unwrap());
    update.send().await.unwrap();
}

async fn recovery(trial: &Trial, table: &str, on: bool) {
    let recovery = PointInTimeRecoverySpecification::builder();
    let recovery = recovery.point_in_time_recovery_enabled(on).build().unwrap();
    let client = trial.dynamodb();
    let update = client.update_continuous_backups().table_name(table);
    update.point_in_time_recovery_specification(recovery).send().await.unwrap();
}

#[tokio::test]
async fn an_installation_by_the_templates_passes_but_for_the_emulator() {
    let installed = Installed::by_the_templates().await;
    let said = installed.says("check --verbose");
    insta::assert_snapshot!(said.out);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[tokio::test]
async fn what_is_broken_is_reported_with_its_fix() {
    let installed = Installed::by_the_templates().await;
    let trial = &installed.trial;
    // ministack has no IAM, so every caller could change a record; and no name server resolves its databases.
    let on_ministack = ["endpoints: warn", "may change no record: warn", "instances: unknown"];
    assert_eq!(installed.complains(), on_ministack);
    let disable = trial.events().disable_rule().name(format!("writerlink-{ROUTE}")).send();
    disable.await.unwrap();
    set(trial, "deregistration_delay.connection_termination.enabled", "false").await;
    recovery(trial, &TableNames::default().audit, false).await;
    let broken = [
        "endpoints: warn",
        "may change no record: warn",
        "point-in-time recovery: warn",
        "rule: fail",
        "instances: unknown",
        "connection termination: fail",
    ];
    assert_eq!(installed.complains(), broken);
    let said = installed.says("check");
    assert_eq!(said.code, 1);
    let failures = said.out.strip_prefix("fail ").unwrap();
    let (failures, _) = failures.split_once("\nwarn ").unwrap();
    insta::assert_snapshot!(failures, @r#"
    route aurora-source: rule
      why:     writerlink-aurora-source is disabled: no event arrives
      fix:     aws events enable-rule --name writerlink-aurora-source
      source:  EventBridge user guide, "Creating Amazon EventBridge event patterns"

    fail route aurora-source: connection termination
      why:     off: sessions stay on the demoted writer and read stale data, while everything looks
               healthy
      fix:     set deregistration_delay.connection_termination.enabled of the group to true
      source:  Network Load Balancer guide, "Edit target group attributes", connection termination on
               deregistration
    "#);
}

#[tokio::test]
async fn after_setup_alone_the_missing_path_of_events_fails() {
    let trial = Trial::ready().await;
    let installed = Installed { trial, databases: databases(), changing: Vec::new() };
    assert_eq!(installed.says("check").code, 1);
    insta::assert_snapshot!(installed.complains().join("\n"), @r#"
    endpoints: warn
    may change no record: warn
    policy: fail
    deletion protection: warn
    point-in-time recovery: warn
    deletion protection: warn
    point-in-time recovery: warn
    rule: fail
    instances: unknown
    in use: fail
    health checks: warn
    connection termination: fail
    deregistration delay: warn
    "#);
}

#[tokio::test]
async fn before_setup_missing_resources_fail_without_further_lines() {
    let installed =
        Installed { trial: Trial::bare(&[ROUTE]).await, databases: databases(), changing: Vec::new() };
    let complaints = installed.complains();
    assert_eq!(complaints.iter().filter(|line| *line == "is there: fail").count(), 3, "{complaints:?}");
    assert!(!complaints.iter().any(|line| line.starts_with("keys")), "{complaints:?}");
}

#[tokio::test]
async fn if_nothing_answers_one_line_fails_and_the_others_refer_to_it() {
    let installed = Installed::by_the_templates().await;
    // The discard port, where nothing listens.
    let nowhere = "http://127.0.0.1:9";
    let complaints = installed.complains_with(&[
        ("AWS_ENDPOINT_URL", nowhere),
        ("AWS_ENDPOINT_URL_RDS", nowhere),
        ("AWS_MAX_ATTEMPTS", "1"),
    ]);
    assert_eq!(complaints, ["endpoints: warn", "identity: fail"]);
}

#[tokio::test]
async fn in_the_wrong_region_only_the_region_fails() {
    let installed =
        Installed { trial: Trial::bare(&[ROUTE]).await, databases: databases(), changing: Vec::new() };
    let complaints = installed.complains_with(&[("AWS_REGION", "eu-west-1")]);
    assert_eq!(complaints, ["Region: fail"], "nothing else is read");
}
