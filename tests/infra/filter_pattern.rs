//! CloudWatch Logs' JSON filter patterns, as far as ours use them: comparisons with `=` and `!=`, `&&`, `||` and parentheses
//! (CloudWatch Logs user guide, "Filter pattern syntax").

use serde_json::Value;

use crate::policy::matches;

/// What one metric filter may have.
const LENGTH_MAX: usize = 1_024;

/// Whether a pattern picks an event.
pub(crate) fn picks(pattern: &str, event: &Value) -> bool {
    assert!(pattern.len() <= LENGTH_MAX, "{} characters: {pattern}", pattern.len());
    let inner = pattern.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let mut reader = Reader { rest: inner.unwrap_or_else(|| panic!("no braces: {pattern}")), event };
    let picked = reader.either();
    assert_eq!(reader.rest.trim(), "", "left over of {pattern}");
    picked
}

struct Reader<'a> {
    rest: &'a str,
    event: &'a Value,
}

impl Reader<'_> {
    /// Takes a word off the front, if it is there.
    fn takes(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn either(&mut self) -> bool {
        let mut picked = self.both();
        while self.takes("||") {
            picked |= self.both();
        }
        picked
    }

    fn both(&mut self) -> bool {
        let mut picked = self.one();
        while self.takes("&&") {
            picked &= self.one();
        }
        picked
    }

    fn one(&mut self) -> bool {
        if self.takes("(") {
            let picked = self.either();
            assert!(self.takes(")"), "no bracket at {:?}", self.rest);
            return picked;
        }
        assert!(self.takes("$."), "no selector at {:?}", self.rest);
        let (path, rest) = self.rest.split_once(' ').unwrap();
        self.rest = rest;
        let negated = self.takes("!=");
        assert!(negated || self.takes("="), "no operator at {:?}", self.rest);
        assert!(self.takes("\""), "no text at {:?}", self.rest);
        let (text, rest) = self.rest.split_once('"').unwrap();
        self.rest = rest;
        // The guide shows a wildcard at the ends of a text alone.
        let middle = text.trim_matches('*');
        assert!(!middle.contains('*'), "a wildcard within {text:?}");
        let found = path.split('.').fold(self.event, |at, name| &at[name]);
        let found = found.as_str();
        // A field that is not there is picked by neither.
        found.is_some_and(|found| matches(text, found) != negated)
    }
}

#[test]
fn a_pattern_picks_what_it_says() {
    let event = serde_json::json!({"a": {"b": "one two"}, "c": "x"});
    for (pattern, picked) in [
        (r#"{ $.c = "x" }"#, true),
        (r#"{ $.c != "x" }"#, false),
        (r#"{ ($.a.b = "one*") && ($.c = "x") }"#, true),
        (r#"{ ($.a.b = "*one") && ($.c = "x") }"#, false),
        (r#"{ ($.c = "y") || (($.c = "x") && ($.a.b = "*two")) }"#, true),
        (r#"{ ($.none = "*") || ($.none != "x") }"#, false),
    ] {
        assert_eq!(picks(pattern, &event), picked, "{pattern}");
    }
}
