//! Results as tables, JSON, JSON lines and CSV, from the same rows.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{ColumnConstraint, ContentArrangement, presets};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::cli::args::Output;
use crate::config::Env;
pub(super) use writerlink_engine::text::clean;
use writerlink_engine::text::clean_json;

/// The version of the JSON that is written. It grows when a field is removed or changes its meaning.
pub(super) const JSON_VERSION: u32 = 1;

/// How wide tables and texts are: the least common width of a terminal beside an editor, and of a ticket.
pub(super) const WIDTH_MAX: u16 = 100;

/// One row: serialized for programs, cut into cells for people. Its default shows what it has, where there is no row.
pub(super) trait Row: Serialize + Default {
    /// The columns whose cells are never broken, so that they can be copied and searched for.
    const WHOLE: &'static [usize] = &[];
    /// The cells of the table, each with its heading; none of what people are told in another form.
    fn cells(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// What is shown of a value that may be absent.
pub(super) fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// Rows, under the name they have in JSON.
pub(super) struct Listing<'a, R> {
    pub(super) name: &'static str,
    pub(super) rows: &'a [R],
    /// Where the next page begins, if there is one.
    pub(super) next: Option<&'a str>,
}

impl<'a, R> Listing<'a, R> {
    /// All of them.
    pub(super) fn of(name: &'static str, rows: &'a [R]) -> Self {
        Self { name, rows, next: None }
    }
}

impl<R: Serialize> Serialize for Listing<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &JSON_VERSION)?;
        map.serialize_entry(self.name, self.rows)?;
        if let Some(next) = self.next {
            map.serialize_entry("next", next)?;
        }
        map.end()
    }
}

impl<R: Row> Listing<'_, R> {
    /// Writes them as asked.
    pub(super) fn write(&self, output: Output, out: &mut dyn Write) -> io::Result<()> {
        match output {
            Output::Table => self.table(out),
            Output::Json => json(self, out),
            Output::Jsonl => jsonl(self.rows, out),
            Output::Csv => csv(self.rows, out),
        }
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = blank();
        table.set_header(R::default().cells().into_iter().map(|(heading, _)| heading));
        for row in self.rows {
            table.add_row(row.cells().iter().map(|(_, cell)| clean(cell)));
        }
        for whole in R::WHOLE {
            if let Some(column) = table.column_mut(*whole) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        write(table, out)
    }
}

/// Comma-separated values under the names of their fields, which belong over an empty list too.
pub(super) fn csv<R: Serialize + Default>(rows: &[R], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", heading::<R>()?)?;
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    writer.flush()
}

/// The names of a row's fields, in the order in which they are serialized.
pub(super) fn heading<R: Serialize + Default>() -> io::Result<String> {
    let mut text = Vec::new();
    csv::Writer::from_writer(&mut text).serialize(R::default())?;
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

/// One row as a line of comma-separated values.
pub(super) fn csv_line(row: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    writer.serialize(row)?;
    writer.flush()
}

/// What belongs together, a name and its text: the text is wrapped beside the names.
pub(super) fn pairs(pairs: &[(String, String)], out: &mut dyn Write) -> io::Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let mut table = blank();
    for (name, text) in pairs {
        table.add_row([clean(name), clean(text)]);
    }
    write(table, out)
}

fn blank() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH_MAX);
    table
}

fn write(mut table: comfy_table::Table, out: &mut dyn Write) -> io::Result<()> {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Space behind the last one would count as width, and break a cell that has room.
    let last = table.column_iter_mut().last();
    if let Some(last) = last {
        last.set_padding((0, 0));
    }
    writeln!(out, "{}", table.trim_fmt())
}

/// What tells a thing from its neighbours: `targetgroup/db/73e2d6bc24d8a067` of its ARN. Account and Region are the
/// same for all that a configuration names.
pub(super) fn resource(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// As programs read a time.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long ago, or for how long: `54s`, `3m12s`, `2h5m`, `207d`. Written so, it can be typed for `--since` too.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |large: u64, unit: char, small: u64, part: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{part}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => pair(seconds / 60, 'm', seconds % 60, 's'),
        3600..86_400 => pair(seconds / 3600, 'h', seconds % 3600 / 60, 'm'),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// One JSON value, for people to read as well.
pub(super) fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", clean_json(&serde_json::to_string_pretty(value)?))
}

/// One JSON value a line.
pub(super) fn jsonl(rows: &[impl Serialize], out: &mut dyn Write) -> io::Result<()> {
    rows.iter().try_for_each(|row| json_line(row, out))
}

/// One JSON value as a line.
pub(super) fn json_line(row: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", clean_json(&serde_json::to_string(row)?))
}

/// The text in lines that fit the page behind an indent. A word that is longer than a line (an ARN, in a command to be
/// copied) stays whole.
pub(super) fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let width = usize::from(WIDTH_MAX).saturating_sub(indent);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines
            .last()
            .is_some_and(|line| !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The same where the page's width counts for more than a word: a long one goes on in the next line.
pub(super) fn folded(text: &str, indent: usize) -> Vec<String> {
    let width = usize::from(WIDTH_MAX).saturating_sub(indent).max(1);
    let cut = |line: String| {
        let chars: Vec<char> = line.chars().collect();
        let pieces = chars.chunks(width).map(|piece| piece.iter().collect());
        if chars.is_empty() { vec![line] } else { pieces.collect() }
    };
    wrapped(text, indent).into_iter().flat_map(cut).collect()
}

/// Whether colours may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// No: a file, a pipe, or a terminal that can do nothing.
    #[default]
    Plain,
    /// No, but it is a terminal: `NO_COLOR`.
    Terminal,
    /// Yes.
    Colour,
}

