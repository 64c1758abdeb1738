//! One table of a TOML file, read field by field.
//!
//! Not by `serde`: it stops at the first field that does not fit, and a person who corrects a file wants to
//! see all of them. The parser's own tree keeps the place of every key and value.

mod lists;

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::findings::{Findings, Found, Origin, Place};
use crate::config::words::{Keyword, Rule};

/// The text of a file, for line numbers and quotes.
#[derive(Clone, Copy)]
pub(super) struct Document<'a>(pub(super) &'a str);

impl<'a> Document<'a> {
    pub(super) fn line(self, offset: usize) -> Origin {
        let before = self.0.get(..offset).unwrap_or(self.0);
        Origin::Line(before.matches('\n').count() + 1)
    }

    fn quote(self, value: &Spanned<DeValue<'_>>) -> &'a str {
        self.0.get(value.span()).unwrap_or_default()
    }
}

/// One field whose value is a whole number.
pub(super) struct Number {
    pub(super) field: &'static str,
    /// The allowed values.
    pub(super) range: RangeInclusive<u32>,
    /// Why no others are allowed.
    pub(super) why: &'static str,
    /// What 0 means, where it is allowed below the range.
    pub(super) zero: Option<&'static str>,
    /// The value where the field is absent.
    pub(super) default: u32,
}

impl Number {
    /// A field with its allowed values, its default, and why no others are allowed.
    pub(super) const fn new(
        field: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
        why: &'static str,
    ) -> Self {
        Self { field, range, why, zero: None, default }
    }

    /// Also allows 0, which means this.
    pub(super) const fn or_zero(self, meaning: &'static str) -> Self {
        Self { zero: Some(meaning), ..self }
    }

    fn allows(&self, number: u32) -> bool {
        self.range.contains(&number) || (number == 0 && self.zero.is_some())
    }

