//! Any sequence of events, readings and orders, as a worker would carry it out: what holds after every step.

use std::time::Duration;

use proptest::prelude::*;
use writerlink_core::decision::event::decide;
use writerlink_core::decision::goal::{TargetDecision, target_state};
use writerlink_core::decision::holds::hold_or_move;
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::{Discovery, Freshness, Member, Reading};
use writerlink_core::evidence::event::EventId;
use writerlink_core::evidence::trigger::{CommandKind, Evidence, OperatorCommand, Trigger};
use writerlink_core::ledger::change::{
    BeginRequest, Change, EventDelivery, StateUpdate, begin, extend, finish, note, settle,
};
use writerlink_core::ledger::rebuild::rebuilt;
use writerlink_core::ledger::record::{AuditRecord, Entry, RecordKind};
use writerlink_core::ledger::state::{Assignment, RouteState};
use writerlink_core::model::ids::Hash;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::policy::{Mode, Policy, Role};
use writerlink_core::model::reason::Rule;
use writerlink_core::model::route::{OnStarted, Route};
use writerlink_core::model::time::Timestamp;

use super::values::{
    COMPLETED, STARTED, address, asking_route, entry, event, evidence, evidence_of, instance, key, members,
    ordered, owner, second, seen_once, transition_id, worth,
};

/// What may happen to a route.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Passes(Duration),
    /// An event of so many seconds ago is delivered.
    Told(EventId, u8, i64),
    /// The timer looks, and the sources say this; it stood for so long, and is worth this much.
    Looks(Discovery, Option<u64>, Freshness),
    /// A person orders something.
    Orders(CommandKind, Vec<Rule>),
}

/// How the attempt of a step ends that moves the route.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Finished,
    Deferred,
    Died,
}

/// A route and its ledger: every change goes onto the state that it was built on.
struct Ledger {
    route: Route,
    state: RouteState,
    now: Timestamp,
    attempts: u128,
    /// Every state that it had, with the record that led to it; none for the first, and for the extension of a lease.
    history: Vec<(RouteState, Option<AuditRecord>)>,
}

type Checked = Result<(), TestCaseError>;

impl Ledger {
    fn new(route: Route) -> Self {
        Self {
            state: RouteState::new(route.name.clone()),
            history: vec![(RouteState::new(route.name.clone()), None)],
            route,
            now: second(1000),
            attempts: 0,
        }
    }

    fn control(&self) -> &Assignment {
        &self.state.control
    }

    fn commit(&mut self, change: &Change) -> Checked {
        prop_assert_eq!(change.from(), &self.state);
        let (before, after) = (&self.state.control, change.to());
        let newest = |control: &Assignment| control.newest().map(|known| known.evidence);
        prop_assert!(newest(after) >= newest(before), "I3: the newest evidence regresses");
        let applied = |control: &Assignment| control.desired.as_ref().map(|d| d.evidence);
        prop_assert!(applied(after) >= applied(before), "I3: what is applied regresses");
        if let (Some(desired), Some(waiting)) = (&after.desired, &after.waiting) {
            prop_assert!(waiting.evidence > desired.evidence, "what waits is newer");
        }
        prop_assert!(after.generation >= before.generation);
        for known in [&after.desired, &after.waiting].into_iter().flatten() {
            for target in known.targets() {
                let allowed = &self.route.allowed_cidrs;
                let lies_inside = allowed.iter().any(|cidr| cidr.contains(&target.ip));
                prop_assert!(lies_inside, "I5: {target} lies outside");
            }
        }
        self.state.control = after.clone();
        let record = change.entry().map(|entry| self.record_of(change, entry));
        if let Some(record) = &record {
            self.state.chain.seq = record.seq;
            self.state.chain.hash = hash_of(record.seq);
        }
        self.history.push((self.state.clone(), record));
        Ok(())
    }

    /// As a ledger writes it: of an attempt that begins, or of one that ends or needs no lease.
    fn record_of(&self, change: &Change, entry: &Entry) -> AuditRecord {
        let kind = match change.to().lease {
            Some(_) => RecordKind::Started,
            None => RecordKind::DriftDetected,
        };
        AuditRecord {
            route: self.route.name.clone(),
            seq: change.seq(),
            prev: change.base().hash,
            entry: Entry { kind, generation: change.to().generation, ..entry.clone() },
            changes: Some(change.changes()),
        }
    }

