//! A stream on which every character can be seen.

use std::io::{self, Write};

use crate::text::is_visible;

/// Writes text to a terminal with every character visible. It is the last resort behind [`crate::text::clean`]: whoever forgets
/// that one shows a number and no invisible character. What lays a text out stays, and so do the escape sequences: those
/// of this program are the only ones, since [`crate::text::clean`] has taken those from outside.
#[derive(Debug)]
pub struct EscapingWriter<W> {
    out: W,
    /// The beginning of a character whose end has not come yet.
    unfinished: Vec<u8>,
}

impl<W: Write> EscapingWriter<W> {
    /// A terminal, with the colours of this program.
    pub fn terminal(out: W) -> Self {
        Self { out, unfinished: Vec::new() }
    }
}

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.unfinished);
        all.extend_from_slice(bytes);
        self.unfinished = all.split_off(all.len() - unfinished(&all));
        let text = String::from_utf8_lossy(&all);
        let shown =
            crate::text::escaped(&text, |c| is_visible(c) || matches!(c, '\n' | '\t' | '\r' | '\u{1b}'));
        self.out.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last();
    let rest = last.map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(rest) {
        Err(error) if error.error_len().is_none() => rest.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&[u8]]) -> String {
        let mut shown = EscapingWriter::terminal(Vec::new());
        for piece in pieces {
            shown.write_all(piece).unwrap();
        }
        String::from_utf8(shown.out).unwrap()
    }

    #[test]
    fn a_terminal_keeps_colours_and_line_ends_and_shows_what_cannot_be_seen() {
        let text = "\u{1b}[1ma\u{200B}\r\n".as_bytes();
        assert_eq!(written(&[text]), "\u{1b}[1ma\\u{200b}\r\n");
    }

    #[test]
    fn a_character_that_comes_in_pieces_is_one_character() {
        let text = "é\u{200B}🦀\u{E0041}.";
        let whole = written(&[text.as_bytes()]);
        assert_eq!(whole, "é\\u{200b}🦀\\u{e0041}.");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(written(&bytes), whole);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_that() {
        assert_eq!(written(&[b"a\xffb\xe2\x80", b"c"]), "a\u{FFFD}b\u{FFFD}c");
    }
}
