//! The house rules that no lint knows, as tests: a review can then be about design.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the rule it is asked about")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest a source file may be, tests in it not counted: what fits an afternoon.
const LINES_MAX: usize = 500;

/// The longest name of a function, tests first of all: a line of `cargo test` that is read at one glance.
const NAME_MAX: usize = 70;

/// The floors from the ground up, and the crates of ours that each may depend on.
const FLOORS: [(&str, &[&str]); 4] = [
    ("crates/core", &[]),
    ("crates/engine", &["writerlink-core"]),
    ("crates/aws", &["writerlink-core", "writerlink-engine"]),
    ("crates/sim", &["writerlink-core", "writerlink-engine", "writerlink-aws"]),
];

/// Where the program's own source is, floor by floor.
const HOUSE: [&str; 5] = ["crates/core/src", "crates/engine/src", "crates/aws/src", "crates/sim/src", "src"];

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

/// The source files of the whole house.
fn house() -> impl Iterator<Item = PathBuf> {
    HOUSE.iter().flat_map(|folder| sources(folder))
}

/// The text without its comments, strings left alone.
fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |kept, line| kept + line + "\n")
}

#[test]
fn no_source_file_is_longer_than_an_afternoon() {
    for path in house() {
        let lines = program(&path).lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_core_knows_no_async_no_clock_no_environment_no_log_and_no_sdk() {
    let foreign = ["async ", "tokio", "aws_", "serde", "tracing", "std::env", "SystemTime", "Instant"];
    for path in sources("crates/core/src") {
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
fn a_floor_depends_only_on_the_floors_below_it() {
    for (floor, below) in FLOORS {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(floor).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used =
                manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            for name in used.filter(|name| name.starts_with("writerlink")) {
                assert!(below.contains(&name.as_str()), "{floor} has {name} in its {section}");
            }
        }
    }
}

/// The paths below `crate::` in a text, a group in braces taken apart: `crate::a::{b, c::D}` is `a::b` and `a::c::D`.
fn crate_paths(text: &str) -> Vec<String> {
    text.split("crate::").skip(1).flat_map(|rest| expanded("", rest).0).collect()
}

/// The paths at the beginning of a text, each after the prefix, and what follows them.
fn expanded<'a>(prefix: &str, text: &'a str) -> (Vec<String>, &'a str) {
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut paths = Vec::new();
        loop {
            rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
            if rest.is_empty() || rest.starts_with('}') {
                return (paths, rest.strip_prefix('}').unwrap_or(rest));
            }
            let (inner, after) = expanded(prefix, rest);
            paths.extend(inner);
            // What is no path ends the item: `as Name`, `*`.
            rest = after.trim_start_matches(|letter: char| !matches!(letter, ',' | '}'));
        }
    }
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(text.len());
    let path = if prefix.is_empty() { text[..end].to_owned() } else { format!("{prefix}::{}", &text[..end]) };
    match text[end..].strip_prefix("::") {
        Some(rest) => expanded(&path, rest),
        None => (vec![path], &text[end..]),
    }
}

/// Which file's module uses which. A module and those inside of it are one family: their use of each other is no edge.
fn uses(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let module = |path: &Path| {
        let path = path.strip_prefix(&root).unwrap().with_extension("");
        path.to_str().unwrap().trim_end_matches("/mod").replace('/', "::")
    };
    let texts: BTreeMap<String, String> = sources(folder)
        .iter()
        .map(|path| (module(path), without_comments(&program(path))))
        .filter(|(name, _)| name != "lib" && name != "main")
        .collect();
    let family =
        |a: &str, b: &str| a == b || a.starts_with(&format!("{b}::")) || b.starts_with(&format!("{a}::"));
    let home = |mut path: &str| loop {
        if texts.contains_key(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    };
    let edges = |name: &String, text: &String| {
        let used = crate_paths(text)
            .iter()
            .filter_map(|path| home(path))
            .filter(|other| !family(name, other))
            .collect();
        (name.clone(), used)
    };
    texts.iter().map(|(name, text)| edges(name, text)).collect()
}

/// All that a module reaches by way of what it uses.
fn reached(uses: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = waiting.pop() {
        for used in uses.get(&module).into_iter().flatten() {
            if found.insert(used.clone()) {
                waiting.push(used.clone());
            }
        }
    }
    found
}

/// The circles of a crate, each as `folder: module, module`.
fn circles(folder: &str) -> BTreeSet<String> {
    let uses = uses(folder);
    let reached: BTreeMap<&String, BTreeSet<String>> =
        uses.keys().map(|name| (name, reached(&uses, name))).collect();
    let round = |name: &String| {
        let circle =
            uses.keys().filter(|other| reached[name].contains(*other) && reached[*other].contains(name));
        format!("{folder}: {}", circle.cloned().collect::<Vec<_>>().join(", "))
    };
    uses.keys().filter(|name| reached[*name].contains(*name)).map(round).collect()
}

#[test]
fn a_group_in_braces_is_taken_apart() {
    let text = "use crate::a::{b, c::{D, E as F}, g::*}; fn f(x: crate::h::I) {}";
    assert_eq!(crate_paths(text), ["a::b", "a::c::D", "a::c::E", "a::g::", "h::I"]);
}

#[test]
fn no_files_of_a_crate_use_each_other_in_a_circle() {
    let found: BTreeSet<String> = HOUSE.iter().flat_map(|folder| circles(folder)).collect();
    assert!(found.is_empty(), "circles: {found:#?}");
}

/// The name of the public type that is defined on a line.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "trait "].iter().find_map(|kind| rest.strip_prefix(kind))?;
    rest.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).next()
}

#[test]
fn no_two_public_types_have_one_name() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in house() {
        for name in program(&path).lines().filter_map(public_type) {
            homes.entry(name.to_owned()).or_default().push(path.display().to_string());
        }
    }
    homes.retain(|name, files| name != "Error" && files.len() > 1);
    assert!(homes.is_empty(), "one name, two types: {homes:#?}");
}

/// The name of the function that begins on a line.
fn function(line: &str) -> Option<&str> {
    let (_, rest) = line.trim_start().split_once("fn ").filter(|(before, _)| !before.contains(['"', '/']))?;
    let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))?;
    Some(&rest[..end])
}

#[test]
fn no_test_name_is_longer_than_a_line_of_its_report() {
    for path in ["src", "tests", "crates"].into_iter().flat_map(sources) {
        for name in fs::read_to_string(&path).unwrap().lines().filter_map(function) {
            let length = name.len();
            assert!(length <= NAME_MAX, "{}: {name} has {length} characters", path.display());
        }
    }
}

#[test]
fn nothing_is_left_to_do_without_an_issue() {
    for path in ["src", "tests", "crates"].into_iter().flat_map(sources) {
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
    let code: String = ["src", "tests", "crates"]
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
