//! A route's map held against the addresses that its instances have: said once, shown until it is mended, never acted
//! on (`evidence::drift`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::memory::Denied;
use crate::attempt::tick::TimerRecord;
use crate::attempt::watched::RouteWatch;
use crate::attempt::{NoMessage, StateStore, Task};
use crate::ports::{CallError, Clock, Databases, ErrorKind, Ports};
use writerlink_core::evidence::discovery::{Discovery, Freshness, Reading, Worth};
use writerlink_core::evidence::drift::{compared_with, describe, first_after};
use writerlink_core::evidence::trigger::{Evidence, Trigger};
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::lease::Acquire;
use writerlink_core::ledger::state::RouteState;
use writerlink_core::ledger::unresolved::SourceConflict;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::route::Route;

/// How often a map is compared: a difference that is no name server's stale answer is believed within a quarter of an
/// hour.
pub const COMPARE_EVERY: Duration = Duration::from_mins(5);

/// How often a map is compared of which the state says that it differs, so that a corrected one is right soon.
const COMPARE_AGAIN: Duration = Duration::from_mins(1);

/// For how long the same difference is not recorded a second time, although another worker, whose name server says
/// otherwise, has taken the first record back.
const RECORDED_FOR: Duration = Duration::from_hours(1);

/// A comparison.
struct Compared<'a> {
    route: &'a Route,
    by: Option<DiscoverySource>,
    found: &'a BTreeMap<InstanceId, IpAddr>,
}

impl Compared<'_> {
    /// Whether every instance of the map that this note names was found: of one that was not, nobody can say that it is
    /// where it should be.
    fn has_found_all_of(&self, note: &str) -> bool {
        let named = self.route.instances.keys();
        let mut named = named.filter(|instance| note.contains(instance.as_str()));
        self.by.is_none() || named.all(|instance| self.found.contains_key(instance))
    }
}

/// What is to be recorded.
struct Finding {
    conflict: Option<SourceConflict>,
    said: String,
}

/// Compares the maps of routes, and records what differs.
pub struct MapComparison {
    databases: Arc<dyn Databases>,
    states: Arc<StateStore>,
    clock: Arc<dyn Clock>,
    denied: Denied,
}

impl MapComparison {
    /// Comparisons that are recorded by way of `states`.
    #[must_use]
    pub fn new(ports: &Ports, states: Arc<StateStore>) -> Self {
        Self {
            databases: Arc::clone(&ports.databases),
            states,
            clock: Arc::clone(&ports.clock),
            denied: Denied::default(),
        }
    }

    /// Compares the map of a route with the addresses that its instances have, if that is due.
    ///
    /// # Errors
    /// When whoever is asked refuses to answer, which is told once; whatever else fails is tried again.
    pub async fn compare_map(
        &self,
        route: &Route,
        every: Duration,
        watched: &mut RouteWatch,
        noted: &mut Vec<TimerRecord>,
    ) -> Result<(), CallError> {
        let by = compared_with(route);
        let now = self.clock.monotonic();
        let denied = by == Some(DiscoverySource::Rds) && self.denied.is_denied(now);
        let nobody = by.is_none() && !watched.map.differs;
        if nobody || denied || !is_due(route, every, watched, now) {
            return Ok(());
        }
        let found = match self.databases.addresses(route).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::Denied => {
                let said_before = self.denied.deny(now);
                return if said_before { Ok(()) } else { Err(error) };
            }
            Err(_) => return Ok(()),
        };
        // Where nobody could be found the comparison says nothing.
        if by.is_some() && found.is_empty() {
            return Ok(());
        }
        watched.map.comparisons.take(route, &found);
        if watched.map.comparisons.agrees() && !watched.map.differs {
            return Ok(());
        }
        let compared = Compared { route, by, found: &found };
        // What the ledger could not take now the next comparison finds again, and its failure the next look tells.
        drop(self.note_drift(&compared, watched, noted).await);
        Ok(())
    }

    /// Records that the map differs, or that it does no longer, once that stands.
    async fn note_drift(
        &self,
        compared: &Compared<'_>,
        watched: &mut RouteWatch,
        noted: &mut Vec<TimerRecord>,
    ) -> Result<(), CallError> {
        let Compared { route, by, .. } = *compared;
        let seen = self.states.read(&route.name).await?;
        // A record fences off whoever holds the route.
        if let Acquire::Wait(_) = self.states.cache().acquirable(&seen) {
            return Ok(());
        }
        let known = seen.state.control.source_conflict.as_ref();
        let known = known.filter(|conflict| conflict.reason == Reason::MapDiffers);
        let Some(differs) = watched.map.comparisons.stands() else {
            return Ok(());
        };
        let differs = differs.to_vec();
        if differs.is_empty() && known.is_some_and(|known| !compared.has_found_all_of(&known.note)) {
            return Ok(());
        }
        let finding = match (by, differs.as_slice()) {
            (None, _) => Finding::over("the map is not compared any more"),
            (Some(by), []) => Finding::over(&format!("{by} says that the map holds")),
            (Some(by), differs) => {
                let conflict = SourceConflict {
                    since: known.map_or_else(|| self.clock.wall(), |known| known.since),
                    reason: Reason::MapDiffers,
                    note: describe(route, by, differs),
                    by: self.states.author().owner().clone(),
                };
                Finding { said: conflict.note.clone(), conflict: Some(conflict) }
            }
        };
        let note = finding.conflict.as_ref().map(|conflict| &conflict.note);
        let now = self.clock.monotonic();
        let recorded = watched.map.recorded.as_ref();
        let lately = recorded
            .is_some_and(|(recorded, at)| *recorded == differs && now.saturating_sub(*at) < RECORDED_FOR);
        if note == known.map(|known| &known.note) || (lately && known.is_none()) {
            return Ok(());
        }
        if let Some(told) = self.record_drift(route, &seen.state, finding).await? {
            watched.map.recorded = Some((differs, now));
            noted.push(told);
        }
        Ok(())
    }

    async fn record_drift(
        &self,
        route: &Route,
        from: &RouteState,
        finding: Finding,
    ) -> Result<Option<TimerRecord>, CallError> {
        let now = self.clock.wall();
        let Finding { conflict, said } = finding;
        let reading = Reading {
            at: now,
            discovery: Discovery::NoSources,
            stood: None,
            said: said.clone(),
            worth: Worth { against: None, since: Freshness::Changed },
        };
        let evidence = Evidence::now(&route.name, Trigger::Reading(reading), self.clock.random());
        let task = Task::begin(&self.clock, route, &evidence, Cause::Reconcile, &NoMessage);
        let noted = TimerRecord::drift(Reason::MapDiffers, said);
        let mut entry = self.states.entry_of_note(&task, from, noted.kind);
        entry.reason = Some(noted.reason);
        entry.note.clone_from(&noted.note);
        let written = self.states.note(from, StateUpdate::Conflicts(conflict), entry).await?;
        Ok(written.map(|_| noted))
    }
}

impl Finding {
    fn over(said: &str) -> Self {
        Self { conflict: None, said: said.to_owned() }
    }
}

/// Whether a route's map is to be compared now; then the next time is later.
fn is_due(route: &Route, every: Duration, watched: &mut RouteWatch, now: Duration) -> bool {
    let (first, again) = if watched.map.differs {
        let soon = COMPARE_AGAIN.min(every);
        (soon, soon)
    } else {
        (first_after(route, every), every)
    };
    let due = *watched.map.due.get_or_insert(now + first);
    if now < due {
        return false;
    }
    watched.map.due = Some(now + again);
    true
}
