//! The ledger's promises, on two engines. Those under [`promises`] hold on any DynamoDB: the embedded world's
//! and, over the wire, ministack's (`Engine` is where another one is plugged in); those under [`faults`] need a wire on which replies get lost.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside a test function")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use writerlink_aws::dynamodb::{DynamoLedger, TableNames, create_tables};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::event::{EventId, EventKey, EvidenceOrder, RdsEvent};
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::{BeginRequest, Change, EventDelivery, StateUpdate};
use writerlink_core::ledger::record::{AuditRecord, Entry, RecordKind, RecordedTrigger, Step};
use writerlink_core::ledger::state::{Assignment, ChainHead, EventEntry, RouteState};
use writerlink_core::model::ids::{Generation, Hash, Owner, TransitionId};
use writerlink_core::model::names::{InstanceId, RouteName, SourceId, TargetGroupArn};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::{Cause, Reason};
use writerlink_core::model::source_arn::{SourceArn, SourceKind};
use writerlink_core::model::target::{MoveMode, Target};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::audit_chain::{ChainWalk, Follower, Verification};
use writerlink_engine::ports::{AuditQuery, AuditReader as _, Commit, Ledger as _, StoredRecord};
use writerlink_sim::clock::WorldTime;
use writerlink_sim::dynamodb::EmbeddedDynamo;
use writerlink_sim::faults::Fabric;
use writerlink_sim::process::Process;

/// 2026-05-06T23:07:45.884Z.
const NOON: i64 = 1_778_108_865_884;

// ------------------------------------------------------------------------------------------------ engines

/// A DynamoDB with the two tables, empty.
trait Engine: Sync {
    fn client(&self) -> Client;
    fn tables(&self) -> TableNames;

    fn ledger(&self) -> DynamoLedger {
        DynamoLedger::new(self.client(), self.tables())
    }
}

/// The engine of the embedded world, with one process that calls it.
struct Embedded {
    fabric: Arc<Fabric>,
    dynamo: EmbeddedDynamo,
    process: Arc<Process>,
}

impl Embedded {
    async fn new() -> Self {
        let fabric = Fabric::new(WorldTime::starting(at(0)));
        let process = Process::start(&fabric, "w1", 1);
        let dynamo = EmbeddedDynamo::memory().await.unwrap();
        Self { fabric, dynamo, process }
    }

    fn another(&self, name: &str) -> DynamoLedger {
        self.dynamo.ledger(&Process::start(&self.fabric, name, 2))
    }
}

impl Engine for Embedded {
    fn client(&self) -> Client {
        self.dynamo.client(&self.process)
    }

    fn tables(&self) -> TableNames {
        self.dynamo.tables().clone()
    }
}

/// Another engine, behind a socket, with tables in an account of its own.
struct Ministack {
    client: Client,
}

impl Ministack {
    async fn new() -> Self {
        let endpoint = crate::support::ministack::Ministack::shared().endpoint();
        let config = crate::support::Account::fresh().config(&endpoint).await;
        let client = Client::new(&config);
        create_tables(&client, &TableNames::default()).await.unwrap();
        Self { client }
    }
}

impl Engine for Ministack {
    fn client(&self) -> Client {
        self.client.clone()
    }

    fn tables(&self) -> TableNames {
        TableNames::default()
    }
}

// ------------------------------------------------------------------------------------------------- values

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON + seconds * 1000)
}

fn route(name: &str) -> RouteName {
    RouteName::new(name).unwrap()
}

fn orders() -> RouteName {
    route("orders")
}

/// The event that completes the failover number `n`.
fn event(n: u32) -> RdsEvent {
    event_saying(n, &format!("Completed failover to DB instance: db-{n}"))
}

fn event_saying(n: u32, message: &str) -> RdsEvent {
    RdsEvent {
        id: Some(EventId::FAILOVER_COMPLETED),
        source: SourceId::new("aurora-source").unwrap(),
        kind: SourceKind::Cluster,
        source_arn: SourceArn::parse("arn:aws:rds:us-east-1:123456789012:cluster:aurora-source").ok(),
        at: at(n.into()),
        message: message.into(),
    }
}

fn target(n: u32) -> Target {
    let [.., last] = n.to_be_bytes();
    Target { ip: IpAddr::from([10, 0, 0, last]), port: 3306 }
}

/// A worker's attempt at an event, for the route it is given.
#[derive(Clone)]
struct Attempt {
    owner: &'static str,
    event: RdsEvent,
    transition: TransitionId,
    now: Timestamp,
}

impl Attempt {
    fn at_event(n: u32) -> Self {
        Self::of(n, "w1")
    }

    fn of(n: u32, owner: &'static str) -> Self {
        let bits = u128::from(n) << 32 | owner.bytes().map(u128::from).sum::<u128>();
        Self {
            owner,
            event: event(n),
            transition: TransitionId::from_parts(at(n.into()), bits),
            now: at(n.into()),
        }
    }

    fn saying(n: u32, message: &str) -> Self {
        Self { event: event_saying(n, message), ..Self::at_event(n) }
    }

    fn key(&self, route: &RouteName) -> EventKey {
        let hash = Hash::of(&format!("{route} {:?}", self.event));
        EventKey::parse(&hash.to_string()).unwrap()
    }

    fn arrival(&self, route: &RouteName, known: Option<EventEntry>) -> EventDelivery {
        EventDelivery {
            key: self.key(route),
            source_arn: self.event.source_arn.as_ref().map(ToString::to_string),
            known,
        }
    }

    fn desired(&self, route: &RouteName) -> Desired {
        Desired {
            instance: InstanceId::new("db-2").unwrap(),
            target: target(2),
            additional_targets: BTreeSet::new(),
            move_mode: MoveMode::Swap,
            evidence: EvidenceOrder { at: self.event.at, rank: 2 },
            event: self.key(route),
        }
    }

