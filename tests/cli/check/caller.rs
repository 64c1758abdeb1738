//! Whoever runs the check.

use std::time::Duration;

use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Unknown, Warn};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{Right, Unseen};

use super::seen::{Case, unseen};

#[test]
fn a_variable_that_points_elsewhere_is_warned_of_by_its_name() {
    let mut case = Case::good();
    assert_eq!(case.says("endpoints"), Pass);
    let stand_in = ("AWS_ENDPOINT_URL_SQS".to_owned(), "http://127.0.0.1:4566".to_owned());
    case.facts.environment.endpoints.push(stand_in);
    assert_eq!(case.says("endpoints"), Warn);
    let why = case.why("endpoints");
    assert!(why.contains("AWS_ENDPOINT_URL_SQS=http://127.0.0.1:4566"), "{why}");
    assert!(why.contains("not AWS"), "{why}");
}

#[test]
fn groups_of_another_region_or_account_are_not_found_by_these_credentials() {
    let mut case = Case::good();
    assert_eq!((case.says("Region"), case.says("account of the routes")), (Pass, Pass));
    case.facts.environment.region = Some("eu-west-1".to_owned());
    assert_eq!(case.says("Region"), Fail);
    assert!(case.why("Region").contains("orders"), "{}", case.why("Region"));
    case.facts.environment.region = None;
    assert_eq!(case.says("Region"), Skipped);

    case.facts.identity.arn = Ok("arn:aws:iam::999999999999:user/ada".to_owned());
    assert_eq!(case.says("account of the routes"), Fail);
}

#[test]
fn who_calls_is_named_and_credentials_that_do_not_hold_fail() {
    let mut case = Case::good();
    assert_eq!(case.says("identity"), Pass);
    assert!(case.why("identity").contains("operator"));
    case.facts.identity.arn = Err(unseen(ErrorKind::Denied));
    assert_eq!(case.says("identity"), Fail);
    case.facts.identity.arn = Err(unseen(ErrorKind::Unreachable));
    assert_eq!(case.says("identity"), Unknown);
    case.facts.queue = Err(unseen(ErrorKind::Unreachable));
    assert_eq!(case.says("identity"), Fail, "where nothing answers nothing is well");
}

#[test]
fn a_clock_more_than_five_seconds_off_is_a_warning_in_both_directions() {
    let at = |millis: i64| Timestamp::from_millis(1_700_000_000_000 + millis);
    for (said, verdict) in [
        (0, Pass),
        // A Date of whole seconds: this second began up to a second ago.
        (-5_900, Pass),
        (-6_100, Warn),
        (5_100, Pass),
        (5_300, Warn),
    ] {
        let mut case = Case::good();
        let clock = case.facts.identity.clock.as_mut().unwrap();
        clock.before = at(0);
        clock.after = at(200);
        clock.said = at(said);
        assert_eq!(case.says("clock"), verdict, "{said}");
    }
    let mut case = Case::good();
    case.facts.identity.clock = Err(Unseen::NotHere("no reply"));
    assert_eq!(case.says("clock"), Skipped);
    assert_eq!(Duration::from_secs(5) * 2, writerlink_core::model::time::CLOCK_SKEW_MAX);
}

fn with(right: Right, seen: Result<(), Unseen>) -> Case {
    let mut case = Case::good();
    case.facts.rights = vec![(right, seen)];
    case
}

#[test]
fn a_right_that_is_denied_is_a_warning_since_another_role_may_have_it() {
    for (right, what) in [
        (Right::ReadState, "may read the state"),
        (Right::ReadAudit, "may read the audit"),
        (Right::ReadAuditByDay, "may read the audit by day"),
        (Right::ReadAuditByEvent, "may read the audit by event"),
        (Right::UpdateState, "may take a lease"),
        (Right::InsertState, "may enter an event"),
        (Right::AppendAudit, "may append a record"),
    ] {
        assert_eq!(with(right, Ok(())).says(what), Pass);
        assert_eq!(with(right, Err(unseen(ErrorKind::Denied))).says(what), Warn);
        assert_eq!(with(right, Err(unseen(ErrorKind::Unreachable))).says(what), Unknown);
        assert_eq!(with(right, Err(unseen(ErrorKind::Missing))).says(what), Fail);
        assert_eq!(with(right, Err(Unseen::NotHere("not tried"))).says(what), Skipped);
    }
}

#[test]
fn the_right_to_change_records_is_a_warning_and_its_refusal_passes() {
    let what = "may change no record";
    assert_eq!(with(Right::ChangeAudit, Ok(())).says(what), Warn);
    let denied = Err(unseen(ErrorKind::Denied));
    assert_eq!(with(Right::ChangeAudit, denied).says(what), Pass);
    let unreachable = Err(unseen(ErrorKind::Unreachable));
    assert_eq!(with(Right::ChangeAudit, unreachable).says(what), Unknown);
}
