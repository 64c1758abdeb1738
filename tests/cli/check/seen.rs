//! An installation without fault, as values; each test breaks one thing of it.

use std::collections::BTreeMap;
use std::time::Duration;

use writerlink::config;
use writerlink::config::{CONFIG_TEXT_VARIABLE, Config};
use writerlink::preflight::{CheckStatus, Finding, judge};
use writerlink_core::actuation::relay::{RelayName, RelayReport};
use writerlink_core::actuation::weights::{Weight, Weights};
use writerlink_core::evidence::discovery::SourceReports;
use writerlink_core::model::names::{InstanceId, TargetGroupArn};
use writerlink_core::model::route::{Route, Strategy};
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::chain_end::ChainEnd;
use writerlink_engine::ports::installation::{
    BalancerFacts, ClockReading, DeadLetters, DescribedGroup, DescribedTable, Encryption, Environment, Facts,
    GroupFacts, Identity, IndexFacts, MemberFacts, QueueFacts, Redrive, Right, RouteFacts, RouteGroup,
    RuleFacts, RuleTarget, Switch, TableFacts, Unseen,
};
use writerlink_engine::ports::{CallError, ErrorKind};
use writerlink_engine::schema;
use writerlink_engine::schema::{Keys, Table};

const SWAPS: &str = r#"
[[route]]
name = "orders"
source = "orders"
target_group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067"
[route.instances]
orders-1 = "10.0.1.10"
orders-2 = "10.0.2.10"
"#;

const WEIGHS: &str = r#"
[[route]]
name = "orders"
source = "orders"
strategy = "weighted"
listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/orders/50dc6c495c0c9188/f2f7dc8efc522ab2"
[route.target_groups]
orders-1 = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders-1/73e2d6bc24d8a067"
orders-2 = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders-2/6d0ecf831eec9f09"
[route.instances]
orders-1 = "10.0.1.10"
orders-2 = "10.0.2.10"
"#;

const RELAYS: &str = r#"
[relay]
alive_port = 8080
[[route]]
name = "orders"
source = "orders"
strategy = "relay"
target_group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067"
[route.relay]
listen = 13306
[route.instances]
orders-1 = "10.0.1.10"
orders-2 = "10.0.2.10"
"#;

pub(crate) const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:writerlink.fifo";
pub(crate) const BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/orders/50dc6c495c0c9188";
pub(crate) const TERMINATION: &str = "deregistration_delay.connection_termination.enabled";
/// Where the relays of [`Case::relayed`] are, and their port of the route.
pub(crate) const RELAY_IPS: [&str; 2] = ["10.0.8.4", "10.0.9.4"];
pub(crate) const LISTEN: u16 = 13_306;
pub(crate) const DELAY: &str = "deregistration_delay.timeout_seconds";
pub(crate) const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";

/// What was seen, and by which configuration it is judged.
pub(crate) struct Case {
    pub(crate) facts: Facts,
    pub(crate) config: Config,
}

impl Case {
    /// A route that swaps, and nothing to complain of.
    pub(crate) fn good() -> Self {
        Self::of(SWAPS)
    }

    /// The same with a line in the route's part of the configuration.
    pub(crate) fn with(line: &str) -> Self {
        Self::of(&SWAPS.replace("[[route]]\n", &format!("[[route]]\n{line}\n")))
    }

    /// The same for another cluster.
    pub(crate) fn following(source: &str) -> Self {
        Self::of(&SWAPS.replace("source = \"orders\"", &format!("source = \"{source}\"")))
    }

    /// The first with its target group in another partition.
    pub(crate) fn in_china() -> Self {
        Self::of(&SWAPS.replace("arn:aws:", "arn:aws-cn:"))
    }

    /// A weighted route, and nothing to complain of.
    pub(crate) fn weighted() -> Self {
        Self::of(WEIGHS)
    }

    /// A relay route whose two relays are registered and report, and nothing to complain of.
    pub(crate) fn relayed() -> Self {
        let mut case = Self::of(RELAYS);
        let at = case.facts.at;
        "8080".clone_into(&mut case.group().health_port);
        case.route().groups[0].observed = Ok(RELAY_IPS.map(|ip| registered(ip, LISTEN)).into());
        let report = |name| RelayReport {
            relay: RelayName::new(name).unwrap(),
            at,
            asked_at: Some(at),
            routes: BTreeMap::new(),
        };
        case.route().relays = Some(Ok(["relay-a", "relay-b"].map(report).into()));
        case
    }