    fn entry(&self, route: &RouteName, generation: Generation, outcome: Option<Outcome>) -> Entry {
        let kind = match outcome {
            Some(_) => RecordKind::Finished,
            None => RecordKind::Started,
        };
        Entry {
            kind,
            at: self.now,
            transition: self.transition,
            attempt: 1,
            generation,
            owner: Owner::new(self.owner),
            version: "0.1.0".into(),
            provenance: None,
            cause: Cause::Event,
            event_key: self.key(route),
            trigger: Some(RecordedTrigger::Event(self.event.clone())),
            target_group: TargetGroupArn::new(
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067",
            )
            .unwrap(),
            desired: Some((InstanceId::new("db-2").unwrap(), target(2))),
            before: Vec::new(),
            after: Vec::new(),
            steps: Vec::<Step>::new(),
            outcome,
            reason: outcome.map(|_| Reason::WriterMoved),
            note: format!("because {}", self.event.message),
        }
    }

    fn begin(&self, from: &RouteState) -> Change {
        self.begin_knowing(from, None)
    }

    fn begin_knowing(&self, from: &RouteState, known: Option<EventEntry>) -> Change {
        let owner = Owner::new(self.owner);
        let entry = self.entry(&from.route, from.control.generation.next(), None);
        let arrival = self.arrival(&from.route, known);
        let taking = BeginRequest {
            owner: &owner,
            desired: self.desired(&from.route),
            arrival: Some(&arrival),
            order: None,
        };
        change::begin(from, taking, entry).unwrap()
    }

    fn extend(&self, from: &RouteState, seconds: i64) -> Change {
        let now = Timestamp::from_millis(self.now.as_millis() + seconds * 1000);
        change::extend(from, self.transition, now).unwrap()
    }

    fn finish(&self, from: &RouteState, event: &EventEntry) -> Change {
        let entry = self.entry(&from.route, from.control.generation, Some(Outcome::Moved));
        change::finish(from, Some(event), entry).unwrap()
    }

    fn settle(&self, from: &RouteState) -> Change {
        let entry = self.entry(&from.route, from.control.generation.next(), Some(Outcome::Ignored));
        change::settle(from, &self.arrival(&from.route, None), StateUpdate::None, entry).unwrap()
    }
}

fn entry_of(change: &Change) -> EventEntry {
    change.event().unwrap().entry().clone()
}

fn done(commit: Commit) -> RouteState {
    match commit {
        Commit::Done(state) => state,
        Commit::Refused { .. } | Commit::PlaceTaken { .. } => panic!("refused: {commit:?}"),
    }
}

fn refused(commit: Commit) -> (RouteState, Option<EventEntry>) {
    match commit {
        Commit::Refused { state, event } => (state, event),
        Commit::Done(_) | Commit::PlaceTaken { .. } => panic!("not refused: {commit:?}"),
    }
}

async fn commit(ledger: &DynamoLedger, change: &Change) -> Commit {
    ledger.commit(change).await.unwrap()
}

/// Writes records 1 to `n` of a route, one settled event each.
async fn settle_events(ledger: &DynamoLedger, route: &RouteName, n: u32) -> RouteState {
    let mut state = ledger.load(route).await.unwrap();
    for n in 1..=n {
        state = done(commit(ledger, &Attempt::at_event(n).settle(&state)).await);
    }
    state
}

// ------------------------------------------------------------------------------------------------ reading

fn chain(route: &RouteName) -> AuditQuery {
    AuditQuery::Chain { route: route.clone(), from_seq: 1, to_seq: None }
}

async fn read(ledger: &DynamoLedger, query: &AuditQuery, limit: u32) -> Result<Vec<StoredRecord>, String> {
    let mut records = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = ledger.page(query, limit, cursor.as_deref()).await;
        let page = page.map_err(|error| error.to_string())?;
        let next = page.next.clone();
        let some = page.records().map_err(|row| row.to_string())?;
        assert!(some.len() <= usize::try_from(limit).unwrap());
        records.extend(some);
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(records),
        }
    }
}

async fn records(ledger: &DynamoLedger, query: &AuditQuery) -> Vec<AuditRecord> {
    let stored = read(ledger, query, 100).await.unwrap();
    stored.into_iter().map(|stored| stored.record).collect()
}

/// What `writerlink audit verify` and the timer find.
async fn verify(ledger: &DynamoLedger, route: &RouteName) -> Result<ChainHead, String> {
    let head = ledger.load(route).await.unwrap().chain;
    let walk = ChainWalk::from(route.clone(), 1);
    let mut verification = Verification::of(walk, Follower::from(1), head);
    while verification.go_on(ledger).await.unwrap() {}
    match verification.fault {
        Some(fault) => Err(fault.broken.to_string()),
        None => Ok(verification.chain.verified()),
    }
}

// ----------------------------------------------------------------------------------------------- promises

/// Runs every promise on every engine.
macro_rules! promises {
    ($($name:ident)*) => {
        mod embedded {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::promises::$name(&super::Embedded::new().await).await;
                }
            )*
        }

        mod ministack {
            $(
                #[tokio::test]
                async fn $name() {
                    super::promises::$name(&super::Ministack::new().await).await;
                }
            )*
        }
    };
}

