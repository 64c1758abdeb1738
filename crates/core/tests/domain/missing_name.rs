//! Evidence for an instance whose name does not exist.

use std::time::Duration;

use writerlink_core::decision::missing_name::{ASKED_FOR, verdict};
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;

use super::values::{instance, route};

const MISSING: &str = "db-9.c1a2.us-east-1.rds.amazonaws.com does not exist (NXDOMAIN)";

#[test]
fn a_missing_name_is_asked_for_again_for_two_minutes() {
    let after = |delivered| verdict(&route(), &instance(9), MISSING, Some(delivered));
    assert_eq!(ASKED_FOR, Duration::from_mins(2));
    let moment = Duration::from_millis(1);
    assert_eq!(after(Duration::ZERO), None);
    assert_eq!(after(ASKED_FOR.saturating_sub(moment)), None);
    for delivered in [ASKED_FOR, Duration::from_hours(1)] {
        let verdict = after(delivered).unwrap();
        assert_eq!(verdict.outcome, Outcome::Rejected);
        assert_eq!(verdict.reason, Reason::UnknownInstance);
    }
}

#[test]
fn evidence_that_nobody_delivers_again_is_rejected_at_once() {
    let verdict = verdict(&route(), &instance(9), MISSING, None).unwrap();
    assert_eq!(verdict.outcome, Outcome::Rejected);
    assert!(!verdict.note.contains("delivered"), "{}", verdict.note);
}

#[test]
fn the_note_names_the_missing_name_how_it_is_missing_and_the_remedy() {
    let verdict = verdict(&route(), &instance(9), MISSING, Some(ASKED_FOR)).unwrap();
    assert_eq!(
        verdict.note,
        "instance db-9 is not one of route orders: db-9.c1a2.us-east-1.rds.amazonaws.com does not exist (NXDOMAIN), \
         120 s after the event was first delivered; if it is, hand the event in again (`writerlink replay`) once the \
         name exists, or add the instance under [route.instances]"
    );
}
