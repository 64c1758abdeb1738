//! An event from a file or from standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Session;
use super::failure::{Exit, Failure};
use crate::config::Config;
use crate::domain::event::{Evidence, RdsEvent};
use crate::domain::identity::{NotFollowed, not_followed};
use crate::domain::route::Route;
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

/// Every route with every event that it follows, in the order of the events.
pub(super) fn followed<'a>(
    events: &[RdsEvent],
    config: &'a Config,
) -> Result<Vec<(&'a Route, Evidence)>, Failure> {
    let mut followed = Vec::new();
    for event in events {
        let by = followers(event, config);
        if by.is_empty() {
            return Err(unfollowed(event, config));
        }
        followed.extend(by);
    }
    Ok(followed)
}

/// The routes that follow an event, with the event as evidence about each.
pub(super) fn followers<'a>(event: &RdsEvent, config: &'a Config) -> Vec<(&'a Route, Evidence)> {
    let routes = config.routes.iter();
    routes
        .filter(|route| route.follows(event))
        .map(|route| (route, Evidence::new(route, event.clone())))
        .collect()
}

/// The failure of handing in an event that no route follows.
pub(super) fn unfollowed(event: &RdsEvent, config: &Config) -> Failure {
    let told = match not_followed(&config.routes, event) {
        NotFollowed {
            why,
            fix: Some(fix),
        } => {
            let arn = event.source_arn.as_ref().map(ToString::to_string);
            let source = arn.unwrap_or_else(|| format!("{} {}", event.kind, event.source));
            (source, why, fix)
        }
        NotFollowed { fix: None, .. } => (
            event.source.to_string(),
            "its events are none of the configured routes' business; the worker deletes them"
                .to_owned(),
            "name it as the source of a route, or check the event".to_owned(),
        ),
    };
    let (source, why, fix) = told;
    Failure::Told {
        what: format!("no route follows {source}"),
        why,
        fix,
        exit: Exit::Error,
    }
}