/// What a colour is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Strong,
}

impl Look {
    /// How a terminal is written to: with colours, unless it has none or `NO_COLOR` is set (no-color.org).
    #[must_use]
    pub fn of_terminal(env: Env<'_>) -> Self {
        let unwanted = env("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env("TERM").is_some_and(|value| value == "dumb");
        match (dumb, unwanted) {
            (true, _) => Self::Plain,
            (false, true) => Self::Terminal,
            (false, false) => Self::Colour,
        }
    }

    /// Whether what is written can be drawn over.
    pub(super) fn is_terminal(self) -> bool {
        match self {
            Self::Plain => false,
            Self::Terminal | Self::Colour => true,
        }
    }

    /// The text in its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Strong => 1,
        };
        match self {
            Self::Plain | Self::Terminal => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, serde::Serialize)]
    struct Word {
        word: &'static str,
        length: usize,
    }

    impl Row for Word {
        fn cells(&self) -> Vec<(&'static str, String)> {
            vec![("WORD", self.word.to_owned()), ("LENGTH", self.length.to_string())]
        }
    }

    fn word(word: &'static str) -> Word {
        Word { word, length: word.len() }
    }

    fn written(rows: &[Word], output: Output) -> String {
        let mut out = Vec::new();
        let rows = Listing { name: "words", rows, next: Some("c") };
        rows.write(output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_span_has_at_most_two_units_and_days_stand_alone() {
        let cases =
            [(0, "0s"), (54, "54s"), (180, "3m"), (192, "3m12s"), (7_500, "2h5m"), (17_884_800, "207d")];
        for (seconds, text) in cases {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_same_rows_are_written_in_every_format() {
        let rows = [word("a,b"), word("say \"x\"\nthen")];
        assert_eq!(written(&rows, Output::Csv), "word,length\n\"a,b\",3\n\"say \"\"x\"\"\nthen\",12\n");
        assert_eq!(
            written(&rows, Output::Jsonl),
            "{\"word\":\"a,b\",\"length\":3}\n{\"word\":\"say \\\"x\\\"\\nthen\",\"length\":12}\n"
        );
        let json: serde_json::Value = serde_json::from_str(&written(&rows, Output::Json)).unwrap();
        assert_eq!(json["version"], 1);
        assert_eq!(json["words"][1]["length"], 12);
        assert_eq!(json["next"], "c");
        insta::assert_snapshot!(written(&rows, Output::Table), @r#"
    WORD              LENGTH
    a,b               3
    say "x"\u{a}then  12
    "#);
    }

    #[test]
    fn an_empty_list_has_its_heading() {
        assert_eq!(written(&[], Output::Csv), "word,length\n");
        assert_eq!(written(&[], Output::Table), "WORD  LENGTH\n");
        assert_eq!(written(&[], Output::Jsonl), "");
    }

    #[test]
    fn no_line_of_a_table_is_wider_than_the_limit() {
        let long = "far too long a text for one line ".repeat(9).leak();
        for line in written(&[word(long), word("x")], Output::Table).lines() {
            assert!(line.chars().count() <= WIDTH_MAX.into(), "{line}");
        }
    }

    #[test]
    fn a_text_is_cut_between_words_unless_the_width_is_too_small() {
        let indent = usize::from(WIDTH_MAX) - 5;
        for cut in [wrapped, folded] {
            assert_eq!(cut("ab cd efg", indent), ["ab cd", "efg"]);
            assert_eq!(cut("a bcdef g", indent), ["a", "bcdef", "g"]);
            assert_eq!(cut("", indent), [""]);
        }
        assert_eq!(wrapped("a bcdefgh ij", indent), ["a", "bcdefgh", "ij"]);
        assert_eq!(folded("a bcdefgh ij", indent), ["a", "bcdef", "gh", "ij"]);
    }

    #[test]
    fn colours_are_left_out_where_they_are_not_wanted() {
        let look = |name: &'static str, value: &'static str| {
            Look::of_terminal(&move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(look("NO_COLOR", "1"), Look::Terminal);
        assert_eq!(Look::Terminal.paint(Tone::Bad, "x"), "x");
        assert_eq!(look("TERM", "dumb"), Look::Plain);
        assert_eq!(look("NO_COLOR", ""), Look::Colour);
        assert_eq!(Look::Plain.paint(Tone::Bad, "x"), "x");
        assert_eq!(Look::Colour.paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn json_has_every_character_visible_and_says_the_same() {
        for output in [Output::Json, Output::Jsonl] {
            let json = written(&[word("a\u{200B}\u{2028}\u{9B}b")], output);
            assert!(json.contains(r"a\u200b\u2028\u009bb"), "{json}");
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            let row = read.get("words").map_or(&read, |words| &words[0]);
            assert_eq!(row["word"], "a\u{200B}\u{2028}\u{9B}b");
        }
    }

    #[test]
    fn what_is_recorded_cannot_steer_the_terminal() {
        assert!(!written(&[word("\u{1b}[2J")], Output::Table).contains('\u{1b}'));
    }
}