promises! {
    a_fresh_route_starts_at_generation_0_with_an_empty_chain
    loading_a_route_for_the_first_time_twice_at_once_gives_the_same_route
    looking_at_a_route_makes_none
    begin_commits_lease_event_and_record_together
    finish_frees_the_lease_and_settles_the_event
    a_stale_generation_is_refused_and_nothing_of_it_is_written
    the_same_event_twice_is_refused_with_its_entry
    an_event_in_other_hands_is_refused_with_its_entry
    an_event_is_replaced_only_as_the_attempt_knew_it
    an_extension_moves_the_deadline_alone
    an_extension_after_finish_is_refused
    a_lease_that_was_lengthened_since_it_was_read_is_not_taken_over
    a_fenced_holder_cannot_finish
    two_contenders_at_once_have_one_winner
    the_same_change_committed_twice_is_written_once
    a_change_committed_again_is_told_what_stands_now
    the_chain_verifies_and_every_edit_of_every_column_is_found
    the_text_of_another_record_is_none_in_its_place
    a_deleted_row_is_found_wherever_it_stood
    a_record_forged_with_its_hash_breaks_the_chain
    a_state_that_forgot_its_records_is_told_that_the_place_is_taken
    pages_give_everything_once_and_in_order
    a_day_has_the_records_of_all_routes_newest_first
    an_event_has_its_records_oldest_first
    a_range_of_the_chain_is_read_alone
    a_list_goes_on_behind_any_record_of_a_route_or_of_a_day
    a_cursor_that_is_none_is_refused
    no_text_of_an_event_is_more_than_text
}

mod promises {
    use super::*;
    use aws_sdk_dynamodb::types::AttributeValue;
    use std::collections::HashMap;
    use writerlink_engine::ports::ErrorKind;

    pub(super) async fn a_fresh_route_starts_at_generation_0_with_an_empty_chain(engine: &impl Engine) {
        let ledger = engine.ledger();
        let state = ledger.load(&orders()).await.unwrap();
        assert_eq!(state, RouteState::new(orders()));
        assert_eq!(state.control.generation, Generation(0));
        assert_eq!(ledger.load(&orders()).await.unwrap(), state);
        assert_eq!(records(&ledger, &chain(&orders())).await, []);
    }

    pub(super) async fn loading_a_route_for_the_first_time_twice_at_once_gives_the_same_route(
        engine: &impl Engine,
    ) {
        let ledger = engine.ledger();
        let name = orders();
        let (one, two) = tokio::join!(ledger.load(&name), ledger.load(&name));
        assert_eq!(one.unwrap(), two.unwrap());
    }

    pub(super) async fn looking_at_a_route_makes_none(engine: &impl Engine) {
        let ledger = engine.ledger();
        for _ in 0..2 {
            assert_eq!(ledger.peek(&orders()).await.unwrap(), None);
        }
        let state = settle_events(&ledger, &orders(), 1).await;
        assert_eq!(ledger.peek(&orders()).await.unwrap(), Some(state));
    }

    pub(super) async fn begin_commits_lease_event_and_record_together(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let change = attempt.begin(&fresh);
        let state = done(commit(&ledger, &change).await);
        assert_eq!(state.control, *change.to());
        assert_eq!(ledger.load(&orders()).await.unwrap(), state);
        let entry = ledger.event(&attempt.key(&orders())).await.unwrap();
        assert_eq!(entry, Some(entry_of(&change)));
        let stored = read(&ledger, &chain(&orders()), 10).await.unwrap();
        let record = AuditRecord {
            route: orders(),
            seq: 1,
            prev: Hash::default(),
            entry: change.entry().unwrap().clone(),
            changes: Some(change.changes()),
        };
        assert_eq!(stored[0].record, record);
        assert_eq!(stored[0].hash, state.chain.hash);
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
    }

    pub(super) async fn finish_frees_the_lease_and_settles_the_event(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let begin = attempt.begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        let finish = attempt.finish(&held, &entry_of(&begin));
        let free = done(commit(&ledger, &finish).await);
        assert_eq!(free.control.lease, None);
        assert_eq!(free.control.desired, held.control.desired);
        let entry = ledger.event(&attempt.key(&orders())).await.unwrap();
        assert_eq!(entry.unwrap().settled, Some(Outcome::Moved));
        assert_eq!(ledger.load(&orders()).await.unwrap(), free);
        assert_eq!(verify(&ledger, &orders()).await, Ok(free.chain));
    }

    pub(super) async fn a_stale_generation_is_refused_and_nothing_of_it_is_written(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let winner = done(commit(&ledger, &Attempt::at_event(1).begin(&fresh)).await);
        let attempt = Attempt::at_event(2);
        let (state, event) = refused(commit(&ledger, &attempt.begin(&fresh)).await);
        assert_eq!(state, winner);
        assert_eq!(event, None);
        assert_eq!(ledger.event(&attempt.key(&orders())).await.unwrap(), None);
        assert_eq!(records(&ledger, &chain(&orders())).await.len(), 1);
    }

    pub(super) async fn the_same_event_twice_is_refused_with_its_entry(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let settle = attempt.settle(&fresh);
        let settled = done(commit(&ledger, &settle).await);
        let (state, event) = refused(commit(&ledger, &attempt.settle(&settled)).await);
        assert_eq!(state, settled);
        assert_eq!(event, Some(entry_of(&settle)));
        assert_eq!(records(&ledger, &chain(&orders())).await.len(), 1);
    }

    pub(super) async fn an_event_in_other_hands_is_refused_with_its_entry(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let first = Attempt::of(1, "w1");
        let begin = first.begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        // w2 resumes the event, and w3 does not know.
        let known = Some(entry_of(&begin));
        let resume = Attempt::of(1, "w2").begin_knowing(&held, known.clone());
        let resumed = done(commit(&ledger, &resume).await);
        let late = Attempt::of(1, "w3").begin_knowing(&resumed, known);
        let (state, event) = refused(commit(&ledger, &late).await);
        assert_eq!(state, resumed);
        assert_eq!(event, Some(entry_of(&resume)));
        assert_eq!(event.unwrap().attempts, 2);
    }

