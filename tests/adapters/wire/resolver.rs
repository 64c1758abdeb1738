//! The resolver of the configuration: whatever command looks a name up asks there, and not where the machine would.

use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;

use crate::support::dns::NameServer;
use crate::trial::{OLD, Trial, completed};

const ENDPOINT: &str = "aurora-source.cluster-c1a2.us-east-1.rds.amazonaws.com";

/// The address of an instance that no map knows.
const THIRD: &str = "10.0.3.10";

fn own_name(instance: u32) -> String {
    format!("aurora-source-instance-{instance}.c1a2.us-east-1.rds.amazonaws.com")
}

/// A route that finds its instances by names which this resolver alone knows. In front of it stands one that is down.
async fn named() -> (Trial, NameServer, String) {
    let server = NameServer::start();
    server.alias(ENDPOINT, &own_name(1));
    server.addresses(&own_name(1), &[OLD]);
    server.addresses(&own_name(3), &[THIRD]);
    server.ttls(&[5]);
    let down = NameServer::start();
    down.silence(ENDPOINT);
    for n in [1, 3] {
        down.silence(&own_name(n));
    }
    let trial = Trial::ready().await;
    let servers = format!("{}, {}", down.address(), server.address());
    let list = servers.replace(", ", "\", \"");
    trial.with_table(&format!("[dns]\nresolver = [\"{list}\"]\n"));
    trial.with_route_setting(&format!("discovery = \"dns\"\nendpoint = \"{ENDPOINT}\""));
    (trial, server, servers)
}

/// A failover to this instance, completed now: an older event would only make the names be asked.
fn failover_to(instance: u32) -> String {
    let now = SystemClock::start().wall().to_string();
    let (_, second) = now.split_at(now.len() - "00:00:00.000Z".len());
    let event = completed("aurora-source", instance, 0);
    let then = event.find("23:00:00.000Z").expect("an event has a time");
    let day = &event[then - "2026-05-06T".len()..then];
    event.replace(day, &now[..day.len()]).replace("23:00:00.000Z", second)
}

#[tokio::test]
async fn every_command_asks_the_resolver_of_the_configuration() {
    let (trial, server, servers) = named().await;
    let settings = trial.says("config check --output json").json();
    let settings = settings["settings"].as_array().unwrap();
    let shown = settings.iter().find(|row| row["field"] == "dns.resolver");
    assert_eq!(shown.unwrap()["value"], servers.as_str());

    let event = trial.file_with(&failover_to(3));
    let planned = trial.says(&format!("plan --event {event} --output json"));
    let planned = planned.json();
    assert_eq!(planned["plan"][0]["target"], format!("{THIRD}:3306"));
    let explained = trial.says(&format!("explain {event}"));
    let known = format!("aurora-source-instance-3 is at {THIRD}");
    assert!(explained.out.contains(&known), "{}", explained.out);

    let swapped = trial.says("swap aurora-source --to aurora-source-instance-3 --reason test --yes");
    assert_eq!(swapped.code, 0, "{}", swapped.err);
    assert_eq!(trial.group_holds().await, [THIRD]);
    let back = trial.file_with(&failover_to(1));
    assert_eq!(trial.says(&format!("replay {back}")).code, 0);
    assert_eq!(trial.group_holds().await, [OLD]);

    trial.send("aurora-source", &failover_to(3)).await;
    let asked = server.asked().len();
    assert_eq!(trial.says("run --drain").code, 0);
    assert_eq!(trial.group_holds().await, [THIRD]);
    assert!(server.asked().len() > asked);
}

#[tokio::test]
async fn check_judges_each_resolver_of_the_configuration() {
    let (trial, server, servers) = named().await;
    server.ttls(&[5, 5, 299]);
    let said = trial.says("check --output json").json();
    let findings = said["findings"].as_array().unwrap();
    let lines: Vec<(&str, &str)> = findings
        .iter()
        .filter(|row| row["what"] == "resolver")
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap();
            (text("verdict"), text("why"))
        })
        .collect();
    let [(down, silent), (up, keeps)] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let (first, second) = servers.split_once(", ").unwrap();
    assert_eq!((*down, *up), ("unknown", "warn"));
    assert!(silent.starts_with(first), "{silent}");
    let kept = format!("{second} caches names for 299 s ({ENDPOINT})");
    assert!(keeps.starts_with(&kept), "{keeps}");
}