    /// I3, I7, I8: the records that follow any earlier state lead from it to the last one, in everything but how often
    /// a lease was extended, which is not recorded.
    fn is_rebuilt_from_any_earlier_state(&self) -> Checked {
        let without_extensions = |state: &RouteState| {
            let mut state = state.clone();
            if let Some(lease) = &mut state.control.lease {
                lease.deadline = second(0);
            }
            state
        };
        for (n, (earlier, _)) in self.history.iter().enumerate() {
            let records = self.history[n + 1..].iter();
            let records = records.filter_map(|(_, record)| record.as_ref());
            let hashed = records.map(|record| (record, hash_of(record.seq)));
            let rebuilt = rebuilt(earlier, hashed).unwrap();
            prop_assert_eq!(without_extensions(&rebuilt), without_extensions(&self.state));
        }
        Ok(())
    }

    fn take(&mut self, step: Step, ending: Ending) -> Checked {
        match step {
            Step::Passes(by) => {
                self.now = self.now.plus(by);
                Ok(())
            }
            Step::Told(id, number, ago) => {
                let at = Timestamp::from_millis(self.now.as_millis() - ago * 1000);
                self.attempt(&told(id, number, at), ending)
            }
            Step::Looks(discovery, stood, since) => {
                let seen =
                    Reading { stood: stood.map(Duration::from_secs), ..seen_once(discovery, self.now) };
                self.look(worth(seen, self.control(), since), ending)
            }
            Step::Orders(act, overrides) => {
                let order = ordered(act, self.now, &overrides);
                let evidence = evidence_of(Trigger::Command(order.clone()));
                if order.act.instance().is_some() {
                    return self.attempt(&evidence, ending);
                }
                let told = self.entry(None);
                let change = note(&self.state, StateUpdate::Apply(order), told).unwrap();
                self.commit(&change)
            }
        }
    }

    /// What the timer does: it asks where the route should point, and attempts what differs.
    fn look(&mut self, seen: Reading, ending: Ending) -> Checked {
        let desired = match target_state(&self.route, self.control(), key(50), &seen, self.now) {
            TargetDecision::Keep(desired) | TargetDecision::Follow(desired) => desired,
            TargetDecision::Confirm
            | TargetDecision::LeftToEvent
            | TargetDecision::Wait(_)
            | TargetDecision::Unknown => return Ok(()),
        };
        let differs = self.control().desired.as_ref() != Some(&desired);
        let lags = seen.worth.since == Freshness::Unchanged;
        let pinned = self.control().safety.pinned(self.now).is_some();
        let newest = self.control().newest();
        let news = newest.is_some_and(|newest| newest.target != desired.target);
        prop_assert!(!(lags && news && !pinned), "I3: a lagging source moves the route");
        match hold_or_move(&self.route, self.control(), desired, self.now, &[]) {
            Decision::Move(_) if differs => self.attempt(&evidence_of(Trigger::Reading(seen)), ending),
            Decision::Move(_) | Decision::Hold(..) | Decision::Ask(_) | Decision::Settle(_) => Ok(()),
        }
    }

    fn attempt(&mut self, evidence: &Evidence, ending: Ending) -> Checked {
        let claim = evidence.trigger.event().and_then(|event| event.claim().ok());
        let order = match &evidence.trigger {
            Trigger::Command(order) => Some(order),
            Trigger::Event(_) | Trigger::Reading(_) => None,
        };
        let ordered = order.and_then(|order| order.act.instance());
        let named = claim.as_ref().and_then(|claim| claim.instance()).or(ordered);
        let address = named.and_then(|name| self.route.instances.get(name).copied());
        let decision = decide(&self.route, self.control(), evidence, address, self.now);
        match decision {
            Decision::Move(desired) => {
                let overrides = order.map_or(&[][..], |order| &order.overrides);
                self.nothing_held_it_back(&desired, overrides)?;
                self.carry_out(desired, order, ending)
            }
            Decision::Hold(desired, blocked) => {
                let verdict = blocked.verdict(&desired);
                self.tell(evidence, verdict.outcome, StateUpdate::Defer(desired, blocked.rule))
            }
            Decision::Ask(verdict) => {
                self.tell(evidence, verdict.outcome, StateUpdate::of_asking(&evidence.trigger))
            }
            Decision::Settle(verdict) => self.tell(evidence, verdict.outcome, StateUpdate::None),
        }
    }

