//! A stream on which every character can be seen.

use std::io::{self, Write};

use super::{clean_json, clean_lines, is_visible};

/// How a character that cannot be seen is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As `\u{200b}`. What lays a text out stays, and so do the escape sequences: those of this program are the only
    /// ones, since [`super::clean`] has taken those from outside.
    Terminal,
    /// As `\u{200b}`, in lines.
    Lines,
    /// As `\u200b`, for a parser.
    Json,
}

/// Writes text with every character visible. It is for a stream that people read, and the last resort behind
/// [`super::clean`]: whoever forgets that one shows a number and no invisible character.
#[derive(Debug)]
pub struct Shown<W> {
    out: W,
    form: Form,
    /// The beginning of a character whose end has not come yet.
    unfinished: Vec<u8>,
}

impl<W: Write> Shown<W> {
    /// A terminal, with the colours of this program.
    pub fn terminal(out: W) -> Self {
        Self::new(out, Form::Terminal)
    }

    /// Lines of text.
    pub fn lines(out: W) -> Self {
        Self::new(out, Form::Lines)
    }

    /// JSON.
    pub fn json(out: W) -> Self {
        Self::new(out, Form::Json)
    }

    fn new(out: W, form: Form) -> Self {
        let unfinished = Vec::new();
        Self { out, form, unfinished }
    }
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.unfinished);
        all.extend_from_slice(bytes);
        self.unfinished = all.split_off(all.len() - unfinished(&all));
        let text = String::from_utf8_lossy(&all);
        let shown = match self.form {
            Form::Terminal => {
                super::escaped(&text, |c| is_visible(c) || matches!(c, '\n' | '\t' | '\r' | '\u{1b}'))
            }
            Form::Lines => clean_lines(&text),
            Form::Json => clean_json(&text),
        };
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

    fn written(form: Form, pieces: &[&[u8]]) -> String {
        let mut shown = Shown::new(Vec::new(), form);
        for piece in pieces {
            shown.write_all(piece).unwrap();
        }
        String::from_utf8(shown.out).unwrap()
    }

    #[test]
    fn each_form_escapes_what_cannot_be_seen_in_its_own_way() {
        let text = "\u{1b}[1ma\u{200B}\r\n".as_bytes();
        assert_eq!(written(Form::Terminal, &[text]), "\u{1b}[1ma\\u{200b}\r\n");
        assert_eq!(written(Form::Lines, &[text]), "\\u{1b}[1ma\\u{200b}\\u{d}\n");
        assert_eq!(written(Form::Json, &["\"a\u{200B}\"\n".as_bytes()]), "\"a\\u200b\"\n");
    }

    #[test]
    fn a_character_that_comes_in_pieces_is_one_character() {
        let text = "é\u{200B}🦀\u{E0041}.";
        let whole = written(Form::Lines, &[text.as_bytes()]);
        assert_eq!(whole, "é\\u{200b}🦀\\u{e0041}.");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(written(Form::Lines, &bytes), whole);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_that() {
        assert_eq!(written(Form::Lines, &[b"a\xffb\xe2\x80", b"c"]), "a\u{FFFD}b\u{FFFD}c");
    }
}
