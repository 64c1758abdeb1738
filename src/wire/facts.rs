//! The six facts that both spellings of an RDS event carry, and what makes an event of them.

use crate::domain::event::{EventId, RdsEvent, SourceKind};
use crate::domain::route::SourceId;
use crate::domain::time::Timestamp;

use super::Parsed;
use super::field::{Field, Malformed, quoted};

/// The longest text of an event that is kept. RDS's longest messages have a few hundred bytes; what is
/// kept goes into audit records, and a DynamoDB item that is too large (400 KB) could never be written, so
/// its message would come back until it is a dead letter.
pub const KEPT_TEXT_BYTES_MAX: usize = 16 * 1024;

/// What an RDS event says, still unread.
pub(super) struct Facts<'a> {
    /// `SourceType`, `Event Source`.
    pub(super) kind: Field<'a>,
    /// `SourceArn`, `Source ARN`; absent in old SNS bodies.
    pub(super) arn: Field<'a>,
    /// `SourceIdentifier`, `Source ID`.
    pub(super) identifier: Field<'a>,
    /// `EventID`, `Event ID`; absent in some real events.
    pub(super) id: Field<'a>,
    /// `Date`, `Event Time`.
    pub(super) at: Field<'a>,
    /// `Message`, `Event Message`.
    pub(super) message: Field<'a>,
}

impl Facts<'_> {
    /// The event they tell.
    ///
    /// # Errors When a fact that orders or identifies the event is missing or unreadable: better a dead
    /// letter that a person reads than a failover that was taken for something else.
    pub(super) fn read(&self) -> Result<Parsed, Malformed> {
        let kind = SourceKind::parse(&self.kind.required_text()?);
        let message = kept(&self.message, self.message.required_text()?)?;
        let at = time(&self.at)?;
        let id = event_id(&self.id)?;
        let (source, source_arn) = match (self.source(), kind) {
            (Ok(source), _) => source,
            // Snapshots are named `rds:name-2024-05-06-23-07`, a proxy's ARN and identifier differ: such
            // names are no fault of the delivery, and nothing moves on them.
            (Err(odd), SourceKind::Other) => {
                return Ok(Parsed::Ignored(format!(
                    "an event of neither a cluster, an instance nor a deployment ({odd})"
                )));
            }
            (
                Err(odd),
                SourceKind::Cluster | SourceKind::Instance | SourceKind::BlueGreenDeployment,
            ) => return Err(odd),
        };
        Ok(Parsed::Events(vec![RdsEvent {
            id,
            source,
            kind,
            source_arn,
            at,
            message,
        }]))
    }

    /// The ARN's last part, else the identifier. When both are there they have to agree, since each of them
    /// alone could make this event another route's.
    fn source(&self) -> Result<(SourceId, Option<String>), Malformed> {
        let from_arn = match self.arn.text()? {
            Some(arn) => Some((source_id(&self.arn, last_part(&self.arn, &arn)?)?, arn)),
            None => None,
        };
        let from_identifier = match self.identifier.text()? {
            Some(identifier) => Some(source_id(&self.identifier, &identifier)?),
            None => None,
        };
        match (from_arn, from_identifier) {
            (Some((of_arn, arn)), Some(own)) if of_arn != own => Err(Malformed::at(
                &self.identifier.place,
                format!("the source that {} names", quoted(&arn)),
                quoted(own.as_str()),
            )),
            (Some((of_arn, arn)), _) => Ok((of_arn, Some(kept(&self.arn, arn)?))),
            (None, Some(own)) => Ok((own, None)),
            (None, None) => Err(self.identifier.absent("an RDS identifier")),
        }
    }
}

fn source_id(field: &Field<'_>, text: &str) -> Result<SourceId, Malformed> {
    SourceId::new(text).map_err(|invalid| {
        let expected = format!("an RDS identifier: {}", invalid.rule);
        Malformed::at(&field.place, expected, quoted(text))
    })
}

/// The resource of `arn:aws:rds:us-east-1:123456789012:cluster:aurora-source`.
fn last_part<'a>(field: &Field<'_>, arn: &'a str) -> Result<&'a str, Malformed> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _partition, "rds", _region, _account, _kind, .., last] => Ok(last),
        _ => Err(Malformed::at(
            &field.place,
            "an ARN of RDS, arn:aws:rds:REGION:ACCOUNT:TYPE:NAME",
            quoted(arn),
        )),
    }
}

fn kept(field: &Field<'_>, text: String) -> Result<String, Malformed> {
    if text.len() <= KEPT_TEXT_BYTES_MAX {
        return Ok(text);
    }
    let expected = format!("at most {KEPT_TEXT_BYTES_MAX} bytes");
    Err(Malformed::at(&field.place, expected, quoted(&text)))
}

/// Either spelling of a time: ISO 8601 with a zone (EventBridge), or without one and then UTC (SNS).
fn time(field: &Field<'_>) -> Result<Timestamp, Malformed> {
    let text = field.required_text()?;
    Timestamp::parse(&text)
        .or_else(|| Timestamp::parse_civil(&text))
        .ok_or_else(|| {
            Malformed::at(
                &field.place,
                "a time such as 2026-05-06T23:07:45.884Z or 2026-05-06 23:07:45.884",
                quoted(&text),
            )
        })
}

/// The event's id, or nothing if there is none. SNS bodies give it as the fragment of a documentation URL
/// that AWS has changed twice. An id that is there and cannot be read is refused: it could have been a
/// failover.
fn event_id(field: &Field<'_>) -> Result<Option<EventId>, Malformed> {
    let Some(text) = field.text()? else {
        return Ok(None);
    };
    let id = text.rsplit('#').next().and_then(EventId::parse);
    id.map(Some)
        .ok_or_else(|| Malformed::at(&field.place, "an id such as RDS-EVENT-0073", quoted(&text)))
}