    pub(crate) fn of(text: &str) -> Self {
        let env = |name: &str| (name == CONFIG_TEXT_VARIABLE).then(|| text.to_owned());
        let config = config::read(None, &env).unwrap().config;
        let routes = config.routes.iter().map(route).collect();
        let facts = Facts {
            at: Timestamp::from_millis(1_764_500_000_000),
            environment: Environment { endpoints: Vec::new(), region: Some("us-east-1".to_owned()) },
            identity: identity(),
            rights: rights(),
            queue: Ok(queue()),
            rules: Ok(vec![Ok(rule())]),
            state: table(&schema::STATE),
            audit: table(&schema::AUDIT),
            routes,
        };
        Self { facts, config }
    }

    pub(crate) fn route(&mut self) -> &mut RouteFacts {
        &mut self.facts.routes[0]
    }

    pub(crate) fn queue(&mut self) -> &mut QueueFacts {
        self.facts.queue.as_mut().unwrap()
    }

    pub(crate) fn rule(&mut self) -> &mut RuleFacts {
        self.facts.rules.as_mut().unwrap()[0].as_mut().unwrap()
    }

    pub(crate) fn group(&mut self) -> &mut DescribedGroup {
        self.route().groups[0].facts.described.as_mut().unwrap()
    }

    pub(crate) fn attribute(&mut self, key: &str, value: &str) {
        let attributes = &mut self.route().groups[0].facts.attributes;
        let attributes = attributes.as_mut().unwrap();
        attributes.insert(key.to_owned(), value.to_owned());
    }

    pub(crate) fn balancer(&mut self) -> &mut BalancerFacts {
        let balancer = self.route().balancers.get_mut(BALANCER).unwrap();
        balancer.as_mut().unwrap()
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        judge(&self.facts, &self.config)
    }

    /// The lines of this name, the worst first.
    pub(crate) fn lines(&self, what: &str) -> Vec<Finding> {
        let mut lines = self.findings();
        lines.retain(|finding| finding.check.what == what);
        lines.sort_by_key(|line| CheckStatus::ALL.iter().position(|v| *v == line.verdict));
        lines
    }

    /// What came of the check of this name, by the worst of its lines. One that is not right says what to do.
    #[track_caller]
    pub(crate) fn says(&self, what: &str) -> CheckStatus {
        let lines = self.lines(what);
        let Some(line) = lines.first() else { panic!("no line of {what}") };
        let told = matches!(line.verdict, CheckStatus::Pass | CheckStatus::Skipped);
        assert!(told || line.remedy.is_some(), "{line:?} has no remedy");
        line.verdict
    }

    /// What it says was found.
    pub(crate) fn why(&self, what: &str) -> String {
        self.lines(what)[0].why.clone()
    }
}

pub(crate) fn unseen(kind: ErrorKind) -> Unseen {
    Unseen::Refused(error(kind))
}

pub(crate) fn error(kind: ErrorKind) -> CallError {
    CallError { call: "Call", kind, code: "Code".to_owned(), message: "said so".to_owned(), request_id: None }
}

pub(crate) fn instance(name: &str) -> InstanceId {
    InstanceId::new(name).unwrap()
}

fn identity() -> Identity {
    let now = Timestamp::parse("2026-05-06T12:00:00Z").unwrap();
    Identity {
        arn: Ok("arn:aws:sts::123456789012:assumed-role/writerlink-operator-us-east-1/ada".to_owned()),
        clock: Ok(ClockReading { before: now, said: now, after: now.plus(Duration::from_millis(200)) }),
    }
}

fn rights() -> Vec<(Right, Result<(), Unseen>)> {
    let mut rights: Vec<_> = [
        Right::ReadState,
        Right::ReadAudit,
        Right::ReadAuditByDay,
        Right::ReadAuditByEvent,
        Right::UpdateState,
        Right::InsertState,
        Right::AppendAudit,
    ]
    .map(|right| (right, Ok(())))
    .into();
    rights.push((Right::ChangeAudit, Err(unseen(ErrorKind::Denied))));
    rights
}

