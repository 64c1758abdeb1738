//! Fields that hold several values.

use crate::config::findings::Found;
use crate::config::section::{Section, Value, of_type};
use crate::config::words::Rule;

impl<'a> Section<'a> {
    /// A list of strings that keep `rule`; nothing when it is absent or one of them was faulty.
    pub(in crate::config) fn texts<T>(&self, field: &'static str, rule: &Rule<T>) -> Option<Found<Vec<T>>> {
        let value = self.get(field)?;
        let place = self.place(field, self.document.line(value.span().start));
        let Some(array) = value.get_ref().as_array() else {
            let why = of_type("a list", value);
            self.findings.fault(&place, Some(self.document.quote(value)), why, rule.fix);
            return None;
        };
        let read = |item: Value<'a>| {
            let place = self.place(field, self.document.line(item.span().start));
            self.parsed(place, item, rule).map(|found| found.value)
        };
        // Every one is read before the first fault counts.
        let values: Vec<Option<T>> = array.iter().map(read).collect();
        let value = values.into_iter().collect::<Option<Vec<T>>>()?;
        Some(Found { value, place })
    }

    /// Every field of this table as a string, whatever its name, in the order of the file.
    pub(in crate::config) fn pairs(&self, wanted: &str, fix: &str) -> Vec<Found<(String, String)>> {
        let mut fields: Vec<_> = self.table.iter().flat_map(|table| table.iter()).collect();
        fields.sort_by_key(|(key, _)| key.span().start);
        let mut pairs = Vec::new();
        for (key, value) in fields {
            let name: &str = key.get_ref();
            let place = self.place(name, self.document.line(key.span().start));
            if let Some(text) = value.get_ref().as_str() {
                let value = (name.to_owned(), text.to_owned());
                pairs.push(Found { value, place });
            } else {
                let quote = self.document.quote(value);
                self.findings.fault(&place, Some(quote), of_type(wanted, value), fix);
            }
        }
        pairs
    }

    /// One string that keeps `rule`, or a list of them.
    pub(in crate::config) fn one_or_more<T>(
        &self,
        field: &'static str,
        rule: &Rule<T>,
    ) -> Option<Found<Vec<T>>> {
        if self.get(field)?.get_ref().as_array().is_some() {
            return self.texts(field, rule);
        }
        let Found { value, place } = self.text(field, rule)?;
        let value = vec![value];
        Some(Found { value, place })
    }
}
