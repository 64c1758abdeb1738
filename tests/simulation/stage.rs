//! Plays one seed: performs what its script says, keeps workers alive, and judges the end.

#![expect(
    clippy::unwrap_used,
    reason = "a script that cannot be played is a fault of the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use writerlink::domain::aim::RANK_ORDER;
use writerlink::domain::audit::Hash;
use writerlink::domain::event::{Claim, EvidenceOrder, RdsEvent};
use writerlink::domain::ground::{self as order, Order};
use writerlink::domain::lease::{CLOCK_SKEW_MAX, LEASE_DURATION, Owner};
use writerlink::domain::policy::{Mode, TRUST_EVENT};
use writerlink::domain::route::{InstanceId, OnStarted, Route, SourceId};
use writerlink::domain::safety::Rule;
use writerlink::domain::target::Target;
use writerlink::domain::transition::Outcome;
use writerlink::domain::truth::STEADY_AFTER_A_MOVE;
use writerlink::embedded::databases::TimedEvent;
use writerlink::embedded::event_bodies;
use writerlink::embedded::faults::{Effect, no_faults};
use writerlink::embedded::fleet::Running;
use writerlink::embedded::world::WorldConfig;
use writerlink::ports::Depth;
use writerlink::reconcile::{Reconciler, Report};

use crate::rig::invariants::{CONVERGES_WITHIN, Invariants};
use crate::rig::{Rig, trace};
use crate::script::{Act, PersonsAct, Script};
use crate::strangers::stranger;

const NAMES: [&str; 3] = ["orders", "billing", "stock"];

/// How often dead workers are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where copies of events go that came by SNS: another group, so that only the lease keeps them apart.
const BY_SNS: &str = "by-sns";

/// From when faults have stopped and everything has arrived until the queue is empty: the promise for one
/// message, and a wait for the lease of each other group that may hold a route in between.
const DRAINED_WITHIN: Duration = CONVERGES_WITHIN
    .saturating_add(LEASE_DURATION.saturating_mul(3))
    .saturating_add(CLOCK_SKEW_MAX.saturating_mul(3));

/// From when nothing holds routes back any more until the timer alone has made them right: an event or an
/// order outranks the witnesses for a while, those have to be steady for longer after a move, and a look may have
/// failed so often that the next one is five minutes away.
const HEALED_WITHIN: Duration = TRUST_EVENT
    .saturating_add(STEADY_AFTER_A_MOVE.saturating_mul(2))
    .saturating_add(Duration::from_mins(6));

/// What became of a seed.
pub(crate) struct Played {
    journal: Vec<Effect>,
    reports: Vec<Report>,
    pub(crate) violations: Vec<String>,
    pub(crate) simulated: Duration,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) moves: usize,
    pub(crate) late_effects: u64,
    pub(crate) repaired: u64,
    pub(crate) orders: u64,
    pub(crate) lost: u64,
}

impl Played {
    pub(crate) fn attempts(&self) -> usize {
        self.reports.len()
    }

    /// The same for the same world, and for no other.
    pub(crate) fn hash(&self) -> Hash {
        Hash::of(&format!("{:?}{:?}", self.journal, self.reports))
    }

    /// What happened, to be read.
    pub(crate) fn trace(&self) -> String {
        trace(&self.journal, &self.reports)
    }
}

/// A place in the fleet: its process is replaced when it dies or is stopped.
struct Slot {
    lives: u32,
    running: Option<Running>,
    back_at: Duration,
}

struct Stage {
    rig: Rig,
    invariants: Invariants,
    script: Script,
    slots: Vec<Slot>,
    timeline: BTreeMap<(Duration, u64), Act>,
    acts: u64,
    /// Every event that was delivered or will be.
    told: Vec<RdsEvent>,
    orders: u64,
    lost: u64,
}

/// Plays a seed in a world of its own.
pub(crate) async fn play(seed: u64) -> Played {
    let mut script = Script::of(seed);
    let world = WorldConfig {
        seed,
        ..WorldConfig::default()
    };
    let mut rig = Rig::with(&NAMES[..script.clusters], world, script.fleet).await;
    for route in script.weighted() {
        rig.make_weighted(route);
    }
    script.shape(&mut rig.routes);
    let invariants = Invariants::watch(&rig);
    invariants.plan(script.plan(rig.fleet.world.fabric.time));
    let slot = |_| Slot {
        lives: 0,
        running: None,
        back_at: Duration::ZERO,
    };
    let mut stage = Stage {
        slots: (0..script.workers).map(slot).collect(),
        rig,
        invariants,
        script,
        timeline: BTreeMap::new(),
        acts: 0,
        told: Vec::new(),
        orders: 0,
        lost: 0,
    };
    stage.play_through().await;
    let repaired = stage.repair().await;
    stage.judge();
    stage.played(repaired)
}

