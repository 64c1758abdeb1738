//! Text for people: what comes from outside made fit to be shown, and spans of time in words.

use std::time::Duration;

/// A text that may come from outside (an event's message, a note that quotes it), fit for a terminal or a page: what
/// is no visible character is written as its number, so that nothing recorded can move the cursor, change
/// the colours, or reverse the reading direction of what stands beside it.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        let reverses = matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || reverses {
            clean.extend(c.escape_unicode());
        } else {
            clean.push(c);
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
    use super::{clean, span};
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
        assert_eq!(
            clean("a\u{1b}[31mb\r\u{202E}c\u{9b}é"),
            "a\\u{1b}[31mb\\u{d}\\u{202e}c\\u{9b}é"
        );
    }
}
