//! verify: whole chains, ranges, and what somebody did to them.

use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault};

use super::archive::{done, moved, overwrite, redacted, remove};
use crate::desk::Desk;

/// What the timer of a worker says of the first route's chain.
pub(crate) async fn timer_says(desk: &Desk) -> Option<String> {
    let broken = desk.rig.chain_fault("timer").await;
    broken.map(|broken| broken.to_string())
}

/// What `audit verify` says of it.
pub(crate) async fn verify_says(desk: &Desk) -> Option<String> {
    let said = desk.says("audit verify orders --output jsonl").await;
    let verdict: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let fault = verdict["fault"].as_str().map(str::to_owned);
    assert_eq!(said.code, if fault.is_some() { 3 } else { 0 });
    fault
}

#[tokio::test(start_paused = true)]
async fn the_timer_and_verify_find_the_same_and_say_it_in_the_same_words() {
    let cannot_be_read =
        "record 4 was changed after it was written (record 4 of route orders cannot be read: ";
    for (harm, words) in [
        ("edited", "record 4 was changed after it was written (outcome)"),
        ("no record", cannot_be_read),
        ("missing", "record 4 is missing (the next one is 5)"),
        ("end", "the chain ends at record 5, the route's state says 6"),
        ("first", "record 1 is missing (the next one is 2)"),
        ("none", ""),
    ] {
        let desk = moved(&["orders"], 3).await;
        match harm {
            "edited" => overwrite(&desk, ("orders", 4), "outcome", "Failed").await,
            "no record" => overwrite(&desk, ("orders", 4), "record", "{}").await,
            "missing" => remove(&desk, "orders", 4).await,
            "end" => remove(&desk, "orders", 6).await,
            "first" => remove(&desk, "orders", 1).await,
            _ => {}
        }
        let (timer, verify) = (timer_says(&desk).await, verify_says(&desk).await);
        assert_eq!(timer, verify, "{harm}");
        assert!(timer.unwrap_or_default().starts_with(words), "{harm}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_text_of_another_record_is_none_and_ends_no_export() {
    let desk = moved(&["orders"], 3).await;
    let third = desk.rig.chain(0).await[2].canonical.clone();
    overwrite(&desk, ("orders", 5), "record", &third).await;
    let (timer, verify) = (timer_says(&desk).await, verify_says(&desk).await);
    assert_eq!(timer, verify);
    let why = "it stands in place 5, its text is that of record 3 of route orders";
    assert!(timer.unwrap().contains(why));
    let said = desk.says("audit export --route orders").await;
    assert_eq!((said.code, said.out.lines().count()), (3, 5), "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn a_refused_query_is_an_error_and_no_broken_chain() {
    let desk = moved(&["orders"], 3).await;
    let plan = |site: &CallSite| match site.call {
        "Query" => Fate::meets(Fault::Refused(ErrorKind::Invalid)),
        _ => Fate::WORKS,
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
    for command in ["audit verify orders", "audit export --route orders", "audit show orders/1", "audit list"]
    {
        let said = desk.says(command).await;
        assert_eq!(said.code, 1, "{command}: {}{}", said.out, said.err);
        let call = "why: Query failed (invalid, ValidationException)";
        assert!(said.err.contains(call), "{command}: {}", said.err);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_no_record_is_told_as_such_by_every_command() {
    let desk = moved(&["orders"], 3).await;
    overwrite(&desk, ("orders", 4), "record", "{}").await;
    for command in ["audit verify orders", "audit show orders/4", "audit list --route orders"] {
        let said = desk.says(command).await;
        assert_eq!(said.code, 3, "{command}: {}", said.err);
        let what = "error: records are not as they were written, from orders/4 on";
        assert!(said.err.starts_with(what), "{command}: {}", said.err);
    }
    // Nor does it hide the time of the others.
    let said = desk.says("audit export --route orders --since 1970-01-01 --output jsonl").await;
    assert_eq!((said.code, said.out.lines().count()), (3, 5), "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn an_intact_chain_looks_like_this() {
    let desk = moved(&["orders", "billing"], 3).await;
    let said = done(desk.says("audit verify").await);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    ROUTE    RECORDS  VERDICT  HEAD
    orders   6        intact   6 HASH…
    billing  6        intact   6 HASH…
    "#);
    let all = done(desk.says("audit verify --all").await);
    assert_eq!(all.out, said.out);
    let said = done(desk.says("audit verify billing orders --output csv").await);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    route,intact,records,from_seq,to_seq,head_seq,head_hash,first_bad_seq,fault,expected,found,remedy
    billing,true,6,1,6,6,HASH,,,,,
    orders,true,6,1,6,6,HASH,,,,,
    "#);
    let said = done(desk.says("audit verify orders --from 3 --to 5").await);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    ROUTE   RECORDS  VERDICT             HEAD
    orders  3        intact from 3 to 5  6 HASH…
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_broken_chain_looks_like_this() {
    let desk = moved(&["orders", "billing"], 3).await;
    overwrite(&desk, ("orders", 4), "outcome", "Failed").await;
    let text = &desk.rig.chain(1).await[2].canonical;
    overwrite(&desk, ("billing", 3), "record", &text.replace("billing-3", "billing-1")).await;
    let said = desk.says("audit verify").await;
    assert_eq!(said.code, 3);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    ROUTE    RECORDS  VERDICT                                                        HEAD
    orders   3        BROKEN: record 4 was changed after it was written (outcome)    6 HASH…
    billing  2        BROKEN: record 3 was changed after it was written (hash,       6 HASH…
                      instance, note)
    "#);
    insta::assert_snapshot!(redacted(&said.err), @r#"
    error: records are not as they were written, from orders/4 and billing/3 on
      why: somebody with access to the tables changed or removed them: writerlink cannot
           orders/4: expected the columns that its text has
           orders/4: found    others in outcome
           billing/3: expected hash HASH
           billing/3: found    hash HASH
      fix: find who wrote to the tables (CloudTrail data events), and compare with a backup
    "#);
    let said = desk.says("audit verify orders --output json").await;
    assert_eq!(said.code, 3);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    {
      "version": 1,
      "routes": [
        {
          "route": "orders",
          "intact": false,
          "records": 3,
          "from_seq": 1,
          "to_seq": 3,
          "head_seq": 6,
          "head_hash": "HASH",
          "first_bad_seq": 4,
          "fault": "record 4 was changed after it was written (outcome)",
          "expected": "the columns that its text has",
          "found": "others in outcome",
          "remedy": null
        }
      ]
    }
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_range_finds_what_is_in_it_and_nothing_else() {
    let desk = moved(&["orders"], 5).await;
    overwrite(&desk, ("orders", 4), "outcome", "Failed").await;
    let code = async |options: &str| {
        let said = desk.says(&format!("audit verify orders {options}")).await;
        said.code
    };
    assert_eq!(code("").await, 3);
    assert_eq!(code("--from 5").await, 0);
    assert_eq!(code("--to 3").await, 0);
    assert_eq!(code("--from 4").await, 3);
    assert_eq!(code("--from 2 --to 4").await, 3);
    assert_eq!(code("--from 10 --to 10").await, 0);
    // A range of no records is no intact one.
    assert_eq!(code("--to 11").await, 2);
    assert_eq!(code("--from 6 --to 5").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_range_has_to_continue_the_record_before_it() {
    let desk = moved(&["orders"], 3).await;
    // Another text with a hash that fits it: only what follows it can tell.
    let text = desk.rig.chain(0).await[2].canonical.replace("orders-3", "orders-1");
    overwrite(&desk, ("orders", 3), "record", &text).await;
    let said = desk.says("audit verify orders --from 4 --output jsonl").await;
    assert_eq!(said.code, 3, "{}", said.out);
    assert!(said.out.contains("\"first_bad_seq\":4"), "{}", said.out);
    remove(&desk, "orders", 3).await;
    let said = desk.says("audit verify orders --from 4 --output jsonl").await;
    assert_eq!(said.code, 3);
    assert!(said.out.contains("\"first_bad_seq\":3"), "{}", said.out);
}

#[tokio::test(start_paused = true)]
async fn a_range_of_several_routes_is_wrong_usage() {
    let desk = moved(&["orders", "billing"], 1).await;
    let said = desk.says("audit verify --from 2").await;
    assert_eq!(said.code, 2);
    insta::assert_snapshot!(said.err, @r#"
    error: there is no such range of records
      why: it would be one of 2 routes
      fix: name one ROUTE
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_no_record_any_more_is_a_broken_chain_and_no_error() {
    let desk = moved(&["orders"], 3).await;
    overwrite(&desk, ("orders", 4), "record", "{}").await;
    let said = desk.says("audit verify --output jsonl").await;
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.out.contains("\"first_bad_seq\":4"), "{}", said.out);
    remove(&desk, "orders", 4).await;
    let said = desk.says("audit verify --output jsonl").await;
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.out.contains("\"found\":\"record 5\""), "{}", said.out);
}

#[tokio::test(start_paused = true)]
async fn a_person_at_a_terminal_sees_how_far_it_is_and_nobody_else_does() {
    let desk = moved(&["orders"], 2).await;
    for (command, far) in [("audit verify", "orders: 4 of 4 records"), ("audit export --all", "4 records")] {
        let seen = desk.answers(command, "").await;
        let unseen = done(desk.says(command).await);
        let wiped = " ".repeat(far.len());
        assert_eq!(seen.err, format!("\r{far}\r{wiped}\r{}", unseen.err));
        assert_eq!(seen.out, unseen.out);
        let log = desk.answers(&format!("{command} --log json"), "").await;
        assert!(!log.err.contains('\r'), "{}", log.err);
    }
}