fn queue() -> QueueFacts {
    let policy = serde_json::json!({"Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
    }]});
    QueueFacts {
        arn: QUEUE.to_owned(),
        fifo: true,
        content_based_deduplication: true,
        visibility: Some(Duration::from_secs(30)),
        redrive: Some(Redrive {
            dead_letters: "arn:aws:sqs:us-east-1:123456789012:writerlink-dlq.fifo".to_owned(),
            receives_max: 1000,
            seen: Ok(DeadLetters { fifo: true, messages: 0 }),
        }),
        encryption: Ok(Encryption::Kms("arn:aws:kms:us-east-1:123456789012:key/k".to_owned())),
        policy: Ok(Some(policy.to_string())),
    }
}

/// The rule of infra/route.yaml.
fn rule() -> RuleFacts {
    let ids: Vec<String> =
        [69, 70, 71, 72, 73, 13, 15, 49, 50, 51, 65].map(|id| format!("RDS-EVENT-{id:04}")).into();
    let pattern = serde_json::json!({
        "source": ["aws.rds", "writerlink.drill"],
        "detail-type": ["RDS DB Cluster Event", "RDS DB Instance Event"],
        "detail": {
            "SourceArn": [
                "arn:aws:rds:us-east-1:123456789012:cluster:orders",
                "arn:aws:rds:us-east-1:123456789012:db:orders",
            ],
            "EventID": ids,
        },
    });
    RuleFacts {
        name: "writerlink-orders".to_owned(),
        arn: Some("arn:aws:events:us-east-1:123456789012:rule/writerlink-orders".to_owned()),
        state: "ENABLED".to_owned(),
        pattern: Some(pattern.to_string()),
        targets: vec![RuleTarget {
            message_group: Some("orders".to_owned()),
            dead_letters: Some("arn:aws:sqs:us-east-1:123456789012:writerlink-orders-rule-dlq".to_owned()),
            role: None,
            reshaped_by: None,
        }],
    }
}