    /// The route's own conditions hold in all of these, so each of the event's has to refuse by itself.
    pub(super) async fn an_event_is_replaced_only_as_the_attempt_knew_it(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let begin = Attempt::of(1, "w1").begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        let entry = entry_of(&begin);
        let other_transition = EventEntry { transition: Attempt::of(1, "w9").transition, ..entry.clone() };
        let other_attempt = EventEntry { attempts: entry.attempts + 1, ..entry.clone() };
        for stale in [other_transition, other_attempt] {
            let resume = Attempt::of(1, "w2").begin_knowing(&held, Some(stale));
            let (state, event) = refused(commit(&ledger, &resume).await);
            assert_eq!((state, event), (held.clone(), Some(entry.clone())));
        }
        let finish = Attempt::of(1, "w1").finish(&held, &entry);
        let free = done(commit(&ledger, &finish).await);
        // Settled, and otherwise as it was.
        let resume = Attempt::of(1, "w2").begin_knowing(&free, Some(entry));
        let (state, _) = refused(commit(&ledger, &resume).await);
        assert_eq!(state, free);
        let resume = Attempt::of(1, "w2").begin_knowing(&held, Some(entry_of(&begin)));
        refused(commit(&ledger, &resume).await);
    }

    pub(super) async fn an_extension_moves_the_deadline_alone(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let held = done(commit(&ledger, &attempt.begin(&fresh)).await);
        let extended = done(commit(&ledger, &attempt.extend(&held, 5)).await);
        let mut expected = held.clone();
        expected.control.lease.as_mut().unwrap().deadline = at(1 + 5 + 15);
        assert_eq!(extended, expected);
        assert_eq!(ledger.load(&orders()).await.unwrap(), expected);
    }

    pub(super) async fn an_extension_after_finish_is_refused(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let begin = attempt.begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        let extend = attempt.extend(&held, 5);
        let free = done(commit(&ledger, &attempt.finish(&held, &entry_of(&begin))).await);
        let (state, _) = refused(commit(&ledger, &extend).await);
        assert_eq!(state, free);
        assert_eq!(ledger.load(&orders()).await.unwrap(), free);
    }

