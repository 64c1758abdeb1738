//! What happens when a part of a relay fails: the table of docs/relay.md, row by row, without a real clock.

use std::time::Duration;

use writerlink_engine::ports::ErrorKind;
use writerlink_sim::dynamodb::LedgerTable;
use writerlink_sim::faults::{CallSite, Fate, Fault, no_faults};
use writerlink_sim::haproxy::{HARD_STOP, Restart};

use super::agents::{Installation, PACE, POLLED_WITHIN, SWITCHES_WITHIN};

const MINUTE: Duration = Duration::from_mins(1);

/// What a move costs before a relay can know of it: the attempt's own calls take no time here.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Refuses these calls of processes whose name begins like this.
fn refuses(stage: &Installation, process: &'static str, calls: &'static [&'static str]) {
    let plan = move |site: &CallSite| {
        if site.process.starts_with(process) && calls.contains(&site.call) {
            Fate::meets(Fault::Refused(ErrorKind::Unreachable))
        } else {
            Fate::WORKS
        }
    };
    stage.rig.fleet.world.fabric.set_plan(Box::new(plan));
}

const READS: &[&str] = &["GetItem", "BatchGetItem"];

#[tokio::test(start_paused = true)]
async fn a_move_reaches_both_relays_within_two_reads_and_cuts_old_sessions() {
    let mut stage = Installation::serving().await;
    stage.fails_over(2, 1).await;
    for relay in 0..2 {
        let took = stage.switched_after(relay);
        assert!(took <= SWITCHES_WITHIN, "{took:?}");
        assert_eq!(stage.open(relay), ["orders-2"]);
        assert!(stage.sessions(relay).is_empty(), "the old session is cut");
        assert_eq!(stage.connect(relay).as_deref(), Some("orders-2"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_whose_push_is_lost_switches_by_haproxys_own_poll() {
    let mut stage = Installation::serving().await;
    refuses(&stage, "relay-a", &["AdminSocket"]);
    stage.fails_over(2, 1).await;
    let took = stage.switched_after(0);
    assert!(took > SWITCHES_WITHIN && took <= POLLED_WITHIN, "{took:?}");
    assert!(stage.sessions(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_agent_changes_nothing_and_its_successor_catches_up() {
    let mut stage = Installation::serving().await;
    stage.kill_agent(0);
    stage.fails_over(2, 1).await;
    pass(10 * MINUTE).await;
    assert_eq!(
        (stage.open(0), stage.sessions(0)),
        (vec!["orders-1".to_owned()], vec!["orders-1".to_owned()])
    );
    assert_eq!(stage.open(1), ["orders-2"], "the other relay is not held up");
    stage.start_agent(0);
    pass(POLLED_WITHIN).await;
    assert_eq!((stage.open(0), stage.sessions(0)), (vec!["orders-2".to_owned()], Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn while_the_ledger_is_away_no_session_is_cut_and_none_refused() {
    let stage = Installation::serving().await;
    refuses(&stage, "relay", READS);
    for _ in 0..120 {
        pass(PACE.poll_interval).await;
        for relay in 0..2 {
            assert_eq!(stage.connect(relay).as_deref(), Some("orders-1"));
        }
    }
    assert_eq!(stage.sessions(0).len(), 121, "sixty seconds, and not one was cut");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_only_one_relay_can_read_leaves_the_other_where_it_was() {
    let mut stage = Installation::serving().await;
    refuses(&stage, "relay-b", READS);
    stage.fails_over(2, 1).await;
    pass(MINUTE).await;
    assert_eq!((stage.open(0), stage.open(1)), (vec!["orders-2".to_owned()], vec!["orders-1".to_owned()]));
    stage.rig.fleet.world.fabric.set_plan(no_faults());
    pass(POLLED_WITHIN).await;
    assert_eq!(stage.open(1), ["orders-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_haproxy_begins_closed_and_opens_what_the_ledger_names() {
    let mut stage = Installation::serving().await;
    stage.fails_over(2, 1).await;
    pass(POLLED_WITHIN).await;
    stage.relays[0].haproxy.restart(Restart::Crash);
    assert_eq!(stage.connect(0), None, "a client is held, and not sent to a server that nobody named");
    pass(POLLED_WITHIN).await;
    assert_eq!(stage.open(0), ["orders-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_state_and_ends_old_sessions_within_its_limit() {
    let mut stage = Installation::serving().await;
    stage.relays[0].haproxy.restart(Restart::Reload);
    stage.kill_agent(0);
    pass(HARD_STOP / 2).await;
    assert_eq!(stage.connect(0).as_deref(), Some("orders-1"), "the state is carried over, agent or not");
    stage.start_agent(0);
    stage.fails_over(2, 1).await;
    pass(SWITCHES_WITHIN).await;
    assert_eq!(stage.sessions(0), ["orders-1"], "the old process hears of nothing");
    pass(HARD_STOP / 2).await;
    assert!(stage.sessions(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_between_its_two_answers_leaves_clients_waiting() {
    let mut stage = Installation::serving().await;
    refuses(&stage, "relay-a", &["GetItem", "BatchGetItem", "AdminSocket"]);
    stage.fails_over(2, 1).await;
    refuses(&stage, "relay-a", &["AdminSocket"]);
    // Until HAProxy has asked for one of the two servers, and not yet for the other.
    let asked = PACE.poll_interval.as_millis() * 2;
    for _ in 0..asked {
        if stage.open(0).len() != 1 {
            break;
        }
        pass(Duration::from_millis(1)).await;
    }
    stage.kill_agent(0);
    assert_ne!(stage.open(0).len(), 1, "one of two answers has come");
    assert_eq!(stage.connect(0), None, "two servers or none are open: nobody is sent to a guess");
    pass(MINUTE).await;
    assert_eq!(stage.connect(0), None);
    stage.start_agent(0);
    pass(POLLED_WITHIN).await;
    assert_eq!(stage.connect(0).as_deref(), Some("orders-2"));
    assert_eq!(stage.sessions(0), ["orders-2"]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stood_still_does_not_answer_from_what_it_knew() {
    let mut stage = Installation::serving().await;
    refuses(&stage, "relay-a", READS);
    stage.relays[0].haproxy.restart(Restart::Crash);
    stage.relays[0].agent_process().unwrap().stop_for(MINUTE);
    stage.fails_over(2, 1).await;
    pass(2 * MINUTE).await;
    assert!(stage.open(0).is_empty(), "its last read is older than a minute");
    assert_eq!(stage.connect(0), None);
    stage.rig.fleet.world.fabric.set_plan(no_faults());
    pass(POLLED_WITHIN).await;
    assert_eq!(stage.open(0), ["orders-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_restored_to_an_older_move_takes_no_relay_back() {
    let mut stage = Installation::serving().await;
    let backup = stage.rig.fleet.dynamo.backup(LedgerTable::State).unwrap();
    stage.fails_over(2, 1).await;
    pass(POLLED_WITHIN).await;
    assert_eq!(stage.connect(0).as_deref(), Some("orders-2"));
    stage.rig.fleet.dynamo.restore(&backup).unwrap();
    pass(MINUTE).await;
    for relay in 0..2 {
        assert_eq!(stage.open(relay), ["orders-2"]);
    }
    assert_eq!(stage.sessions(0), ["orders-2"], "and no session is cut");
}

#[tokio::test(start_paused = true)]
async fn dead_workers_cost_a_move_and_no_session() {
    let stage = Installation::serving().await;
    stage.rig.fleet.world.deliver(&stage.rig.completed(0, 2, 1));
    pass(MINUTE).await;
    assert_eq!(
        (stage.open(0), stage.sessions(0)),
        (vec!["orders-1".to_owned()], vec!["orders-1".to_owned()])
    );
    assert!(stage.rig.run("late").await);
    pass(SWITCHES_WITHIN).await;
    assert_eq!(stage.open(0), ["orders-2"]);
}
