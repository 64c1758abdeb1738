use super::*;
use crate::domain::identity::SourceArn;
use crate::domain::lease::LEASE_DURATION;
use crate::domain::policy::{Database, MapCheck, Mode, Policy, Role, ServingWhen};
use crate::domain::provenance::ConfigHash;
use crate::domain::route::{InstanceId, OnStarted, Source, SourceId, Strategy};
use crate::domain::truth::Witness;

const ARN_A: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/73e2d6bc24d8a067";
const ARN_B: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/b/1111111111111111";

fn file(text: &str) -> Result<Loaded, ConfigError> {
    file_with(text, &[])
}

fn file_with(text: &str, pairs: &[(&'static str, &'static str)]) -> Result<Loaded, ConfigError> {
    let env = |name: &str| {
        let pair = pairs.iter().find(|(known, _)| *known == name);
        pair.map(|(_, value)| (*value).to_owned())
    };
    file::parse(Path::new("w.toml"), text, &env)
}

fn route(lines: &str) -> String {
    format!("[[route]]\ntarget_group = \"{ARN_A}\"\n{lines}")
}

const INSTANCES: &str = "[route.instances]\ndb-1 = \"10.0.1.10\"\ndb-2 = \"10.0.1.11\"\n";

/// The faults of a file, as a person reads them, without the ARNs' noise.
fn faults(text: &str) -> String {
    told(file(text))
}

fn told(read: Result<Loaded, ConfigError>) -> String {
    match read {
        Err(ConfigError::Faulty { faults, .. }) => {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            texts.join("\n").replace(ARN_A, "ARN-A").replace(ARN_B, "ARN-B")
        }
        other => panic!("no faults: {other:?}"),
    }
}

fn environment(pairs: &[(&'static str, &'static str)]) -> Result<Loaded, ConfigError> {
    let env = |name: &str| {
        let pair = pairs.iter().find(|(known, _)| *known == name);
        pair.map(|(_, value)| (*value).to_owned())
    };
    read(None, &env)
}

#[test]
fn the_example_parses_and_its_comments_are_the_defaults() {
    let example = include_str!("../../writerlink.example.toml");
    let shown = file(example).unwrap();
    let without_default = [
        "# url =",
        "# availability_zone =",
        "# endpoint =",
        "# allowed_instances =",
        "# listener =",
        "# resolver =",
    ];
    let uncommented: Vec<&str> = example
        .lines()
        .filter(|line| !without_default.iter().any(|field| line.starts_with(field)))
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split(" = ").next().is_some_and(|key| !key.contains(' ')) => rest,
            _ => line,
        })
        .collect();
    let written = file(&uncommented.join("\n")).unwrap();
    // Two texts, and so two hashes.
    assert_ne!(shown.config.provenance, written.config.provenance);
    let provenance = shown.config.provenance.clone();
    let written_by_hand = written.config.clone();
    assert_eq!(shown.config, Config { provenance, ..written_by_hand });
    let from_the_file = |loaded: &Loaded| {
        let lines = loaded.settings.iter().filter(|s| s.origin != Origin::Default);
        lines.count()
    };
    assert_eq!(
        written.settings.len() - from_the_file(&written),
        4,
        "all but resolver, zone, endpoint and allowed instances"
    );
    assert_eq!(from_the_file(&shown), 5);
}

#[test]
fn a_worker_reads_the_same_configuration_without_its_values() {
    let text = route(INSTANCES);
    let (shown, to_work) =
        (file(&text).unwrap(), file::parse_to_work(Path::new("w.toml"), &text, &|_| None).unwrap());
    assert_eq!(shown.config, to_work.config);
    assert!(!shown.settings.is_empty());
    assert_eq!(to_work.settings, []);
    let faulty = file::parse_to_work(Path::new("w.toml"), "[[route]]\nport = 0\n", &|_| None);
    assert_eq!(faulty.unwrap_err().to_string(), file("[[route]]\nport = 0\n").unwrap_err().to_string());
}

#[test]
fn the_least_file_is_one_route_that_any_source_moves() {
    let loaded = file(&route(INSTANCES)).unwrap();
    let route = &loaded.config.routes[0];
    assert_eq!(route.name.as_str(), "default");
    assert_eq!(route.source, Source::Any);
    assert_eq!(route.port, 3306);
    assert!(route.exclusive);
    assert_eq!(route.on_started, OnStarted::Swap);
    assert_eq!(route.allowed_cidrs, ALLOWED_CIDRS_DEFAULT);
    assert_eq!(route.policy, Policy::default());
    let db_2 = InstanceId::new("db-2").unwrap();
    assert_eq!(route.instances[&db_2].to_string(), "10.0.1.11");
    assert_eq!(loaded.config.worker, WorkerSettings::default());
    assert_eq!(loaded.config.queue, QueueRef::Name("writerlink.fifo".to_owned()));
}

#[test]
fn a_route_is_called_like_its_source_unless_it_says_otherwise() {
    let named = |lines: &str| {
        let loaded = file(&route(&format!("{lines}{INSTANCES}"))).unwrap();
        loaded.config.routes[0].name.to_string()
    };
    assert_eq!(named("source = \"Aurora-Source\"\n"), "aurora-source");
    assert_eq!(named("source = \"aurora-source\"\nname = \"orders\"\n"), "orders");
}

