//! A table that was restored to an earlier point: what `audit verify`, `check` and the timer say of it.

use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault};

use super::archive::{more, moved, redacted};
use super::verifying::{timer_says, verify_says};
use crate::desk::{Desk, Said};

/// A route with six records, and its state as it was before the last two.
async fn behind() -> Desk {
    let desk = moved(&["orders"], 2).await;
    let row = desk.rig.state_row(0).await;
    more(&desk, 0, 1).await;
    desk.rig.restore_state_row(&row).await;
    desk
}

/// The line of `check` about state and audit: its verdict, and what to do.
fn line(said: &Said) -> (String, String) {
    let rows = said.rows("findings");
    let about = |row: &&serde_json::Value| row["what"] == "state and audit";
    let row = rows.iter().find(about).unwrap();
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("remedy"))
}

#[tokio::test(start_paused = true)]
async fn a_state_that_ends_before_its_records_is_no_intact_chain() {
    let desk = behind().await;
    let said = desk.says("audit verify orders").await;
    assert_eq!(said.code, 3);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    ROUTE   RECORDS  VERDICT                                                      HEAD
    orders  6        BROKEN: the records go on to 6, the route's state ends at 4  6 HASH…
    "#);
    insta::assert_snapshot!(redacted(&said.err), @r#"
    error: the route's state ends before its records, which go on from orders/5 on
      why: the `state` table was restored to an earlier point, or the route's row in it was deleted
           orders/5: expected nothing after the end of the state
           orders/5: found    record 5
      fix: find who did it (CloudTrail)
           orders: nothing: the worker continues after the newest record by itself
    "#);
}

#[tokio::test(start_paused = true)]
async fn the_timer_and_verify_find_a_restored_table_alike() {
    const BEYOND: &str = "the records go on to 6, the route's state ends at ";
    for (harm, words) in [
        ("state restored", format!("{BEYOND}4")),
        ("state deleted", format!("{BEYOND}0")),
        ("foreign row", "record 7 was changed after it was written (".to_owned()),
        ("audit restored", "the chain ends at record 4, the route's state says 6".to_owned()),
        ("another head", "record 6 was changed after it".to_owned()),
    ] {
        let desk = if harm == "state restored" { behind().await } else { moved(&["orders"], 3).await };
        match harm {
            "state deleted" => desk.rig.delete_state_row(0).await,
            "foreign row" => desk.rig.copy_audit_row(0, 5, 7).await,
            "audit restored" => {
                desk.rig.delete_audit_row(0, 5).await;
                desk.rig.delete_audit_row(0, 6).await;
            }
            "another head" => desk.rig.copy_audit_row(0, 4, 6).await,
            _ => {}
        }
        let (timer, verify) = (timer_says(&desk).await, verify_says(&desk).await);
        assert_eq!(timer, verify, "{harm}");
        let found = timer.unwrap_or_default();
        assert!(found.starts_with(&words), "{harm}: {found}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_has_to_do_about_a_chains_end_stands_beside_it() {
    for (harm, adopts) in [("state restored", false), ("foreign", true), ("rows", true)] {
        let desk = if harm == "state restored" { behind().await } else { moved(&["orders"], 3).await };
        match harm {
            "foreign" => desk.rig.copy_audit_row(0, 5, 7).await,
            "rows" => desk.rig.delete_audit_row(0, 6).await,
            _ => {}
        }
        let said = desk.says("audit verify orders --output jsonl").await;
        assert_eq!(said.code, 3, "{harm}");
        let verdict: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let remedy = verdict["remedy"].as_str().unwrap();
        assert!(said.err.contains(remedy), "{harm}: {}", said.err);
        let adopt = "`writerlink adopt orders --reason TEXT`";
        assert_eq!(remedy.contains(adopt), adopts, "{harm}: {remedy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_chain_says_nothing_of_its_end() {
    let desk = behind().await;
    assert_eq!(desk.says("audit verify orders --to 3").await.code, 0);
    assert_eq!(desk.says("audit verify orders --from 3").await.code, 3);
}

#[tokio::test(start_paused = true)]
async fn check_has_a_line_with_the_problem_and_what_to_do() {
    let desk = moved(&["orders"], 3).await;
    let said = desk.says("check --output json").await;
    assert_eq!(line(&said), ("pass".to_owned(), String::new()));
    desk.rig.copy_audit_row(0, 5, 7).await;
    let said = desk.says("check --output json").await;
    let (verdict, remedy) = line(&said);
    assert_eq!((said.code, verdict.as_str()), (1, "fail"));
    assert!(remedy.contains("writerlink adopt orders"), "{remedy}");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_read_is_an_error_and_no_fault() {
    let desk = behind().await;
    // The chain itself is read; the comparison after it is refused.
    let plan = |site: &CallSite| {
        if site.call == "Query" && site.nth >= 2 {
            Fate::meets(Fault::Refused(ErrorKind::Denied))
        } else {
            Fate::WORKS
        }
    };
    desk.rig.fleet.world.fabric.set_plan(Box::new(plan));
    let said = desk.says("audit verify orders").await;
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
}