    /// I7: no rule stands that was not named, whatever the evidence. Asked of the state as it is kept, and not
    /// of the domain's own functions.
    fn nothing_held_it_back(&self, desired: &Desired, overrides: &[Rule]) -> Checked {
        let stands = |rule: Rule| !overrides.contains(&rule);
        let safety = &self.control().safety;
        let now = self.now;
        let standing = self.control().desired.as_ref().map(|d| d.target);
        let changes = standing != Some(desired.target);
        for (rule, stop) in [
            (Rule::Paused, &safety.pause),
            (Rule::Frozen, &safety.freeze),
            (Rule::Flapping, &safety.flapping),
        ] {
            let stopped = stop.as_ref().is_some_and(|stop| stop.until.is_none_or(|end| now < end));
            prop_assert!(!(stopped && stands(rule)), "{rule} and moved");
        }
        let pin = safety.pin.as_ref().filter(|pin| pin.stop.until.is_none_or(|end| now < end));
        let elsewhere = pin.is_some_and(|pin| pin.target != desired.target);
        prop_assert!(!(elsewhere && stands(Rule::Pinned)), "pinned and moved elsewhere");
        let observes = self.route.policy.mode == Mode::Observe;
        prop_assert!(!(observes && stands(Rule::Observing)), "observing and moved");
        let recent = safety.moves.iter().filter(|at| now.since(**at) < Duration::from_mins(10));
        let flaps = recent.count() >= 5 && changes;
        prop_assert!(!(flaps && stands(Rule::Flapping)), "a sixth move within ten minutes");
        Ok(())
    }

    fn carry_out(&mut self, desired: Desired, order: Option<&OperatorCommand>, ending: Ending) -> Checked {
        let told = self.entry(None);
        let taking = BeginRequest { owner: &owner(), desired, arrival: None, order };
        let change = begin(&self.state, taking, told).unwrap();
        self.commit(&change)?;
        let number = transition_id(self.attempts);
        let longer = extend(&self.state, number, self.now).unwrap();
        self.commit(&longer)?;
        let outcome = match ending {
            Ending::Died => return Ok(()),
            Ending::Deferred => None,
            Ending::Finished => Some(Outcome::Moved),
        };
        let told = entry(self.attempts, self.now, outcome);
        let change = finish(&self.state, None, told).unwrap();
        self.commit(&change)
    }

    fn tell(&mut self, evidence: &Evidence, outcome: Outcome, effect: StateUpdate) -> Checked {
        let told = self.entry(Some(outcome));
        let change = match &evidence.trigger {
            Trigger::Event(_) => {
                let arrival = EventDelivery { key: evidence.key, source_arn: None, known: None };
                settle(&self.state, &arrival, effect, told)
            }
            Trigger::Reading(_) | Trigger::Command(_) => note(&self.state, effect, told),
        };
        self.commit(&change.unwrap())
    }

    fn entry(&mut self, outcome: Option<Outcome>) -> Entry {
        self.attempts += 1;
        entry(self.attempts, self.now, outcome)
    }
}

fn hash_of(seq: u64) -> Hash {
    Hash::of(&seq.to_string())
}

/// An event that names `db-{number}`, or asks for the truth.
fn told(id: EventId, number: u8, at: Timestamp) -> Evidence {
    match id {
        EventId::FAILOVER_FAILED => {
            let text = "Cluster failover failed, check the health of your cluster instances and try again.";
            Evidence::new(&asking_route(), event(id, text, at))
        }
        _ => evidence(id, number, at),
    }
}

/// Instance 4 is in the map, and its address is not where the route may point.
fn any_route() -> impl Strategy<Value = Route> {
    let on_started =
        prop::sample::select(vec![OnStarted::Swap, OnStarted::Swap, OnStarted::Register, OnStarted::Wait]);
    let mode = prop_oneof![5 => Just(Mode::Enforce), 1 => Just(Mode::Observe)];
    let role = prop_oneof![5 => Just(Role::Writer), 1 => Just(Role::Readers)];
    (on_started, mode, role, any::<bool>()).prop_map(|(on_started, mode, role, asks)| {
        let mut route = asking_route();
        route.instances.insert(instance(4), "192.0.2.4".parse().unwrap());
        if !asks {
            route.policy.discovery.clear();
        }
        Route { on_started, policy: Policy { mode, role, ..route.policy }, ..route }
    })
}