    pub(super) async fn a_lease_that_was_lengthened_since_it_was_read_is_not_taken_over(
        engine: &impl Engine,
    ) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let holder = Attempt::of(1, "w1");
        let held = done(commit(&ledger, &holder.begin(&fresh)).await);
        let extended = done(commit(&ledger, &holder.extend(&held, 5)).await);
        // Built on the lease as it stood before: the contender has not looked again.
        let takeover = Attempt::of(2, "w2").begin(&held);
        let (state, _) = refused(commit(&ledger, &takeover).await);
        assert_eq!(state, extended);
    }

    pub(super) async fn a_fenced_holder_cannot_finish(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let holder = Attempt::of(1, "w1");
        let begin = holder.begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        let known = Some(entry_of(&begin));
        let takeover = Attempt::of(1, "w2").begin_knowing(&held, known);
        let taken = done(commit(&ledger, &takeover).await);
        let finish = holder.finish(&held, &entry_of(&begin));
        let (state, event) = refused(commit(&ledger, &finish).await);
        assert_eq!(state, taken);
        assert_eq!(event, Some(entry_of(&takeover)));
        assert_eq!(verify(&ledger, &orders()).await, Ok(taken.chain));
    }

    pub(super) async fn two_contenders_at_once_have_one_winner(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let one = Attempt::of(1, "w1").begin(&fresh);
        let two = Attempt::of(2, "w2").begin(&fresh);
        let (one, two) = tokio::join!(ledger.commit(&one), ledger.commit(&two));
        let (winner, loser) = match (one.unwrap(), two.unwrap()) {
            (Commit::Done(winner), loser) | (loser, Commit::Done(winner)) => (winner, loser),
            neither => panic!("{neither:?}"),
        };
        assert_eq!(refused(loser).0, winner);
        assert_eq!(records(&ledger, &chain(&orders())).await.len(), 1);
    }

    pub(super) async fn the_same_change_committed_twice_is_written_once(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let begin = Attempt::at_event(1).begin(&fresh);
        let first = done(commit(&ledger, &begin).await);
        assert_eq!(done(commit(&ledger, &begin).await), first);
        assert_eq!(records(&ledger, &chain(&orders())).await.len(), 1);
    }

    pub(super) async fn a_change_committed_again_is_told_what_stands_now(engine: &impl Engine) {
        let ledger = engine.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let begin = attempt.begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        let finish = attempt.finish(&held, &entry_of(&begin));
        let free = done(commit(&ledger, &finish).await);
        assert_eq!(done(commit(&ledger, &begin).await), free);
        assert_eq!(records(&ledger, &chain(&orders())).await.len(), 2);
    }

    type Row = HashMap<String, AttributeValue>;

    async fn row(engine: &impl Engine, seq: u32) -> Row {
        let get = engine.client().get_item();
        let get = get.table_name(engine.tables().audit).consistent_read(true).set_key(Some(key(seq)));
        get.send().await.unwrap().item.unwrap()
    }

    async fn put(engine: &impl Engine, row: &Row) {
        let put = engine.client().put_item();
        let put = put.table_name(engine.tables().audit);
        put.set_item(Some(row.clone())).send().await.unwrap();
    }

    async fn delete(engine: &impl Engine, seq: u32) {
        let delete = engine.client().delete_item();
        let delete = delete.table_name(engine.tables().audit);
        delete.set_key(Some(key(seq))).send().await.unwrap();
    }

    fn key(seq: u32) -> Row {
        let route = AttributeValue::S("orders".into());
        let seq = AttributeValue::N(seq.to_string());
        [("route".to_owned(), route), ("seq".to_owned(), seq)].into()
    }

    pub(super) async fn the_chain_verifies_and_every_edit_of_every_column_is_found(engine: &impl Engine) {
        let ledger = engine.ledger();
        let state = settle_events(&ledger, &orders(), 100).await;
        assert_eq!(state.chain.seq, 100);
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
        let whole = row(engine, 50).await;
        let names: BTreeSet<&String> = whole.keys().collect();
        assert_eq!(names.len(), 21, "{names:?}");
        for name in names {
            if key(50).contains_key(name) {
                continue;
            }
            let mut edited = whole.clone();
            let other = match &whole[name] {
                AttributeValue::N(number) => AttributeValue::N(format!("1{number}")),
                AttributeValue::S(text) => AttributeValue::S(format!("{text}!")),
                odd => panic!("{odd:?}"),
            };
            edited.insert(name.clone(), other);
            put(engine, &edited).await;
            let found = verify(&ledger, &orders()).await.unwrap_err();
            assert!(found.contains("record 50"), "{name}: {found}");
            edited.remove(name);
            put(engine, &edited).await;
            // Without the column of an index the row is still in the table.
            assert!(verify(&ledger, &orders()).await.is_err(), "{name}");
        }
        let mut more = whole.clone();
        more.insert("comment".into(), AttributeValue::S("x".into()));
        put(engine, &more).await;
        let found = verify(&ledger, &orders()).await;
        assert_eq!(found, Err("record 50 was changed after it was written (comment)".into()));
        put(engine, &whole).await;
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
    }

    pub(super) async fn the_text_of_another_record_is_none_in_its_place(engine: &impl Engine) {
        let ledger = engine.ledger();
        settle_events(&ledger, &orders(), 10).await;
        let mut copy = row(engine, 3).await;
        copy.extend(key(5));
        put(engine, &copy).await;
        let found = verify(&ledger, &orders()).await.unwrap_err();
        let why = "record 5 of route orders cannot be read: it stands in place 5, its text is that of record 3 of route orders";
        assert_eq!(found, format!("record 5 was changed after it was written ({why})"));
    }

    pub(super) async fn a_deleted_row_is_found_wherever_it_stood(engine: &impl Engine) {
        let ledger = engine.ledger();
        let state = settle_events(&ledger, &orders(), 10).await;
        for seq in 1..=10 {
            let whole = row(engine, seq).await;
            delete(engine, seq).await;
            let found = verify(&ledger, &orders()).await.unwrap_err();
            let expected = if seq == 10 {
                "the chain ends at record 9, the route's state says 10".to_owned()
            } else {
                let next = seq + 1;
                format!("record {seq} is missing (the next one is {next})")
            };
            assert_eq!(found, expected);
            put(engine, &whole).await;
        }
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
    }

    pub(super) async fn a_record_forged_with_its_hash_breaks_the_chain(engine: &impl Engine) {
        let ledger = engine.ledger();
        settle_events(&ledger, &orders(), 5).await;
        for (seq, found) in [
            (3, "record 4 does not continue the one before it (prev_hash differs)"),
            (5, "the hash of record 5 is not the head in the route's state"),
        ] {
            let whole = row(engine, seq).await;
            let mut forged = whole.clone();
            let text = whole["record"].as_s().unwrap();
            let text = text.replace("Ignored", "Moved");
            let hash = Hash::of(&text).to_string();
            forged.insert("outcome".into(), AttributeValue::S("Moved".into()));
            forged.insert("record".into(), AttributeValue::S(text));
            forged.insert("hash".into(), AttributeValue::S(hash));
            put(engine, &forged).await;
            assert_eq!(verify(&ledger, &orders()).await, Err(found.to_owned()));
            put(engine, &whole).await;
        }
    }

    pub(super) async fn a_state_that_forgot_its_records_is_told_that_the_place_is_taken(
        engine: &impl Engine,
    ) {
        let ledger = engine.ledger();
        settle_events(&ledger, &orders(), 1).await;
        let delete = engine.client().delete_item();
        let delete = delete.table_name(engine.tables().state);
        let pk = AttributeValue::S("route#orders".into());
        delete.key("pk", pk).send().await.unwrap();
        let forgetful = ledger.load(&orders()).await.unwrap();
        let change = Attempt::at_event(2).begin(&forgetful);
        // The caller compares the state with the rows and rebuilds it: see tests/cli/recovery.rs.
        let taken = Commit::PlaceTaken { state: forgetful.clone() };
        assert_eq!(commit(&ledger, &change).await, taken);
        assert_eq!(ledger.load(&orders()).await.unwrap(), forgetful);
        let stored = read(&ledger, &chain(&orders()), 10).await.unwrap();
        let (record, hash) = (&stored[0].record, stored[0].hash);
        let rebuilt = record.applied_to(&forgetful, hash).unwrap();
        let entry = Attempt::at_event(3).entry(&orders(), rebuilt.control.generation, None);
        let entry = Entry { kind: RecordKind::Recovered, ..entry };
        let recover = change::recover(&forgetful, &rebuilt, Vec::new(), entry).unwrap();
        let state = done(commit(&ledger, &recover).await);
        assert_eq!(state.chain.seq, 2);
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
        // Many entries of events go in with it, and none of them needs a record.
        let later = settle_events(&ledger, &route("users"), 40).await;
        let fresh = RouteState::new(route("users"));
        assert!(refused(commit(&ledger, &Attempt::at_event(41).begin(&fresh)).await).0 == later);
    }

    async fn seqs(ledger: &DynamoLedger, query: &AuditQuery, limit: u32) -> Vec<u64> {
        let stored = read(ledger, query, limit).await.unwrap();
        stored.iter().map(|stored| stored.record.seq).collect()
    }

    pub(super) async fn pages_give_everything_once_and_in_order(engine: &impl Engine) {
        let ledger = engine.ledger();
        settle_events(&ledger, &orders(), 23).await;
        settle_events(&ledger, &route("other"), 3).await;
        let oldest: Vec<u64> = (1..=23).collect();
        let newest: Vec<u64> = (1..=23).rev().collect();
        let from_the_end = AuditQuery::Newest { route: orders() };
        for limit in [1, 7, 23, 100] {
            assert_eq!(seqs(&ledger, &chain(&orders()), limit).await, oldest);
            assert_eq!(seqs(&ledger, &from_the_end, limit).await, newest);
        }
    }

    pub(super) async fn a_day_has_the_records_of_all_routes_newest_first(engine: &impl Engine) {
        let ledger = engine.ledger();
        // The two routes' records share their milliseconds; the last of each falls into the next day.
        let midnight = u32::try_from((86_400_000 - NOON % 86_400_000) / 1000 + 1).unwrap();
        for name in ["a", "b"] {
            settle_events(&ledger, &route(name), 11).await;
            let state = ledger.load(&route(name)).await.unwrap();
            let tomorrow = Attempt::at_event(midnight).settle(&state);
            done(commit(&ledger, &tomorrow).await);
        }
        let expected: Vec<(String, u64)> =
            (1..=11).rev().flat_map(|seq| [("b".to_owned(), seq), ("a".to_owned(), seq)]).collect();
        let today = AuditQuery::Day { day: at(0).day() };
        for limit in [1, 5, 100] {
            let stored = read(&ledger, &today, limit).await.unwrap();
            let found: Vec<(String, u64)> =
                stored.iter().map(|stored| (stored.record.route.to_string(), stored.record.seq)).collect();
            assert_eq!(found, expected);
        }
        let day = at(midnight.into()).day();
        let tomorrow = AuditQuery::Day { day };
        assert_eq!(seqs(&ledger, &tomorrow, 1).await, [12, 12]);
    }

    pub(super) async fn an_event_has_its_records_oldest_first(engine: &impl Engine) {
        let ledger = engine.ledger();
        let before = settle_events(&ledger, &orders(), 3).await;
        let attempt = Attempt::at_event(9);
        let begin = attempt.begin(&before);
        let held = done(commit(&ledger, &begin).await);
        done(commit(&ledger, &attempt.finish(&held, &entry_of(&begin))).await);
        let query = AuditQuery::Event { key: attempt.key(&orders()) };
        for limit in [1, 100] {
            assert_eq!(seqs(&ledger, &query, limit).await, [4, 5]);
        }
    }

    pub(super) async fn a_range_of_the_chain_is_read_alone(engine: &impl Engine) {
        let ledger = engine.ledger();
        settle_events(&ledger, &orders(), 9).await;
        let range = |from_seq, to_seq| AuditQuery::Chain { route: orders(), from_seq, to_seq };
        assert_eq!(seqs(&ledger, &range(4, Some(6)), 2).await, [4, 5, 6]);
        assert_eq!(seqs(&ledger, &range(8, None), 2).await, [8, 9]);
        assert_eq!(seqs(&ledger, &range(5, Some(4)), 2).await, [0; 0]);
    }

    pub(super) async fn a_list_goes_on_behind_any_record_of_a_route_or_of_a_day(engine: &impl Engine) {
        let ledger = engine.ledger();
        // The two routes' records share their milliseconds.
        for name in ["a", "b"] {
            settle_events(&ledger, &route(name), 11).await;
        }
        let whole = AuditQuery::Day { day: at(0).day() };
        let whole = read(&ledger, &whole, 100).await.unwrap();
        for (n, behind) in whole.iter().enumerate() {
            let record = &behind.record;
            let rest = AuditQuery::DayBefore {
                day: at(0).day(),
                at: record.entry.at,
                record: Some((record.route.clone(), record.seq)),
            };
            assert_eq!(read(&ledger, &rest, 5).await.unwrap(), whole[n + 1..]);
            let older = AuditQuery::DayBefore { day: at(0).day(), at: record.entry.at, record: None };
            let older = read(&ledger, &older, 5).await.unwrap();
            let is_older = |stored: &&StoredRecord| stored.record.entry.at < record.entry.at;
            let expected: Vec<StoredRecord> = whole.iter().filter(is_older).cloned().collect();
            assert_eq!(older, expected);
        }
        for seq in 0..=12 {
            let route = route("a");
            let below: Vec<u64> = (1..=seq.min(11)).rev().collect();
            let query = AuditQuery::NewestFrom { route, seq };
            assert_eq!(seqs(&ledger, &query, 4).await, below);
        }
    }

    pub(super) async fn a_cursor_that_is_none_is_refused(engine: &impl Engine) {
        let ledger = engine.ledger();
        let page = ledger.page(&chain(&orders()), 1, Some("?")).await;
        let error = page.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(error.message, "\"?\" is no cursor of the audit");
    }

    pub(super) async fn no_text_of_an_event_is_more_than_text(engine: &impl Engine) {
        let ledger = engine.ledger();
        let texts = [
            "it's \"quoted\" and \\back\\slashed\\",
            "'} ; DELETE FROM \"writerlink-audit\" WHERE \"seq\" = 1 --",
            "? ?? ??? :k #k ${x} {{y}}",
            "\u{e9}\u{4e2d}\u{1f980}\u{202e}\u{0}\u{7}\r\n\t",
            "', 'outcome': 'Moved', 'x': '",
            "",
        ];
        let mut state = ledger.load(&orders()).await.unwrap();
        for (n, text) in (1..).zip(texts) {
            let attempt = Attempt::saying(n, text);
            state = done(commit(&ledger, &attempt.settle(&state)).await);
            let query = AuditQuery::Event { key: attempt.key(&orders()) };
            let found = records(&ledger, &query).await;
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].entry.trigger.as_ref().map(RecordedTrigger::text), Some(text));
            assert_eq!(found[0].entry.outcome, Some(Outcome::Ignored));
        }
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
    }
}

