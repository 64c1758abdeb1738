//! An event from a file or from standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Session;
use super::failure::{Exit, Failure};
use crate::config::Config;
use crate::domain::event::{Evidence, RdsEvent, SourceKind};
use crate::domain::route::Route;
use crate::domain::routing;
use crate::wire::{self, BODY_BYTES_MAX, Parsed};

/// How standard input is named.
const STANDARD_INPUT: &str = "-";

/// Reads a delivery, in whatever envelope.
pub(super) fn read(file: &Path, session: &mut Session<'_>) -> Result<Parsed, Failure> {
    let body = if file == Path::new(STANDARD_INPUT) {
        bounded(session.input)
    } else {
        File::open(file).and_then(|mut file| bounded(&mut file))
    };
    let body = body.map_err(|error| Failure::Told {
        what: format!("the event in {} cannot be read", file.display()),
        why: error.to_string(),
        fix: "check the path and its permissions; - is standard input".to_owned(),
        exit: Exit::Error,
    })?;
    wire::parse_bytes(&body).map_err(|malformed| Failure::Told {
        what: format!("the event in {} is malformed", file.display()),
        why: malformed.to_string(),
        fix: "hand in the text as it was delivered: an EventBridge event, an RDS message of SNS, or either \
              in its envelope"
            .to_owned(),
        exit: Exit::Error,
    })
}

/// One byte more than is allowed, so that what is too long is refused and not cut off.
fn bounded(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let most = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    input.take(most.saturating_add(1)).read_to_end(&mut body)?;
    Ok(body)
}

/// Every route with every event that concerns it, in the order of the events.
pub(super) fn followed<'a>(
    events: &[RdsEvent],
    config: &'a Config,
) -> Result<Vec<(&'a Route, Evidence)>, Failure> {
    let mut followed = Vec::new();
    for event in events {
        let concerned = routing::concerned(&config.routes, event);
        if concerned.is_empty() {
            return Err(concerns_nobody(event));
        }
        for (route, _) in concerned {
            followed.push((route, Evidence::new(&route.name, event.clone())));
        }
    }
    Ok(followed)
}

fn concerns_nobody(event: &RdsEvent) -> Failure {
    let (what, fix) = match event.kind {
        // A deployment is nobody's source: what it renames has a name of its own.
        SourceKind::BlueGreenDeployment => (
            format!("blue/green deployment {} concerns no route", event.source),
            "nothing, unless a route should follow one of these databases: then compare its source, and the account \
             and Region of its target group",
        ),
        SourceKind::Cluster | SourceKind::Instance | SourceKind::Other => (
            format!("no route follows {}", event.source),
            "name it as the source of a route, or check the event",
        ),
    };
    Failure::Told {
        what,
        why: format!(
            "{}; the worker deletes such events",
            routing::why_no_route(event)
        ),
        fix: fix.to_owned(),
        exit: Exit::Error,
    }
}
