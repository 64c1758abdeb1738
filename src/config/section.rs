//! One table of a TOML file, read field by field.
//!
//! Not by `serde`: it stops at the first field that does not fit, and a person who mends a file wants to
//! hear of all of them. The parser's own tree keeps the place of every key and value.

mod lists;

use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::{Findings, Found, Origin, Place};

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

/// How a string becomes a value.
pub(super) struct Rule<T> {
    /// The value, or the rule that the string does not keep.
    pub(super) parse: fn(&str) -> Result<T, String>,
    /// What to write instead.
    pub(super) fix: &'static str,
}

/// Which whole numbers are allowed, and why no others are.
pub(super) struct Limits {
    pub(super) range: RangeInclusive<u32>,
    pub(super) why: &'static str,
    /// What 0 means, where it is allowed below the range.
    pub(super) zero: Option<&'static str>,
}

impl Limits {
    /// The limits of a number whose 0 means nothing of its own.
    pub(super) const fn within(range: RangeInclusive<u32>, why: &'static str) -> Self {
        let zero = None;
        Self { range, why, zero }
    }

    fn allow(&self, number: u32) -> bool {
        self.range.contains(&number) || (number == 0 && self.zero.is_some())
    }

    fn fix(&self, default: u32) -> String {
        let (least, most) = (self.range.start(), self.range.end());
        let zero = self.zero.map(|meaning| format!(", or 0 for {meaning}"));
        let zero = zero.unwrap_or_default();
        format!("write a whole number from {least} to {most}{zero}; the default is {default}")
    }
}

/// One table; absent ones read like empty ones.
pub(super) struct Section<'a> {
    /// Its name, in front of its fields' names.
    pub(super) path: String,
    /// Its header's line, where a missing field is reported.
    pub(super) origin: Origin,
    document: Document<'a>,
    table: Option<&'a DeTable<'a>>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(document: Document<'a>, table: &'a DeTable<'a>) -> Self {
        Self { path: String::new(), origin: Origin::Line(1), document, table: Some(table) }
    }

    /// A table under this one.
    pub(super) fn table(&self, field: &str, findings: &mut Findings) -> Section<'a> {
        let path = self.place(field, self.origin).field;
        match self.get(field) {
            Some(value) => self.as_section(path, value, findings),
            None => Section { path, table: None, ..*self },
        }
    }

    /// An array of tables under this one. Their fields are named by position, from 1, until they are
    /// [named](Self::named).
    pub(super) fn tables(&self, field: &str, findings: &mut Findings) -> Vec<Section<'a>> {
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
        Section { path, origin, document: self.document, table }
    }

    /// Reports every field that is none of `known`: a misspelt field must not be a default in silence.
    pub(super) fn knows(&self, known: &[&str], findings: &mut Findings) {
        for (key, value) in self.table.iter().flat_map(|table| table.iter()) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let place = self.place(name, self.document.line(key.span().start));
                let quote = value.get_ref().as_table().is_none();
                findings.fault(
                    &place,
                    quote.then(|| self.document.quote(value)),
                    "there is no such field",
                    format!("remove it, or use one of: {}", known.join(", ")),
                );
            }
        }
    }

    /// A field where it is written, else where it could be.
    pub(super) fn place_of(&self, field: &str) -> Place {
        let line = self.get(field).map(|value| self.document.line(value.span().start));
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

    /// Whether it is there and has no field.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_some_and(DeTable::is_empty)
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    fn get(&self, field: &str) -> Option<Value<'a>> {
        let (_, value) = self.table?.iter().find(|(key, _)| key.get_ref() == field)?;
        Some(value)
    }

    /// A string that keeps `rule`; nothing when it is absent or a fault was reported.
    pub(super) fn text<T>(&self, field: &str, rule: &Rule<T>, findings: &mut Findings) -> Option<Found<T>> {
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
        field: &str,
        rule: &Rule<T>,
        default: T,
        findings: &mut Findings,
    ) -> T {
        let found = self.text(field, rule, findings);
        self.or_default(field, found, default, findings)
    }

    fn or_default<T: fmt::Display>(
        &self,
        field: &str,
        found: Option<Found<T>>,
        default: T,
        findings: &mut Findings,
    ) -> T {
        let found =
            found.unwrap_or_else(|| Found { value: default, place: self.place(field, Origin::Default) });
        findings.understood(&found.place, &found.value);
        found.value
    }

    /// A whole number within `limits`, written down as understood.
    pub(super) fn number_or(
        &self,
        field: &str,
        limits: &Limits,
        default: u32,
        findings: &mut Findings,
    ) -> u32 {
        let found = self.number(field, limits, default, findings);
        self.or_default(field, found, default, findings)
    }

    /// The same for who shows it in words of their own; nothing when it is absent or a fault was reported.
    pub(super) fn number(
        &self,
        field: &str,
        limits: &Limits,
        default: u32,
        findings: &mut Findings,
    ) -> Option<Found<u32>> {
        let value = self.get(field)?;
        let place = self.place(field, self.document.line(value.span().start));
        let number = value.get_ref().as_integer().and_then(|number| {
            let digits = number.as_str().replace('_', "");
            u32::from_str_radix(&digits, number.radix()).ok()
        });
        let Some(value) = number.filter(|number| limits.allow(*number)) else {
            let quote = self.document.quote(value);
            findings.fault(&place, Some(quote), limits.why, limits.fix(default));
            return None;
        };
        Some(Found { value, place })
    }

    /// `true` or `false`.
    pub(super) fn flag_or(&self, field: &str, default: bool, findings: &mut Findings) -> bool {
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
        self.or_default(field, found, default, findings)
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
