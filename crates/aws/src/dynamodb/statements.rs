//! The PartiQL statements, the only way in which the ledger is written.
//!
//! Append-only is enforced by IAM: a role that may `PartiQLInsert` into the audit table and neither `PutItem`
//! nor `PartiQLUpdate` cannot change a record. That is why no write here is a plain `PutItem` or `UpdateItem`.
//!
//! Every value is a parameter, never part of the text, so nothing that an event says can become PartiQL. Every
//! name is quoted: many of ours are reserved words of DynamoDB (`at`, `day`, `hash`, `owner`, `status`).

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ParameterizedStatement};

use crate::dynamodb::items::Columns;

/// A statement and the values for its question marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub text: String,
    pub parameters: Vec<AttributeValue>,
}

/// Inserts an item; DynamoDB refuses it when the key exists.
pub(crate) fn insert(table: &str, columns: Columns) -> Statement {
    let fields = listed(&columns, ", ", |name| format!("'{name}': ?"));
    Statement { text: format!("INSERT INTO \"{table}\" VALUE {{{fields}}}"), parameters: values(columns) }
}

/// Updates the item of which everything in `when`, its key included, is true.
pub(crate) fn update(table: &str, set: Columns, when: Columns) -> Statement {
    let setting = listed(&set, " ", |name| format!("SET \"{name}\" = ?"));
    let conditions = listed(&when, " AND ", |name| format!("\"{name}\" = ?"));
    let mut parameters = values(set);
    parameters.extend(values(when));
    Statement { text: format!("UPDATE \"{table}\" {setting} WHERE {conditions}"), parameters }
}

fn listed(columns: &Columns, between: &str, one: impl Fn(&str) -> String) -> String {
    let parts: Vec<String> = columns.iter().map(|(name, _)| one(name)).collect();
    parts.join(between)
}

fn values(columns: Columns) -> Vec<AttributeValue> {
    columns.into_iter().map(|(_, value)| value).collect()
}

impl TryFrom<Statement> for ParameterizedStatement {
    type Error = BuildError;

    fn try_from(statement: Statement) -> Result<Self, BuildError> {
        Self::builder().statement(statement.text).set_parameters(Some(statement.parameters)).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(value: &str) -> AttributeValue {
        AttributeValue::N(value.to_owned())
    }

    #[test]
    fn values_are_parameters_and_names_are_quoted() {
        let statement = insert("t", vec![("pk", n("1")), ("at", n("2"))]);
        assert_eq!(statement.text, "INSERT INTO \"t\" VALUE {'pk': ?, 'at': ?}");
        assert_eq!(statement.parameters, [n("1"), n("2")]);
    }

    #[test]
    fn an_update_takes_its_values_before_its_conditions() {
        let set = vec![("owner", n("1")), ("seq", n("2"))];
        let statement = update("t", set, vec![("pk", n("3")), ("seq", n("4"))]);
        assert_eq!(
            statement.text,
            "UPDATE \"t\" SET \"owner\" = ? SET \"seq\" = ? WHERE \"pk\" = ? AND \"seq\" = ?"
        );
        assert_eq!(statement.parameters, [n("1"), n("2"), n("3"), n("4")]);
    }
}
