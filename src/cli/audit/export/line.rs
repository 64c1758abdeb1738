//! One record as one line: its text, to the byte, and the hash that was stored beside it.
//!
//! `{"hash":"64 digits","record":{...}}`: what stands between `"record":` and the last brace is what was hashed.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

use writerlink_core::model::ids::Hash;
use writerlink_engine::ports::StoredRecord;
use writerlink_engine::wire::record::{canonical, parse};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    hash: &'a str,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// Writes a record.
pub(in crate::cli::audit) fn write(stored: &StoredRecord, out: &mut dyn Write) -> io::Result<()> {
    // No text of ours has the end of a line in it. One that somebody put there must not break this form; that the text
    // is not the one that was hashed shows in the hash.
    let text =
        if stored.canonical.contains(['\n', '\r']) { &canonical(&stored.record) } else { &stored.canonical };
    writeln!(out, "{{\"hash\":\"{}\",\"record\":{text}}}", stored.hash)
}

/// Reads a line, or says what is wrong with it.
pub(in crate::cli::audit) fn read(line: &[u8]) -> Result<StoredRecord, String> {
    let told = |error: &dyn ToString| error.to_string();
    let line: Line = serde_json::from_slice(line).map_err(|error| told(&error))?;
    let text = line.record.get();
    let hash = Hash::parse(line.hash).ok_or_else(|| format!("{:?} is no hash", line.hash))?;
    Ok(StoredRecord {
        record: parse(text).map_err(|error| told(&error))?,
        canonical: text.to_owned(),
        hash,
        altered: Vec::new(),
    })
}
