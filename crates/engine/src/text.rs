//! Text for people: what comes from outside made fit to be shown, and spans of time in words.

use std::time::Duration;

mod invisible;
mod shown;

pub use crate::text::invisible::is_visible;
pub use crate::text::shown::EscapingWriter;

/// A text that may come from outside (an event's message, a note that quotes it), fit for a terminal or a page: what
/// is no visible character is written as its number, so that nothing recorded can move the cursor, change
/// the colours, reverse the reading direction of what stands beside it, or hide in it.
#[must_use]
pub fn clean(text: &str) -> String {
    escaped(text, is_visible)
}

/// The same for a text of several lines, such as an error with its remedy: a line may end and be indented.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    escaped(text, |c| is_visible(c) || matches!(c, '\n' | '\t'))
}

/// A finished JSON text with every character in it visible. A parser reads the same value: outside ASCII a character
/// can only stand in a string, where its escape is the same character. (RFC 8259, section 7.)
#[must_use]
pub fn clean_json(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    for c in json.chars() {
        // The control characters of ASCII are escaped by any writer of JSON; those that are left lay the text out.
        if is_visible(c) || c < ' ' {
            clean.push(c);
        } else {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            clean.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    clean
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if stays(c) {
            clean.push(c);
        } else {
            clean.extend(c.escape_unicode());
        }
    }
    clean
}

/// How long something took or how long ago it was, in its two largest units: `54 ms`, `2.1 s`, `3 min 12 s`, `4 d 2 h`.
#[must_use]
pub fn span(duration: Duration) -> String {
    let (ms, s) = (duration.as_millis(), duration.as_secs());
    let pair = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {part}"),
    };
    match s {
        0 => format!("{ms} ms"),
        1..10 => format!("{s}.{} s", duration.subsec_millis() / 100),
        10..60 => format!("{s} s"),
        60..3600 => pair(s / 60, "min", s % 60, "s"),
        3600..86_400 => pair(s / 3600, "h", s % 3600 / 60, "min"),
        _ => pair(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::clean;
    use super::clean_json;
    use super::clean_lines;
    use super::span;
    use std::time::Duration;

    #[test]
    fn a_span_has_its_two_largest_units() {
        let cases = [
            (54, "54 ms"),
            (2_199, "2.1 s"),
            (59_999, "59 s"),
            (180_000, "3 min"),
            (192_000, "3 min 12 s"),
            (7_500_000, "2 h 5 min"),
            (352_800_000, "4 d 2 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(span(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn what_is_recorded_cannot_steer_what_shows_it() {
        assert_eq!(clean("a\u{1b}[31mb\r\u{202E}c\u{9b}é"), "a\\u{1b}[31mb\\u{d}\\u{202e}c\\u{9b}é");
    }

    #[test]
    fn what_cannot_be_seen_is_written_as_its_number() {
        let text = "a\u{200B}b\u{2028}c\u{E0041}d\u{85}e\u{FEFF}f\u{AD}g";
        let shown = "a\\u{200b}b\\u{2028}c\\u{e0041}d\\u{85}e\\u{feff}f\\u{ad}g";
        assert_eq!(clean(text), shown);
        assert_eq!(clean("数据库 é 🦀"), "数据库 é 🦀");
    }

    #[test]
    fn a_text_of_lines_keeps_its_lines_and_nothing_else_that_steers() {
        let text = "a\n  why:\tb\r\u{1b}[2J\u{2028}";
        assert_eq!(clean_lines(text), "a\n  why:\tb\\u{d}\\u{1b}[2J\\u{2028}");
    }

    #[test]
    fn json_with_visible_characters_alone_says_the_same() {
        let said = "a\u{200B}b\u{2028}c\u{E0041}d\u{85}\u{7F}\u{FEFF}\n\u{1b} é 🦀";
        let value = serde_json::json!({ "said": said, "list": [1, 2] });
        for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let clean = clean_json(&json);
            let read: serde_json::Value = serde_json::from_str(&clean).unwrap();
            assert_eq!(read, value);
            assert!(
                clean.contains(r"a\u200bb\u2028c\udb40\udc41d\u0085\u007f\ufeff\n\u001b é 🦀"),
                "{clean}"
            );
            assert_eq!(clean.lines().count(), json.lines().count());
        }
    }
}