impl Stage {
    fn now(&self) -> Duration {
        self.rig.fleet.world.fabric.time.elapsed()
    }

    fn at(&mut self, at: Duration, act: Act) {
        self.acts += 1;
        self.timeline.insert((at, self.acts), act);
    }

    async fn play_through(&mut self) {
        for (at, act) in std::mem::take(&mut self.script.acts) {
            self.at(at, act);
        }
        self.look_after_workers();
        while let Some(((at, _), act)) = self.timeline.pop_first() {
            tokio::time::sleep(at.saturating_sub(self.now())).await;
            self.perform(act);
        }
        self.drain().await;
    }

    /// Waits until the queue is empty, at most as long as is promised.
    async fn drain(&mut self) {
        let from = self.now().max(self.invariants.trouble_until());
        while self.now() <= from || !self.is_drained() {
            if self.now() > from + DRAINED_WITHIN {
                let left = self.rig.fleet.world.sqs.messages();
                let left: Vec<_> = left.iter().map(|m| (&m.id, m.receive_count)).collect();
                let what = format!("I2: not drained within {DRAINED_WITHIN:?}: {left:?}");
                return self.invariants.violated(what);
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.look_after_workers();
        }
    }

    fn is_drained(&self) -> bool {
        self.rig.fleet.world.sqs.depth() == Depth::default()
    }

    fn perform(&mut self, act: Act) {
        match act {
            Act::FailOver { cluster, to } => self.fail_over(cluster, to),
            Act::FailedOver { cluster } => {
                let event = self.rig.fleet.world.rds.failover_failed(&source(cluster));
                self.forget_completions(cluster);
                self.tell(event);
            }
            Act::Restored { cluster } => {
                let rds = &self.rig.fleet.world.rds;
                if let Some(event) = rds.promote_previous_primary(&source(cluster)) {
                    self.forget_completions(cluster);
                    self.tell(event);
                }
            }
            Act::Deliver { group, body } => self.invariants.deliver(&self.rig, &group, &body),
            Act::Stranger { cluster } => {
                let event = self.rig.started(cluster, 1, self.now().as_secs());
                let event = stranger(event, self.acts);
                let body = event_bodies::eventbridge(&event);
                self.invariants.deliver(&self.rig, NAMES[cluster], &body);
            }
            Act::Malformed { cluster } => {
                let body = format!(
                    r#"{{"detail-type": "RDS DB Cluster Event", "n": {}}}"#,
                    self.acts
                );
                self.invariants.deliver(&self.rig, NAMES[cluster], &body);
            }
            Act::Order { route, act } => self.order(route, act),
            Act::Jump { worker, skew_ms } => {
                if let Some(running) = &self.slots[worker].running {
                    running.process.clock.set_skew_ms(skew_ms);
                }
            }
            Act::Terminate { worker } => {
                if let Some(running) = &self.slots[worker].running {
                    running.stop();
                }
            }
            Act::LookAfterWorkers => self.look_after_workers(),
        }
    }

    fn fail_over(&mut self, cluster: usize, to: usize) {
        let to = InstanceId::new(&format!("{}-{to}", NAMES[cluster])).unwrap();
        let failover = self
            .rig
            .fleet
            .world
            .rds
            .fail_over(&source(cluster), &to)
            .unwrap();
        self.tell(failover.started);
        self.tell(failover.completed);
    }

    /// A failover that did not happen is not completed either.
    fn forget_completions(&mut self, cluster: usize) {
        let now = self.rig.fleet.world.fabric.time.now();
        let dropped: Vec<RdsEvent> = self
            .told
            .extract_if(.., |event| {
                event.source == source(cluster) && event.at > now
            })
            .collect();
        let bodies: BTreeSet<String> = dropped.iter().flat_map(forms).collect();
        self.timeline
            .retain(|_, act| !matches!(act, Act::Deliver { body, .. } if bodies.contains(body)));
    }

    /// RDS tells an event: as EventBridge does, and often by SNS too, each copy with a delay of its own.
    fn tell(&mut self, timed: TimedEvent) {
        let mut followers = self.rig.routes.iter().filter(|r| r.follows(&timed.event));
        let all_ask = followers.all(|route| !route.policy.truth.is_empty());
        if all_ask && self.script.loses() {
            self.lost += 1;
            return;
        }
        let [eventbridge, notification, envelope] = forms(&timed.event);
        let own_group = timed.event.source.as_str().to_owned();
        let mut copies = vec![(own_group.clone(), eventbridge.clone())];
        match self.script.random.u8(0..8) {
            0 => copies.push((own_group, eventbridge)),
            1 => copies.push((own_group, envelope)),
            2 | 3 => copies.push((BY_SNS.to_owned(), notification)),
            4 | 5 => copies = vec![(BY_SNS.to_owned(), envelope)],
            _ => {}
        }
        for (group, body) in copies {
            let at = timed.due + self.script.delay();
            self.at(at, Act::Deliver { group, body });
        }
        self.told.push(timed.event);
    }

    /// Replaces who is gone, and comes again while the storm lasts.
    fn look_after_workers(&mut self) {
        let now = self.now();
        for n in 0..self.slots.len() {
            let slot = &mut self.slots[n];
            if slot.running.as_ref().is_some_and(Running::is_over) {
                slot.running = None;
                slot.back_at = now + Duration::from_secs(self.script.random.u64(0..20));
            }
            if slot.running.is_none() && slot.back_at <= now {
                slot.lives += 1;
                let name = format!("w{n}-{}", slot.lives);
                let running = self.rig.start(&name);
                running.process.clock.set_skew_ms(self.script.skew_ms());
                slot.running = Some(running);
            }
        }
        if now < self.script.storm {
            self.at(now + LOOK_EVERY, Act::LookAfterWorkers);
        }
    }

    /// A person carries an order out, in a process of its own that may meet any fault.
    fn order(&mut self, route: usize, act: PersonsAct) {
        self.orders += 1;
        let name = format!("person-{}", self.orders);
        let process = self.rig.fleet.world.process(&name);
        let reconciler = Reconciler::new(
            &self.rig.fleet.ports(&process),
            Owner::new(&name),
            self.script.fleet.attempts,
        );
        let order = self.order_of(route, act);
        let route = self.rig.routes[route].clone();
        let life = Arc::clone(&process);
        let given = Box::pin(async move { drop(reconciler.order(&route, &order).await) });
        tokio::spawn(async move { life.run(given).await });
    }

    fn order_of(&self, route: usize, act: PersonsAct) -> Order {
        let member = |n| InstanceId::new(&format!("{}-{n}", NAMES[route])).unwrap();
        let within = None;
        let act = match act {
            PersonsAct::Pause => order::Act::Pause { within },
            PersonsAct::Resume => order::Act::Resume,
            PersonsAct::Freeze => order::Act::Freeze { within },
            PersonsAct::Unfreeze => order::Act::Unfreeze,
            PersonsAct::Pin(n) => order::Act::Pin {
                instance: member(n),
                within,
            },
            PersonsAct::Unpin => order::Act::Unpin,
            PersonsAct::Swap(n) => order::Act::Swap(member(n)),
            PersonsAct::Acknowledge => order::Act::Acknowledge,
        };
        Order {
            at: self.rig.fleet.world.fabric.time.now(),
            by: "person".to_owned(),
            reason: "a seed".to_owned(),
            act,
            overrides: Vec::new(),
        }
    }

    /// After the storm somebody lifts everything that holds routes back, and then the timer alone has to make
    /// them right: no event comes any more. Says how many were not right before.
    async fn repair(&mut self) -> u64 {
        let routes = 0..self.rig.routes.len();
        let wrong = routes.clone().filter(|n| !self.is_right(*n)).count();
        let from = self.now();
        loop {
            // A move that is let go may be the one too many: then the flap rule stops it, and is lifted too.
            for route in routes.clone() {
                for act in self.invariants.stops(route).into_iter().map(lifted) {
                    self.order(route, act);
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            if routes.clone().all(|n| self.is_right(n)) || self.now() > from + HEALED_WITHIN {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.look_after_workers();
        }
        u64::try_from(wrong).unwrap()
    }

    fn judge(&mut self) {
        for n in 0..self.rig.routes.len() {
            if !self.is_right(n) {
                let (route, goal) = (&self.rig.routes[n].name, self.goal(n));
                let held = self.rig.registered(n);
                let what = format!("I2: {route} holds {held:?} and should hold {goal:?}");
                self.invariants.violated(what);
            }
        }
    }

    /// Where a route's group has to be in the end, and whether nothing else may stay.
    fn goal(&self, n: usize) -> (Target, bool) {
        let route = &self.rig.routes[n];
        let first = self.rig.target(n, 1);
        if route.policy.mode == Mode::Observe {
            return (first, true);
        }
        if !route.policy.truth.is_empty() {
            let writer = self.rig.fleet.world.rds.writer(&source(n)).unwrap();
            let target = Target {
                ip: writer.ip,
                port: route.port,
            };
            return (target, true);
        }
        let newest = self.newest(n);
        // Nobody delivers a person's word: what the ledger knows of it is all there is.
        let ordered = self.invariants.desired(n).filter(|desired| {
            let older = newest
                .as_ref()
                .is_none_or(|(order, _)| *order < desired.evidence);
            desired.evidence.rank == RANK_ORDER && older
        });
        match (ordered, newest) {
            (Some(desired), _) => (desired.target, true),
            (None, Some((_, goal))) => goal,
            (None, None) => (first, true),
        }
    }

    /// The newest event that moves a route without witnesses, and where to.
    fn newest(&self, n: usize) -> Option<(EvidenceOrder, (Target, bool))> {
        let route = &self.rig.routes[n];
        let followed = self.told.iter().filter(|e| route.follows(e));
        let moving = followed.filter_map(|event| evidence(route, event));
        moving.max_by_key(|(order, _)| *order)
    }

    fn is_right(&self, n: usize) -> bool {
        let held = self.rig.registered(n);
        match self.goal(n) {
            (target, true) => held == [target],
            (target, false) => held.contains(&target),
        }
    }

    fn played(self, repaired: u64) -> Played {
        let simulated = self.now();
        self.rig.fleet.world.fabric.set_plan(no_faults());
        let journal = self.rig.fleet.world.fabric.journal();
        let reports = self.rig.told.reports();
        let moves = reports
            .iter()
            .filter(|r| r.ended.outcome() == Some(Outcome::Swapped));
        Played {
            violations: self.invariants.verdict(&self.rig),
            simulated,
            faults: self.invariants.faults(),
            moves: moves.count(),
            late_effects: self.invariants.late_effects(),
            repaired,
            orders: self.orders,
            lost: self.lost,
            journal,
            reports,
        }
    }
}

/// What lifts a rule.
fn lifted(rule: Rule) -> PersonsAct {
    match rule {
        Rule::Paused => PersonsAct::Resume,
        Rule::Frozen => PersonsAct::Unfreeze,
        Rule::Pinned => PersonsAct::Unpin,
        Rule::Flapping | Rule::Observing => PersonsAct::Acknowledge,
    }
}

fn source(cluster: usize) -> SourceId {
    SourceId::new(NAMES[cluster]).unwrap()
}

/// The forms in which an event may arrive.
fn forms(event: &RdsEvent) -> [String; 3] {
    [
        event_bodies::eventbridge(event),
        event_bodies::rds_sns(event),
        event_bodies::sns_envelope(event),
    ]
}

/// What an event asks of a route, said a second time and independently of `domain::decide`.
fn evidence(route: &Route, event: &RdsEvent) -> Option<(EvidenceOrder, (Target, bool))> {
    let claim = event.claim().ok()?;
    let alone = match (&claim, route.on_started) {
        (Claim::Completed(_) | Claim::Restored(_), _) | (Claim::Started(_), OnStarted::Swap) => {
            true
        }
        (Claim::Started(_), OnStarted::Register) => false,
        (Claim::Started(_), OnStarted::Wait) | (Claim::AskTruth | Claim::Nothing, _) => {
            return None;
        }
    };
    let ip = *route.instances.get(claim.instance()?)?;
    let order = EvidenceOrder {
        at: event.at,
        rank: claim.rank(),
    };
    let target = Target {
        ip,
        port: route.port,
    };
    Some((order, (target, alone)))
}
