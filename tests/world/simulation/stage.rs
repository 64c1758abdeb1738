//! Plays one seed: performs what its script says, keeps workers alive, and judges the end.

#![expect(clippy::unwrap_used, reason = "a script that cannot be played is a fault of the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::evidence::trigger as order;
use writerlink_core::evidence::trigger::OperatorCommand;
use writerlink_core::ledger::lease::LEASE_DURATION;
use writerlink_core::model::ids::{Hash, Owner};
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::time::CLOCK_SKEW_MAX;
use writerlink_engine::attempt::{OperatorCommands, Report};
use writerlink_engine::ports::Depth;
use writerlink_sim::databases::{CachingResolver, Heard, TimedEvent};
use writerlink_sim::event_bodies;
use writerlink_sim::faults::{Effect, no_faults};
use writerlink_sim::fleet::Running;
use writerlink_sim::world::WorldConfig;

use super::script::{Act, PersonsAct, Script};
use super::strangers::stranger;
use crate::rig::invariants::restored::Backups;
use crate::rig::invariants::{CONVERGES_WITHIN, Invariants};
use crate::rig::{Rig, trace};

const NAMES: [&str; 3] = ["orders", "billing", "stock"];

/// How often dead workers are looked for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where copies of events go that came by SNS: another group, so that only the lease keeps them apart.
const BY_SNS: &str = "by-sns";

/// From when faults have stopped and everything has arrived until the queue is empty: the promise for one
/// message, and a wait for the lease of each other group that may hold a route in between.
const DRAINED_WITHIN: Duration = CONVERGES_WITHIN
    .saturating_add(LEASE_DURATION.saturating_mul(3))
    .saturating_add(CLOCK_SKEW_MAX.saturating_mul(3));

/// What became of a seed.
pub(crate) struct Played {
    journal: Vec<Effect>,
    reports: Vec<Report>,
    /// What processes heard of the routes' sources.
    heard: Vec<Heard>,
    pub(crate) violations: Vec<String>,
    pub(crate) simulated: Duration,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) moves: usize,
    pub(crate) late_effects: u64,
    pub(crate) repaired: u64,
    pub(crate) orders: u64,
    pub(crate) lost: u64,
    pub(crate) told_by_hand: u64,
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
        let heard = self.heard.iter().map(|heard| {
            let Heard { at, by, route, of, ip } = heard;
            format!("{:9.3} {by} heard of {route}: {of} says {ip}\n", at.as_secs_f64())
        });
        let heard: String = heard.collect();
        trace(&self.journal, &self.reports) + &heard
    }
}

/// A place in the fleet: its process is replaced when it dies or is stopped.
pub(crate) struct Slot {
    lives: u32,
    pub(crate) running: Option<Running>,
    back_at: Duration,
    /// What stands between its processes and the names.
    resolver: Option<Arc<CachingResolver>>,
}

pub(crate) struct Stage {
    pub(crate) rig: Rig,
    pub(crate) invariants: Invariants,
    pub(crate) script: Script,
    pub(crate) slots: Vec<Slot>,
    pub(crate) timeline: BTreeMap<(Duration, u64), Act>,
    pub(crate) acts: u64,
    /// Every event that was delivered or will be.
    pub(crate) told: Vec<RdsEvent>,
    pub(crate) orders: u64,
    pub(crate) lost: u64,
    pub(crate) told_by_hand: u64,
    /// Both tables, as somebody saved them.
    backups: Option<Backups>,
}

/// Plays a seed in a world of its own.
pub(crate) async fn play(seed: u64) -> Played {
    let mut script = Script::of(seed);
    let world = WorldConfig { seed, ..WorldConfig::default() };
    let mut rig = Rig::with(&NAMES[..script.clusters], world, script.fleet).await;
    for route in script.weighted() {
        rig.make_weighted(route);
    }
    script.shape(&mut rig.routes);
    let invariants = Invariants::watch(&rig);
    invariants.plan(script.plan(rig.fleet.world.fabric.time));
    let slot = |resolver: &Option<_>| Slot {
        lives: 0,
        running: None,
        back_at: Duration::ZERO,
        resolver: resolver.map(CachingResolver::new),
    };
    let mut stage = Stage {
        slots: script.resolvers.iter().map(slot).collect(),
        rig,
        invariants,
        script,
        timeline: BTreeMap::new(),
        acts: 0,
        told: Vec::new(),
        orders: 0,
        lost: 0,
        told_by_hand: 0,
        backups: None,
    };
    stage.play_through().await;
    let repaired = stage.repair().await;
    stage.judge();
    stage.played(repaired)
}

