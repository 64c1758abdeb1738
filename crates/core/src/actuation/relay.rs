//! What relays report, and what that says of a route: which instance each relay forwards to, and since when.
//!
//! A relay route is moved by the commit alone. Relays fetch the state by themselves, so nobody can say in advance when
//! they apply it: their reports are the proof, as target health is for a load balancer's route.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::actuation::health::{HealthEvent, HealthUpdate, HealthWatch, ServingState};
use crate::evidence::event::EventKey;
use crate::model::names::{InstanceId, RouteName};
use crate::model::route::Relay;
use crate::model::time::Timestamp;

/// How many relays an installation may have: each writes its report to one of so many places, which are read together.
pub const RELAYS_MAX: u8 = 16;

/// How often a relay reports when nothing changes.
pub const REPORT_EVERY: Duration = Duration::from_secs(30);

/// The name of a relay: that of its task or host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayName(String);

impl RelayName {
    /// A name, if it is one.
    ///
    /// # Errors
    /// The rule, when it is not kept.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
        if plain && (1..=64).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a relay's name has 1 to 64 letters, digits, '.', '_', '-' or '/'")
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RelayName {
    /// Where nothing tells relays apart.
    fn default() -> Self {
        Self("relay".to_owned())
    }
}

impl fmt::Display for RelayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a relay forwards one route to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedRoute {
    /// The instance.
    pub instance: InstanceId,
    /// The evidence by which the ledger names it.
    pub event: EventKey,
    /// When HAProxy had heard of it whole: the instance usable, every other one not.
    pub at: Timestamp,
}

/// What one relay reported last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayReport {
    /// Which relay.
    pub relay: RelayName,
    /// When it reported.
    pub at: Timestamp,
    /// When its HAProxy asked last; absent if it never did.
    pub asked_at: Option<Timestamp>,
    /// What it forwards each route to. A route that HAProxy has not heard of whole is left out.
    pub routes: BTreeMap<RouteName, AppliedRoute>,
}

impl RelayReport {
    /// Whether the relay works: it reports, and its HAProxy asks.
    #[must_use]
    pub fn is_live(&self, limit: Duration, now: Timestamp) -> bool {
        let recent = |at: Timestamp| now.since(at) < limit;
        // The report is written at once when HAProxy falls silent, so both are compared with the present.
        recent(self.at) && self.asked_at.is_some_and(|asked| self.at.since(asked) < limit)
    }
}

/// The reports of relays that work.
pub fn live<'a>(
    reports: &'a [RelayReport],
    relay: &Relay,
    now: Timestamp,
) -> impl Iterator<Item = &'a RelayReport> {
    let limit = relay.silent_limit;
    reports.iter().filter(move |report| report.is_live(limit, now))
}

impl HealthWatch {
    /// The next thing to be recorded about the move of a relay route, by what its relays report.
    #[must_use]
    pub fn switched(
        &self,
        (route, relay): (&RouteName, &Relay),
        reports: &[RelayReport],
        now: Timestamp,
    ) -> Option<HealthUpdate> {
        let live: Vec<&RelayReport> = live(reports, relay, now).collect();
        let applied = |report: &&RelayReport| {
            let applied = report.routes.get(route).filter(|applied| applied.event == self.key);
            applied.map(|applied| (report.relay.clone(), applied.at))
        };
        let done: Vec<(RelayName, Timestamp)> = live.iter().filter_map(applied).collect();
        let last = done.iter().map(|(_, at)| *at).max();
        if let Some(last) = last.filter(|_| done.len() == live.len()) {
            let took = last.since(self.since);
            let each =
                done.iter().map(|(name, at)| format!("{name} after {} ms", at.since(self.since).as_millis()));
            let note =
                format!("relays forward to {}: {}", self.instance, each.collect::<Vec<_>>().join(", "));
            return Some(HealthUpdate { what: HealthEvent::Switched(took), note, rest: None });
        }
        let waited = now.since(self.moved_at);
        if self.arrival != ServingState::Awaited || waited < relay.switch_limit {
            return None;
        }
        let rest = Some(Self { arrival: ServingState::Overdue, ..self.clone() });
        let note = format!(
            "{} s after the move not every relay forwards to {}: {}",
            waited.as_secs(),
            self.instance,
            missing(route, &self.key, &live)
        );
        Some(HealthUpdate { what: HealthEvent::NotSwitched(now.since(self.since)), note, rest })
    }
}

/// Which relays have not applied the evidence, and why as far as their reports show.
fn missing(route: &RouteName, key: &EventKey, live: &[&RelayReport]) -> String {
    if live.is_empty() {
        return "no relay reports; start the relay tasks, and see that they may read and write the state table".to_owned();
    }
    let behind = live.iter().filter_map(|report| match report.routes.get(route) {
        Some(applied) if applied.event == *key => None,
        Some(applied) => Some(format!("{} still forwards to {}", report.relay, applied.instance)),
        None => Some(format!("{} has not applied any state; its HAProxy may lack the route", report.relay)),
    });
    behind.collect::<Vec<_>>().join(", ")
}
