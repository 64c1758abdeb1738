use super::*;
use writerlink_core::ledger::lease::LEASE_DURATION;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::policy::{
    Database, DiscoverySource, Engine, MapCheck, Mode, Policy, Role, ServingWhen,
};
use writerlink_core::model::provenance::ConfigHash;
use writerlink_core::model::route::{OnStarted, Source, Strategy};
use writerlink_core::model::source_arn::SourceArn;

const ARN_A: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/73e2d6bc24d8a067";
const ARN_B: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/b/1111111111111111";

fn file(text: &str) -> Result<Loaded, ConfigError> {
    file_with(text, &[])
}

fn file_with(text: &str, pairs: &[(&'static str, &'static str)]) -> Result<Loaded, ConfigError> {
    file::parse(Path::new("w.toml"), text, &|name| variable(pairs, name))
}

fn variable(pairs: &[(&'static str, &'static str)], name: &str) -> Option<String> {
    let pair = pairs.iter().find(|(known, _)| *known == name);
    pair.map(|(_, value)| (*value).to_owned())
}

fn route(lines: &str) -> String {
    format!("[[route]]\ntarget_group = \"{ARN_A}\"\n{lines}")
}

const INSTANCES: &str = "[route.instances]\ndb-1 = \"10.0.1.10\"\ndb-2 = \"10.0.1.11\"\n";

/// The faults of a file, as shown, with short names for ARNs.
fn faults(text: &str) -> String {
    faults_of(file(text))
}

fn faults_of(read: Result<Loaded, ConfigError>) -> String {
    match read {
        Err(ConfigError::Faulty { faults, .. }) => {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            texts.join("\n").replace(ARN_A, "ARN-A").replace(ARN_B, "ARN-B")
        }
        other => panic!("no faults: {other:?}"),
    }
}

#[test]
fn every_fault_is_reported_with_its_place_its_reason_and_its_fix() {
    let places = [("ARN-A", ARN_A), ("ARN-B", ARN_B), ("LISTENER", LISTENER), ("INSTANCES\n", INSTANCES)];
    let mut others = Vec::new();
    for case in include_str!("faults.txt").split("\n=== ").skip(1) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, expected) = rest.split_once("---\n").unwrap();
        let written = places.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        let reported = faults(&written).replace(LISTENER, "LISTENER");
        if reported.trim() != expected.trim() {
            others.push(format!("=== {title}\n{text}---\n{reported}\n"));
        }
    }
    assert!(others.is_empty(), "these are reported otherwise now:\n{}", others.join("\n"));
}

/// Each old name, in the table where its new name is shown.
#[test]
fn every_old_name_of_a_field_is_reported_with_its_new_name() {
    let settings = file(&route(INSTANCES)).unwrap().settings;
    for (old, new) in section::RENAMED {
        let known = settings.iter().find(|setting| setting.field.ends_with(&format!(".{new}")));
        let field = &known.unwrap_or_else(|| panic!("{new} is not a field")).field;
        let text = match field.split_once('.').unwrap().0 {
            "route" => route(&format!("{old} = 1\n{INSTANCES}")),
            table => format!("[{table}]\n{old} = 1\n{}", route(INSTANCES)),
        };
        let faults = faults(&text);
        assert!(faults.contains(&format!("`{old}` is now called `{new}`")), "{faults}");
        assert!(faults.contains(&format!("fix: write {new} instead of {old}")), "{faults}");
    }
}

