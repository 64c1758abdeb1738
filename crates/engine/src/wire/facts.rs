//! The six facts that both spellings of an RDS event carry, and what makes an event of them.

use crate::wire::Parsed;
use crate::wire::field::{Field, Malformed, Place, quoted};
use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::model::names::{ArnPart, SourceId};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_core::model::time::Timestamp;

/// The longest text of an event that is kept. RDS's longest messages have a few hundred bytes; what is
/// kept goes into audit records, and a DynamoDB item that is too large (400 KB) could never be written, so
/// its message would come back until it is a dead letter.
pub const KEPT_TEXT_BYTES_MAX: usize = 16 * 1024;

/// Who put an event on a bus, by EventBridge's word.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    account: Field<'a>,
    region: Field<'a>,
}

impl<'a> Sender<'a> {
    /// The sender of an event of RDS is the account and Region of the database. EventBridge keeps both when it
    /// forwards the event to a bus of another account or Region.
    pub(super) fn is_the_database(account: Field<'a>, region: Field<'a>) -> Self {
        Self { account, region }
    }

    /// Nobody is told, or it is a person, who may drill for a database of any account.
    pub(super) fn unknown() -> Self {
        let nothing = Place::BODY.field("", None);
        Self::is_the_database(nothing, nothing)
    }
}

/// What an RDS event says, still unread.
pub(super) struct Facts<'a> {
    /// `SourceType`, `Event Source`.
    pub(super) kind: Field<'a>,
    /// `SourceArn`, `Source ARN`; absent in old SNS bodies.
    pub(super) arn: Field<'a>,
    /// `account` and `region` of EventBridge's envelope; no other form has them.
    pub(super) sender: Sender<'a>,
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
        let (source, source_arn) = match (self.source(kind), kind) {
            (Ok(source), _) => source,
            // Snapshots are named `rds:name-2024-05-06-23-07`, a proxy's ARN and identifier differ: such
            // names are no fault of the delivery, and nothing moves on them.
            (Err(odd), SourceKind::Other) => {
                return Ok(Parsed::Ignored(format!(
                    "an event of neither a cluster, an instance nor a deployment ({odd})"
                )));
            }
            (Err(odd), SourceKind::Cluster | SourceKind::Instance | SourceKind::BlueGreenDeployment) => {
                return Err(odd);
            }
        };
        Ok(Parsed::Events(vec![RdsEvent { id, source, kind, source_arn, at, message }]))
    }

    /// What the event is about: by its ARN, else by identifier and envelope. Where the same thing is said twice the
    /// two have to agree, since each of them alone could make this event another route's: better a dead letter that a
    /// person reads than a failover that was taken for another database's.
    fn source(&self, kind: SourceKind) -> Result<(SourceId, Option<SourceArn>), Malformed> {
        let arn = match self.arn.text()? {
            Some(text) => Some(source_arn(&self.arn, &kept(&self.arn, text)?)?),
            None => None,
        };
        let identifier = match self.identifier.text()? {
            Some(identifier) => Some(source_id(&self.identifier, &identifier)?),
            None => None,
        };
        match (arn, identifier) {
            (Some(arn), identifier) => {
                self.agrees(kind, &arn, identifier.as_ref())?;
                Ok((arn.name().clone(), Some(arn)))
            }
            (None, Some(name)) => {
                let arn = self.of_envelope(kind, &name)?;
                Ok((name, arn))
            }
            (None, None) => Err(self.identifier.absent("an RDS identifier")),
        }
    }

    /// Whether kind, identifier and envelope say what the ARN says.
    fn agrees(
        &self,
        kind: SourceKind,
        arn: &SourceArn,
        identifier: Option<&SourceId>,
    ) -> Result<(), Malformed> {
        let differs = |field: &Field<'_>, expected: String, found: &str| {
            Err(Malformed::at(&field.place, expected, quoted(found)))
        };
        let named = format!("the source that \"{arn}\" names");
        if let Some(name) = identifier.filter(|name| *name != arn.name()) {
            return differs(&self.identifier, named, name.as_str());
        }
        if kind != SourceKind::Other && kind != arn.kind() {
            return differs(&self.kind, format!("the kind of {named}"), kind.as_str());
        }
        for (field, part) in
            [(&self.sender.account, ArnPart::Account), (&self.sender.region, ArnPart::Region)]
        {
            let of_arn = arn.location().part(part).unwrap_or_default();
            if let Some(found) = field.text()?.filter(|found| found != of_arn) {
                return differs(field, format!("the {part} of {named}"), &found);
            }
        }
        Ok(())
    }

    /// What the envelope says of an event without an ARN.
    fn of_envelope(&self, kind: SourceKind, name: &SourceId) -> Result<Option<SourceArn>, Malformed> {
        let (account, region) = (self.sender.account.text()?, self.sender.region.text()?);
        let arn = SourceArn::of_envelope(kind, name, account.as_deref(), region.as_deref());
        arn.map_err(|invalid| {
            let expected = "an account of 12 digits and a Region such as us-east-1";
            Malformed::at(&self.sender.account.place, expected, quoted(&invalid.value))
        })
    }
}

fn source_id(field: &Field<'_>, text: &str) -> Result<SourceId, Malformed> {
    SourceId::new(text).map_err(|invalid| {
        let expected = format!("an RDS identifier: {}", invalid.rule);
        Malformed::at(&field.place, expected, quoted(text))
    })
}

fn source_arn(field: &Field<'_>, text: &str) -> Result<SourceArn, Malformed> {
    SourceArn::parse(text).map_err(|invalid| {
        let expected = format!("an {}: {}", invalid.what, invalid.rule);
        Malformed::at(&field.place, expected, quoted(text))
    })
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
    Timestamp::parse(&text).or_else(|| Timestamp::parse_civil(&text)).ok_or_else(|| {
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
    id.map(Some).ok_or_else(|| Malformed::at(&field.place, "an id such as RDS-EVENT-0073", quoted(&text)))
}
