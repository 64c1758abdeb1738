use super::*;
use crate::config::{ConfigError, Loaded, file};

const GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/73e2d6bc24d8a067";
const OTHER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/b/1111111111111111";
const INSTANCES: &str = "[route.instances]\ndb-1 = \"10.0.1.10\"\ndb-2 = \"10.0.1.11\"\n";

fn read(text: &str) -> Result<Loaded, ConfigError> {
    file::parse(Path::new("w.toml"), text, &|_| None)
}

fn route(group: &str, source: &str, lines: &str) -> String {
    format!(
        "[[route]]\nsource = \"{source}\"\ntarget_group = \"{group}\"\nstrategy = \"relay\"\n{lines}{INSTANCES}"
    )
}

fn faults(text: &str) -> String {
    match read(text) {
        Err(ConfigError::Faulty { faults, .. }) => {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            texts.join("\n")
        }
        other => panic!("no faults: {other:?}"),
    }
}

#[test]
fn a_relay_route_waits_for_the_end_of_a_failover_and_has_the_limits() {
    let limits = "[relay]\nswitch_limit_seconds = 5\nsilent_limit_seconds = 90\n";
    let relay = "[route.relay]\nlisten = 3307\nprofile = \"application\"\n";
    let config = read(&format!("{limits}{}", route(GROUP, "orders", relay))).unwrap().config;
    let Strategy::Relay(relay) = config.routes[0].strategy else { panic!("{:?}", config.routes[0]) };
    assert_eq!((relay.listen, relay.profile), (3307, RelayProfile::Application));
    assert_eq!((relay.switch_limit.as_secs(), relay.silent_limit.as_secs()), (5, 90));
    assert_eq!(config.routes[0].on_started, OnStarted::Wait);
    assert_eq!(config.relay.poll_interval, Duration::from_millis(500));
    assert_eq!(config.relay.read_interval, Duration::from_millis(200));
}

#[test]
fn a_file_without_relay_routes_shows_no_settings_of_relays() {
    let text = route(GROUP, "orders", "").replace("relay", "swap");
    let loaded = read(&text).unwrap();
    assert!(!loaded.settings.iter().any(|setting| setting.field.contains("relay")));
    assert_eq!(loaded.config.relay, RelaySettings::default());
}

#[test]
fn a_relay_route_without_its_port_or_addresses_is_a_fault() {
    let text = route(
        GROUP,
        "orders",
        "discovery = \"dns\"\nendpoint = \"c.cluster-abc123.us-east-1.rds.amazonaws.com\"\nallowed_cidrs = [\"10.0.0.0/8\"]\n",
    );
    let text = text.replace(INSTANCES, "");
    insta::assert_snapshot!(faults(&text), @"
    w.toml:1: route.orders.relay.listen
      why: a relay route has to have the port on which relays take its clients
      fix: write listen = PORT below [route.relay]
    w.toml:1: route.orders.instances
      why: HAProxy needs the address of every instance when it starts, and [route.instances] has none
      fix: list each instance that may become the writer with its address
    ");
}

#[test]
fn what_relays_cannot_do_is_a_fault_with_its_remedy() {
    let lines = "on_started = \"register\"\ndatabase = \"instance\"\n[route.relay]\nlisten = 0\n";
    insta::assert_snapshot!(faults(&route(GROUP, "orders", lines)), @r#"
    w.toml:5: route.orders.on_started = "register"
      why: relays forward to one instance: there is no second one to register beside it
      fix: write "wait" (the default of a relay route) or "swap"
    w.toml:6: route.orders.database = "instance"
      why: a failover of a Multi-AZ instance gives the same instance another address, and relays know the addresses of when they started
      fix: write strategy = "swap"
    w.toml:8: route.orders.relay.listen = 0
      why: this is no port
      fix: write a whole number from 1 to 65535
    "#);
}

#[test]
fn two_listeners_on_one_port_of_a_relay_are_a_fault() {
    let at = |port: u16| format!("[route.relay]\nlisten = {port}\n");
    let text = format!("{}{}", route(GROUP, "orders", &at(3306)), route(OTHER, "billing", &at(3306)));
    insta::assert_snapshot!(faults(&text), @"
    w.toml:15: route.billing.relay.listen = 3306
      why: port 3306 belongs to route.orders already, and every route needs one of its own
      fix: choose another port
    ");
    insta::assert_snapshot!(faults(&route(GROUP, "orders", &at(8080))), @"
    w.toml:6: route.orders.relay.listen = 8080
      why: port 8080 belongs to the load balancer's health check (relay.alive_port) already, and every route needs one of its own
      fix: choose another port
    ");
}

#[test]
fn settings_of_relays_outside_their_range_are_faults() {
    let settings = "[relay]\npoll_interval_ms = 50\nread_interval_ms = 9\nagent_address = \"0.0.0.0:9906\"\nadmin_socket = \"admin.sock\"\n";
    let text = format!("{settings}{}", route(GROUP, "orders", "[route.relay]\nlisten = 3306\n"));
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:2: relay.poll_interval_ms = 50
      why: below 100 ms polling costs more than it gains, and above 5 s a relay that lost a push waits for it
      fix: write a whole number from 100 to 5000; the default is 500
    w.toml:3: relay.read_interval_ms = 9
      why: below 50 ms reading costs more than it gains, and above 5 s a failover waits for it
      fix: write a whole number from 50 to 5000; the default is 200
    w.toml:4: relay.agent_address = "0.0.0.0:9906"
      why: the agent answers HAProxy beside it and nobody else
      fix: write a loopback address and a port, such as "127.0.0.1:9906"
    w.toml:5: relay.admin_socket = "admin.sock"
      why: a socket's path is absolute, of letters, digits, '/', '.', '_' and '-', and at most 90 long
      fix: write where HAProxy's `stats socket` is, such as "/run/haproxy/admin.sock"
    "#);
}

#[test]
fn the_table_of_relays_on_another_strategy_is_a_fault() {
    let text = route(GROUP, "orders", "[route.relay]\nlisten = 3306\n").replace("\"relay\"", "\"swap\"");
    insta::assert_snapshot!(faults(&text), @r#"
    w.toml:5: route.orders.relay
      why: only strategy "relay" reads this table
      fix: write strategy = "relay", or remove the table
    "#);
}
