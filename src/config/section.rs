//! One table of a TOML file, read field by field.
//!
//! Not by `serde`: it stops at the first field that does not fit, and a person who mends a file wants to
//! hear of all of them. The parser's own tree keeps the place of every key and value.

mod lists;

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::findings::{Findings, Found, Origin, Place};
use crate::config::words::{Keyword, Rule};

/// The text of a file, to tell lines and to quote from.
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
    /// Which are allowed.
    pub(super) range: RangeInclusive<u32>,
    /// Why no others are.
    pub(super) why: &'static str,
    /// What 0 means, where it is allowed below the range.
    pub(super) zero: Option<&'static str>,
    /// What holds where the field is absent.
    pub(super) default: u32,
}

impl Number {
    fn allows(&self, number: u32) -> bool {
        self.range.contains(&number) || (number == 0 && self.zero.is_some())
    }

    fn fix(&self) -> String {
        let (least, most) = (self.range.start(), self.range.end());
        let zero = self.zero.map(|meaning| format!(", or 0 for {meaning}"));
        let zero = zero.unwrap_or_default();
        format!("write a whole number from {least} to {most}{zero}; the default is {}", self.default)
    }
}

/// A time of the program as a number of the file.
#[expect(clippy::cast_possible_truncation, reason = "no setting comes near a century")]
pub(super) const fn seconds(duration: Duration) -> u32 {
    duration.as_secs() as u32
}

/// Fields that had another name once, and what they are called now. The old names are spelled so that renaming a word
/// all over the code leaves them alone.
const RENAMED: &[(&str, &str)] = &[
    (concat!("tru", "th"), "discovery"),
    (concat!("looks_per", "_second_max"), "describe_calls_per_second_max"),
];