fn keys(keys: &Keys) -> Vec<(String, String)> {
    keys.attributes().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

fn table(wanted: &Table) -> TableFacts {
    let index = |(name, of): &(&str, Keys)| {
        let facts = IndexFacts { keys: keys(of), projection: "ALL".to_owned() };
        ((*name).to_owned(), facts)
    };
    TableFacts {
        described: Ok(DescribedTable {
            status: "ACTIVE".to_owned(),
            keys: keys(&wanted.keys),
            indexes: wanted.indexes.iter().map(index).collect(),
            deletion_protection: Switch::On,
            replicas: [].into(),
            consistency: None,
        }),
        recovery: Ok(Switch::On),
        expiry: Ok(wanted.expiry.map(str::to_owned)),
    }
}

fn route(route: &Route) -> RouteFacts {
    let members = ["orders-1", "orders-2"].into_iter().zip([1, 2]);
    let members = members.map(|(name, n)| MemberFacts {
        instance: instance(name),
        zone: Some(format!("us-east-1{}", ["a", "b"][n - 1])),
        vpc: Some("vpc-1".to_owned()),
        address: Ok(format!("10.0.{n}.10").parse().unwrap()),
    });
    let groups = match &route.strategy {
        Strategy::Swap | Strategy::Relay(_) => vec![group(None, &route.group.arn, "10.0.1.10")],
        Strategy::Weighted(weighted) => weighted
            .groups
            .iter()
            .map(|(instance, of)| {
                let ip = route.instances[instance].to_string();
                group(Some(instance), &of.arn, &ip)
            })
            .collect(),
    };
    RouteFacts {
        weights: match &route.strategy {
            Strategy::Swap | Strategy::Relay(_) => None,
            Strategy::Weighted(_) => Some(Ok(weights(&groups))),
        },
        groups,
        listener_rules: match &route.strategy {
            Strategy::Swap | Strategy::Relay(_) => None,
            Strategy::Weighted(_) => Some(Ok(Vec::new())),
        },
        balancers: [(BALANCER.to_owned(), Ok(balancer()))].into(),
        members: Ok(members.collect()),
        vpc_networking: Ok(Switch::On),
        addresses: route.instances.iter().map(|(instance, ip)| (instance.clone(), Ok(Some(*ip)))).collect(),
        reading: SourceReports::default(),
        names: Ok(Vec::new()),
        sql: None,
        relays: matches!(route.strategy, Strategy::Relay(_)).then(|| Ok(Vec::new())),
        chain_end: Ok(Some(ChainEnd::Matches)),
        route: route.clone(),
    }
}

/// All of it for the first.
fn weights(groups: &[RouteGroup]) -> Weights {
    let mut weights = Weights::default();
    for (n, group) in groups.iter().enumerate() {
        let weight = if n == 0 { Weight::WHOLE } else { Weight::NONE };
        weights.groups.insert(group.arn.clone(), weight);
    }
    weights
}

/// The group of infra/privatelink.yaml, but checked on the database's own port.
fn group(instance: Option<&InstanceId>, arn: &TargetGroupArn, ip: &str) -> RouteGroup {
    let attributes = [
        (DELAY, "0"),
        (TERMINATION, "true"),
        ("target_health_state.unhealthy.connection_termination.enabled", "false"),
        (CROSS_ZONE, "true"),
        ("preserve_client_ip.enabled", "false"),
        ("proxy_protocol_v2.enabled", "false"),
    ];
    RouteGroup {
        instance: instance.cloned(),
        arn: arn.clone(),
        facts: GroupFacts {
            described: Ok(DescribedGroup {
                target_type: "ip".to_owned(),
                protocol: "TCP".to_owned(),
                port: Some(3306),
                family: "ipv4".to_owned(),
                vpc: Some("vpc-1".to_owned()),
                health_port: "traffic-port".to_owned(),
                health_protocol: "TCP".to_owned(),
                health_interval: Some(Duration::from_secs(30)),
                balancers: vec![BALANCER.to_owned()],
            }),
            attributes: Ok(attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        },
        observed: Ok(vec![registered(ip, 3306)]),
    }
}

pub(crate) fn registered(ip: &str, port: u16) -> ObservedTarget {
    let target = Target { ip: ip.parse().unwrap(), port };
    ObservedTarget { target, health: TargetHealth::Healthy, reason: None, availability_zone: None }
}

fn balancer() -> BalancerFacts {
    BalancerFacts {
        kind: "network".to_owned(),
        zones: ["us-east-1a", "us-east-1b"].map(str::to_owned).into(),
        security_groups: vec!["sg-1".to_owned()],
        inbound_rules_on_private_link: Some(Switch::Off),
        attributes: Ok([(CROSS_ZONE.to_owned(), "true".to_owned())].into()),
    }
}

#[test]
fn an_installation_as_the_templates_make_it_has_nothing_to_complain_of() {
    for case in [Case::good(), Case::weighted()] {
        let mut findings = case.findings();
        findings.retain(|line| !matches!(line.verdict, CheckStatus::Pass | CheckStatus::Skipped));
        assert_eq!(findings, []);
    }
}

#[test]
fn what_cannot_be_read_is_unclear_and_what_does_not_exist_fails() {
    for (kind, verdict) in [
        (ErrorKind::Denied, CheckStatus::Unknown),
        (ErrorKind::Throttled, CheckStatus::Unknown),
        (ErrorKind::Unreachable, CheckStatus::Unknown),
        (ErrorKind::Invalid, CheckStatus::Unknown),
        (ErrorKind::Missing, CheckStatus::Fail),
    ] {
        let mut case = Case::good();
        case.facts.queue = Err(unseen(kind));
        assert_eq!(case.says("is there"), verdict, "{kind:?}");
        let mut case = Case::good();
        case.facts.audit.described = Err(unseen(kind));
        assert_eq!(case.says("is there"), verdict, "{kind:?}");
        let mut case = Case::good();
        case.route().groups[0].facts.described = Err(unseen(kind));
        assert_eq!(case.says("target group"), verdict, "{kind:?}");
    }
}

#[test]
fn a_line_about_how_aws_behaves_names_the_page_that_says_so() {
    let named = |what: &str| Case::good().lines(what)[0].check.source.is_some();
    for what in [
        "content-based deduplication",
        "dead-letter queue",
        "message group",
        "connection termination",
        "cross-zone",
        "point-in-time recovery",
        "endpoints",
    ] {
        assert!(named(what), "{what}");
    }
}

/// The table has a column for them.
#[test]
fn what_is_checked_is_said_in_a_few_words() {
    for line in Case::good().findings().iter().chain(&Case::weighted().findings()) {
        let what = line.check.what;
        assert!(what.chars().count() <= 27, "{what}");
    }
}
