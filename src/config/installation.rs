//! The name of the installation: from the file, from a variable, or from the ledger that it keeps.

use crate::config::findings::{Findings, Found, Origin, Place};
use crate::config::words::Rule;
use crate::config::{Env, INSTALLATION_VARIABLE, TableName};
use writerlink_core::model::provenance::InstallationName;

/// The template's suffix for the name of the state table.
const STATE_SUFFIX: &str = "-state";

/// The field in its table.
pub(super) const FIELD: &str = "installation";

/// What a name may be.
pub(super) const NAME: Rule<InstallationName> = Rule {
    parse: |text| InstallationName::new(text).map_err(str::to_owned),
    fix: "write a name such as \"writerlink\": the parameter Name of the installation's stack",
};

/// The name that the file or the variable gives, else that of the state table without `-state`.
///
/// The template names the table by the stack's `Name`, so a person with only the worker's file gets the name
/// that the alarms use. The template passes the variable to the worker. If file and variable both give a
/// name, it has to be the same one: otherwise the alarms would use one name and the operators' records the
/// other.
pub(super) fn installation(
    written: Option<Found<InstallationName>>,
    state: &TableName,
    env: Env<'_>,
    findings: &Findings,
) -> Option<Found<InstallationName>> {
    let given = match variable(env) {
        Ok(given) => given,
        Err((text, why)) => {
            let place = Place {
                field: INSTALLATION_VARIABLE.to_owned(),
                origin: Origin::Variable(INSTALLATION_VARIABLE),
            };
            findings.fault(&place, Some(&format!("{text:?}")), why, NAME.fix);
            return None;
        }
    };
    Some(match (written, given) {
        (Some(written), Some(given)) if written.value != given => {
            let quote = format!("{:?}", written.value.as_str());
            let why = format!("{INSTALLATION_VARIABLE} is {given}, and an installation has one name");
            let fix = "remove the field, or write the same name: the parameter Name of its stack";
            findings.fault(&written.place, Some(&quote), why, fix);
            return None;
        }
        (Some(written), _) => written,
        (None, Some(value)) => found(value, Origin::Variable(INSTALLATION_VARIABLE)),
        (None, None) => found(of_ledger(state)?, Origin::Default),
    })
}

/// The variable's value; otherwise its text and the rule that it breaks.
fn variable(env: Env<'_>) -> Result<Option<InstallationName>, (String, String)> {
    let text = env(INSTALLATION_VARIABLE).filter(|value| !value.trim().is_empty());
    let name = text.map(|text| (NAME.parse)(&text).map_err(|why| (text, why)));
    name.transpose()
}

/// Every table's name keeps the rule of a name, so there always is one.
fn of_ledger(state: &TableName) -> Option<InstallationName> {
    let text = state.as_str();
    let stem = text.strip_suffix(STATE_SUFFIX).unwrap_or_default();
    InstallationName::new(if stem.is_empty() { text } else { stem }).ok()
}

/// Shown under the field's name, wherever it came from: it is one setting.
fn found(value: InstallationName, origin: Origin) -> Found<InstallationName> {
    let field = format!("worker.{FIELD}");
    let place = Place { field, origin };
    Found { value, place }
}
