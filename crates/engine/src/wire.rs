//! Text from outside to values of the domain, and back.
//!
//! **Invariant of this room:** whatever the bytes, there is no panic and no unbounded work, and every
//! value of an event was read from the delivery: nothing is guessed. It is tolerant where AWS has varied
//! (spellings, absent keys, order, envelopes) and strict about what decides: which source, when, and which
//! id.
//!
//! Four forms are read, all to the one [`RdsEvent`]: an EventBridge event, the message RDS publishes to
//! SNS, the envelope of SNS around either, and the Lambda invocation around that.

mod changes;
mod eventbridge;
mod facts;
mod field;
pub mod kept;
mod lambda;
pub mod record;
pub mod relay;
mod sns;
mod text;

use serde::Deserialize;
use serde::de::IgnoredAny;

use writerlink_core::evidence::event::RdsEvent;

pub use eventbridge::{CALL_RECORDED, DETAIL_TYPES, DRILL_SOURCE};
pub use facts::KEPT_TEXT_BYTES_MAX;
pub use field::Malformed;
use field::{Place, excerpt, object};

/// The largest delivery that is read: what SQS allows a message to have (1 MiB since 2025, `SendMessage` in
/// the SQS API Reference). RDS's own have about one KiB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How many envelopes of SNS may stand around an event. One is usual, two are a topic forwarded to a topic;
/// each further one doubles the backslashes, so nobody sends them by accident.
pub const ENVELOPES_MAX: u8 = 4;

/// What a delivery is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Events of RDS, in the order in which they stand there; at least one.
    Events(Vec<RdsEvent>),
    /// Events of a drill ([`DRILL_SOURCE`]): what they would do is told, and nothing is done.
    Drill(Vec<RdsEvent>),
    /// Nothing that could move a route, and why.
    Ignored(String),
}

/// Reads a delivery.
///
/// # Errors
/// [`Malformed`] when it is none of the forms, or lacks what decides.
pub fn parse(body: &str) -> Result<Parsed, Malformed> {
    if body.len() > BODY_BYTES_MAX {
        let expected = format!("at most {BODY_BYTES_MAX} bytes");
        let found = format!("{} bytes", body.len());
        return Err(Malformed::at(&Place::BODY, expected, found));
    }
    // Files written on Windows begin with a byte order mark.
    let text = body.strip_prefix('\u{feff}').unwrap_or(body);
    read(&Place::BODY, text, Depth::OUTERMOST)
}

/// Reads a delivery from bytes, as a file holds it.
///
/// # Errors
/// As [`parse`], and when the bytes are not UTF-8.
pub fn parse_bytes(body: &[u8]) -> Result<Parsed, Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let (valid, rest) = body.split_at(error.valid_up_to());
        let byte = rest.first().copied().unwrap_or_default();
        let found = format!("byte 0x{byte:02x} at offset {}", valid.len());
        Malformed::at(&Place::BODY, "UTF-8", found)
    })?;
    parse(text)
}

/// How many envelopes were opened.
#[derive(Clone, Copy)]
struct Depth(u8);

impl Depth {
    const OUTERMOST: Self = Self(0);

    fn deeper(self, place: &Place<'_>) -> Result<Self, Malformed> {
        if self.0 < ENVELOPES_MAX {
            return Ok(Self(self.0 + 1));
        }
        let expected = format!("an event within {ENVELOPES_MAX} envelopes of SNS");
        Err(Malformed::at(place, expected, "one more envelope"))
    }
}

/// The keys by which the forms are told apart.
#[derive(Deserialize)]
struct Sniffed {
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
    #[serde(rename = "Type")]
    sns_type: Option<IgnoredAny>,
    #[serde(rename = "Records")]
    records: Option<IgnoredAny>,
    #[serde(rename = "Event Source")]
    event_source: Option<IgnoredAny>,
    #[serde(rename = "Event Message")]
    event_message: Option<IgnoredAny>,
}

/// The forms of a delivery.
enum Form {
    EventBridge,
    Envelope,
    Invocation,
    Notification,
}

/// Which form `json` has. Any key that only one form has is enough; what is missing in it is that form's
/// to say.
fn sniff(place: &Place<'_>, json: &str) -> Result<Form, Malformed> {
    let keys: Sniffed = object(place, json)?;
    if keys.detail_type.is_some() {
        Ok(Form::EventBridge)
    } else if keys.sns_type.is_some() {
        Ok(Form::Envelope)
    } else if keys.records.is_some() {
        Ok(Form::Invocation)
    } else if keys.event_source.is_some() || keys.event_message.is_some() {
        Ok(Form::Notification)
    } else {
        let expected = "an EventBridge event (\"detail-type\"), a message of RDS to SNS \
                        (\"Event Source\"), an envelope of SNS (\"Type\") or a Lambda invocation by \
                        SNS (\"Records\")";
        Err(Malformed::at(place, expected, excerpt(json)))
    }
}

/// Reads a text at any depth.
fn read(place: &Place<'_>, text: &str, depth: Depth) -> Result<Parsed, Malformed> {
    let text = text.trim();
    if sns::is_first_message(text) {
        return Ok(Parsed::Ignored("the greeting of RDS on a new subscription".to_owned()));
    }
    match sniff(place, text)? {
        Form::EventBridge => eventbridge::read(place, text),
        Form::Envelope => sns::read_envelope(place, text, depth),
        Form::Invocation => lambda::read(place, text, depth),
        Form::Notification => sns::read_notification(place, text),
    }
}
