//! The house rules that no lint knows, as tests: a review can then be about design.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the rule it is asked about")]

use std::fs;
use std::path::{Path, PathBuf};

/// The longest a source file may be, tests in it not counted: what fits an afternoon.
const LINES_MAX: usize = 500;

/// The longest name of a function, tests first of all: a line of `cargo test` that is read at one glance.
const NAME_MAX: usize = 70;

fn sources(under: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(under);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no source under {under}");
    found
}

/// The program's own part of a file, without the tests: at its end, or all of a file that is called so.
fn program(path: &Path) -> String {
    if path.ends_with("tests.rs") {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    text.split("\n#[cfg(test)]\n").next().unwrap_or_default().to_owned()
}

#[test]
fn no_source_file_is_longer_than_an_afternoon() {
    for path in sources("src") {
        let lines = program(&path).lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_domain_knows_no_async_no_clock_no_environment_no_log_and_no_sdk() {
    let foreign = ["async ", "tokio", "aws_", "serde", "tracing", "std::env", "SystemTime", "Instant"];
    for path in sources("src/domain") {
        for (number, line) in program(&path).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in foreign {
                let place = format!("{}:{}", path.display(), number + 1);
                assert!(!code.contains(word), "{place} mentions {word:?}");
            }
        }
    }
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let above = [
        ("src/domain", &["ports", "reconcile", "worker", "wire", "aws", "embedded", "cli"][..]),
        ("src/wire", &["ports", "reconcile", "worker", "aws", "embedded", "cli"]),
        ("src/reconcile", &["worker", "wire", "aws", "embedded", "cli", "emf"]),
        ("src/check", &["reconcile", "worker", "wire", "aws", "embedded", "cli", "emf"]),
        ("src/aws", &["reconcile", "embedded", "cli", "emf"]),
        ("src/survey", &["reconcile", "worker", "wire", "aws", "embedded", "cli"]),
    ];
    for (room, not_for_it) in above {
        for path in sources(room) {
            let text = program(&path);
            for other in not_for_it {
                let import = format!("crate::{other}");
                assert!(!text.contains(&import), "{} uses {import}", path.display());
            }
        }
    }
}

/// The name of the function that begins on a line.
fn function(line: &str) -> Option<&str> {
    let (_, rest) = line.trim_start().split_once("fn ").filter(|(before, _)| !before.contains(['"', '/']))?;
    let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))?;
    Some(&rest[..end])
}

#[test]
fn no_test_name_is_longer_than_a_line_of_its_report() {
    let folders = ["src", "tests", "crates"].into_iter();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in folders.filter(|folder| root.join(folder).exists()).flat_map(sources) {
        for name in fs::read_to_string(&path).unwrap().lines().filter_map(function) {
            let length = name.len();
            assert!(length <= NAME_MAX, "{}: {name} has {length} characters", path.display());
        }
    }
}

#[test]
fn nothing_is_left_to_do_without_an_issue() {
    for path in sources("src").into_iter().chain(sources("tests")) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for word in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!"] {
            assert!(!text.contains(word), "{} says {word}", path.display());
        }
    }
}

/// The texts that a patch expects, each with its file: what `git apply` looks for, and needs no git.
fn expected_texts(patch: &str) -> Vec<(&str, String)> {
    let mut expected: Vec<(&str, String)> = Vec::new();
    let (mut file, mut in_hunk) = ("", false);
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            (file, in_hunk) = (path, false);
        } else if line.starts_with("@@ ") {
            in_hunk = true;
            expected.push((file, String::new()));
        } else if line.starts_with("diff --git ") {
            in_hunk = false;
        } else if let (true, Some((_, text)), Some(kept)) =
            (in_hunk, expected.last_mut(), line.strip_prefix([' ', '-']))
        {
            text.push_str(kept);
            text.push('\n');
        }
    }
    expected
}

#[test]
fn every_patch_of_the_zoo_applies_and_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code: String = ["tests", "src", "crates"]
        .into_iter()
        .flat_map(sources)
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let entries = fs::read_dir(root.join("tests/zoo")).unwrap().map(|entry| entry.unwrap().path());
    let patches: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "patch")).collect();
    assert!(!patches.is_empty());
    for path in patches {
        let (name, patch) = (path.display(), fs::read_to_string(&path).unwrap());
        let expected = expected_texts(&patch);
        assert!(!expected.is_empty(), "{name} changes nothing");
        for (file, text) in expected {
            let now = fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(now.contains(&text), "{name} does not apply: {file} does not say\n{text}");
        }
        let caught_by = patch.lines().find_map(|line| line.strip_prefix("Caught-by: "));
        let test = caught_by.unwrap_or_default().rsplit([' ', ':']).next().unwrap_or_default();
        assert!(
            !test.is_empty() && code.contains(&format!("fn {test}")),
            "{name}: there is no test {test:?}"
        );
    }
}
