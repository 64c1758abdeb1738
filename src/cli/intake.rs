//! An event from a file or from standard input.

mod held;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::cli::Session;
use crate::cli::failure::{Exit, Failure};
use crate::config::Config;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::evidence::identity::NotFollowed;
use writerlink_core::evidence::routing;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::route::Route;
use writerlink_core::model::source_arn::SourceKind;
use writerlink_engine::wire::{BODY_BYTES_MAX, Parsed};

/// How standard input is named.
const STANDARD_INPUT: &str = "-";

/// Reads deliveries, in whatever envelope, or the output of AWS's commands.
pub(super) fn read(file: &Path, session: &mut Session<'_>) -> Result<Parsed, Failure> {
    let body = if file == Path::new(STANDARD_INPUT) {
        bounded(session.input)
    } else {
        File::open(file).and_then(|mut file| bounded(&mut file))
    };
    let body = body.map_err(|error| {
        Failure::told(
            format!("the event in {} cannot be read", file.display()),
            error.to_string(),
            "check the path and its permissions; - is standard input",
            Exit::Error,
        )
    })?;
    held::read(&body).map_err(|malformed| {
        Failure::told(
            format!("the event in {} is malformed", file.display()),
            malformed.to_string(),
            "hand in the text as it was delivered (an EventBridge event, an RDS message of SNS, or either in its envelope), or \
             the output of `aws sqs receive-message` or `aws rds describe-events`",
            Exit::Error,
        )
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
        let by = concerned(event, config);
        if by.is_empty() {
            return Err(unconcerned(event, config));
        }
        followed.extend(by);
    }
    Ok(followed)
}

/// The routes that an event concerns, with the event as evidence about each.
pub(super) fn concerned<'a>(event: &RdsEvent, config: &'a Config) -> Vec<(&'a Route, Evidence)> {
    let concerned = routing::concerned(&config.routes, event).into_iter();
    concerned.map(|(route, _)| (route, Evidence::new(route, event.clone()))).collect()
}

/// The failure of handing in an event that concerns no route.
pub(super) fn unconcerned(event: &RdsEvent, config: &Config) -> Failure {
    let NotFollowed { why, fix } = routing::why_no_route(&config.routes, event);
    let arn = event.source_arn.as_ref().map(ToString::to_string);
    let what = match (event.kind, &fix) {
        (SourceKind::BlueGreenDeployment, _) => {
            format!("blue/green deployment {} concerns no route", event.source)
        }
        (SourceKind::Cluster | SourceKind::Instance | SourceKind::Other, Some(_)) => {
            let source = arn.unwrap_or_else(|| format!("{} {}", event.kind, event.source));
            format!("no route follows {source}")
        }
        (SourceKind::Cluster | SourceKind::Instance | SourceKind::Other, None) => {
            format!("no route follows {}", event.source)
        }
    };
    let why = match &fix {
        Some(_) => why,
        None => format!("{why}; the worker deletes such events"),
    };
    Failure::told(
        what,
        why,
        fix.unwrap_or_else(|| "name it as the source of a route, or check the event".to_owned()),
        Exit::Error,
    )
}
