//! `config check`: what was understood, and where each value came from.

use std::path::Path;

use serde::Serialize;

use crate::cli::Session;
use crate::cli::args::Output;
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Row};
use crate::config;
use crate::config::{CONFIG_VARIABLE, ConfigError, Diagnostic, Loaded, Setting};

#[derive(Default, Serialize)]
struct SettingRow<'a> {
    field: &'a str,
    value: &'a str,
    from: String,
}

impl Row for SettingRow<'_> {
    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![("FIELD", self.field.to_owned()), ("VALUE", self.value.to_owned()), ("FROM", self.from.clone())]
    }
}

/// Reads the configuration and shows it.
pub(super) fn check(file: Option<&Path>, output: Output, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let loaded = match config::read(file, session.env) {
        Ok(loaded) => loaded,
        Err(error) => {
            findings(&error, output, session)?;
            return Err(error.into());
        }
    };
    let rows: Vec<_> = loaded.settings.iter().map(row).collect();
    Listing::of("settings", &rows).write(output, session.out)?;
    session.remark(&summary(&loaded))?;
    Ok(Exit::Done)
}

/// One thing that is wrong, as people read it on standard error too.
#[derive(Default, Serialize)]
struct FaultRow {
    place: String,
    field: Option<String>,
    value: Option<String>,
    why: String,
    fix: String,
}

impl Row for FaultRow {}

/// What is wrong, for programs. People read it on standard error, and a table would say it twice.
fn findings(error: &ConfigError, output: Output, session: &mut Session<'_>) -> Result<(), Failure> {
    if output == Output::Table {
        return Ok(());
    }
    let rows: Vec<FaultRow> = match error {
        ConfigError::Faulty { faults, .. } => faults.iter().map(fault).collect(),
        ConfigError::Absent => vec![FaultRow {
            place: "the environment".to_owned(),
            field: None,
            value: None,
            why: error.to_string(),
            fix: format!("pass --config FILE, or set {CONFIG_VARIABLE}"),
        }],
        ConfigError::Unreadable { path, source } => vec![FaultRow {
            place: path.display().to_string(),
            field: None,
            value: None,
            why: source.to_string(),
            fix: "check the path and its permissions".to_owned(),
        }],
    };
    Listing::of("faults", &rows).write(output, session.out)?;
    Ok(())
}

fn fault(fault: &Diagnostic) -> FaultRow {
    FaultRow {
        place: fault.place.clone(),
        field: Some(fault.field.clone()),
        value: fault.value.clone(),
        why: fault.why.clone(),
        fix: fault.fix.clone(),
    }
}

fn row(setting: &Setting) -> SettingRow<'_> {
    SettingRow { field: &setting.field, value: &setting.value, from: setting.origin.to_string() }
}

fn summary(loaded: &Loaded) -> String {
    let routes = match loaded.config.routes.len() {
        1 => "1 route".to_owned(),
        more => format!("{more} routes"),
    };
    let text = format!(
        "the configuration in {} has {routes} and no fault; its hash is {}",
        loaded.from, loaded.config.provenance.config
    );
    if loaded.unused.is_empty() {
        return text;
    }
    let unused = loaded.unused.join(" and ");
    format!("{text}\nnot looked at, since there is a file: {unused}")
}
