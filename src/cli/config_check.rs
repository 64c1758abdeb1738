//! `config check`: what was understood, and where each value came from.

use std::path::Path;

use serde::Serialize;

use super::Session;
use super::args::Output;
use super::failure::{Exit, Failure};
use super::render::{Listing, Row};
use crate::config::{self, Loaded, Setting};

#[derive(Serialize)]
struct SettingRow<'a> {
    field: &'a str,
    value: &'a str,
    from: String,
}

impl Row for SettingRow<'_> {
    const COLUMNS: &'static [&'static str] = &["FIELD", "VALUE", "FROM"];
    const FIELDS: &'static [&'static str] = &["field", "value", "from"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.field.to_owned(),
            self.value.to_owned(),
            self.from.clone(),
        ]
    }
}

/// Reads the configuration and shows it.
pub(super) fn check(
    file: Option<&Path>,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let loaded = config::read(file, session.env)?;
    let rows: Vec<_> = loaded.settings.iter().map(row).collect();
    let rows = Listing {
        name: "settings",
        rows: &rows,
        next: None,
    };
    rows.write(output, session.out)?;
    session.remark(&summary(&loaded))?;
    Ok(Exit::Done)
}

fn row(setting: &Setting) -> SettingRow<'_> {
    SettingRow {
        field: &setting.field,
        value: &setting.value,
        from: setting.origin.to_string(),
    }
}

fn summary(loaded: &Loaded) -> String {
    let routes = match loaded.config.routes.len() {
        1 => "1 route".to_owned(),
        more => format!("{more} routes"),
    };
    let text = format!(
        "the configuration in {} has {routes} and no fault",
        loaded.from
    );
    if loaded.unused.is_empty() {
        return text;
    }
    let unused = loaded.unused.join(" and ");
    format!("{text}\nnot looked at, since there is a file: {unused}")
}
