//! What these tests begin with: routes that were moved, and somebody with a key to the table.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use writerlink_sim::world::WorldConfig;

use crate::desk::{Desk, Said};

/// How long after a move the next one comes: seldom enough not to be taken for flapping.
const BETWEEN_MOVES: Duration = Duration::from_secs(151);

/// A desk whose routes have been moved this often; each move leaves two records.
pub(crate) async fn moved(routes: &[&str], moves: u64) -> Desk {
    let desk = Desk::with(routes).await;
    for route in 0..routes.len() {
        more(&desk, route, moves).await;
    }
    desk
}

/// Moves a route between its second and third instance, this often.
pub(crate) async fn more(desk: &Desk, route: usize, moves: u64) {
    for n in 0..moves {
        desk.pass(BETWEEN_MOVES).await;
        failover(desk, route, if n % 2 == 0 { 2 } else { 3 });
        assert!(desk.rig.run("w").await);
    }
}

/// The event of a failover that was completed just now.
pub(crate) fn failover(desk: &Desk, route: usize, instance: usize) {
    let now = desk.rig.fleet.world.fabric.time.now();
    let since_the_beginning = now.since(WorldConfig::default().start).as_secs();
    let event = desk.rig.completed(route, instance, since_the_beginning);
    desk.rig.fleet.world.deliver(&event);
}

/// `ROUTE/SEQ` of each line of JSON, whichever command wrote it.
pub(crate) fn ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let record = row.get("record").unwrap_or(&row);
        format!("{}/{}", record["route"].as_str().unwrap(), record["seq"])
    };
    lines.lines().map(id).collect()
}

/// The records of a route by what they should be called.
pub(crate) fn numbered(route: &str, seqs: impl IntoIterator<Item = u64>) -> Vec<String> {
    let seqs = seqs.into_iter();
    seqs.map(|seq| format!("{route}/{seq}")).collect()
}

/// What holds for this version and this run alone, by a word: hashes, ids of transitions, the version.
pub(crate) fn redacted(text: &str) -> String {
    let hex = |word: &str, digits: usize, dashes: usize| {
        word.len() == digits + dashes
            && word.chars().filter(|c| *c == '-').count() == dashes
            && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
    };
    let name = |word: &str| match word {
        word if hex(word, 64, 0) || hex(word, 16, 0) => "HASH".to_owned(),
        word if hex(word, 32, 4) => "TRANSITION".to_owned(),
        env!("CARGO_PKG_VERSION") => "VERSION".to_owned(),
        word => word.to_owned(),
    };
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let (mut out, mut word) = (String::new(), String::new());
    for c in text.chars() {
        if part_of_word(c) {
            word.push(c);
        } else {
            out += &name(&std::mem::take(&mut word));
            out.push(c);
        }
    }
    out + &name(&word)
}

fn key(route: &str, seq: u64) -> [(&'static str, AttributeValue); 2] {
    [("route", AttributeValue::S(route.to_owned())), ("seq", AttributeValue::N(seq.to_string()))]
}

/// Overwrites a column of a record, as somebody with a key to the table could.
pub(crate) async fn overwrite(desk: &Desk, (route, seq): (&str, u64), column: &str, text: &str) {
    let dynamo = &desk.rig.fleet.dynamo;
    let mut update = dynamo
        .client_outside()
        .update_item()
        .table_name(&dynamo.tables().audit)
        .update_expression("SET #c = :t")
        .expression_attribute_names("#c", column)
        .expression_attribute_values(":t", AttributeValue::S(text.to_owned()));
    for (name, value) in key(route, seq) {
        update = update.key(name, value);
    }
    update.send().await.unwrap();
}

/// Takes a record away.
pub(crate) async fn remove(desk: &Desk, route: &str, seq: u64) {
    let dynamo = &desk.rig.fleet.dynamo;
    let mut delete = dynamo.client_outside().delete_item().table_name(&dynamo.tables().audit);
    for (name, value) in key(route, seq) {
        delete = delete.key(name, value);
    }
    delete.send().await.unwrap();
}

/// What it has to say where all is well.
pub(crate) fn done(said: Said) -> Said {
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said
}