#[test]
fn every_value_is_shown_with_the_place_it_came_from() {
    let loaded = file(&route(&format!("source = \"c\"\nport = 3_307\n{INSTANCES}"))).unwrap();
    let shown: Vec<String> = loaded
        .settings
        .iter()
        .map(|s| format!("{} = {} ({})", s.field, s.value, s.origin).replace(ARN_A, "ARN-A"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    queue.name = writerlink.fifo (default)
    ledger.state_table = writerlink-state (default)
    ledger.audit_table = writerlink-audit (default)
    worker.installation = writerlink (default)
    worker.max_attempts = 6 (default)
    worker.drain_timeout_s = 25 (default)
    worker.parallel_groups = 64 (default)
    worker.health_address = 127.0.0.1:8089 (default)
    worker.page_address = 127.0.0.1:8089 (default)
    reconcile.interval_seconds = 30 (default)
    reconcile.looks_per_second_max = 20 (default)
    reconcile.registrations_per_second = 4 (default)
    reconcile.registrations_burst = 20 (default)
    safety.moves_per_minute_max = 260 (default)
    dns.resolver = /etc/resolv.conf (default)
    route.c.name = c (line 3)
    route.c.source = c (line 3)
    route.c.strategy = swap (default)
    route.c.target_group = ARN-A (line 2)
    route.c.port = 3307 (line 4)
    route.c.exclusive = true (default)
    route.c.availability_zone = none (AWS tells it by the subnet) (default)
    route.c.allowed_cidrs = 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 (default)
    route.c.on_started = swap (default)
    route.c.truth = static (default)
    route.c.endpoint = none (default)
    route.c.map_check = auto (default)
    route.c.database = cluster (default)
    route.c.role = writer (default)
    route.c.mode = enforce (default)
    route.c.allowed_instances = any of the source (default)
    route.c.trust_event_seconds = 180 (default)
    route.c.evidence_age_max_seconds = 1209600 (default)
    route.c.flap_moves_max = 5 (default)
    route.c.serving_when = healthy (default)
    route.c.serving_limit_seconds = 360 (default)
    route.c.instances.db-1 = 10.0.1.10 (line 6)
    route.c.instances.db-2 = 10.0.1.11 (line 7)
    "#);
}

#[test]
fn the_page_is_on_the_health_checks_socket_unless_off_or_elsewhere() {
    let page = |worker: &str| {
        let text = format!("[worker]\n{worker}\n{}", route(INSTANCES));
        file(&text).unwrap().config.worker.page_address
    };
    let at = |address: &str| PageAddress::At(address.parse().unwrap());
    assert_eq!(page(""), at("127.0.0.1:8089"));
    assert_eq!(page("health_address = \"127.0.0.1:9\""), at("127.0.0.1:9"));
    assert_eq!(page("page_address = \"[::1]:80\""), at("[::1]:80"));
    assert_eq!(page("page_address = \"off\""), PageAddress::Off);
}

#[test]
fn all_faults_of_a_file_are_told_at_once_from_top_to_bottom() {
    let text = r#"
[queue]
name = "events"
visibility = 30
[ledger]
state_table = "t"
[worker]
max_attempts = 0
drain_timeout_s = 300
parallel_groups = "many"
health_address = "localhost"
page_address = "on"
[[route]]
target_group = "arn:aws:s3:::bucket"
"#;
    insta::assert_snapshot!(faults(text), @r#"
    w.toml:3: queue.name = "events"
      why: the name of a FIFO queue has up to 80 letters, digits, '-' and '_', and ends in .fifo
      fix: write a name such as "writerlink.fifo"; a standard queue would lose the order of events
    w.toml:4: queue.visibility = 30
      why: there is no such field
      fix: remove it, or use one of: name, url
    w.toml:6: ledger.state_table = "t"
      why: a table's name has 3 to 255 letters, digits, '-', '_' or '.'
      fix: write the name of a DynamoDB table, not its ARN
    w.toml:8: worker.max_attempts = 0
      why: an event needs an attempt, and one that fails again and again holds back its group
      fix: write a whole number from 1 to 50; the default is 6
    w.toml:9: worker.drain_timeout_s = 300
      why: the open receive takes up to 20 s to end, and Fargate kills the task after 120 s
      fix: write a whole number from 25 to 115; the default is 25
    w.toml:10: worker.parallel_groups = "many"
      why: the load balancer's API limits how many groups at once are of use
      fix: write a whole number from 1 to 1000; the default is 64
    w.toml:11: worker.health_address = "localhost"
      why: this is no address with a port
      fix: write an address and a port, such as "127.0.0.1:8089"
    w.toml:12: worker.page_address = "on"
      why: this is no address with a port
      fix: write "off", or an address and a port, such as "127.0.0.1:8089"; the page has no password
    w.toml:13: route.default.instances
      why: no instance is listed, so no event could ever move the route
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    w.toml:14: route.default.target_group = "arn:aws:s3:::bucket"
      why: this is no target group ARN: arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID
      fix: copy the ARN from the target group's page in the EC2 console
    "#);
}

#[test]
fn every_field_of_a_route_is_told_what_it_may_be() {
    let text = r#"
[[route]]
name = "Orders!"
source = "aurora source"
target_group = "arn:aws:s3:::bucket"
port = 0
exclusive = "yes"
availability_zone = "US East"
allowed_cidrs = ["10.0.0.0/8", "10.0.0.1/24", "all"]
on_started = "at once"
targets = ["10.0.1.10"]
[route.instances]
db-1 = "db-1.cluster.local"
-db = "10.0.1.11"
db-3 = 10
"#;
    insta::assert_snapshot!(faults(text), @r#"
    w.toml:3: route[1].name = "Orders!"
      why: this is no route name: 1 to 64 lower-case letters, digits, '-' or '_'
      fix: write a short name such as "orders"; everything about the route is recorded under it
    w.toml:4: route[1].source = "aurora source"
      why: this is no source identifier: a letter first, then letters, digits and '-', at most 63 characters
      fix: write the cluster's identifier (no endpoint), such as "aurora-source"; or its ARN if it is of another account or Region than the target group
    w.toml:5: route[1].target_group = "arn:aws:s3:::bucket"
      why: this is no target group ARN: arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID
      fix: copy the ARN from the target group's page in the EC2 console
    w.toml:6: route[1].port = 0
      why: this is no port of a database
      fix: write a whole number from 1 to 65535; the default is 3306
    w.toml:7: route[1].exclusive = "yes"
      why: this is a yes or a no
      fix: write true or false, without quotes
    w.toml:8: route[1].availability_zone = "US East"
      why: this is neither "all" nor a zone
      fix: write "all" for addresses outside the group's VPC; for those inside, remove the line
    w.toml:9: route[1].allowed_cidrs = "10.0.0.1/24"
      why: this names a host; its range is 10.0.0.0/24
      fix: write a list of CIDR ranges, such as ["10.0.0.0/8"]
    w.toml:9: route[1].allowed_cidrs = "all"
      why: this is no range of addresses
      fix: write a list of CIDR ranges, such as ["10.0.0.0/8"]
    w.toml:10: route[1].on_started = "at once"
      why: this is none of swap, register and wait
      fix: write "swap" (at once), "register" (keep the old one until completed) or "wait"
    w.toml:11: route[1].targets = ["10.0.1.10"]
      why: there is no such field
      fix: remove it, or use one of: name, source, strategy, target_group, listener, target_groups, port, exclusive, availability_zone, allowed_cidrs, on_started, truth, endpoint, map_check, database, role, mode, allowed_instances, trust_event_seconds, evidence_age_max_seconds, flap_moves_max, serving_when, serving_limit_seconds, instances
    w.toml:13: route[1].instances.db-1 = "db-1.cluster.local"
      why: this is no IP address (nor may it be a host name, whose address moves by itself)
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    w.toml:14: route[1].instances.-db = "10.0.1.11"
      why: "-db" is no instance identifier: a letter first, then letters, digits and '-', at most 63 characters
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    w.toml:15: route[1].instances.db-3 = 10
      why: this has to be an address in quotes, and is a whole number
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    "#);
}

#[test]
fn what_is_missing_is_told_where_it_belongs() {
    insta::assert_snapshot!(faults(""), @r#"
    w.toml:1: route
      why: there is no route, so nothing would ever move
      fix: write [[route]] with target_group and, below [route.instances], the instances
    "#);
    insta::assert_snapshot!(faults("[[route]]\nsource = \"c\"\n"), @r#"
    w.toml:1: route.c.target_group
      why: a route has to have a target group
      fix: write target_group = "ARN": copy the ARN from the target group's page in the EC2 console
    w.toml:1: route.c.instances
      why: no instance is listed, so no event could ever move the route
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    "#);
    insta::assert_snapshot!(faults(&route("allowed_cidrs = []\n[route.instances]\n")), @r#"
    w.toml:3: route.default.allowed_cidrs = []
      why: an empty list allows no address at all
      fix: name a range, or remove the line
    w.toml:4: route.default.instances
      why: no instance is listed, so no event could ever move the route
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    "#);
}

#[test]
fn broken_syntax_is_told_by_its_line_and_nothing_is_concluded_from_it() {
    insta::assert_snapshot!(faults("[queue]\nname = writerlink\n[ledger\nx = = 1\n"), @r#"
    w.toml:2: syntax
      why: string values must be quoted, expected literal string
      fix: mend the line; https://toml.io/en/v1.0.0 shows how TOML is written
    w.toml:3: syntax
      why: unclosed table, expected `]`
      fix: mend the line; https://toml.io/en/v1.0.0 shows how TOML is written
    w.toml:4: syntax
      why: extra `=`, expected nothing
      fix: mend the line; https://toml.io/en/v1.0.0 shows how TOML is written
    w.toml:4: syntax
      why: unexpected key or value, expected newline, `#`
      fix: mend the line; https://toml.io/en/v1.0.0 shows how TOML is written
    "#);
}

#[test]
fn tables_in_the_wrong_shape_are_told_how_to_be_written() {
    insta::assert_snapshot!(faults("queue = \"q.fifo\"\n[route]\nsource = \"c\"\n"), @r#"
    w.toml:1: queue = "q.fifo"
      why: this has to be a table, and is a string
      fix: write its header on a line of its own, as in writerlink.example.toml
    w.toml:2: route
      why: there may be several routes, and this is a table
      fix: write [[route]], with two brackets
    "#);
    insta::assert_snapshot!(faults(&route("instances = [\"10.0.1.10\"]\n")), @r#"
    w.toml:3: route.default.instances = ["10.0.1.10"]
      why: this has to be a table, and is a list
      fix: write its header on a line of its own, as in writerlink.example.toml
    "#);
}

#[test]
fn a_queue_has_a_name_or_a_url_and_is_a_fifo_queue() {
    let with = |lines: &str| format!("[queue]\n{lines}\n{}", route(INSTANCES));
    let url = "https://sqs.us-east-1.amazonaws.com/123456789012/q.fifo";
    let loaded = file(&with(&format!("url = \"{url}\""))).unwrap();
    assert_eq!(loaded.config.queue, QueueRef::Url(url.to_owned()));
    let both = format!("name = \"q.fifo\"\nurl = \"{url}\"");
    insta::assert_snapshot!(faults(&with(&both)), @r#"
    w.toml:3: queue.url
      why: the queue is given by name and by URL, and the two may differ
      fix: remove one of the two
    "#);
    insta::assert_snapshot!(faults(&with("url = \"q.fifo\"")), @r#"
    w.toml:2: queue.url = "q.fifo"
      why: this is no URL of a queue
      fix: write it as the SQS console shows it: "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME.fifo"
    "#);
    insta::assert_snapshot!(faults(&with("url = \"https://sqs/1/q\"")), @r#"
    w.toml:2: queue.url = "https://sqs/1/q"
      why: the name of a FIFO queue has up to 80 letters, digits, '-' and '_', and ends in .fifo
      fix: write it as the SQS console shows it: "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME.fifo"
    "#);
}

#[test]
fn the_two_tables_of_the_ledger_differ() {
    let text = format!("[ledger]\nstate_table = \"writerlink-audit\"\n{}", route(INSTANCES));
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:1: ledger.audit_table = "writerlink-audit"
      why: this is the state table too, and the two have different keys
      fix: write the name of another table
    "#);
}

#[test]
fn instances_are_checked_against_each_other_and_against_the_ranges() {
    let text = route(
        "[route.instances]
db-1 = \"10.0.1.10\"
DB-1 = \"10.0.1.11\"
db-2 = \"10.0.1.10\"
db-3 = \"fd00::1\"
db-4 = \"169.254.169.254\"
",
    );
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:5: route.default.instances.DB-1 = "10.0.1.11"
      why: db-1 is listed twice (RDS does not tell upper from lower case)
      fix: remove one of the two
    w.toml:6: route.default.instances.db-2 = "10.0.1.10"
      why: db-1 has the same address: a failover between the two would move nothing
      fix: look up both endpoints again (dig +short, from inside the VPC)
    w.toml:7: route.default.instances.db-3 = "fd00::1"
      why: the address lies outside allowed_cidrs (10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16)
      fix: correct the address, or name its range in allowed_cidrs of the route, in a file
    w.toml:7: route.default.instances.db-3 = "fd00::1"
      why: db-1 has 10.0.1.10, and a target group holds one kind of addresses
      fix: give all instances addresses of the target group's IP address type
    w.toml:8: route.default.instances.db-4 = "169.254.169.254"
      why: the address lies outside allowed_cidrs (10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16)
      fix: correct the address, or name its range in allowed_cidrs of the route, in a file
    "#);
}

#[test]
fn faulty_ranges_accuse_no_address() {
    let text = route(&format!("allowed_cidrs = [\"192.168.0.0/33\"]\n{INSTANCES}"));
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:3: route.default.allowed_cidrs = "192.168.0.0/33"
      why: this is no range of addresses
      fix: write a list of CIDR ranges, such as ["10.0.0.0/8"]
    "#);
}

#[test]
fn a_route_with_ipv6_addresses_names_its_own_range() {
    let lines = "[route.instances]\ndb-1 = \"fd00:1::1\"\n";
    assert!(faults(&route(lines)).contains("outside allowed_cidrs"));
    let text = route(&format!("allowed_cidrs = [\"fd00:1::/64\"]\n{lines}"));
    assert_eq!(file(&text).unwrap().config.routes.len(), 1);
}

fn two_routes(first: &str, second: &str) -> String {
    let one = |lines: &str| format!("[[route]]\n{lines}\n{INSTANCES}");
    format!("{}{}", one(first), one(second))
}

#[test]
fn routes_share_neither_name_nor_target_group_and_each_has_a_source() {
    let same_name = two_routes(
        &format!("source = \"c\"\ntarget_group = \"{ARN_A}\""),
        &format!("source = \"c\"\ntarget_group = \"{ARN_B}\""),
    );
    insta::assert_snapshot!(faults(&same_name), @r#"
    w.toml:8: route[2].name = "c"
      why: the route of line 1 has this name too
      fix: write another name; without one a route is called like its source
    "#);
    let same_group = two_routes(
        &format!("source = \"c\"\ntarget_group = \"{ARN_A}\""),
        &format!("source = \"d\"\ntarget_group = \"{ARN_A}\""),
    );
    insta::assert_snapshot!(faults(&same_group), @r#"
    w.toml:9: route.d.target_group = "ARN-A"
      why: the route of line 1 has this target group too, and each would undo the other's moves
      fix: give each route a target group of its own
    "#);
    let no_source = two_routes(
        &format!("source = \"c\"\ntarget_group = \"{ARN_A}\""),
        &format!("name = \"d\"\ntarget_group = \"{ARN_B}\""),
    );
    insta::assert_snapshot!(faults(&no_source), @r#"
    w.toml:7: route.d.source
      why: there are several routes, and this one does not say whose events move it
      fix: write source = "CLUSTER", the identifier of its cluster or instance
    "#);
}

#[test]
fn a_target_group_with_a_misspelt_account_or_region_is_the_same_group() {
    for misspelt in [
        ARN_A.replace("123456789012", "123456789021"),
        ARN_A.replace("us-east-1", "us-east-2"),
        ARN_A.replace("73e2d6bc", "73E2D6BC"),
    ] {
        let text = two_routes(
            &format!("source = \"c\"\ntarget_group = \"{ARN_A}\""),
            &format!("source = \"d\"\ntarget_group = \"{misspelt}\""),
        );
        assert!(faults(&text).contains("has this target group too"), "{misspelt}");
    }
}

#[test]
fn two_accounts_regions_or_partitions_in_one_file_are_refused() {
    let other = |from: &str, to: &str| {
        two_routes(
            &format!("source = \"c\"\ntarget_group = \"{ARN_A}\""),
            &format!("source = \"d\"\ntarget_group = \"{}\"", ARN_B.replace(from, to)),
        )
    };
    insta::assert_snapshot!(faults(&other("us-east-1", "eu-west-1")), @r#"
    w.toml:9: route.d.target_group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/b/1111111111111111"
      why: its Region is eu-west-1, and that of line 3 is us-east-1: a worker calls, listens and keeps its ledger in one account and Region
      fix: correct the ARN, or give the routes of another account or Region a worker and a file of their own
    "#);
    let account = faults(&other("123456789012", "210987654321"));
    let why = "its account is 210987654321, and that of line 3 is 123456789012: ";
    assert!(account.contains(why), "{account}");
    let partition = faults(&other("arn:aws:", "arn:aws-cn:"));
    assert!(partition.contains("its partition is aws-cn"), "{partition}");
    let both = faults(&other("us-east-1:123456789012", "eu-west-1:210987654321"));
    assert!(both.contains("; its Region is eu-west-1"), "{both}");
    let same = two_routes(
        &format!("source = \"c\"\nname = \"one\"\ntarget_group = \"{ARN_A}\""),
        &format!("source = \"c\"\nname = \"two\"\ntarget_group = \"{ARN_B}\""),
    );
    assert!(file(&same).is_ok(), "two routes may follow one cluster");
}

#[test]
fn a_listener_or_a_group_of_another_region_is_refused_within_one_route() {
    let listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/a/50dc6c495c0c9188/f2f7dc8efc522ab2";
    let weighted = |listener: &str, second: &str| {
        format!(
            "[[route]]\nsource = \"c\"\nstrategy = \"weighted\"\nlistener = \"{listener}\"\n{INSTANCES}\
             [route.target_groups]\ndb-1 = \"{ARN_A}\"\ndb-2 = \"{second}\"\n"
        )
    };
    assert!(file(&weighted(listener, ARN_B)).is_ok());
    let elsewhere = |arn: &str| arn.replace("us-east-1", "eu-west-1");
    let told = faults(&weighted(&elsewhere(listener), ARN_B));
    assert!(told.contains("route.c.listener"), "{told}");
    let told = faults(&weighted(listener, &elsewhere(ARN_B)));
    assert!(told.contains("route.c.target_groups.db-2"), "{told}");
    assert!(told.contains("its Region is eu-west-1"), "{told}");
}

fn source_of(lines: &str) -> Source {
    let mut config = file(&route(&format!("{lines}\n{INSTANCES}"))).unwrap().config;
    config.routes.remove(0).source
}

#[test]
fn a_source_is_a_name_where_the_group_is_or_an_arn_anywhere() {
    let own = "arn:aws:rds:us-east-1:123456789012:cluster:aurora-source";
    let name = Source::Named(SourceId::new("aurora-source").unwrap());
    assert_eq!(source_of("source = \"Aurora-Source\""), name);
    assert_eq!(source_of(&format!("source = \"{own}\"")), name);
    for elsewhere in [
        own.replace("123456789012", "210987654321"),
        own.replace("us-east-1", "eu-west-1"),
        own.replace("arn:aws:", "arn:aws-cn:"),
    ] {
        let arn = SourceArn::parse(&elsewhere).unwrap();
        let lines = format!("source = \"{elsewhere}\"");
        assert_eq!(source_of(&lines), Source::Elsewhere(arn));
    }
    let text = route(&format!("source = \"{own}\"\n{INSTANCES}"));
    let loaded = file(&text).unwrap();
    assert_eq!(loaded.config.routes[0].name.as_str(), "aurora-source");
    assert_eq!(loaded.config.region(), "us-east-1");
    let shown = loaded.settings.iter().find(|s| s.field.ends_with(".source"));
    assert_eq!(shown.unwrap().value, own);
}

#[test]
fn an_arn_that_the_route_cannot_follow_is_told_with_the_remedy() {
    let told = |lines: &str| faults(&route(&format!("{lines}\n{INSTANCES}")));
    let elsewhere = "source = \"arn:aws:rds:eu-west-1:123456789012:cluster:c\"";
    let all = [
        told("source = \"arn:aws:rds:us-east-1:123456789012:deployment:bgd-hdqs3ik6vrwgutsn\""),
        told("source = \"arn:aws:rds:us-east-1:1234:cluster:c\""),
        told("source = \"arn:aws:rds:us-east-1:123456789012:db:c\""),
        told("source = \"arn:aws:rds:us-east-1:123456789012:cluster:c\"\ndatabase = \"instance\""),
        told(&format!("{elsewhere}\ntruth = \"rds\"")),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    w.toml:3: route[1].source = "arn:aws:rds:us-east-1:123456789012:deployment:bgd-hdqs3ik6vrwgutsn"
      why: this is the ARN of neither a cluster nor an instance
      fix: write the cluster's identifier (no endpoint), such as "aurora-source"; or its ARN if it is of another account or Region than the target group
    w.toml:3: route[1].source = "arn:aws:rds:us-east-1:1234:cluster:c"
      why: this is no ARN of RDS: arn:PARTITION:rds:REGION:ACCOUNT:TYPE:NAME, with an account of 12 digits
      fix: write the cluster's identifier (no endpoint), such as "aurora-source"; or its ARN if it is of another account or Region than the target group
    w.toml:3: route[1].source = "arn:aws:rds:us-east-1:123456789012:db:c"
      why: the route follows a DB cluster (database = "cluster"), and this is the ARN of a DB instance
      fix: write database = "instance", or the ARN of the cluster
    w.toml:3: route[1].source = "arn:aws:rds:us-east-1:123456789012:cluster:c"
      why: the route follows a DB instance (database = "instance"), and this is the ARN of a DB cluster
      fix: write database = "cluster", or the ARN of the instance
    w.toml:3: route[1].source = "arn:aws:rds:eu-west-1:123456789012:cluster:c"
      why: truth has rds, which is asked in the account and Region of the target group: there this name is another database's, or nobody's
      fix: write truth = "dns" with the cluster's endpoint, or truth = "static"
    "#);
    let endpoint = "truth = \"dns\"\nendpoint = \"c.cluster-abc123.eu-west-1.rds.amazonaws.com\"";
    let dns = file(&route(&format!("{elsewhere}\n{endpoint}\n{INSTANCES}")));
    assert!(dns.is_ok(), "{dns:?}");
}

#[test]
fn an_account_that_has_not_twelve_digits_is_a_fault_of_the_target_group() {
    let text = route(INSTANCES).replace("123456789012", "12345678901");
    let told = faults(&text);
    assert!(told.contains("this is no target group ARN"), "{told}");
}

#[test]
fn two_faulty_sources_are_no_shared_name() {
    let text = two_routes(
        &format!("source = \"a b\"\ntarget_group = \"{ARN_A}\""),
        &format!("source = \"c d\"\ntarget_group = \"{ARN_B}\""),
    );
    assert!(!faults(&text).contains("has this name too"), "{}", faults(&text));
}

#[test]
fn the_lambdas_variables_make_the_lambdas_route() {
    let loaded = environment(&[
        (TARGET_GROUP_ARN, ARN_A),
        (IP_DICT, "{'db-1': '10.0.1.10', 'db-2': '10.0.1.11'}"),
        (TARGET_PORT, "3307"),
    ])
    .unwrap();
    assert_eq!(loaded.from, ReadFrom::Environment);
    let route = &loaded.config.routes[0];
    assert_eq!(route.name.as_str(), "default");
    assert_eq!(route.source, Source::Any);
    assert_eq!(route.group.arn.as_str(), ARN_A);
    assert_eq!(route.group.availability_zone, None);
    assert_eq!(route.port, 3307);
    assert_eq!(route.instances.len(), 2);
    assert_eq!(route.policy, Policy::default());
    assert_eq!(loaded.config.reconciling, Reconciling::default());
    let from_variables = loaded.settings.iter().filter(|s| s.origin != Origin::Default);
    assert_eq!(from_variables.count(), 4);
}

#[test]
fn faults_of_the_variables_name_the_variable() {
    insta::assert_snapshot!(told(environment(&[
        (TARGET_GROUP_ARN, "arn:aws:lambda"),
        (IP_DICT, "{'db-1': '10.0.1.10', 'db-2': '8.8.8.8', 'db-3': 'x'}"),
        (TARGET_PORT, "mysql"),
    ])), @r#"
    variable IP_DICT: route.default.instances.db-2 = "8.8.8.8"
      why: the address lies outside allowed_cidrs (10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16)
      fix: correct the address, or name its range in allowed_cidrs of the route, in a file
    variable IP_DICT: route.default.instances.db-3 = "x"
      why: this is no IP address (nor may it be a host name, whose address moves by itself)
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    variable TARGET_GROUP_ARN = "arn:aws:lambda"
      why: this is no ARN of a target group: arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID
      fix: copy the ARN from the target group's page, or unset the variable and use --config FILE
    variable TARGET_PORT = "mysql"
      why: this is no port
      fix: write a number from 1 to 65535, or unset the variable for 3306
    "#);
    insta::assert_snapshot!(told(environment(&[(TARGET_GROUP_ARN, ARN_A), (IP_DICT, "db-1=10.0.1.10")])), @r#"
    variable IP_DICT = db-1=10.0.1.10
      why: character 1 should be an opening brace
      fix: write a JSON object, as in {"db-1": "10.0.1.10", "db-2": "10.0.1.11"}
    "#);
    insta::assert_snapshot!(told(environment(&[(TARGET_GROUP_ARN, ARN_A), (IP_DICT, "{}")])), @r#"
    variable IP_DICT
      why: no instance is listed, so no event could ever move the route
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    "#);
    insta::assert_snapshot!(told(environment(&[(IP_DICT, "{'db-1': '10.0.1.10'}")])), @r#"
    variable TARGET_GROUP_ARN
      why: the variable is not set, and IP_DICT is: the Lambda had both
      fix: copy the ARN from the target group's page, or unset the variable and use --config FILE
    "#);
}

#[test]
fn without_file_and_variables_both_ways_are_told() {
    let error = environment(&[(TARGET_GROUP_ARN, " ")]).unwrap_err();
    assert!(matches!(error, ConfigError::Absent));
    assert_eq!(
        error.to_string(),
        "no configuration: neither a file nor the variables TARGET_GROUP_ARN and IP_DICT"
    );
}

#[test]
fn a_file_wins_over_the_variables_and_says_which_it_did_not_look_at() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.toml");
    std::fs::write(&path, route(INSTANCES)).unwrap();
    let named = path.to_str().unwrap().to_owned();
    let env = move |name: &str| match name {
        CONFIG_VARIABLE => Some(named.clone()),
        TARGET_GROUP_ARN => Some(ARN_B.to_owned()),
        _ => None,
    };
    let loaded = read(None, &env).unwrap();
    assert_eq!(loaded.from, ReadFrom::File(path.clone()));
    assert_eq!(loaded.unused, [TARGET_GROUP_ARN]);
    let other = directory.path().join("absent.toml");
    assert!(matches!(read(Some(&other), &env), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn the_text_in_a_variable_is_read_like_a_file_and_a_file_wins_over_it() {
    let text = route(INSTANCES);
    let env = move |name: &str| (name == CONFIG_TEXT_VARIABLE).then(|| text.clone());
    let loaded = read(None, &env).unwrap();
    assert_eq!(loaded.from.to_string(), CONFIG_TEXT_VARIABLE);
    assert_eq!(loaded.config.routes.len(), 1);
    let absent = Path::new("/absent.toml");
    assert!(matches!(read(Some(absent), &env), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn a_fault_in_a_variables_text_is_told_by_variable_and_line() {
    let env = |name: &str| (name == CONFIG_TEXT_VARIABLE).then(|| "[queue]\nnmae = 1".to_owned());
    let Err(ConfigError::Faulty { faults, .. }) = read(None, &env) else {
        panic!("it has a fault");
    };
    assert!(faults[0].place.starts_with("WRITERLINK_CONFIG_TEXT"), "{}", faults[0].place);
}

#[test]
fn the_limits_keep_their_relations() {
    let default = WorkerSettings::default();
    assert!((1..=MAX_ATTEMPTS_MAX).contains(&default.max_attempts));
    assert!((DRAIN_TIMEOUT_MIN..=DRAIN_TIMEOUT_MAX).contains(&default.drain_timeout));
    assert!((1..=PARALLEL_GROUPS_MAX).contains(&default.parallel_groups));
    assert!(default.drain_timeout < Duration::from_secs(30), "Fargate's stopTimeout, if unsaid");
    assert!(DRAIN_TIMEOUT_MIN > RECEIVE_WAIT && DRAIN_TIMEOUT_MIN > LEASE_DURATION);
}

#[test]
fn a_drain_that_is_shorter_than_a_receive_is_refused() {
    let drain = |seconds: u32| {
        let text = format!("[worker]\ndrain_timeout_s = {seconds}\n{}", route(INSTANCES));
        file(&text).is_ok()
    };
    assert_eq!([20, 24, 25, 115, 116].map(drain), [false, false, true, true, false]);
}

#[test]
fn the_template_kills_no_task_that_may_still_drain() {
    let template = include_str!("../../infra/writerlink.yaml");
    let (_, parameter) = template.split_once("\n  StopTimeoutSeconds:\n").unwrap();
    let value = |name: &str| {
        let (_, rest) = parameter.split_once(&format!("    {name}: ")).unwrap();
        let seconds = rest.lines().next().unwrap().parse().unwrap();
        Duration::from_secs(seconds)
    };
    assert!(value("MinValue") > DRAIN_TIMEOUT_MIN);
    assert!(value("Default") > WorkerSettings::default().drain_timeout);
    assert!(value("MaxValue") > DRAIN_TIMEOUT_MAX);
}

#[test]
fn a_long_value_is_quoted_short() {
    let long = "x".repeat(500);
    let told = faults(&route(&format!("name = \"{long}\"\n{INSTANCES}")));
    assert!(told.lines().all(|line| line.chars().count() < 220), "{told}");
}

/// A route that asks, with ranges and without a map.
fn asking(lines: &str) -> String {
    route(&format!("source = \"c\"\nallowed_cidrs = [\"10.0.1.0/24\"]\n{lines}"))
}

#[test]
fn every_field_of_the_policy_is_understood() {
    let text = asking(
        "truth = [\"rds\", \"dns\"]
endpoint = \"C.cluster-abc.us-east-1.rds.amazonaws.com.\"
database = \"cluster\"
role = \"readers\"
mode = \"observe\"
allowed_instances = [\"DB-1\", \"db-2\"]
trust_event_seconds = 0
evidence_age_max_seconds = 600
flap_moves_max = 0
serving_when = \"registered\"
serving_limit_seconds = 60
",
    );
    let loaded = file(&text).unwrap();
    let instance = |name: &str| InstanceId::new(name).unwrap();
    let expected = Policy {
        mode: Mode::Observe,
        database: Database::Cluster,
        role: Role::Readers,
        truth: [Witness::Rds, Witness::Dns].into(),
        endpoint: Some("c.cluster-abc.us-east-1.rds.amazonaws.com".to_owned()),
        map_check: MapCheck::Auto,
        allowed_instances: Some([instance("db-1"), instance("db-2")].into()),
        trust_event: Duration::ZERO,
        evidence_age_max: Some(Duration::from_mins(10)),
        flap_moves_max: 0,
        serving_when: ServingWhen::Registered,
        serving_limit: Duration::from_mins(1),
    };
    assert_eq!(loaded.config.routes[0].policy, expected);
    let from_defaults =
        loaded.settings.iter().filter(|s| s.field.starts_with("route.") && s.origin == Origin::Default);
    let fields: Vec<&str> = from_defaults.map(|s| s.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "route.c.strategy",
            "route.c.port",
            "route.c.exclusive",
            "route.c.availability_zone",
            "route.c.on_started",
            "route.c.map_check"
        ]
    );
}

#[test]
fn a_route_that_asks_needs_no_map_but_ranges_of_its_own() {
    for truth in ["\"rds\"", "[\"rds\"]"] {
        let loaded = file(&asking(&format!("truth = {truth}\n"))).unwrap();
        let route = &loaded.config.routes[0];
        assert_eq!(route.policy.truth, [Witness::Rds].into());
        assert!(route.instances.is_empty());
    }
    insta::assert_snapshot!(faults(&route("source = \"c\"\ntruth = \"rds\"\n")), @r#"
    w.toml:1: route.c.allowed_cidrs
      why: without [route.instances] these ranges alone say where the route may point, and the default ones hold every address that a load balancer takes
      fix: write the ranges of the database's subnets, such as ["10.0.1.0/24", "10.0.2.0/24"]
    "#);
    let with_a_map = route(&format!("source = \"c\"\ntruth = \"rds\"\n{INSTANCES}"));
    assert_eq!(file(&with_a_map).unwrap().config.routes.len(), 1);
}

#[test]
fn every_field_of_the_policy_is_told_what_it_may_be() {
    let text = asking(
        "truth = [\"rds\", \"aws\"]
endpoint = \"10.0.1.10\"
database = \"aurora\"
role = \"reader\"
mode = true
allowed_instances = []
trust_event_seconds = 4000
evidence_age_max_seconds = 60
serving_when = \"soon\"
serving_limit_seconds = 0
",
    );
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:5: route.c.truth = "aws"
      why: this is none of static, rds and dns
      fix: write "static" (the map alone), "rds", "dns", or ["rds", "dns"] if both have to agree
    w.toml:6: route.c.endpoint = "10.0.1.10"
      why: this is no host name
      fix: write the writer endpoint as the RDS console shows it, without a port, such as "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
    w.toml:7: route.c.database = "aurora"
      why: this is none of cluster and instance
      fix: write "cluster" (Aurora, Multi-AZ DB cluster) or "instance" (Multi-AZ DB instance)
    w.toml:8: route.c.role = "reader"
      why: this is none of writer and readers
      fix: write "writer" or "readers" (the writer only where there is no reader)
    w.toml:9: route.c.mode = true
      why: this has to be a string in quotes, and is true or false
      fix: write "enforce" (the group follows the writer) or "observe" (only record what would be done)
    w.toml:10: route.c.allowed_instances = []
      why: an empty list allows no instance, so the route could never move
      fix: write a list of DB instance identifiers, such as ["db-1", "db-2"], or remove the line for any instance of the source
    w.toml:11: route.c.trust_event_seconds = 4000
      why: RDS's own word needs a minute or two after a failover, and no event is to be believed for hours
      fix: write a whole number from 0 to 3600; the default is 180
    w.toml:12: route.c.evidence_age_max_seconds = 60
      why: an event is regularly up to five minutes late, and one of last week is no news
      fix: write a whole number from 300 to 345600; the default is 900
    w.toml:13: route.c.serving_when = "soon"
      why: this is none of healthy and registered
      fix: write "healthy" (its checks pass) or "registered" (for checks that fail on purpose)
    w.toml:14: route.c.serving_limit_seconds = 0
      why: a load balancer needs minutes to serve a new target, and not an hour
      fix: write a whole number from 30 to 3600; the default is 360
    "#);
}

#[test]
fn a_contradictory_discovery_is_reported_and_nothing_follows_from_it() {
    let with = |truth: &str| faults(&route(&format!("truth = {truth}\n")));
    insta::assert_snapshot!(with("[\"static\", \"dns\"]"), @r#"
    w.toml:3: route.default.truth = ["static", "dns"]
      why: static means that nobody is asked, so it stands alone
      fix: write "static" (the map alone), "rds", "dns", or ["rds", "dns"] if both have to agree
    "#);
    insta::assert_snapshot!(with("[]"), @r#"
    w.toml:3: route.default.truth = []
      why: an empty list does not say whether anybody is to be asked
      fix: write "static" (the map alone), "rds", "dns", or ["rds", "dns"] if both have to agree
    "#);
    insta::assert_snapshot!(with("[\"rds\", \"rds\"]"), @r#"
    w.toml:3: route.default.truth = ["rds", "rds"]
      why: one witness that is named twice is still one
      fix: write "static" (the map alone), "rds", "dns", or ["rds", "dns"] if both have to agree
    "#);
    insta::assert_snapshot!(with("1"), @r#"
    w.toml:3: route.default.truth = 1
      why: this has to be a string in quotes, and is a whole number
      fix: write "static" (the map alone), "rds", "dns", or ["rds", "dns"] if both have to agree
    "#);
}

#[test]
fn what_a_witness_needs_is_told_with_the_field_that_is_missing() {
    insta::assert_snapshot!(faults(&asking("truth = \"dns\"\n")), @r#"
    w.toml:1: route.c.endpoint
      why: truth has dns, and there is no name that could be read
      fix: write the writer endpoint as the RDS console shows it, without a port, such as "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
    "#);
    insta::assert_snapshot!(faults(&asking("truth = \"rds\"\nendpoint = \"c.example.com\"\n")), @r#"
    w.toml:6: route.c.endpoint = "c.example.com"
      why: nobody would read this name: truth has no dns
      fix: add "dns" to truth, or remove the line
    "#);
    let any_source = route("allowed_cidrs = [\"10.0.1.0/24\"]\ntruth = \"rds\"\n");
    insta::assert_snapshot!(faults(&any_source), @r#"
    w.toml:1: route.default.source
      why: truth has rds, and events of any source move this route: there is no cluster to ask about
      fix: write source = "CLUSTER", the identifier of its cluster or instance
    "#);
}

/// A static route with these lines.
fn mapped(lines: &str) -> String {
    route(&format!("{lines}{INSTANCES}"))
}

#[test]
fn the_map_of_a_static_route_may_name_with_whom_it_is_compared() {
    let endpoint = "endpoint = \"c.cluster-abc.us-east-1.rds.amazonaws.com\"\n";
    for (lines, map_check) in [
        (endpoint.to_owned(), MapCheck::Auto),
        (format!("{endpoint}map_check = \"dns\"\n"), MapCheck::Dns),
        ("source = \"c\"\nmap_check = \"rds\"\n".to_owned(), MapCheck::Rds),
        ("map_check = \"off\"\n".to_owned(), MapCheck::Off),
    ] {
        let policy = &file(&mapped(&lines)).unwrap().config.routes[0].policy;
        assert_eq!(policy.map_check, map_check);
    }
}

#[test]
fn a_map_that_cannot_be_compared_so_is_a_fault() {
    insta::assert_snapshot!(faults(&mapped("map_check = \"dns\"\n")), @r#"
    w.toml:3: route.default.map_check = "dns"
      why: there is no name from which those of the instances would follow
      fix: write the cluster endpoint as endpoint, or "rds"
    "#);
    insta::assert_snapshot!(faults(&mapped("map_check = \"rds\"\n")), @r#"
    w.toml:3: route.default.map_check = "rds"
      why: events of any source move this route: there is no cluster to ask about
      fix: write source = "CLUSTER", the identifier of its cluster or instance
    "#);
    insta::assert_snapshot!(faults(&asking("truth = \"rds\"\nmap_check = \"rds\"\n")), @r#"
    w.toml:6: route.c.map_check = "rds"
      why: only a static map is compared: truth asks where the writer is
      fix: remove the line, or write truth = "static"
    "#);
    insta::assert_snapshot!(faults(&mapped("endpoint = \"c.example.com\"\nmap_check = \"off\"\n")), @r#"
    w.toml:3: route.default.endpoint = "c.example.com"
      why: nobody would read this name: truth has no dns
      fix: add "dns" to truth, or remove the line
    "#);
}

#[test]
fn an_endpoint_that_leads_to_any_member_is_refused() {
    let with = |endpoint: &str| {
        let lines = format!("truth = \"dns\"\nendpoint = \"{endpoint}\"\n");
        faults(&asking(&lines))
    };
    insta::assert_snapshot!(with("c.cluster-ro-abc.us-east-1.rds.amazonaws.com"), @r#"
    w.toml:6: route.c.endpoint = "c.cluster-ro-abc.us-east-1.rds.amazonaws.com"
      why: this endpoint leads to readers, and does not tell the writer
      fix: write the writer endpoint as the RDS console shows it, without a port, such as "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
    "#);
    for no_name in ["c.example.com:3306", "localhost", "https://c.example.com", "a..b", ""] {
        assert!(with(no_name).contains("this is no host name"), "{no_name}");
    }
}

#[test]
fn readers_are_asked_of_rds_and_are_members_of_a_cluster() {
    let role = "role = \"readers\"\n";
    let endpoint = "truth = \"dns\"\nendpoint = \"c.example.com\"\n";
    insta::assert_snapshot!(faults(&asking(&format!("{endpoint}{role}"))), @r#"
    w.toml:7: route.c.role = "readers"
      why: only RDS knows who the readers are, and truth does not ask it
      fix: add "rds" to truth
    "#);
    let instance = "truth = \"rds\"\ndatabase = \"instance\"\n";
    insta::assert_snapshot!(faults(&asking(&format!("{instance}{role}"))), @r#"
    w.toml:7: route.c.role = "readers"
      why: an instance has no readers; the standby of a Multi-AZ instance serves nobody
      fix: write role = "writer", or the cluster as source and database = "cluster"
    "#);
}

#[test]
fn an_event_that_moves_nothing_any_more_outranks_nobody() {
    let lines = "truth = \"rds\"\ntrust_event_seconds = 600\nevidence_age_max_seconds = 300\n";
    insta::assert_snapshot!(faults(&asking(lines)), @r#"
    w.toml:6: route.c.trust_event_seconds = 600
      why: an event older than 300 s moves nothing (evidence_age_max_seconds), and would still outrank the witnesses
      fix: write no more seconds than evidence_age_max_seconds has
    "#);
}

#[test]
fn a_static_route_believes_an_event_for_two_weeks_and_for_a_day_at_least() {
    let age = |lines: &str| {
        let loaded = file(&route(&format!("source = \"c\"\n{lines}{INSTANCES}"))).unwrap();
        let shown = loaded.settings.iter();
        let mut shown = shown.filter(|s| s.field == "route.c.evidence_age_max_seconds");
        let limit = loaded.config.routes[0].policy.evidence_age_limit();
        assert_eq!(shown.next().unwrap().value, limit.as_secs().to_string());
        limit
    };
    assert_eq!(age(""), Duration::from_hours(14 * 24));
    assert_eq!(age("evidence_age_max_seconds = 86400\n"), Duration::from_hours(24));
    let loaded = file(&asking("truth = \"rds\"\n")).unwrap();
    let limit = loaded.config.routes[0].policy.evidence_age_limit();
    assert_eq!(limit, Duration::from_mins(15));
    let lines = format!("source = \"c\"\nevidence_age_max_seconds = 900\n{INSTANCES}");
    insta::assert_snapshot!(faults(&route(&lines)), @r#"
    w.toml:4: route.c.evidence_age_max_seconds = 900
      why: this route asks nobody who writes, so a failover that it finds too old is followed by nobody: a worker that was away for a night has to follow it, and after 14 days SQS has dropped it
      fix: write a whole number from 86400 to 1209600; the default is 1209600
    "#);
}

#[test]
fn an_allowed_instance_of_a_static_route_has_an_address() {
    let text = route(&format!("allowed_instances = [\"db-2\", \"db-3\"]\n{INSTANCES}"));
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:3: route.default.allowed_instances = "db-3"
      why: [route.instances] has no such instance, and nobody is asked for its address
      fix: correct the identifier, or list the instance with its address
    "#);
}

fn worker_wide(lines: &str) -> String {
    format!("{lines}\n{}", route(INSTANCES))
}

#[test]
fn the_timer_can_be_turned_off_and_says_what_is_lost() {
    let loaded = file(&worker_wide("[reconcile]\ninterval_seconds = 0\n")).unwrap();
    assert_eq!(loaded.config.reconciling.interval, None);
    let shown = loaded.settings.iter().find(|s| s.field == "reconcile.interval_seconds");
    assert_eq!(shown.unwrap().value, "0: no timer, so nothing mends a lost event");
    let loaded = file(&worker_wide(
        "[reconcile]\ninterval_seconds = 5\nlooks_per_second_max = 50\n[safety]\nmoves_per_minute_max = 6\n",
    ))
    .unwrap();
    let expected = Reconciling { interval: Some(Duration::from_secs(5)), looks_per_second_max: 50 };
    assert_eq!(loaded.config.reconciling, expected);
    assert_eq!(loaded.config.moves_per_minute_max, 6);
}

#[test]
fn the_timers_limits_are_told_with_their_reasons() {
    let text = worker_wide(
        "[reconcile]
interval_seconds = 4
looks_per_second_max = 51
jitter = 1
[safety]
moves_per_minute_max = 0
",
    );
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:2: reconcile.interval_seconds = 4
      why: looks more often than that only cost calls, and fewer leave a lost event unnoticed for hours
      fix: write a whole number from 5 to 3600, or 0 for no timer at all (then nothing mends a lost event); the default is 30
    w.toml:3: reconcile.looks_per_second_max = 51
      why: DescribeTargetHealth allows 50 calls a second to a whole account, events' own looks included
      fix: write a whole number from 1 to 50; the default is 20
    w.toml:4: reconcile.jitter = 1
      why: there is no such field
      fix: remove it, or use one of: interval_seconds, looks_per_second_max, registrations_per_second, registrations_burst
    w.toml:6: safety.moves_per_minute_max = 0
      why: a worker that may move no route keeps none right, and the load balancer's API allows 260 registrations in its best minute unless AWS has raised that
      fix: write a whole number from 1 to 60000; the default is 260
    "#);
}

/// A weighted route's groups, listener and instances.
fn weighted(lines: &str) -> String {
    format!(
        "[[route]]\nsource = \"c\"\nstrategy = \"weighted\"\nlistener = \"{LISTENER}\"\n{lines}\
         [route.target_groups]\ndb-1 = \"{ARN_A}\"\ndb-2 = \"{ARN_B}\"\n{INSTANCES}"
    )
}

const LISTENER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/c/50dc6c495c0c9188/f2f7dc8efc522ab2";

#[test]
fn a_weighted_route_has_a_listener_and_a_group_for_each_instance() {
    let loaded = file(&weighted("availability_zone = \"all\"\n")).unwrap();
    let route = &loaded.config.routes[0];
    let Strategy::Weighted(weighted) = &route.strategy else { panic!("{:?}", route.strategy) };
    assert_eq!(weighted.listener.as_str(), LISTENER);
    let arn_of = |instance: &str| {
        let group = route.group_of(&InstanceId::new(instance).unwrap());
        group.map(|group| group.arn.to_string())
    };
    assert_eq!(arn_of("db-2").as_deref(), Some(ARN_B));
    assert_eq!(arn_of("db-3"), None);
    let zones = weighted.groups.values();
    assert!(zones.map(|group| &group.availability_zone).all(|zone| zone.as_deref() == Some("all")));
    let shown = loaded.settings.iter();
    let shown = shown.filter(|s| s.field.contains("target_group") || s.field.contains("listener"));
    let shown: Vec<&str> = shown.map(|s| s.field.as_str()).collect();
    assert_eq!(shown, ["route.c.listener", "route.c.target_groups.db-1", "route.c.target_groups.db-2"]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of them are what is expected")]
fn each_contradiction_of_a_strategy_is_reported_with_its_remedy() {
    let group =
        format!("target_group = \"{ARN_A}\"\nrole = \"readers\"\ndatabase = \"instance\"\ntruth = \"rds\"\n");
    let texts = [
        weighted(&group),
        "[[route]]\nsource = \"c\"\nstrategy = \"weighted\"\n[route.instances]\ndb-1 = \"10.0.1.10\"\n"
            .to_owned(),
        route(&format!("listener = \"{LISTENER}\"\n[route.target_groups]\ndb-1 = \"{ARN_B}\"\n{INSTANCES}")),
        weighted("allowed_instances = [\"db-2\", \"db-9\"]\n")
            .replace("\ndb-2 = \"10.0.1.11\"", "\ndb-3 = \"10.0.1.12\""),
        weighted("").replace(ARN_B, ARN_A).replace("listener/net", "listener/app"),
        weighted("").replace("weighted", "canary"),
        format!("{}{}", weighted(""), weighted("name = \"d\"\n").replace("targetgroup/a", "targetgroup/c")),
    ];
    let told: Vec<String> = texts.iter().map(|text| faults(text)).collect();
    insta::assert_snapshot!(told.join("\n--\n"), @r#"
    w.toml:5: route.c.target_group
      why: a weighted route has no one group, but one for each instance
      fix: name the group of each instance below [route.target_groups] instead
    w.toml:6: route.c.role = "readers"
      why: an instance has no readers; the standby of a Multi-AZ instance serves nobody
      fix: write role = "writer", or the cluster as source and database = "cluster"
    w.toml:6: route.c.role = "readers"
      why: several readers stand in one group, and a weighted route has one for each instance
      fix: write strategy = "swap", or role = "writer"
    w.toml:7: route.c.database = "instance"
      why: a failover of a Multi-AZ instance gives the same instance another address: there are no two groups to move the weight between
      fix: write strategy = "swap"
    --
    w.toml:1: route.c.listener
      why: a weighted route has to have the listener whose weights are moved
      fix: write listener = "ARN": copy the ARN from the listener's page in the EC2 console
    w.toml:1: route.c.target_groups
      why: a weighted route has to have a target group for each instance
      fix: write a line for each instance below [route.target_groups], such as db-1 = "ARN"
    --
    w.toml:3: route.default.listener
      why: strategy "swap" moves no listener's weights
      fix: write strategy = "weighted", or remove it
    w.toml:4: route.default.target_groups
      why: strategy "swap" moves no listener's weights
      fix: write strategy = "weighted", or remove it
    --
    w.toml:5: route.c.allowed_instances = "db-2"
      why: [route.instances] has no such instance, and nobody is asked for its address
      fix: correct the identifier, or list the instance with its address
    w.toml:5: route.c.allowed_instances = "db-9"
      why: [route.instances] has no such instance, and nobody is asked for its address
      fix: correct the identifier, or list the instance with its address
    w.toml:5: route.c.allowed_instances
      why: [route.target_groups] has no group for db-9, so it could never get the weight
      fix: make a target group for it and add its line, or remove the instance
    w.toml:8: route.c.target_groups.db-2
      why: nobody knows the address of db-2: [route.instances] has none, and truth does not ask RDS
      fix: list the instance with its address, or add "rds" to truth
    w.toml:11: route.c.instances.db-3
      why: [route.target_groups] has no group for db-3, so it could never get the weight
      fix: make a target group for it and add its line, or remove the instance
    --
    w.toml:4: route.c.listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/c/50dc6c495c0c9188/f2f7dc8efc522ab…
      why: this is no listener ARN of a Network Load Balancer: arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/net/NAME/ID/ID
      fix: copy the ARN from the listener's page in the EC2 console
    w.toml:7: route.c.target_groups.db-2 = "ARN-A"
      why: another instance has this group too, and a weight moves whole groups
      fix: make a target group for each instance
    --
    w.toml:3: route.c.strategy = "canary"
      why: this is none of swap and weighted
      fix: write "swap" (one target group, whose target is swapped) or "weighted" (one target group for each instance, among which a listener's weights are moved)
    --
    w.toml:14: route.d.listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/c/50dc6c495c0c9188/f2f7dc8efc522ab…
      why: the route of line 1 has this listener too, and each would undo the other's moves
      fix: give each weighted route a listener of its own
    w.toml:18: route.d.target_groups.db-2 = "ARN-B"
      why: the route of line 1 has this target group too, and each would undo the other's moves
      fix: give each route a target group of its own
    "#);
}

/// The name of the installation as it was understood, and where it came from.
fn named(text: &str, pairs: &[(&'static str, &'static str)]) -> String {
    let loaded = file_with(text, pairs).unwrap();
    let mut settings = loaded.settings.iter();
    let setting = settings.find(|s| s.field == "worker.installation");
    let setting = setting.unwrap();
    let name = loaded.config.provenance.installation.as_str();
    assert_eq!(setting.value, name);
    format!("{name} ({})", setting.origin)
}

#[test]
fn an_installation_is_named_by_its_state_table_if_by_nobody_else() {
    let of_table = |name: &str| {
        let ledger = format!("[ledger]\nstate_table = {name:?}\n");
        named(&format!("{ledger}{}", route(INSTANCES)), &[])
    };
    assert_eq!(named(&route(INSTANCES), &[]), "writerlink (default)");
    assert_eq!(of_table("orders-prod-state"), "orders-prod (default)");
    assert_eq!(of_table("failover"), "failover (default)");
    assert_eq!(of_table("-state"), "-state (default)");
    assert_eq!(of_table("-state-state"), "-state (default)");
}

#[test]
fn a_file_or_a_variable_names_an_installation() {
    let variable = [(INSTALLATION_VARIABLE, "from-the-stack")];
    let written = format!("[worker]\ninstallation = \"mine\"\n{}", route(INSTANCES));
    assert_eq!(named(&written, &[]), "mine (line 2)");
    assert_eq!(named(&route(INSTANCES), &variable), "from-the-stack (WRITERLINK_INSTALLATION)");
    assert_eq!(named(&written, &[(INSTALLATION_VARIABLE, "mine")]), "mine (line 2)");
    assert_eq!(
        named(&written, &[(INSTALLATION_VARIABLE, " ")]),
        "mine (line 2)",
        "what is set to nothing is not set"
    );
    let lambdas = [(TARGET_GROUP_ARN, ARN_A), (IP_DICT, "{\"db-1\": \"10.0.1.10\"}")];
    let with_name = [&lambdas[..], &variable].concat();
    for (pairs, name) in [(&lambdas[..], "writerlink"), (&with_name, "from-the-stack")] {
        let config = environment(pairs).unwrap().config;
        assert_eq!(config.provenance.installation.as_str(), name);
    }
}

#[test]
fn a_file_and_a_variable_that_name_two_installations_are_a_fault() {
    let text = format!("[worker]\ninstallation = \"mine\"\n{}", route(INSTANCES));
    let variable = [(INSTALLATION_VARIABLE, "from-the-stack")];
    insta::assert_snapshot!(told(file_with(&text, &variable)), @r#"
    w.toml:2: worker.installation = "mine"
      why: WRITERLINK_INSTALLATION says from-the-stack, and an installation has one name
      fix: remove the field, or write the same name: the parameter Name of its stack
    "#);
}

#[test]
fn a_name_that_no_metric_could_have_is_a_fault() {
    let text = format!("[worker]\ninstallation = \"two words\"\n{}", route(INSTANCES));
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:2: worker.installation = "two words"
      why: an installation's name has 1 to 255 letters, digits, '-', '_' or '.'
      fix: write a name such as "writerlink": the parameter Name of the installation's stack
    "#);
    let variable = [(INSTALLATION_VARIABLE, "a:b")];
    insta::assert_snapshot!(told(file_with(&route(INSTANCES), &variable)), @r#"
    variable WRITERLINK_INSTALLATION = "a:b"
      why: an installation's name has 1 to 255 letters, digits, '-', '_' or '.'
      fix: write a name such as "writerlink": the parameter Name of the installation's stack
    "#);
}

#[test]
fn a_configurations_hash_is_that_of_the_text_as_it_was_read() {
    let text = route(INSTANCES);
    let hash = |text: &str| file(text).unwrap().config.provenance.config;
    assert_eq!(hash(&text), ConfigHash::of(&text));
    assert_ne!(hash(&text), hash(&format!("# a comment\n{text}")));
    let variable = [(INSTALLATION_VARIABLE, "from-the-stack")];
    assert_eq!(
        file_with(&text, &variable).unwrap().config.provenance.config,
        ConfigHash::of(&text),
        "the template's variable is no part of the file that a person holds"
    );
    let of_lambda = |ip| {
        let pairs = [(TARGET_GROUP_ARN, ARN_A), (IP_DICT, ip)];
        environment(&pairs).unwrap().config.provenance.config
    };
    assert_ne!(of_lambda("{\"db-1\": \"10.0.1.10\"}"), of_lambda("{\"db-1\": \"10.0.1.11\"}"));
}
