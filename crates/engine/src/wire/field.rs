//! Reading one value of a delivery, and saying exactly where it is wrong.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A delivery that cannot be read: where, what was wanted there, and what stood there instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: expected {expected}, found {found}")]
pub struct Malformed {
    /// The path of the value, such as `Records[0].Sns.Message.Event Time`.
    pub place: String,
    /// What has to stand there.
    pub expected: String,
    /// What stood there, or a bounded excerpt of it; printable whatever was sent.
    pub found: String,
}

impl Malformed {
    pub(super) fn at(place: &Place<'_>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { place: place.to_string(), expected: expected.into(), found: found.into() }
    }
}

/// Where in a delivery a value stands. A chain of borrowed steps, so that a delivery without a fault pays
/// nothing for the possibility of one.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Body,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    /// The delivery as a whole.
    pub(super) const BODY: Place<'static> = Place { step: Step::Body };

    pub(super) fn key(&'a self, key: &'a str) -> Place<'a> {
        Place { step: Step::Key(self, key) }
    }

    pub(super) fn index(&'a self, index: usize) -> Place<'a> {
        Place { step: Step::Index(self, index) }
    }

    /// The value under `key` of the object that stands here.
    pub(super) fn field(&'a self, key: &'a str, raw: Option<&'a RawValue>) -> Field<'a> {
        Field { place: self.key(key), raw }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Step::Body => f.write_str("the body"),
            Step::Key(Place { step: Step::Body }, key) => f.write_str(key),
            Step::Key(within, key) => write!(f, "{within}.{key}"),
            Step::Index(within, index) => write!(f, "{within}[{index}]"),
        }
    }
}

/// A value that may stand in a delivery: its JSON as it was sent, unread. JSON `null` counts as absent.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) place: Place<'a>,
    raw: Option<&'a RawValue>,
}

impl<'a> Field<'a> {
    /// The string that stands here, if anything does.
    ///
    /// # Errors
    /// When something else than a string stands here.
    pub(super) fn text(&self) -> Result<Option<String>, Malformed> {
        let Some(raw) = self.raw else {
            return Ok(None);
        };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|_| Malformed::at(&self.place, "a string", excerpt(raw.get())))
    }

    /// The string that has to stand here.
    pub(super) fn required_text(&self) -> Result<String, Malformed> {
        self.text()?.ok_or_else(|| self.absent("a string"))
    }

    /// The JSON that has to stand here, unread.
    pub(super) fn required_json(&self, expected: &str) -> Result<&'a str, Malformed> {
        self.raw.map(RawValue::get).ok_or_else(|| self.absent(expected))
    }

    pub(super) fn absent(&self, expected: &str) -> Malformed {
        Malformed::at(&self.place, expected, "nothing")
    }
}

/// Reads an object with the keys of `T`; other keys are skipped without being read, whatever their depth.
///
/// A key of `T` that comes twice is refused: which of the two another reader would take is anyone's guess.
///
/// # Errors
/// When `json` is anything else than one object.
pub(super) fn object<'a, T: Deserialize<'a>>(place: &Place<'_>, json: &'a str) -> Result<T, Malformed> {
    let expected = "a JSON object";
    // serde would also read a struct from an array, by position.
    if !json.trim_start().starts_with('{') {
        return Err(Malformed::at(place, expected, excerpt(json)));
    }
    serde_json::from_str(json).map_err(|error| {
        let found = format!("{} ({error})", excerpt(json));
        Malformed::at(place, expected, found)
    })
}

/// The most characters of a delivery that an error quotes: enough to recognise it, too few to flood a log.
const EXCERPT_CHARS_MAX: usize = 80;

/// The beginning of `text`, with everything escaped that a terminal would obey.
pub(super) fn excerpt(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == EXCERPT_CHARS_MAX {
            out.push_str("... (");
            out.push_str(&text.len().to_string());
            out.push_str(" bytes)");
            break;
        }
        match c {
            '"' | '\'' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    if out.is_empty() {
        "an empty text".clone_into(&mut out);
    }
    out
}

/// `text` in quotes, bounded and printable: how an error or a reason quotes a string of a delivery.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    format!("\"{}\"", excerpt(text))
}
