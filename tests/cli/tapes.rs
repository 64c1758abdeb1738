//! The tapes of `tests/tapes`: incidents, told as a person on call meets them. Each is a walkthrough to read, a
//! runbook to follow and a test: what its console blocks show is what the commands print in the embedded simulation.
//!
//! An item of a list that begins with a time in bold is a stage direction (`stage.rs` has their wording; what follows
//! a semicolon is prose), a line `$ ...` in a console block is typed, all else is prose.
//!
//! `BLESS_TAPES=1 cargo test --test cli tapes::` writes what was printed into the tapes. Without it a tape that
//! differs fails, and the new one lies in `target/tmp/tapes`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where a step fails")]

mod stage;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stage::Stage;

use crate::rig::in_its_own_runtime;

/// How many incidents there are at least.
const TAPES_MIN: usize = 8;

const BLOCK: &str = "```console";

/// The tape with what its commands print now.
async fn play(tape: &str) -> String {
    let mut stage = Stage::set(tape).await;
    let mut played = Vec::new();
    let mut lines = tape.lines();
    while let Some(line) = lines.next() {
        played.push(line.to_owned());
        if let Some((at, direction)) = direction(line) {
            stage.pass_until(at).await;
            stage.direct(direction).await;
        }
        if line == BLOCK {
            let block = lines.by_ref().take_while(|line| *line != "```");
            let typed: Vec<&str> = block.filter_map(|line| line.strip_prefix("$ ")).collect();
            let mut shown = Vec::new();
            for command in typed {
                shown.push(format!("$ {command}\n{}", stage.types(command).await));
            }
            played.push(format!("{}```", shown.join("\n")));
        }
    }
    played.join("\n") + "\n"
}

/// The time of a stage direction, since the world began, and its words.
fn direction(line: &str) -> Option<(Duration, &str)> {
    let (clock, rest) = line.strip_prefix("- **")?.split_once("** ")?;
    let words = rest.split(';').next().unwrap().trim_end_matches('.');
    Some((since_the_beginning(clock)?, words))
}

/// A world begins at 23:00; what is earlier by the clock is the next day.
fn since_the_beginning(clock: &str) -> Option<Duration> {
    let mut parts = clock.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    Some(Duration::from_secs((hour + 1) % 24 * 3600 + minute * 60 + second))
}

fn tapes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tapes");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut tapes: Vec<PathBuf> = files.collect();
    tapes.sort();
    tapes
}

#[expect(clippy::disallowed_methods, reason = "a person says here that the tapes are to be written anew")]
fn blesses() -> bool {
    std::env::var("BLESS_TAPES").is_ok_and(|value| value == "1")
}

#[test]
fn every_tape_shows_what_its_commands_print() {
    let tapes = tapes();
    assert!(tapes.len() >= TAPES_MIN, "{tapes:?}");
    let apart = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tapes");
    fs::create_dir_all(&apart).unwrap();
    let mut differ = Vec::new();
    for path in tapes {
        let tape = fs::read_to_string(&path).unwrap();
        let played = in_its_own_runtime(play(&tape));
        if played == tape {
            continue;
        }
        let place = if blesses() { path } else { apart.join(path.file_name().unwrap()) };
        fs::write(&place, played).unwrap();
        differ.push(place);
    }
    assert!(
        differ.is_empty() || blesses(),
        "these tapes go another way now; BLESS_TAPES=1 writes them into tests/tapes: {differ:#?}"
    );
}
