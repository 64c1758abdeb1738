//! `man`: the help of the commands as manual pages.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::Session;
use crate::cli::args::{Args, ManPages};
use crate::cli::failure::{Exit, Failure};

/// Writes the page of a command to standard output, or the pages of all of them into a directory.
pub(super) fn run(wanted: &ManPages, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut root = Args::command();
    root.build();
    if let Some(directory) = &wanted.to {
        let written = write_all(&root, directory).map_err(|error| unwritable(directory, &error))?;
        session.remark(&format!(
            "{written} pages are in {}; read one with: man {}/writerlink.1",
            directory.display(),
            directory.display()
        ))?;
        return Ok(Exit::Done);
    }
    let page = page(named(&root, &wanted.command)?)?;
    session.out.write_all(&page)?;
    Ok(Exit::Done)
}

/// The command that these words lead to.
fn named<'a>(root: &'a clap::Command, words: &[String]) -> Result<&'a clap::Command, Failure> {
    let mut command = root;
    for word in words {
        command = below(command).find(|sub| sub.get_name() == word).ok_or_else(|| unknown(command, word))?;
    }
    Ok(command)
}

/// What can be typed after a command. Its `help` repeats the pages and has none of its own.
fn below(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn unknown(command: &clap::Command, word: &str) -> Failure {
    let known: Vec<&str> = below(command).map(clap::Command::get_name).collect();
    Failure::told(
        format!("there is no page for {word}"),
        format!("{} has no such command", command.get_name()),
        if known.is_empty() {
            format!("leave out what comes after {}", command.get_name())
        } else {
            format!("its commands are: {}", known.join(", "))
        },
        Exit::Usage,
    )
}

fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone())
        // Of itself it takes the subcommand's own name and no version.
        .source(concat!("writerlink ", env!("CARGO_PKG_VERSION")))
        .manual("writerlink manual")
        .render(&mut page)?;
    Ok(page)
}

/// Writes the pages of a command and of all below it, named as `man` looks them up (`writerlink-audit-list.1`),
/// and says how many.
fn write_all(command: &clap::Command, directory: &Path) -> std::io::Result<usize> {
    fs::create_dir_all(directory)?;
    let name = command.get_display_name().unwrap_or(command.get_name());
    fs::write(directory.join(format!("{name}.1")), page(command)?)?;
    let mut written = 1;
    for sub in below(command) {
        written += write_all(sub, directory)?;
    }
    Ok(written)
}

fn unwritable(directory: &Path, error: &std::io::Error) -> Failure {
    Failure::told(
        format!("the pages were not written to {}", directory.display()),
        error.to_string(),
        "name a directory that you may write to: --to DIRECTORY",
        Exit::Error,
    )
}
