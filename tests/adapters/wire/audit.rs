//! What the audit commands answer, against ministack, and docs/audit.md, every command of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use crate::support::ministack::Ministack;
use crate::trial::{Trial, completed, signal};

/// Two routes with a few moves, and an event that was rejected.
async fn moved() -> Trial {
    let trial = Trial::bare(&["orders", "billing"]).await;
    assert_eq!(trial.says("setup").code, 0);
    for (route, instance, second) in [("orders", 2, 1), ("orders", 1, 2), ("billing", 2, 3), ("orders", 2, 4)]
    {
        moves(&trial, route, instance, second);
    }
    let stranger = trial.file_with(&completed("orders", 9, 5));
    assert_eq!(trial.says(&format!("replay {stranger}")).code, 5);
    trial
}

fn moves(trial: &Trial, route: &str, instance: u32, second: u32) {
    let event = trial.file_with(&completed(route, instance, second));
    let said = trial.says(&format!("replay {event}"));
    assert_eq!(said.code, 0, "{}", said.err);
}

/// `ROUTE/SEQ` of each line of JSON, whichever command wrote it.
fn ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let record = row.get("record").unwrap_or(&row);
        format!("{}/{}", record["route"].as_str().unwrap(), record["seq"])
    };
    lines.lines().map(id).collect()
}

#[tokio::test]
async fn lists_join_at_their_cursors_and_an_unknown_route_is_an_error() {
    let trial = moved().await;
    let whole = ids(&trial.says("audit list --output jsonl").out);
    assert!(whole.len() > 8);
    let (mut joined, mut cursor) = (Vec::new(), String::new());
    loop {
        let said = trial.says(&format!("audit list --limit 3 --output json {cursor}"));
        let page = said.json();
        let records = page["records"].as_array().unwrap().iter();
        joined.extend(records.map(|r| ids(&r.to_string()).remove(0)));
        match page["next"].as_str() {
            Some(next) => cursor = format!("--cursor {next}"),
            None => break,
        }
    }
    assert_eq!(joined, whole);
    let said = trial.says("audit list --route ordres");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("configured are: orders, billing"), "{}", said.err);
}

#[tokio::test]
async fn every_record_names_its_installation_and_configuration() {
    let trial = moved().await;
    for command in [
        "pause billing --reason maintenance --yes",
        "resume billing --reason over --yes",
        "swap billing --to billing-instance-1 --reason test --yes",
    ] {
        let said = trial.says(command);
        assert_eq!(said.code, 0, "{command}: {}", said.err);
    }
    trial.send("orders", &completed("orders", 1, 7)).await;
    let worked = trial.says("run --drain --log json");
    assert_eq!(worked.code, 0, "{}", worked.err);
    let exported = trial.says("audit export --all").out;
    let mut causes = BTreeSet::new();
    for line in exported.lines() {
        let record = &serde_json::from_str::<Value>(line).unwrap()["record"];
        assert_eq!(record["installation"], "writerlink", "{line}");
        assert_eq!(record["config_hash"], trial.config_hash(), "{line}");
        causes.insert(record["cause"].as_str().unwrap().to_owned());
    }
    for cause in ["event", "replay", "operator"] {
        assert!(causes.contains(cause), "{cause} in {causes:?}");
    }
    let shown = trial.says("audit show orders/1");
    let named = format!("writerlink, configuration {}", trial.config_hash());
    assert!(shown.out.contains(&named), "{}", shown.out);
}

#[tokio::test]
async fn an_export_grows_with_the_table_and_is_verified_without_it() {
    let trial = moved().await;
    let file = trial.file_with("");
    let export = format!("audit export --all --to {file}");
    let verify = format!("audit verify --file {file} --output csv");
    assert_eq!(trial.says(&export).code, 0);
    let first = fs::read_to_string(&file).unwrap();
    moves(&trial, "billing", 1, 6);
    fs::write(&file, &first[..first.len() - 10]).unwrap();
    assert_eq!(trial.says(&verify).code, 3, "its last line is torn");
    assert_eq!(trial.says(&export).code, 0);
    let grown = fs::read_to_string(&file).unwrap();
    assert!(grown.starts_with(&first) && grown.lines().count() == first.lines().count() + 2);
    // Without a configuration and without AWS.
    let offline = crate::trial::said(
        Command::new(env!("CARGO_BIN_EXE_writerlink")).env_clear().args(verify.split_whitespace()),
    );
    assert_eq!(offline.code, 0, "{}", offline.err);
    let from_the_table = trial.says("audit verify billing orders --output csv");
    assert_eq!(offline.out, from_the_table.out);
    fs::write(&file, grown.replacen("orders-instance-2", "orders-instance-1", 1)).unwrap();
    let said = trial.says(&verify);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("from orders/1 on"), "{}", said.err);
}

#[tokio::test]
async fn a_tail_prints_what_comes_and_ends_with_ctrl_c() {
    let trial = moved().await;
    let mut command = trial.command("audit tail orders --every 1 --output jsonl");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (send, told) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
    let head =
        || trial.says("audit verify orders --output json").json()["routes"][0]["head_seq"].as_u64().unwrap();
    let before = head();
    // It may begin before or after the first of these; from the first that it tells on there is no gap.
    let patience = Duration::from_mins(1);
    let mut first = None;
    for second in 10..40 {
        moves(&trial, "orders", 1 + second % 2, second);
        if let Ok(line) = told.recv_timeout(Duration::from_secs(2)) {
            first = Some(line);
            break;
        }
    }
    let last = head();
    let first = ids(&first.expect("it tells of something")).remove(0);
    let first: u64 = first.strip_prefix("orders/").unwrap().parse().unwrap();
    assert!(first > before);
    for seq in first + 1..=last {
        let line = told.recv_timeout(patience).expect("it tells of everything");
        assert_eq!(ids(&line), [format!("orders/{seq}")]);
    }
    signal(&child, "-INT");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains(&format!("goes on with --after orders/{last}\n")), "{said}");
}

