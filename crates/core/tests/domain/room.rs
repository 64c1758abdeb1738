//! How a worker backs off: its room while the ledger is slow, and its pauses between retries.

use std::time::Duration;

use writerlink_core::actuation::room::{ANSWERED_EACH, ConcurrencyLimit, ONE_SILENCE};
use writerlink_core::model::outcome::retry_after;

const TICK: Duration = Duration::from_millis(1);

fn cut_at(room: &mut ConcurrencyLimit, times: u32) {
    for n in 0..times {
        room.unanswered(ONE_SILENCE * n);
    }
}

#[test]
fn silence_halves_the_room_once_however_many_meet_it_together() {
    let mut room = ConcurrencyLimit::new(1, 64);
    assert!(room.unanswered(TICK));
    assert!(!room.unanswered(TICK));
    assert!(!room.unanswered(ONE_SILENCE), "it began before the cut");
    assert_eq!(room.places(), 32);
    assert!(room.unanswered(TICK + ONE_SILENCE));
    assert_eq!(room.places(), 16);
}

#[test]
fn there_is_always_room_for_one() {
    let mut room = ConcurrencyLimit::new(0, 5);
    cut_at(&mut room, 20);
    assert_eq!(room.places(), 1);
    let mut room = ConcurrencyLimit::new(0, 0);
    assert_eq!(room.places(), 1);
    assert!(!room.unanswered(TICK), "it has no more to lose");
}

#[test]
fn room_for_one_more_comes_with_a_few_answers_and_never_above_the_most() {
    let mut room = ConcurrencyLimit::new(1, 4);
    cut_at(&mut room, 1);
    let answered =
        |room: &mut ConcurrencyLimit| (0..ANSWERED_EACH).map(|_| room.answered()).collect::<Vec<_>>();
    assert_eq!(answered(&mut room), [false; ANSWERED_EACH]);
    assert_eq!((room.places(), room.is_cut()), (3, true));
    assert_eq!(answered(&mut room).last(), Some(&true), "it is told once that all the room is back");
    assert_eq!(answered(&mut room), [false; ANSWERED_EACH]);
    assert_eq!((room.places(), room.is_cut()), (4, false));
}

#[test]
fn answers_before_a_silence_do_not_count_after_it() {
    let mut room = ConcurrencyLimit::new(1, 8);
    cut_at(&mut room, 1);
    for _ in 1..ANSWERED_EACH {
        room.answered();
    }
    room.unanswered(ONE_SILENCE * 2);
    room.answered();
    assert_eq!(room.places(), 2);
}

#[test]
fn retries_back_off_to_30_seconds_with_at_most_a_quarter_of_jitter() {
    let longest = |attempt| retry_after(attempt, 0).as_secs();
    let pauses: Vec<u64> = (1..=8).map(longest).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    for random in 0..100 {
        assert!(retry_after(6, random) >= Duration::from_millis(22_500));
    }
    assert_eq!(retry_after(0, 0), Duration::from_secs(1));
    assert_eq!(retry_after(u32::MAX, 0), Duration::from_secs(30));
}
