//! The Lambda's `IP_DICT`: a JSON object or a Python dict literal, of strings to strings.
//!
//! Its users have either, since Python reads both. One small parser reads them too; and unlike a JSON
//! parser it keeps duplicate names, which have to be reported.

/// Where a text stops being a dict, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotADict {
    /// The character, counted from 1.
    pub(super) at: usize,
    /// What is expected there.
    pub(super) expected: &'static str,
}

/// The pairs in the order in which they are written.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, NotADict> {
    let mut reader = Reader { rest: text, whole: text };
    let mut pairs = Vec::new();
    reader.expect('{', "an opening brace")?;
    loop {
        if reader.take('}') {
            break;
        }
        let name = reader.string()?;
        reader.expect(':', "a colon")?;
        pairs.push((name, reader.string()?));
        // Python allows a comma before the closing brace, and people leave one there.
        if !reader.take(',') {
            reader.expect('}', "a comma or a closing brace")?;
            break;
        }
    }
    reader.end()?;
    Ok(pairs)
}

struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start();
        let after = rest.strip_prefix(wanted);
        self.rest = after.unwrap_or(rest);
        after.is_some()
    }

    fn expect(&mut self, wanted: char, name: &'static str) -> Result<(), NotADict> {
        if self.take(wanted) { Ok(()) } else { Err(self.missing(name)) }
    }

    /// A string in either kind of quotes. Neither an identifier nor an address has a character that needs
    /// a backslash, so none is understood.
    fn string(&mut self) -> Result<String, NotADict> {
        let quote = ['"', '\''].into_iter().find(|quote| self.take(*quote));
        let Some(quote) = quote else {
            return Err(self.missing("a string in quotes"));
        };
        let rest: &'a str = self.rest;
        match rest.find([quote, '\\']) {
            Some(end) if rest[end..].starts_with(quote) => {
                self.rest = &rest[end + 1..];
                Ok(rest[..end].to_owned())
            }
            Some(backslash) => {
                self.rest = &rest[backslash..];
                Err(self.missing("a string without backslashes"))
            }
            None => Err(self.missing("a closing quote somewhere after this")),
        }
    }

    fn end(&mut self) -> Result<(), NotADict> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() { Ok(()) } else { Err(self.missing("nothing more after the closing brace")) }
    }

    fn missing(&self, expected: &'static str) -> NotADict {
        let read = &self.whole[..self.whole.len() - self.rest.len()];
        NotADict { at: read.chars().count() + 1, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    #[test]
    fn json_and_python_are_read_alike() {
        let json = pairs(r#"{"db-1": "10.0.1.10", "db-2": "10.0.1.11"}"#);
        assert_eq!(json.len(), 2);
        assert_eq!(json, pairs("{'db-1': '10.0.1.10', 'db-2':\n'10.0.1.11',}"));
        assert_eq!(json, pairs(r#" {'db-1':"10.0.1.10" , "db-2":'10.0.1.11'} "#));
    }

    #[test]
    fn an_empty_dict_has_no_pairs_and_a_repeated_name_stays_visible() {
        assert_eq!(pairs("{}"), []);
        assert_eq!(pairs("{'a': '1', 'a': '2'}").len(), 2);
    }

    #[test]
    fn a_text_that_is_no_dict_is_reported_by_its_place() {
        let fault = |text| {
            let NotADict { at, expected } = parse(text).unwrap_err();
            format!("{at}: {expected}")
        };
        assert_eq!(fault(""), "1: an opening brace");
        assert_eq!(fault("{'a' '1'}"), "6: a colon");
        assert_eq!(fault("{'a': 1}"), "7: a string in quotes");
        assert_eq!(fault("{'a': '1' 'b': '2'}"), "11: a comma or a closing brace");
        assert_eq!(fault("{'a': '1"), "8: a closing quote somewhere after this");
        assert_eq!(fault(r"{'a\x': '1'}"), "4: a string without backslashes");
        assert_eq!(fault("{}}"), "3: nothing more after the closing brace");
        assert_eq!(fault("{'é': 1}"), "7: a string in quotes");
    }
}