    fn fix(&self) -> String {
        let (least, most) = (self.range.start(), self.range.end());
        let zero = self.zero.map(|meaning| format!(", or 0 for {meaning}"));
        let zero = zero.unwrap_or_default();
        let default = if self.allows(self.default) {
            format!("; the default is {}", self.default)
        } else {
            String::new()
        };
        format!("write a whole number from {least} to {most}{zero}{default}")
    }
}

/// A time of the program as a number of the file.
#[expect(clippy::cast_possible_truncation, reason = "no setting comes near a century")]
pub(super) const fn seconds(duration: Duration) -> u32 {
    duration.as_secs() as u32
}

/// Fields that had another name once, and what they are called now. The old names are spelled so that
/// renaming a word all over the code leaves them alone.
pub(super) const RENAMED: &[(&str, &str)] = &[
    (concat!("tru", "th"), "discovery"),
    (concat!("looks_per", "_second_max"), "describe_calls_per_second_max"),
];

/// Why a field that is not in `known` is refused, and what to do.
fn unknown(field: &str, known: &[&str], renamed: &[(&str, &str)]) -> (String, String) {
    let now = renamed.iter().find(|(old, new)| *old == field && known.contains(new));
    if let Some((old, new)) = now {
        return (format!("`{old}` is now called `{new}`"), format!("write {new} instead of {old}"));
    }
    let fix = format!("remove it, or use one of: {}", known.join(", "));
    ("there is no such field".to_owned(), fix)
}

/// One table; absent ones read like empty ones.
pub(super) struct Section<'a> {
    /// Its name, in front of its fields' names.
    pub(super) path: String,
    /// Its header's line, where a missing field is reported.
    pub(super) origin: Origin,
    document: Document<'a>,
    pub(super) findings: &'a Findings,
    table: Option<&'a DeTable<'a>>,
    /// The fields that the code reads, in this order: there are no others.
    known: RefCell<Vec<&'static str>>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(document: Document<'a>, table: &'a DeTable<'a>, findings: &'a Findings) -> Self {
        let (path, origin, known) = (String::new(), Origin::Line(1), RefCell::default());
        Self { path, origin, document, findings, table: Some(table), known }
    }

    /// A table that is not in the file: every field has its default.
    pub(super) fn absent(path: String, findings: &'a Findings) -> Self {
        let (origin, document, known) = (Origin::Default, Document(""), RefCell::default());
        Self { path, origin, document, findings, table: None, known }
    }

    /// A table of the same file.
    fn other(&self, path: String, origin: Origin, table: Option<&'a DeTable<'a>>) -> Self {
        let (document, findings, known) = (self.document, self.findings, RefCell::default());
        Self { path, origin, document, findings, table, known }
    }

    /// A table under this one.
    pub(super) fn table(&self, field: &'static str) -> Section<'a> {
        let path = self.place(field, self.origin).field;
        match self.get(field) {
            Some(value) => self.as_section(path, value),
            None => self.other(path, self.origin, None),
        }
    }

    /// An array of tables under this one. Their fields are named by position, from 1, until they are
    /// [named](Self::named).
    pub(super) fn tables(&self, field: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(field) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            let place = self.place(field, self.document.line(value.span().start));
            let why = format!("there may be several {field}s, but this is {}", type_of(value));
            let fix = format!("write [[{field}]], with two brackets");
            self.findings.fault(&place, None, why, fix);
            return Vec::new();
        };
        (1..).zip(array.iter()).map(|(n, value)| self.as_section(format!("{field}[{n}]"), value)).collect()
    }

    /// The same table under a better name.
    pub(super) fn named(self, path: String) -> Self {
        Self { path, ..self }
    }

    fn as_section(&self, path: String, value: Value<'a>) -> Section<'a> {
        let origin = self.document.line(value.span().start);
        let table = value.get_ref().as_table();
        if table.is_none() {
            let place = Place { field: path.clone(), origin };
            let why = of_type("a table", value);
            let fix = "write its header on a line of its own, as in writerlink.example.toml";
            self.findings.fault(&place, Some(self.document.quote(value)), why, fix);
        }
        self.other(path, origin, table)
    }

    /// Reports every field that the code does not read: a misspelt field must not silently become a default.
    pub(super) fn has_no_others(&self) {
        let known = self.known.borrow();
        for (key, value) in self.table.iter().flat_map(|table| table.iter()) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let place = self.place(name, self.document.line(key.span().start));
                let quote = value.get_ref().as_table().is_none();
                let (why, fix) = unknown(name, &known, RENAMED);
                self.findings.fault(&place, quote.then(|| self.document.quote(value)), why, fix);
            }
        }
    }

    /// A field where it is written, else where it could be.
    pub(super) fn place_of(&self, field: &str) -> Place {
        let line = self.find(field).map(|value| self.document.line(value.span().start));
        self.place(field, line.unwrap_or(self.origin))
    }

    pub(super) fn place(&self, field: &str, origin: Origin) -> Place {
        let field = if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) };
        Place { field, origin }
    }

    /// The table itself, where it begins.
    pub(super) fn header(&self) -> Place {
        Place { field: self.path.clone(), origin: self.origin }
    }

    /// Whether its header is written anywhere.
    pub(super) fn is_written(&self) -> bool {
        self.table.is_some()
    }

    /// Whether it is there and has no field.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_some_and(DeTable::is_empty)
    }

    pub(super) fn has(&self, field: &'static str) -> bool {
        self.get(field).is_some()
    }

    /// Every read of a field goes through this, which adds it to `known`.
    fn get(&self, field: &'static str) -> Option<Value<'a>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&field) {
            known.push(field);
        }
        self.find(field)
    }

    fn find(&self, field: &str) -> Option<Value<'a>> {
        let (_, value) = self.table?.iter().find(|(key, _)| key.get_ref() == field)?;
        Some(value)
    }

    /// Reports a fault of a field with its value as it is written, for checks over several fields.
    pub(super) fn accuse(&self, field: &str, why: &str, fix: &str) {
        let quote = self.find(field).map(|value| self.document.quote(value));
        self.findings.fault(&self.place_of(field), quote, why, fix);
    }

    /// A string that keeps `rule`; nothing when it is absent or a fault was reported.
    pub(super) fn text<T>(&self, field: &'static str, rule: &Rule<T>) -> Option<Found<T>> {
        let value = self.get(field)?;
        let place = self.place(field, self.document.line(value.span().start));
        self.parsed(place, value, rule)
    }

    fn parsed<T>(&self, place: Place, value: Value<'_>, rule: &Rule<T>) -> Option<Found<T>> {
        let parsed = match value.get_ref().as_str() {
            Some(text) => (rule.parse)(text),
            None => Err(of_type("a string in quotes", value)),
        };
        match parsed {
            Ok(value) => Some(Found { value, place }),
            Err(why) => {
                self.findings.fault(&place, Some(self.document.quote(value)), why, rule.fix);
                None
            }
        }
    }

    /// The same, recorded as understood, with a default.
    pub(super) fn text_or<T: fmt::Display>(&self, field: &'static str, rule: &Rule<T>, default: T) -> T {
        let found = self.text(field, rule);
        self.or_default(field, found, default, T::to_string)
    }

    /// The same for a string without a default; `none` is shown if it is absent.
    pub(super) fn text_or_none(
        &self,
        field: &'static str,
        rule: &Rule<String>,
        none: &str,
    ) -> Option<String> {
        let found = self.text(field, rule);
        let found = found.map(|Found { value, place }| Found { value: Some(value), place });
        let shown = |text: &Option<String>| text.as_deref().unwrap_or(none).to_owned();
        self.or_default(field, found, None, shown)
    }

    /// One of a few words.
    pub(super) fn word<T: Keyword>(&self, field: &'static str) -> T {
        let found = self.text(field, &T::RULE);
        self.or_default(field, found, T::default(), |word| word.word().to_owned())
    }

    /// The value that was found, otherwise the default: recorded as understood, as `shown` writes it.
    pub(super) fn or_default<T>(
        &self,
        field: &str,
        found: Option<Found<T>>,
        default: T,
        shown: impl Fn(&T) -> String,
    ) -> T {
        let (value, place) = match found {
            Some(Found { value, place }) => (value, place),
            None => (default, self.place(field, Origin::Default)),
        };
        self.findings.understood(&place, shown(&value));
        value
    }

    /// A whole number, recorded as understood.
    pub(super) fn number(&self, row: &Number) -> u32 {
        self.number_shown(row, u32::to_string)
    }

    /// The same in seconds.
    pub(super) fn duration(&self, row: &Number) -> Duration {
        Duration::from_secs(self.number(row).into())
    }

    /// A whole number, recorded as `shown` writes it.
    pub(super) fn number_shown(&self, row: &Number, shown: impl Fn(&u32) -> String) -> u32 {
        let found = self.get(row.field).and_then(|value| {
            let place = self.place(row.field, self.document.line(value.span().start));
            let number = value.get_ref().as_integer().and_then(|number| {
                let digits = number.as_str().replace('_', "");
                u32::from_str_radix(&digits, number.radix()).ok()
            });
            let number = number.filter(|number| row.allows(*number));
            if number.is_none() {
                self.findings.fault(&place, Some(self.document.quote(value)), row.why, row.fix());
            }
            number.map(|value| Found { value, place })
        });
        self.or_default(row.field, found, row.default, shown)
    }

    /// `true` or `false`.
    pub(super) fn flag_or(&self, field: &'static str, default: bool) -> bool {
        let found = self.get(field).and_then(|value| {
            let place = self.place(field, self.document.line(value.span().start));
            let flag = value.get_ref().as_bool();
            if flag.is_none() {
                let quote = self.document.quote(value);
                let fix = "write true or false, without quotes";
                self.findings.fault(&place, Some(quote), "this is not true or false", fix);
            }
            flag.map(|value| Found { value, place })
        });
        self.or_default(field, found, default, bool::to_string)
    }
}

fn of_type(wanted: &str, value: Value<'_>) -> String {
    format!("this has to be {wanted}, but is {}", type_of(value))
}

fn type_of(value: Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_that_was_renamed_is_reported_with_its_new_name() {
        let renamed = [("colour", "tone"), ("size", "width")];
        let reported = |field| unknown(field, &["name", "tone"], &renamed);
        let (why, fix) = reported("colour");
        assert_eq!(
            (why.as_str(), fix.as_str()),
            ("`colour` is now called `tone`", "write tone instead of colour")
        );
        for field in ["nmae", "size"] {
            let (why, fix) = reported(field);
            assert_eq!(why, "there is no such field", "{field} has no new name in this table");
            assert_eq!(fix, "remove it, or use one of: name, tone");
        }
    }
}
