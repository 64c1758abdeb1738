//! Two workers, one queue.

use std::collections::BTreeMap;

use writerlink_aws::dynamodb::{DynamoLedger, TableNames};
use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::{AuditQuery, AuditReader as _};

use crate::trial::{Background, NEW, OLD, Trial, completed};

const ROUTES: u32 = 20;
const EVENTS_PER_ROUTE: u32 = 10;

/// Failovers back and forth. The even routes end on the other instance, the odd ones where they began.
fn instance(route: u32, event: u32) -> u32 {
    let last = EVENTS_PER_ROUTE - 1;
    if (last - event + route).is_multiple_of(2) { 2 } else { 1 }
}

#[tokio::test]
async fn two_processes_settle_200_events_over_20_routes_exactly_once_each() {
    let sources: Vec<String> = (0..ROUTES).map(|n| format!("source-{n}")).collect();
    let names: Vec<&str> = sources.iter().map(String::as_str).collect();
    let trial = Trial::bare(&names).await;
    assert_eq!(trial.says("setup").code, 0);
    for event in 0..EVENTS_PER_ROUTE {
        for (route, source) in (0..).zip(&sources) {
            let body = completed(source, instance(route, event), event);
            trial.send(source, &body).await;
        }
    }

    let one = Background::start(&mut trial.command("run --drain"));
    one.wait_for("started");
    trial.move_health_port();
    let other = Background::start(&mut trial.command("run --drain"));
    other.wait_for("started");
    assert_eq!((one.ends().0, other.ends().0), (Some(0), Some(0)));

    for (route, group) in (0..).zip(&trial.groups) {
        let writer = if instance(route, EVENTS_PER_ROUTE - 1) == 2 { NEW } else { OLD };
        assert_eq!(trial.holds(group).await, [writer], "route {route}");
    }
    let ledger = DynamoLedger::new(trial.dynamodb(), TableNames::default());
    let mut owners = BTreeMap::<String, u32>::new();
    for source in &sources {
        let mut ends = BTreeMap::<String, u32>::new();
        for record in chain(&ledger, source).await {
            if record.outcome.is_some() {
                *ends.entry(record.event_key.to_string()).or_default() += 1;
                *owners.entry(record.owner.to_string()).or_default() += 1;
            }
        }
        let ended_once = ends.values().filter(|n| **n == 1).count();
        assert_eq!((ends.len(), ended_once), (10, 10), "{source}: {ends:?}");
    }
    assert_eq!(owners.len(), 2, "both workers had their part: {owners:?}");
    let verify = trial.says("audit verify");
    assert_eq!(verify.code, 0, "{}{}", verify.out, verify.err);
}

async fn chain(ledger: &DynamoLedger, source: &str) -> Vec<writerlink_core::ledger::record::Entry> {
    let query = AuditQuery::Chain { route: RouteName::new(source).unwrap(), from_seq: 1, to_seq: None };
    let page = ledger.page(&query, 1000, None).await.unwrap();
    assert_eq!(page.next, None);
    let records = page.records().unwrap();
    records.into_iter().map(|stored| stored.record.entry).collect()
}