// ------------------------------------------------------------------------------------------------- faults

mod faults {
    use super::*;
    use std::time::Duration;
    use writerlink_engine::ports::ErrorKind;
    use writerlink_sim::faults::{CallSite, Fate, Fault};

    const TRANSACTION: &str = "ExecuteTransaction";

    impl Embedded {
        /// The next `times` calls of this kind by w1 meet a fault.
        fn next(&self, call: &'static str, times: u32, fault: Fault) {
            let mut left = times;
            self.fabric.set_plan(Box::new(move |site: &CallSite| {
                if site.process == "w1" && site.call == call && left > 0 {
                    left -= 1;
                    return Fate { fault, ..Fate::WORKS };
                }
                Fate::WORKS
            }));
        }

        fn made(&self, call: &str) -> usize {
            let journal = self.fabric.journal();
            journal.iter().filter(|effect| effect.call == call).count()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_lost_once_is_asked_for_again_and_written_once() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        world.next(TRANSACTION, 1, Fault::ReplyLost);
        let change = Attempt::at_event(1).begin(&fresh);
        let state = done(commit(&ledger, &change).await);
        assert_eq!(world.made(TRANSACTION), 2);
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
        assert_eq!(state.chain.seq, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_whose_every_reply_is_lost_is_recognised_as_ours() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        world.next(TRANSACTION, 3, Fault::ReplyLost);
        let change = Attempt::at_event(1).begin(&fresh);
        let state = done(commit(&ledger, &change).await);
        assert_eq!(world.made(TRANSACTION), 3, "the SDK's attempts");
        assert_eq!(state.control, *change.to());
        assert_eq!(verify(&ledger, &orders()).await, Ok(state.chain));
    }

    #[tokio::test(start_paused = true)]
    async fn an_extension_whose_every_reply_is_lost_is_recognised_as_ours() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let held = done(commit(&ledger, &attempt.begin(&fresh)).await);
        let extend = attempt.extend(&held, 5);
        for lost in [1, 3] {
            world.next("ExecuteStatement", lost, Fault::ReplyLost);
            assert_eq!(done(commit(&ledger, &extend).await).control, *extend.to());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_commit_whose_every_reply_is_lost_is_not_taken_for_ours() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let other = Attempt::of(1, "w2").begin(&fresh);
        let theirs = done(commit(&world.another("w2"), &other).await);
        world.next(TRANSACTION, 3, Fault::ReplyLost);
        // The same event, begun by two.
        let ours = Attempt::of(1, "w1").begin(&fresh);
        let (state, event) = refused(commit(&ledger, &ours).await);
        assert_eq!(state, theirs);
        assert_eq!(event, Some(entry_of(&other)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_finish_is_recognised_even_when_another_has_begun_since() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let other = world.another("w2");
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let begin = attempt.begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        // w1 loses every reply and reads slowly; w2 begins while it reads.
        world.fabric.set_plan(Box::new(|site: &CallSite| {
            let slow = Duration::from_secs(1);
            match (site.process.as_str(), site.call) {
                ("w1", TRANSACTION) => Fate { fault: Fault::ReplyLost, ..Fate::WORKS },
                ("w1", _) => Fate::in_a_round_trip(slow),
                _ => Fate::WORKS,
            }
        }));
        let finish = attempt.finish(&held, &entry_of(&begin));
        let next = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let free = other.load(&orders()).await.unwrap();
            assert_eq!(free.control.lease, None);
            done(commit(&other, &Attempt::of(2, "w2").begin(&free)).await)
        };
        let (finished, next) = tokio::join!(commit(&ledger, &finish), next);
        assert_eq!(done(finished), next, "ours is durable, and this stands now");
        let entry = ledger.event(&attempt.key(&orders())).await.unwrap();
        assert_eq!(entry.unwrap().settled, Some(Outcome::Moved));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_may_still_land_is_an_error_and_landing_makes_it_ours() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        world.next(TRANSACTION, 9, Fault::Late(Duration::from_secs(20)));
        let change = Attempt::at_event(1).begin(&fresh);
        let error = ledger.commit(&change).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(ledger.load(&orders()).await.unwrap(), fresh);
        tokio::time::sleep(Duration::from_secs(30)).await;
        let landed = ledger.load(&orders()).await.unwrap();
        assert_eq!(landed.control, *change.to());
        world.next(TRANSACTION, 0, Fault::None);
        assert_eq!(done(commit(&ledger, &change).await), landed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_lands_behind_another_changes_nothing() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        world.next(TRANSACTION, 9, Fault::Late(Duration::from_secs(20)));
        let ours = Attempt::of(1, "w1").begin(&fresh);
        ledger.commit(&ours).await.unwrap_err();
        let other = Attempt::of(2, "w2").begin(&fresh);
        let theirs = done(commit(&world.another("w2"), &other).await);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(ledger.load(&orders()).await.unwrap(), theirs);
        let key = Attempt::of(1, "w1").key(&orders());
        assert_eq!(ledger.event(&key).await.unwrap(), None);
        assert_eq!(verify(&ledger, &orders()).await, Ok(theirs.chain));
    }

    #[tokio::test(start_paused = true)]
    async fn an_extension_that_lands_late_does_not_shorten_a_later_one() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let attempt = Attempt::at_event(1);
        let held = done(commit(&ledger, &attempt.begin(&fresh)).await);
        world.next("ExecuteStatement", 9, Fault::Late(Duration::from_secs(8)));
        ledger.commit(&attempt.extend(&held, 1)).await.unwrap_err();
        world.next("ExecuteStatement", 0, Fault::None);
        let extended = done(commit(&ledger, &attempt.extend(&held, 6)).await);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(world.made("ExecuteStatement") > 2, "the late one has landed");
        assert_eq!(ledger.load(&orders()).await.unwrap(), extended);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_ledger_says_so_and_nothing_is_written() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = ledger.load(&orders()).await.unwrap();
        let change = Attempt::at_event(1).begin(&fresh);
        world.next(TRANSACTION, 3, Fault::Refused(ErrorKind::Throttled));
        let error = ledger.commit(&change).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Throttled);
        assert_eq!(error.code, "ThrottlingException");
        assert_eq!(error.call, TRANSACTION);
        assert_eq!(ledger.load(&orders()).await.unwrap(), fresh);
        assert_eq!(records(&ledger, &chain(&orders())).await, []);
        // Less than the SDK's patience is not even seen.
        world.next(TRANSACTION, 2, Fault::Refused(ErrorKind::Throttled));
        done(commit(&ledger, &change).await);
    }

    #[tokio::test(start_paused = true)]
    async fn every_kind_of_refusal_keeps_its_kind() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        for kind in [
            ErrorKind::Unreachable,
            ErrorKind::Throttled,
            ErrorKind::Denied,
            ErrorKind::Missing,
            ErrorKind::Invalid,
        ] {
            world.next("GetItem", 3, Fault::Refused(kind));
            assert_eq!(ledger.load(&orders()).await.unwrap_err().kind, kind);
        }
    }