/// A block of commands, each as a shell reads it.
type Block = Vec<String>;

/// The blocks of a document that are there to be typed.
fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut inside: Option<Block> = None;
    for line in document.lines() {
        match &mut inside {
            None if line == "```console" => inside = Some(Block::new()),
            None => assert!(!line.starts_with("$ "), "a command outside of a block: {line}"),
            Some(_) if line == "```" => blocks.extend(inside.take()),
            Some(block) => {
                if let Some(command) = line.strip_prefix("$ ") {
                    block.push(command.to_owned());
                    continue;
                }
                let command = block.last_mut().expect("a block begins with a command");
                assert!(command.ends_with('\\'), "what is {line:?}?");
                command.push('\n');
                command.push_str(line);
            }
        }
    }
    assert!(inside.is_none(), "a block has no end");
    blocks
}

/// A shell in a folder of its own, in which `aws` is the one of these tests.
struct Shell<'a> {
    trial: &'a Trial,
    folder: tempfile::TempDir,
}

impl Shell<'_> {
    fn run(&self, command: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_writerlink"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = [
            root.join("tests/documents"),
            program.parent().unwrap().to_owned(),
            root.join(".venv/bin"),
            PathBuf::from("/usr/bin"),
            PathBuf::from("/bin"),
        ];
        // What the trial's commands find in their environment, found by a shell.
        let environment = self.trial.command("");
        let environment = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let output = Command::new("bash")
            .args(["-e", "-o", "pipefail", "-c", command])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(environment)
            .env("AWS_ENDPOINT_URL", Ministack::shared().endpoint())
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("PATH", std::env::join_paths(path).unwrap())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{err}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The records that a command of AWS's command line answered with: the first two columns.
fn rows(text: &str) -> Vec<String> {
    let id = |line: &str| {
        let mut cells = line.split('\t');
        format!("{}/{}", cells.next().unwrap(), cells.next().unwrap())
    };
    text.lines().map(id).collect()
}

/// The records as they can be compared: ministack does not order what PartiQL reads from an index, whatever it is told.
fn in_order(command: &str, mut rows: Vec<String>) -> Vec<String> {
    if command.contains("execute-statement") && command.contains("\".\"by-") {
        rows.sort_unstable();
    }
    rows
}

/// What is 64 hexadecimal digits long.
fn hashes(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let hash = |word: &&str| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
    words.filter(hash).map(str::to_owned).collect()
}

/// The document with what happened in this trial instead of what happened in its example.
fn of_today(document: &str, trial: &Trial) -> Option<String> {
    let all = trial.says("audit list --output jsonl").out;
    let all: Vec<Value> = all.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let days: BTreeSet<&str> = all.iter().map(|row| &row["at"].as_str().unwrap()[..10]).collect();
    let swapped = all.iter().find(|row| row["route"] == "orders" && row["outcome"] == "Moved").unwrap();
    let text = |field: &str| swapped[field].as_str().unwrap();
    let key = "1d9d3a4fa3d54917f4f680acf213986c93c6fa3370483ab261afb17fa2b8db7f";
    let transition = "019dff8c-1dd0-7000-8000-000000000002";
    assert!(document.contains(key) && document.contains(transition));
    (days.len() == 1).then(|| {
        document
            .replace("2026-05-06", days.first().unwrap())
            .replace(key, text("event_key"))
            .replace(transition, text("transition"))
    })
}

#[tokio::test]
async fn every_command_of_the_documents_works_and_answers_as_ours_do() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md");
    let document = fs::read_to_string(path).unwrap();
    let (trial, document) = loop {
        let trial = moved().await;
        // Once more, if midnight passed between two records.
        if let Some(document) = of_today(&document, &trial) {
            break (trial, document);
        }
    };
    let shell = Shell { trial: &trial, folder: tempfile::tempdir().unwrap() };
    let (mut compared, mut hashed) = (0, 0);
    for block in blocks(&document) {
        let answers: Vec<String> = block.iter().map(|command| shell.run(command)).collect();
        if block[0].starts_with("writerlink") && block.iter().any(|c| c.starts_with("aws")) {
            let ours = ids(&answers[0]);
            assert!(!ours.is_empty(), "{}", block[0]);
            for (command, answer) in block.iter().zip(&answers).skip(1) {
                assert_eq!(in_order(command, rows(answer)), in_order(command, ours.clone()));
                compared += 1;
            }
        } else if block.iter().any(|command| command.ends_with("sha256sum")) {
            let found: Vec<BTreeSet<String>> = answers.iter().map(|a| hashes(a)).collect();
            assert!(found.iter().all(|set| set.len() == 1), "{block:?}: {answers:?}");
            assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
            hashed += 1;
        } else if let [command] = &block[..]
            && command.contains("writerlink-state")
        {
            let head = trial.says("audit verify orders --output json").json();
            let head = head["routes"][0]["head_hash"].as_str().unwrap();
            assert!(answers[0].contains(head), "{}", answers[0]);
        }
    }
    assert_eq!((compared, hashed), (10, 2), "what is in the document");
}