fn environment(pairs: &[(&'static str, &'static str)]) -> Result<Loaded, ConfigError> {
    read(None, &|name| variable(pairs, name))
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
    assert_eq!(loaded.config.worker, WorkerSettings::DEFAULT);
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
    reconcile.describe_calls_per_second_max = 20 (default)
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
    route.c.availability_zone = none (AWS derives it from the subnet) (default)
    route.c.allowed_cidrs = 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 (default)
    route.c.on_started = swap (default)
    route.c.discovery = events (default)
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
fn a_queue_may_be_given_by_its_url() {
    let with = |lines: &str| format!("[queue]\n{lines}\n{}", route(INSTANCES));
    let url = "https://sqs.us-east-1.amazonaws.com/123456789012/q.fifo";
    let loaded = file(&with(&format!("url = \"{url}\""))).unwrap();
    assert_eq!(loaded.config.queue, QueueRef::Url(url.to_owned()));
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
    let reported = faults(&weighted(&elsewhere(listener), ARN_B));
    assert!(reported.contains("route.c.listener"), "{reported}");
    let reported = faults(&weighted(listener, &elsewhere(ARN_B)));
    assert!(reported.contains("route.c.target_groups.db-2"), "{reported}");
    assert!(reported.contains("its Region is eu-west-1"), "{reported}");
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
fn dns_may_follow_a_source_of_another_region() {
    let elsewhere = "source = \"arn:aws:rds:eu-west-1:123456789012:cluster:c\"";
    let endpoint = "discovery = \"dns\"\nendpoint = \"c.cluster-abc123.eu-west-1.rds.amazonaws.com\"";
    let dns = file(&route(&format!("{elsewhere}\n{endpoint}\n{INSTANCES}")));
    assert!(dns.is_ok(), "{dns:?}");
}

#[test]
fn an_account_that_has_not_twelve_digits_is_a_fault_of_the_target_group() {
    let text = route(INSTANCES).replace("123456789012", "12345678901");
    let reported = faults(&text);
    assert!(reported.contains("this is not a valid target group ARN"), "{reported}");
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
    insta::assert_snapshot!(faults_of(environment(&[
        (TARGET_GROUP_ARN, "arn:aws:lambda"),
        (IP_DICT, "{'db-1': '10.0.1.10', 'db-2': '8.8.8.8', 'db-3': 'x'}"),
        (TARGET_PORT, "mysql"),
    ])), @r#"
    variable IP_DICT: route.default.instances.db-2 = "8.8.8.8"
      why: the address lies outside allowed_cidrs (10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16)
      fix: correct the address, or name its range in allowed_cidrs of the route, in a file
    variable IP_DICT: route.default.instances.db-3 = "x"
      why: this is not an IP address (a host name is not accepted: its address can change)
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    variable TARGET_GROUP_ARN = "arn:aws:lambda"
      why: this is not the ARN of a target group: arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID
      fix: copy the ARN from the target group's page, or unset the variable and use --config FILE
    variable TARGET_PORT = "mysql"
      why: this is not a port
      fix: write a number from 1 to 65535, or unset the variable for 3306
    "#);
    insta::assert_snapshot!(faults_of(environment(&[(TARGET_GROUP_ARN, ARN_A), (IP_DICT, "db-1=10.0.1.10")])), @r#"
    variable IP_DICT = db-1=10.0.1.10
      why: character 1 should be an opening brace
      fix: write a JSON object, as in {"db-1": "10.0.1.10", "db-2": "10.0.1.11"}
    "#);
    insta::assert_snapshot!(faults_of(environment(&[(TARGET_GROUP_ARN, ARN_A), (IP_DICT, "{}")])), @r#"
    variable IP_DICT
      why: no instance is listed, so no event could ever move the route
      fix: write a DB instance identifier and the private address of its own endpoint, such as db-1 and "10.0.1.10"
    "#);
    insta::assert_snapshot!(faults_of(environment(&[(IP_DICT, "{'db-1': '10.0.1.10'}")])), @r#"
    variable TARGET_GROUP_ARN
      why: the variable is not set, but IP_DICT is: the Lambda had both
      fix: copy the ARN from the target group's page, or unset the variable and use --config FILE
    "#);
}

#[test]
fn without_file_and_variables_both_ways_are_named() {
    let error = environment(&[(TARGET_GROUP_ARN, " ")]).unwrap_err();
    assert!(matches!(error, ConfigError::Absent));
    assert_eq!(
        error.to_string(),
        "no configuration: neither a file nor the variables TARGET_GROUP_ARN and IP_DICT"
    );
}

#[test]
fn a_file_wins_over_the_variables_and_lists_the_ignored_ones() {
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
fn a_fault_in_a_variables_text_is_reported_by_variable_and_line() {
    let env = |name: &str| (name == CONFIG_TEXT_VARIABLE).then(|| "[queue]\nnmae = 1".to_owned());
    let Err(ConfigError::Faulty { faults, .. }) = read(None, &env) else {
        panic!("it has a fault");
    };
    assert!(faults[0].place.starts_with("WRITERLINK_CONFIG_TEXT"), "{}", faults[0].place);
}

#[test]
fn the_limits_keep_their_relations() {
    let default = WorkerSettings::DEFAULT;
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
    assert!(value("Default") > WorkerSettings::DEFAULT.drain_timeout);
    assert!(value("MaxValue") > DRAIN_TIMEOUT_MAX);
}

#[test]
fn a_long_value_is_quoted_short() {
    let long = "x".repeat(500);
    let reported = faults(&route(&format!("name = \"{long}\"\n{INSTANCES}")));
    assert!(reported.lines().all(|line| line.chars().count() < 220), "{reported}");
}

/// A route that asks, with ranges and without a map.
fn asking(lines: &str) -> String {
    route(&format!("source = \"c\"\nallowed_cidrs = [\"10.0.1.0/24\"]\n{lines}"))
}

#[test]
fn every_field_of_the_policy_is_understood() {
    let text = asking(
        "discovery = [\"rds\", \"dns\"]
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
        engine: Engine::MySql,
        mode: Mode::Observe,
        database: Database::Cluster,
        role: Role::Readers,
        discovery: [DiscoverySource::Rds, DiscoverySource::Dns].into(),
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
fn a_route_with_a_discovery_source_needs_no_map_but_ranges() {
    for discovery in ["\"rds\"", "[\"rds\"]"] {
        let loaded = file(&asking(&format!("discovery = {discovery}\n"))).unwrap();
        let route = &loaded.config.routes[0];
        assert_eq!(route.policy.discovery, [DiscoverySource::Rds].into());
        assert!(route.instances.is_empty());
    }
    let with_a_map = route(&format!("source = \"c\"\ndiscovery = \"rds\"\n{INSTANCES}"));
    assert_eq!(file(&with_a_map).unwrap().config.routes.len(), 1);
}

/// An events-only route with these lines.
fn mapped(lines: &str) -> String {
    route(&format!("{lines}{INSTANCES}"))
}

#[test]
fn an_events_only_route_may_choose_what_its_map_is_compared_with() {
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
fn an_endpoint_has_to_be_a_host_name() {
    let with = |endpoint: &str| {
        let lines = format!("discovery = \"dns\"\nendpoint = \"{endpoint}\"\n");
        faults(&asking(&lines))
    };
    for no_name in ["c.example.com:3306", "localhost", "https://c.example.com", "a..b", ""] {
        assert!(with(no_name).contains("this is not a host name"), "{no_name}");
    }
}

#[test]
fn an_events_only_route_accepts_events_of_two_weeks_and_of_a_day() {
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
    let loaded = file(&asking("discovery = \"rds\"\n")).unwrap();
    let limit = loaded.config.routes[0].policy.evidence_age_limit();
    assert_eq!(limit, Duration::from_mins(15));
}

fn worker_wide(lines: &str) -> String {
    format!("{lines}\n{}", route(INSTANCES))
}

#[test]
fn reconcile_passes_can_be_off_and_the_setting_shows_the_consequence() {
    let loaded = file(&worker_wide("[reconcile]\ninterval_seconds = 0\n")).unwrap();
    assert_eq!(loaded.config.reconciling.interval, None);
    let shown = loaded.settings.iter().find(|s| s.field == "reconcile.interval_seconds");
    assert_eq!(shown.unwrap().value, "0: no reconcile passes, so nothing repairs a lost event");
    let loaded = file(&worker_wide(
        "[reconcile]\ninterval_seconds = 5\ndescribe_calls_per_second_max = 50\n[safety]\nmoves_per_minute_max = 6\n",
    ))
    .unwrap();
    let expected = Reconciling {
        interval: Some(Duration::from_secs(5)),
        describe_calls_per_second_max: 50,
        sql_interval: writerlink_engine::timer::SQL_INTERVAL,
    };
    assert_eq!(loaded.config.reconciling, expected);
    assert_eq!(loaded.config.moves_per_minute_max, 6);
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
fn an_installation_without_a_name_is_named_by_its_state_table() {
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
    insta::assert_snapshot!(faults_of(file_with(&text, &variable)), @r#"
    w.toml:2: worker.installation = "mine"
      why: WRITERLINK_INSTALLATION is from-the-stack, and an installation has one name
      fix: remove the field, or write the same name: the parameter Name of its stack
    "#);
}

#[test]
fn a_variable_with_a_name_that_no_metric_could_have_is_a_fault() {
    let variable = [(INSTALLATION_VARIABLE, "a:b")];
    insta::assert_snapshot!(faults_of(file_with(&route(INSTANCES), &variable)), @r#"
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
        "the template's variable is not part of the file"
    );
    let of_lambda = |ip| {
        let pairs = [(TARGET_GROUP_ARN, ARN_A), (IP_DICT, ip)];
        environment(&pairs).unwrap().config.provenance.config
    };
    assert_ne!(of_lambda("{\"db-1\": \"10.0.1.10\"}"), of_lambda("{\"db-1\": \"10.0.1.11\"}"));
}