fn any_discovery() -> impl Strategy<Value = Discovery> {
    let strange = Discovery::Members {
        writer: Member { instance: Some(instance(2)), ip: "192.0.2.9".parse().unwrap() },
        readers: Vec::new(),
    };
    let readers = prop::collection::btree_set(1..=3_u8, 0..3);
    let said = (1..=3_u8, readers).prop_map(|(writer, mut readers)| {
        readers.remove(&writer);
        members(writer, &readers.into_iter().collect::<Vec<_>>())
    });
    prop_oneof![
        8 => said,
        1 => Just(Discovery::NoSources),
        1 => Just(Discovery::Unclear("dns: NXDOMAIN".to_owned())),
        1 => Just(strange),
    ]
}

fn any_since() -> impl Strategy<Value = Freshness> {
    prop_oneof![
        4 => Just(Freshness::Changed),
        1 => Just(Freshness::Unknown),
        1 => Just(Freshness::Unchanged),
    ]
}

fn any_act() -> impl Strategy<Value = CommandKind> {
    let within = || prop::option::of((1..400_u64).prop_map(Duration::from_secs));
    prop_oneof![
        (1..=5_u8).prop_map(|number| CommandKind::Swap(instance(number))),
        (1..=5_u8, within())
            .prop_map(|(number, within)| CommandKind::Pin { instance: instance(number), within }),
        Just(CommandKind::Unpin),
        within().prop_map(|within| CommandKind::Pause { within }),
        Just(CommandKind::Resume),
        within().prop_map(|within| CommandKind::Freeze { within }),
        Just(CommandKind::Unfreeze),
        Just(CommandKind::Acknowledge),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let ids = prop::sample::select(vec![
        STARTED,
        COMPLETED,
        EventId::PREVIOUS_PRIMARY_PROMOTED,
        EventId::FAILOVER_FAILED,
    ]);
    let overrides = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::sample::subsequence(Rule::ALL.to_vec(), 0..=5),
    ];
    prop_oneof![
        2 => (0..200_u64).prop_map(|s| Step::Passes(Duration::from_secs(s))),
        // From a minute and more ahead of the clock to long ago.
        5 => (ids, 1..=5_u8, -90..1200_i64).prop_map(|(id, n, ago)| Step::Told(id, n, ago)),
        5 => (any_discovery(), prop::option::of(4..60_u64), any_since())
            .prop_map(|(discovery, stood, since)| Step::Looks(discovery, stood, since)),
        2 => (any_act(), overrides).prop_map(|(act, rules)| Step::Orders(act, rules)),
    ]
}

fn any_ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        6 => Just(Ending::Finished),
        1 => Just(Ending::Deferred),
        1 => Just(Ending::Died)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_sequence_of_events_readings_and_commands_breaks_the_invariants(
        route in any_route(), steps in prop::collection::vec((any_step(), any_ending()), 0..40),
    ) {
        let mut ledger = Ledger::new(route);
        for (step, ending) in steps {
            ledger.take(step, ending)?;
        }
        ledger.is_rebuilt_from_any_earlier_state()?;
    }
}

/// The same steps one after another, so that the property above is known to move, hold back and go on.
#[test]
fn a_paused_route_keeps_what_it_is_told_and_follows_it_when_it_is_resumed() {
    let mut ledger = Ledger::new(asking_route());
    let steps = [
        Step::Told(COMPLETED, 1, 0),
        Step::Passes(Duration::from_secs(10)),
        Step::Orders(CommandKind::Pause { within: None }, Vec::new()),
        Step::Told(COMPLETED, 2, 0),
        Step::Looks(members(2, &[1]), Some(4), Freshness::Changed),
    ];
    for step in steps {
        ledger.take(step, Ending::Finished).unwrap();
    }
    let points_at = |ledger: &Ledger| ledger.control().desired.as_ref().map(|d| d.target.ip);
    assert_eq!(points_at(&ledger), Some(address(1)));
    let resumes = [
        Step::Orders(CommandKind::Resume, Vec::new()),
        Step::Looks(members(2, &[1]), None, Freshness::Unchanged),
    ];
    for step in resumes {
        ledger.take(step, Ending::Finished).unwrap();
    }
    assert_eq!(points_at(&ledger), Some(address(2)));
    assert_eq!(ledger.control().waiting, None);
}