impl Stage {
    pub(crate) fn now(&self) -> Duration {
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
            Act::Sql { cluster, fault, seconds } => {
                let left = self.script.storm.saturating_sub(self.now());
                let lasting = left.min(Duration::from_secs(seconds));
                self.rig.fleet.world.rds.break_sql(&source(cluster), fault, lasting);
            }
            Act::Deliver { group, body } => self.invariants.deliver(&self.rig, &group, &body),
            Act::Asks { cluster } => self.ask(cluster),
            Act::CutOff { worker, seconds } => {
                let until = self.now() + Duration::from_secs(seconds);
                if let Some(resolver) = &self.slots[worker].resolver {
                    resolver.cut_off(until.min(self.script.storm));
                }
            }
            Act::Stranger { cluster } => {
                let event = self.rig.started(cluster, 1, self.now().as_secs());
                let event = stranger(event, self.acts);
                let body = event_bodies::eventbridge(&event);
                self.invariants.deliver(&self.rig, NAMES[cluster], &body);
            }
            Act::Malformed { cluster } => {
                let body = format!(r#"{{"detail-type": "RDS DB Cluster Event", "n": {}}}"#, self.acts);
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
            Act::Backup => self.backups = Some(Backups::of(&self.rig.fleet.dynamo)),
            Act::Restore(loss) => {
                let backups = self.backups.take().unwrap();
                self.invariants.lose(loss, &backups);
            }
        }
    }

    fn fail_over(&mut self, cluster: usize, to: usize) {
        let to = member(cluster, to);
        let failover = self.rig.fleet.world.rds.fail_over(&source(cluster), &to).unwrap();
        self.tell(failover.started);
        self.tell(failover.completed);
    }

    /// RDS-EVENT-0185: it says that there may be something to see.
    fn ask(&mut self, cluster: usize) {
        let due = self.now();
        let mut event = self.rig.started(cluster, 1, due.as_secs());
        event.id = EventId::parse("RDS-EVENT-0185");
        event.at = self.rig.fleet.world.fabric.time.at(due);
        "Global switchover finished.".clone_into(&mut event.message);
        self.tell(TimedEvent { due, event });
    }

    /// A failover that did not happen is not completed either.
    fn forget_completions(&mut self, cluster: usize) {
        let now = self.rig.fleet.world.fabric.time.now();
        let dropped: Vec<RdsEvent> =
            self.told.extract_if(.., |event| event.source == source(cluster) && event.at > now).collect();
        let bodies: BTreeSet<String> = dropped.iter().flat_map(forms).collect();
        self.timeline.retain(|_, act| !matches!(act, Act::Deliver { body, .. } if bodies.contains(body)));
    }

    /// RDS tells an event: as EventBridge does, and often by SNS too, each copy with a delay of its own.
    fn tell(&mut self, timed: TimedEvent) {
        let mut followers = self.rig.routes.iter().filter(|r| r.follows(&timed.event));
        let all_ask = followers.all(|route| !route.policy.discovery.is_empty());
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
    pub(crate) fn look_after_workers(&mut self) {
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
                if let Some(resolver) = &slot.resolver {
                    self.rig.fleet.world.rds.put_behind(&name, resolver);
                }
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
    pub(crate) fn order(&mut self, route: usize, act: PersonsAct) {
        self.orders += 1;
        let name = format!("person-{}", self.orders);
        let process = self.rig.fleet.world.process(&name);
        let commands = OperatorCommands::new(
            &self.rig.fleet.ports(&process),
            Owner::new(&name),
            self.script.fleet.attempts,
        );
        let order = self.order_of(route, act);
        let route = self.rig.routes[route].clone();
        let life = Arc::clone(&process);
        let given = Box::pin(async move { drop(commands.order(&route, &order).await) });
        tokio::spawn(async move { life.run(given).await });
    }

    fn order_of(&self, route: usize, act: PersonsAct) -> OperatorCommand {
        let member = |n| InstanceId::new(&format!("{}-{n}", NAMES[route])).unwrap();
        let within = None;
        let act = match act {
            PersonsAct::Pause => order::CommandKind::Pause { within },
            PersonsAct::Resume => order::CommandKind::Resume,
            PersonsAct::Freeze => order::CommandKind::Freeze { within },
            PersonsAct::Unfreeze => order::CommandKind::Unfreeze,
            PersonsAct::Pin(n) => order::CommandKind::Pin { instance: member(n), within },
            PersonsAct::Unpin => order::CommandKind::Unpin,
            PersonsAct::Swap(n) => order::CommandKind::Swap(member(n)),
            PersonsAct::Acknowledge => order::CommandKind::Acknowledge,
        };
        OperatorCommand {
            at: self.rig.fleet.world.fabric.time.now(),
            by: "person".to_owned(),
            reason: "a seed".to_owned(),
            act,
            overrides: Vec::new(),
        }
    }

    fn played(self, repaired: u64) -> Played {
        let simulated = self.now();
        self.rig.fleet.world.fabric.set_plan(no_faults());
        let journal = self.rig.fleet.world.fabric.journal();
        let reports = self.rig.told.reports();
        let routes = self.rig.routes.iter();
        let rds = &self.rig.fleet.world.rds;
        let heard = routes.flat_map(|route| rds.heard(&route.name, Duration::ZERO));
        let heard = heard.collect();
        let moves = reports.iter().filter(|r| r.ended.outcome() == Some(Outcome::Moved));
        Played {
            violations: self.invariants.verdict(&self.rig),
            simulated,
            faults: self.invariants.faults(),
            moves: moves.count(),
            late_effects: self.invariants.late_effects(),
            repaired,
            orders: self.orders,
            lost: self.lost,
            told_by_hand: self.told_by_hand,
            journal,
            reports,
            heard,
        }
    }
}

pub(crate) fn source(cluster: usize) -> SourceId {
    SourceId::new(NAMES[cluster]).unwrap()
}

/// The `n`th instance of a cluster.
pub(crate) fn member(cluster: usize, n: usize) -> InstanceId {
    InstanceId::new(&format!("{}-{n}", NAMES[cluster])).unwrap()
}

/// The forms in which an event may arrive.
fn forms(event: &RdsEvent) -> [String; 3] {
    [event_bodies::eventbridge(event), event_bodies::rds_sns(event), event_bodies::sns_envelope(event)]
}
