//! `config init`: a commented file to begin with.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::cli::Session;
use crate::cli::failure::{Exit, Failure};

/// Every field with its default and its reason.
const EXAMPLE: &str = include_str!("../../writerlink.example.toml");

/// Writes the example where there is no file yet.
pub(super) fn init(to: &Path, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let written = File::create_new(to).and_then(|mut file| file.write_all(EXAMPLE.as_bytes()));
    written.map_err(|error| {
        let fix = match error.kind() {
            ErrorKind::AlreadyExists => "a file that exists is left alone: name another one with --to FILE",
            _ => "name a file in a folder that exists and may be written: --to FILE",
        };
        Failure::told(format!("{} was not written", to.display()), error.to_string(), fix, Exit::Error)
    })?;
    let name = to.display();
    session.remark(&format!(
        "{name} is written; correct the route's source, target group and instances, then run `writerlink config check --config {name}`"
    ))?;
    Ok(Exit::Done)
}
