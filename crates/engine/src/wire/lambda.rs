//! What a Lambda function is handed by an SNS subscription: the form the replaced Lambda read, so that its
//! test events and its captured invocations can be replayed.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::field::{Malformed, Place, excerpt, object};
use crate::wire::{Depth, Parsed, sns};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Invocation<'a> {
    #[serde(borrow)]
    records: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(borrow)]
    sns: Option<&'a RawValue>,
}

/// Reads every record, in order. One that cannot be read refuses them all: they were delivered together,
/// and what was half handled could not be handed back.
pub(super) fn read(place: &Place<'_>, json: &str, depth: Depth) -> Result<Parsed, Malformed> {
    let invocation: Invocation<'_> = object(place, json)?;
    let field = place.field("Records", invocation.records);
    let list = field.required_json("a list of records")?;
    let records: Vec<&RawValue> = serde_json::from_str(list)
        .map_err(|_| Malformed::at(&field.place, "a list of records", excerpt(list)))?;
    let (mut events, mut reasons) = (Vec::new(), Vec::new());
    for (i, record) in records.into_iter().enumerate() {
        match read_record(&field.place.index(i), record.get(), depth)? {
            Parsed::Events(more) => events.extend(more),
            // Records are handed in together and moved on together, so a drill among them is left out.
            Parsed::Drill(_) => reasons.push("a drill inside a Lambda invocation".to_owned()),
            Parsed::Ignored(reason) => reasons.push(reason),
        }
    }
    if !events.is_empty() {
        return Ok(Parsed::Events(events));
    }
    if reasons.is_empty() {
        reasons.push("Records is empty".to_owned());
    }
    Ok(Parsed::Ignored(reasons.join("; ")))
}

fn read_record(place: &Place<'_>, json: &str, depth: Depth) -> Result<Parsed, Malformed> {
    let record: Record<'_> = object(place, json)?;
    let field = place.field("Sns", record.sns);
    let envelope = field.required_json("the envelope of SNS (other event sources are not read)")?;
    sns::read_envelope(&field.place, envelope, depth)
}
