//! Evidence for an instance whose DNS name does not exist, where only the name gives the address.

use std::time::Duration;

use crate::decision::verdict::Verdict;
use crate::model::names::InstanceId;
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use crate::model::route::Route;

/// For how long a name that does not exist is asked for again. An event of AWS for the route's own source names an
/// instance that is there; what may be older is the answer: a name that was asked for before the instance was made is
/// remembered as missing, for as long as its zone says and up to a quarter of an hour. But an event holds its group
/// back meanwhile, so the wait is short, and afterwards the sources move the route.
pub const ASKED_FOR: Duration = Duration::from_mins(2);

/// The verdict on evidence for `instance`, whose name does not exist. None as long as the name is to be asked for again.
///
/// `missing` says in words which name does not exist. `delivered` is how long ago the evidence was first delivered;
/// absent for evidence that is not delivered again: then the verdict is immediate.
#[must_use]
pub fn verdict(
    route: &Route,
    instance: &InstanceId,
    missing: &str,
    delivered: Option<Duration>,
) -> Option<Verdict> {
    let asked_for = match delivered {
        Some(ago) if ago < ASKED_FOR => return None,
        Some(ago) => format!(", {} s after the event was first delivered", ago.as_secs()),
        None => String::new(),
    };
    let note = format!(
        "instance {instance} is not one of route {}: {missing}{asked_for}; if it is, hand the event in again \
         (`writerlink replay`) once the name exists, or add the instance under [route.instances]",
        route.name
    );
    Some(Verdict::new(Outcome::Rejected, Reason::UnknownInstance, note))
}
