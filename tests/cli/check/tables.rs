//! The ledger's tables.

use writerlink::preflight::CheckStatus::{Fail, Pass, Unknown, Warn};
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{DescribedTable, Switch};

use super::seen::{Case, unseen};

fn audit(case: &mut Case) -> &mut DescribedTable {
    case.facts.audit.described.as_mut().unwrap()
}

#[test]
fn a_table_that_is_not_active_takes_no_calls() {
    for (status, verdict) in [("ACTIVE", Pass), ("UPDATING", Pass), ("CREATING", Fail), ("DELETING", Fail)] {
        let mut case = Case::good();
        status.clone_into(&mut audit(&mut case).status);
        assert_eq!(case.says("is there"), verdict, "{status}");
    }
}

#[test]
fn a_table_with_other_keys_is_not_the_ledgers() {
    let mut case = Case::good();
    assert_eq!(case.says("keys"), Pass);
    audit(&mut case).keys[1].1 = "S".to_owned();
    assert_eq!(case.says("keys"), Fail);
    let why = case.why("keys");
    assert!(why.contains("seq (S)") && why.contains("seq (N)"), "{why}");
}

#[test]
fn an_index_that_is_missing_or_has_other_keys_or_a_projection_fails() {
    let index = |change: fn(&mut DescribedTable)| {
        let mut case = Case::good();
        change(audit(&mut case));
        (case.says("indexes"), case.why("indexes"))
    };
    assert_eq!(index(|_| ()).0, Pass);
    let (verdict, why) = index(|table| drop(table.indexes.remove("by-event")));
    assert_eq!(verdict, Fail);
    assert!(why.contains("by-event is missing"), "{why}");
    let (verdict, _) = index(|table| table.indexes.get_mut("by-day").unwrap().keys.truncate(1));
    assert_eq!(verdict, Fail);
    let (verdict, why) = index(|table| {
        "KEYS_ONLY".clone_into(&mut table.indexes.get_mut("by-day").unwrap().projection);
    });
    assert_eq!(verdict, Fail);
    assert!(why.contains("KEYS_ONLY"), "{why}");
}

#[test]
fn a_ledger_that_can_be_lost_by_one_mistake_is_warned_of() {
    let mut case = Case::good();
    assert_eq!(case.says("deletion protection"), Pass);
    audit(&mut case).deletion_protection = Switch::Off;
    assert_eq!(case.says("deletion protection"), Warn);

    assert_eq!(case.says("point-in-time recovery"), Pass);
    case.facts.state.recovery = Ok(Switch::Off);
    assert_eq!(case.says("point-in-time recovery"), Warn);
    case.facts.state.recovery = Err(unseen(ErrorKind::Denied));
    assert_eq!(case.says("point-in-time recovery"), Unknown);
}

#[test]
fn settled_events_expire_by_the_ledgers_attribute_and_records_never() {
    let state = |expiry: Option<&str>| {
        let mut case = Case::good();
        case.facts.state.expiry = Ok(expiry.map(str::to_owned));
        case.says("time to live")
    };
    assert_eq!(state(Some("expires_at")), Pass);
    assert_eq!(state(None), Warn);
    assert_eq!(state(Some("ttl")), Fail);
    let mut case = Case::good();
    case.facts.audit.expiry = Ok(Some("expires_at".to_owned()));
    assert_eq!(case.says("time to live"), Fail);
}

#[test]
fn a_lease_in_a_table_of_two_regions_is_no_lease() {
    let says = |of_state: bool, replicas: &[&str], consistency: Option<&str>| {
        let mut case = Case::good();
        let facts = &mut case.facts;
        let table = if of_state { &mut facts.state } else { &mut facts.audit };
        let table = table.described.as_mut().unwrap();
        table.replicas = replicas.iter().map(|&region| region.to_owned()).collect();
        table.consistency = consistency.map(str::to_owned);
        (case.says("global table"), case.why("global table"))
    };
    assert_eq!(says(true, &[], None).0, Pass);
    // A table of one Region says EVENTUAL, or nothing.
    assert_eq!(says(true, &[], Some("EVENTUAL")).0, Pass);
    for consistency in [None, Some("EVENTUAL")] {
        let (verdict, why) = says(true, &["eu-west-1"], consistency);
        assert_eq!(verdict, Fail);
        assert!(why.contains("eu-west-1") && why.contains("same lease"), "{why}");
        // Records may be read in another Region.
        assert_eq!(says(false, &["eu-west-1"], consistency).0, Pass);
    }
    // Strong consistency has no transactions.
    for of_state in [true, false] {
        let (verdict, why) = says(of_state, &["eu-west-1"], Some("STRONG"));
        assert_eq!(verdict, Fail);
        assert!(why.contains("does not support transactions"), "{why}");
    }
}
