//! The demo: what a stranger sees first, and that it is the same every time.
#![expect(clippy::unwrap_used, reason = "a test stops where a step fails")]

use assert_cmd::Command;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// The program itself, in an environment without anything: no configuration, no credentials.
fn demo(line: &str) -> Said {
    let mut command = Command::cargo_bin("writerlink").unwrap();
    command.env_clear().arg("demo").args(line.split_whitespace());
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn json_of(seed: u64) -> serde_json::Value {
    let said = demo(&format!("--seed {seed} --output json"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    serde_json::from_str(&said.out).unwrap()
}

/// What the program promises of each scene.
const STEPS: [(&str, &str); 10] = [
    ("failover-started", "Moved"),
    ("failover-completed", "AlreadyThere"),
    ("same-event-by-sns", "Duplicate"),
    ("late-event", "Superseded"),
    ("register-throttled", "Moved"),
    ("failback-while-draining", "Moved"),
    ("malformed-message", "Malformed"),
    ("worker-killed", "Moved"),
    ("completed-after-the-kill", "AlreadyThere"),
    ("relays-switched", "Moved"),
];

fn steps(json: &serde_json::Value) -> Vec<(&str, &str)> {
    let steps = json["steps"].as_array().unwrap().iter();
    steps.map(|step| (step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap())).collect()
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for format in ["table", "json", "jsonl", "csv"] {
        let line = format!("--seed 7 --output {format}");
        let (first, again) = (demo(&line), demo(&line));
        assert_eq!(first.out, again.out, "{format}");
        assert_eq!((first.code, first.err.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn another_seed_gives_another_timeline_and_the_same_outcomes() {
    let mut timelines = std::collections::BTreeSet::new();
    for seed in [0, 1, 2, 3, 4, u64::MAX] {
        let json = json_of(seed);
        assert_eq!(steps(&json), STEPS, "seed {seed}");
        assert_eq!(json["audit_records"], 16, "seed {seed}");
        timelines.insert(json["steps"].to_string());
    }
    assert_eq!(timelines.len(), 6);
}

#[test]
fn the_json_has_exactly_the_promised_fields() {
    let json = json_of(7);
    let fields = ["audit_records", "audit_verified", "seed", "steps", "targets", "version"];
    assert_eq!(keys(&json), fields);
    assert_eq!((&json["version"], &json["seed"]), (&1.into(), &7.into()));
    assert_eq!(json["audit_verified"], true);
    for step in json["steps"].as_array().unwrap() {
        let fields = ["event_key", "moved_ms", "name", "outcome", "registered_ms"];
        assert_eq!(keys(step), fields);
    }
    let writer = serde_json::json!([{"id": "10.0.1.11", "port": 3306, "state": "healthy"}]);
    assert_eq!(json["targets"], writer, "the group ends with the writer alone");
}

#[test]
fn the_demo_times_every_move_from_its_message_and_times_nothing_else() {
    let json = json_of(7);
    for step in json["steps"].as_array().unwrap() {
        let times = (step["registered_ms"].as_u64(), step["moved_ms"].as_u64());
        let (name, outcome) = (&step["name"], &step["outcome"]);
        match times {
            (Some(registered), Some(swapped)) => {
                assert_eq!(outcome, "Moved", "{name}");
                assert!(registered < swapped, "{name}: {times:?}");
            }
            (None, Some(switched)) => {
                assert_eq!(name, "relays-switched", "nobody is registered there");
                assert!(switched < 1_000, "{switched} ms until the last relay forwards to the new writer");
            }
            other => {
                assert_eq!(other, (None, None), "{name}");
                assert_ne!(outcome, "Moved", "{name}");
            }
        }
    }
    let killed = &json["steps"][7];
    assert!(killed["registered_ms"].as_u64().unwrap() < 1_000);
    let resumed = killed["moved_ms"].as_u64().unwrap();
    assert!((30_000..32_000).contains(&resumed), "when the message came back: {resumed}");
}

#[test]
fn a_repeated_event_has_the_key_of_the_first_and_every_other_its_own() {
    let json = json_of(7);
    let key = |n: usize| json["steps"][n]["event_key"].as_str();
    assert_eq!(key(2), key(0));
    assert_eq!(key(6), None, "what cannot be read is no event");
    let keys: std::collections::BTreeSet<_> = (0..10).filter_map(key).collect();
    assert_eq!(keys.len(), 8);
}

#[test]
fn a_line_of_json_is_the_same_object_and_csv_has_a_row_for_every_step() {
    let line = demo("--seed 7 --output jsonl").out;
    assert_eq!(line.lines().count(), 1);
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object, json_of(7));
    let csv = demo("--seed 7 --output csv").out;
    let mut rows = csv.lines();
    let heading = "name,event_key,outcome,registered_ms,moved_ms";
    assert_eq!(rows.next(), Some(heading));
    let names: Vec<&str> = rows.filter_map(|row| row.split(',').next()).collect();
    assert_eq!(names, STEPS.map(|(name, _)| name));
}

#[test]
fn without_a_seed_the_clock_chooses_one_and_the_text_says_which() {
    let chosen = demo("").out;
    let seed = chosen.strip_prefix("writerlink demo, seed ");
    let seed = seed.and_then(|rest| rest.split(':').next()).unwrap();
    assert_eq!(chosen, demo(&format!("--seed {seed}")).out);
}

#[test]
fn the_text_fits_a_hundred_columns_whatever_the_seed() {
    for seed in [7, 8, 9] {
        let said = demo(&format!("--seed {seed}"));
        for line in said.out.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn the_story_is_told_like_this() {
    let said = demo("--seed 7");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    // The head covers every record, and each says the version of this program.
    let head = said.out.lines().find_map(|line| line.split(", head ").nth(1)).unwrap();
    assert_eq!(head.len(), 64);
    insta::assert_snapshot!(said.out.replace(head, "[head]"));
}

#[test]
fn its_page_is_shown_until_it_is_told_to_stop() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::{Command, Stdio};
    let mut demo = Command::new(env!("CARGO_BIN_EXE_writerlink"))
        .env_clear()
        .args(["demo", "--seed", "7", "--serve", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(demo.stderr.take().unwrap()).lines();
    let address = said.find_map(|line| {
        let line = line.unwrap();
        let (_, rest) = line.split_once("http://")?;
        Some(rest.split('/').next().unwrap().to_owned())
    });
    let mut stream = std::net::TcpStream::connect(address.unwrap()).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    for part in ["200 OK", "aurora-orders", "aurora-stock", "Moved", "2 in-sync"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let told = Command::new("kill").arg(demo.id().to_string()).status();
    assert!(told.unwrap().success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
}

#[test]
fn a_page_that_cannot_be_shown_is_refused_before_the_story_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = demo(&format!("--seed 7 --serve {address}"));
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(said.out, "");
    for part in [&address.to_string(), "set --serve to a free port"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}
