//! A file that an earlier export wrote: what it has, and where its last whole line ends.
//!
//! A program that is killed while it writes leaves a torn line at most. Everything before it is kept, and verified by
//! the records that follow: they have to continue it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::Path;

use crate::cli::audit::export::{Form, line};
use crate::cli::audit::view::RecordRow;
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::heading;
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;

/// The last record of each route.
pub(super) type Places = BTreeMap<RouteName, ChainHead>;

/// A file to go on with.
pub(super) struct ArchivedFile {
    pub(super) file: BufWriter<File>,
    pub(super) places: Places,
    /// Whether there was nothing in it.
    pub(super) fresh: bool,
    /// How many bytes of a torn line were dropped.
    pub(super) torn: u64,
}

/// Opens the file, made if it is not there. One that is no export is left as it is.
pub(super) fn open(path: &Path, form: Form) -> Result<ArchivedFile, Failure> {
    let refused = |why: String| {
        Failure::told(
            format!("the export cannot go on in {}", path.display()),
            why,
            "name a file that `writerlink audit export` wrote in the same form, or a new one; nothing was changed",
            Exit::Error,
        )
    };
    let io = |error: io::Error| refused(error.to_string());
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let whole = whole(&mut BufReader::new(&file), form).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let text = BufReader::new(&file).take(whole);
    let places = match form {
        Form::Jsonl => of_jsonl(text),
        Form::Csv => of_csv(text),
    };
    let places = places.map_err(refused)?;
    file.set_len(whole).map_err(io)?;
    file.seek(SeekFrom::End(0)).map_err(io)?;
    Ok(ArchivedFile { file: BufWriter::new(file), places, fresh: whole == 0, torn: length - whole })
}

/// Where the last whole line ends. In CSV a line may end within quotes; that is no end.
fn whole(text: &mut dyn BufRead, form: Form) -> io::Result<u64> {
    let (mut at, mut whole, mut quoted) = (0, 0, false);
    loop {
        let bytes = text.fill_buf()?;
        if bytes.is_empty() {
            return Ok(whole);
        }
        for byte in bytes {
            at += 1;
            match byte {
                b'"' if form == Form::Csv => quoted = !quoted,
                b'\n' if !quoted => whole = at,
                _ => {}
            }
        }
        let read = bytes.len();
        text.consume(read);
    }
}

fn of_jsonl(mut text: impl BufRead) -> Result<Places, String> {
    let mut places = Places::new();
    let mut bytes = Vec::new();
    for number in 1_u64.. {
        bytes.clear();
        let read = text.read_until(b'\n', &mut bytes);
        if read.map_err(|error| error.to_string())? == 0 {
            break;
        }
        let stored = line::read(&bytes).map_err(|why| format!("line {number}: {why}"))?;
        let seq = stored.record.seq;
        // Of the text itself: the next record has to continue what stands here.
        let hash = Hash::of(&stored.canonical);
        places.insert(stored.record.route, ChainHead { seq, hash });
    }
    Ok(places)
}

fn of_csv(text: impl Read) -> Result<Places, String> {
    let mut reader = csv::Reader::from_reader(text);
    let headings = reader.headers().map_err(|error| error.to_string())?;
    let ours = heading::<RecordRow>().map_err(|error| error.to_string())?;
    if !headings.is_empty() && headings.iter().collect::<Vec<_>>().join(",") != ours {
        return Err("its first line is not the heading of an export".to_owned());
    }
    let mut places = Places::new();
    for (number, row) in (2_u64..).zip(reader.deserialize()) {
        let row: Cells = row.map_err(|error| error.to_string())?;
        let route = RouteName::new(&row.route);
        let (Ok(route), Some(hash)) = (route, Hash::parse(&row.hash)) else {
            return Err(format!("row {number} is no record"));
        };
        places.insert(route, ChainHead { seq: row.seq, hash });
    }
    Ok(places)
}

#[derive(serde::Deserialize)]
struct Cells {
    route: String,
    seq: u64,
    hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole_of(text: &str, form: Form) -> u64 {
        whole(&mut text.as_bytes(), form).unwrap()
    }

    #[test]
    fn the_end_of_a_line_within_quotes_is_none_in_csv() {
        for (text, end) in [
            ("", 0),
            ("a,b", 0),
            ("a,b\n", 4),
            ("a,b\n1,\"two\n", 4),
            ("a,b\n1,\"two\nthree\"\n", 18),
            ("a,b\n1,\"a \"\"word\"\"\n", 4),
            ("a,b\n1,\"a \"\"word\"\"\"\nx", 19),
        ] {
            assert_eq!(whole_of(text, Form::Csv), end, "{text:?}");
        }
        assert_eq!(whole_of("{\"a\":\"\\\"\"}\nx", Form::Jsonl), 11);
    }
}