/// Why a field is refused that is none of `known`, and what to do.
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
    table: Option<&'a DeTable<'a>>,
    /// The fields that were asked for, in this order: there are no others.
    known: RefCell<Vec<&'static str>>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(document: Document<'a>, table: &'a DeTable<'a>) -> Self {
        Self::new(String::new(), (Origin::Line(1), document), Some(table))
    }

    /// A table of which nothing is written anywhere: every field has its default.
    pub(super) fn absent(path: String) -> Self {
        Self::new(path, (Origin::Default, Document("")), None)
    }

    fn new(path: String, (origin, document): (Origin, Document<'a>), table: Option<&'a DeTable<'a>>) -> Self {
        Self { path, origin, document, table, known: RefCell::default() }
    }

    /// A table under this one.
    pub(super) fn table(&self, field: &'static str, findings: &mut Findings) -> Section<'a> {
        let path = self.place(field, self.origin).field;
        match self.get(field) {
            Some(value) => self.as_section(path, value, findings),
            None => Section::new(path, (self.origin, self.document), None),
        }
    }

    /// An array of tables under this one. Their fields are named by position, from 1, until they are
    /// [named](Self::named).
    pub(super) fn tables(&self, field: &'static str, findings: &mut Findings) -> Vec<Section<'a>> {
        let Some(value) = self.get(field) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            let place = self.place(field, self.document.line(value.span().start));
            let why = format!("there may be several {field}s, and this is {}", type_of(value));
            let fix = format!("write [[{field}]], with two brackets");
            findings.fault(&place, None, why, fix);
            return Vec::new();
        };
        (1..)
            .zip(array.iter())
            .map(|(n, value)| self.as_section(format!("{field}[{n}]"), value, findings))
            .collect()
    }

    /// The same table under a better name.
    pub(super) fn named(self, path: String) -> Self {
        Self { path, ..self }
    }

    fn as_section(&self, path: String, value: Value<'a>, findings: &mut Findings) -> Section<'a> {
        let origin = self.document.line(value.span().start);
        let table = value.get_ref().as_table();
        if table.is_none() {
            let place = Place { field: path.clone(), origin };
            let why = of_type("a table", value);
            let fix = "write its header on a line of its own, as in writerlink.example.toml";
            findings.fault(&place, Some(self.document.quote(value)), why, fix);
        }
        Section::new(path, (origin, self.document), table)
    }

    /// Reports every field that nobody asked for: a misspelt field must not be a default in silence.
    pub(super) fn has_no_others(&self, findings: &mut Findings) {
        let known = self.known.borrow();
        for (key, value) in self.table.iter().flat_map(|table| table.iter()) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let place = self.place(name, self.document.line(key.span().start));
                let quote = value.get_ref().as_table().is_none();
                let (why, fix) = unknown(name, &known, RENAMED);
                findings.fault(&place, quote.then(|| self.document.quote(value)), why, fix);
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

    /// Every reading of a field goes through this, which takes note of it.
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

    /// Reports a fault of a field with its value as it is written, for what only several fields together show.
    pub(super) fn accuse(&self, field: &str, (why, fix): (&str, &str), findings: &mut Findings) {
        let quote = self.find(field).map(|value| self.document.quote(value));
        findings.fault(&self.place_of(field), quote, why, fix);
    }

    /// A string that keeps `rule`; nothing when it is absent or a fault was reported.
    pub(super) fn text<T>(
        &self,
        field: &'static str,
        rule: &Rule<T>,
        findings: &mut Findings,
    ) -> Option<Found<T>> {
        let value = self.get(field)?;
        let place = self.place(field, self.document.line(value.span().start));
        self.parsed(place, value, rule, findings)
    }

    fn parsed<T>(
        &self,
        place: Place,
        value: Value<'_>,
        rule: &Rule<T>,
        findings: &mut Findings,
    ) -> Option<Found<T>> {
        let parsed = match value.get_ref().as_str() {
            Some(text) => (rule.parse)(text),
            None => Err(of_type("a string in quotes", value)),
        };
        match parsed {
            Ok(value) => Some(Found { value, place }),
            Err(why) => {
                findings.fault(&place, Some(self.document.quote(value)), why, rule.fix);
                None
            }
        }
    }

    /// The same, written down as understood, with a value for when it is absent.
    pub(super) fn text_or<T: fmt::Display>(
        &self,
        field: &'static str,
        (rule, default): (&Rule<T>, T),
        findings: &mut Findings,
    ) -> T {
        let found = self.text(field, rule, findings);
        self.or_default(field, (found, default), T::to_string, findings)
    }

    /// The same of a string that may be absent, and is then shown like this.
    pub(super) fn text_or_none(
        &self,
        field: &'static str,
        (rule, none): (&Rule<String>, &str),
        findings: &mut Findings,
    ) -> Option<String> {
        let found = self.text(field, rule, findings);
        let found = found.map(|Found { value, place }| Found { value: Some(value), place });
        let shown = |text: &Option<String>| text.as_deref().unwrap_or(none).to_owned();
        self.or_default(field, (found, None), shown, findings)
    }

    /// One of a few words.
    pub(super) fn word<T: Keyword>(&self, field: &'static str, findings: &mut Findings) -> T {
        let found = self.text(field, &T::RULE, findings);
        self.or_default(field, (found, T::default()), |word| word.word().to_owned(), findings)
    }

    /// What was found, or else the default: written down as understood, in the words of `shown`.
    pub(super) fn or_default<T>(
        &self,
        field: &str,
        (found, default): (Option<Found<T>>, T),
        shown: impl Fn(&T) -> String,
        findings: &mut Findings,
    ) -> T {
        let (value, place) = match found {
            Some(Found { value, place }) => (value, place),
            None => (default, self.place(field, Origin::Default)),
        };
        findings.understood(&place, shown(&value));
        value
    }

    /// A whole number, written down as understood.
    pub(super) fn number(&self, row: &Number, findings: &mut Findings) -> u32 {
        self.number_shown(row, u32::to_string, findings)
    }

    /// The same in seconds.
    pub(super) fn duration(&self, row: &Number, findings: &mut Findings) -> Duration {
        Duration::from_secs(self.number(row, findings).into())
    }

    /// A whole number, shown in words of its own.
    pub(super) fn number_shown(
        &self,
        row: &Number,
        shown: impl Fn(&u32) -> String,
        findings: &mut Findings,
    ) -> u32 {
        let found = self.get(row.field).and_then(|value| {
            let place = self.place(row.field, self.document.line(value.span().start));
            let number = value.get_ref().as_integer().and_then(|number| {
                let digits = number.as_str().replace('_', "");
                u32::from_str_radix(&digits, number.radix()).ok()
            });
            let number = number.filter(|number| row.allows(*number));
            if number.is_none() {
                findings.fault(&place, Some(self.document.quote(value)), row.why, row.fix());
            }
            number.map(|value| Found { value, place })
        });
        self.or_default(row.field, (found, row.default), shown, findings)
    }

    /// `true` or `false`.
    pub(super) fn flag_or(&self, field: &'static str, default: bool, findings: &mut Findings) -> bool {
        let found = self.get(field).and_then(|value| {
            let place = self.place(field, self.document.line(value.span().start));
            let flag = value.get_ref().as_bool();
            if flag.is_none() {
                let quote = self.document.quote(value);
                let fix = "write true or false, without quotes";
                findings.fault(&place, Some(quote), "this is a yes or a no", fix);
            }
            flag.map(|value| Found { value, place })
        });
        self.or_default(field, (found, default), bool::to_string, findings)
    }
}

fn of_type(wanted: &str, value: Value<'_>) -> String {
    format!("this has to be {wanted}, and is {}", type_of(value))
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
    fn an_unknown_field_that_was_renamed_is_told_its_new_name() {
        let renamed = [("colour", "tone"), ("size", "width")];
        let told = |field| unknown(field, &["name", "tone"], &renamed);
        let (why, fix) = told("colour");
        assert_eq!(
            (why.as_str(), fix.as_str()),
            ("`colour` is now called `tone`", "write tone instead of colour")
        );
        for field in ["nmae", "size"] {
            let (why, fix) = told(field);
            assert_eq!(why, "there is no such field", "{field} has no new name in this table");
            assert_eq!(fix, "remove it, or use one of: name, tone");
        }
    }
}
