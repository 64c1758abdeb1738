//! What the benchmarks share: a world with its workers, meters of time and memory, and plain tables.
#![allow(dead_code, reason = "each benchmark uses its part")]
#![expect(clippy::unwrap_used, reason = "a benchmark whose world cannot be built has nothing to measure")]

pub(crate) mod capacity;
pub(crate) mod desk;
pub(crate) mod ledger;
pub(crate) mod meter;
pub(crate) mod stage;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};

use serde_json::json;

/// The whole numbers on the command line: `cargo bench` passes `--bench` of its own.
pub(crate) fn numbers_asked() -> impl Iterator<Item = u64> {
    let words = std::env::args().skip(1);
    words.filter_map(|word| word.parse().ok())
}

/// The first of them.
pub(crate) fn number_asked(default: u64) -> u64 {
    numbers_asked().next().unwrap_or(default)
}

/// Prints a line at once.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Where the figures that are held against an aim are gathered, a JSON line each: `make bench` shows them together.
const FIGURES: &str = "FIGURES";

/// Holds a figure against what was aimed at.
pub(crate) fn hold(what: &str, aim: &str, figure: &str, met: bool) {
    let verdict = if met { "met" } else { "missed" };
    say(&format!("{what}: {figure} (aimed at {aim}): {verdict}"));
    let Some(path) = std::env::var_os(FIGURES) else {
        return;
    };
    let line = json!({"what": what, "target": aim, "figure": figure, "met": met});
    let file = OpenOptions::new().create(true).append(true).open(path);
    writeln!(file.unwrap(), "{line}").unwrap();
}

/// Prints rows in columns, the first one to the left, the others to the right, a rule under the heading.
pub(crate) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.get(n));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (n, cell) in row.iter().enumerate() {
            let width = widths[n];
            if n == 0 {
                write!(line, "{cell:<width$}").unwrap();
            } else {
                write!(line, "  {cell:>width$}").unwrap();
            }
        }
        say(line.trim_end());
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            say(&rules.join("  "));
        }
    }
}

/// A row of a table.
#[macro_export]
macro_rules! row {
    ($($cell:expr),+ $(,)?) => { vec![$($cell.to_string()),+] };
}
