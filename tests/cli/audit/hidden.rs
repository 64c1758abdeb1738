//! Text from outside with characters that cannot be seen: what is shown has their numbers, what is exported has them.

use super::archive::{done, moved};
use crate::desk::Desk;

const HIDDEN: &str = "\u{200B}\u{2028}\u{202E}\u{E0041}\u{85}\u{FEFF}";
const NUMBERS: &str = r"\u{200b}\u{2028}\u{202e}\u{e0041}\u{85}\u{feff}";
const IN_JSON: &str = r"\u200b\u2028\u202e\udb40\udc41\u0085\ufeff";

/// A route that an event with hidden characters moved, and that event's key.
async fn told() -> (Desk, String) {
    let desk = moved(&["orders"], 1).await;
    let mut event = desk.rig.completed(0, 3, 0);
    event.at = desk.rig.chain(0).await[1].record.entry.at;
    event.message = format!("{} a{HIDDEN}b", event.message);
    desk.rig.fleet.world.deliver(&event);
    assert!(desk.rig.run("w9").await);
    let chain = desk.rig.chain(0).await;
    let key = chain[chain.len() - 1].record.entry.event_key.to_string();
    (desk, key)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_seen_is_shown_to_a_person_as_its_number() {
    let (desk, key) = told().await;
    let said = done(desk.says(&format!("audit show {key}")).await);
    assert!(said.out.contains(&format!("a{NUMBERS}b")), "{}", said.out);
    assert!(!said.out.contains(|c| HIDDEN.contains(c)));
}

#[tokio::test(start_paused = true)]
async fn json_has_escapes_that_a_parser_reads_as_the_same_text() {
    let (desk, key) = told().await;
    for output in ["json", "jsonl"] {
        let said = done(desk.says(&format!("audit show {key} --output {output}")).await);
        assert!(said.out.contains(&format!("a{IN_JSON}b")), "{}", said.out);
        assert!(!said.out.contains(|c| HIDDEN.contains(c)));
        let text = if output == "json" { said.out.as_str() } else { said.out.lines().next().unwrap() };
        let read: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(any_text(&read, &format!(" a{HIDDEN}b")), "{read}");
    }
}

fn any_text(value: &serde_json::Value, part: &str) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains(part),
        serde_json::Value::Array(list) => list.iter().any(|one| any_text(one, part)),
        serde_json::Value::Object(map) => map.values().any(|one| any_text(one, part)),
        _ => false,
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_has_the_hidden_characters_and_its_hashes_hold() {
    let (desk, _) = told().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl").display().to_string();
    done(desk.says(&format!("audit export --all --to {path}")).await);
    let exported = std::fs::read_to_string(&path).unwrap();
    for stored in desk.rig.chain(0).await {
        assert!(exported.contains(&stored.canonical));
    }
    assert!(exported.contains(&format!("a{HIDDEN}b")));
    done(desk.says(&format!("audit verify --file {path}")).await);
}