    #[tokio::test]
    async fn a_cancelled_transaction_passes_only_if_all_its_reasons_do() {
        use crate::support::stub::Answer;
        use crate::support::stub::Stub;
        let expected = [
            (["None", "TransactionConflict"], ErrorKind::Throttled),
            (["ThrottlingError", "None"], ErrorKind::Throttled),
            (["None", "ValidationError"], ErrorKind::Invalid),
            (["TransactionConflict", "ItemCollectionSizeLimitExceeded"], ErrorKind::Invalid),
        ];
        for (reasons, kind) in expected {
            // The route is fresh and the event unknown: the change could still be written.
            let stub = Stub::scripted(vec![
                ("TransactStatements", Answer::cancelled(reasons)),
                ("", Answer::sqs("{}")),
            ]);
            let sdk = crate::support::Account::fresh().config(&stub.endpoint()).await;
            let ledger = DynamoLedger::new(Client::new(&sdk), TableNames::default());
            let change = Attempt::at_event(1).settle(&RouteState::new(orders()));
            let error = ledger.commit(&change).await.unwrap_err();
            assert_eq!((error.call, error.kind), (TRANSACTION, kind), "{reasons:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn missing_tables_are_told_with_the_remedy() {
        let world = Embedded::new().await;
        let client = world.dynamo.client_outside();
        let delete = client.delete_table().table_name(world.tables().state);
        delete.send().await.unwrap();
        let error = world.ledger().load(&orders()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing);
        assert!(error.message.contains("writerlink setup"), "{error}");
    }

    /// The worker's role allows these and no others; `infra/` is written against this list.
    #[tokio::test(start_paused = true)]
    async fn the_ledger_uses_four_actions_of_the_api() {
        let world = Embedded::new().await;
        let ledger = world.ledger();
        let fresh = settle_events(&ledger, &orders(), 2).await;
        let attempt = Attempt::at_event(3);
        let begin = attempt.begin(&fresh);
        let held = done(commit(&ledger, &begin).await);
        let held = done(commit(&ledger, &attempt.extend(&held, 5)).await);
        done(commit(&ledger, &attempt.finish(&held, &entry_of(&begin))).await);
        done(commit(&ledger, &begin).await);
        verify(&ledger, &orders()).await.unwrap();
        for query in [
            AuditQuery::Newest { route: orders() },
            AuditQuery::Day { day: at(0).day() },
            AuditQuery::Event { key: attempt.key(&orders()) },
        ] {
            assert!(!records(&ledger, &query).await.is_empty());
        }
        let journal = world.fabric.journal();
        let used: BTreeSet<&str> = journal.iter().map(|effect| effect.call).collect();
        let expected = ["ExecuteStatement", TRANSACTION, "GetItem", "Query"];
        assert_eq!(used, BTreeSet::from(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_on_a_file_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let path = path.to_str().unwrap();
        let fabric = Fabric::new(WorldTime::starting(at(0)));
        let process = Process::start(&fabric, "w1", 1);
        let first = EmbeddedDynamo::file(path).await.unwrap();
        let state = settle_events(&first.ledger(&process), &orders(), 3).await;
        drop(first);
        let second = EmbeddedDynamo::file(path).await.unwrap().ledger(&process);
        assert_eq!(second.load(&orders()).await.unwrap(), state);
        assert_eq!(verify(&second, &orders()).await, Ok(state.chain));
    }

    #[tokio::test(start_paused = true)]
    async fn the_journal_says_what_was_written() {
        let world = Embedded::new().await;
        let state = settle_events(&world.ledger(), &orders(), 1).await;
        assert_eq!(state.control, Assignment { generation: Generation(1), ..Assignment::default() });
        let key = Attempt::at_event(1).key(&orders());
        let journal = world.fabric.journal();
        assert_eq!(
            journal.last().unwrap().detail,
            format!(
                "UPDATE writerlink-state route#orders, INSERT writerlink-state event#{key}, \
                 INSERT writerlink-audit orders/1"
            )
        );
    }
}
