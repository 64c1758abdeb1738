//! What a person orders, against ministack: who they are comes from STS.

use crate::support::stub::{Answer, Stub};
use crate::trial::{Background, ELB_ENDPOINT, NEW, OLD, Silence, Trial, completed, said};

const SWAP: &str = "swap aurora-source --to aurora-source-instance-2 --reason drill";

#[tokio::test]
async fn a_swap_moves_the_group_and_records_the_callers_arn() {
    let trial = Trial::ready().await;
    let said = trial.says(&format!("{SWAP} --yes --output json"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let row = &said.json()["ordered"][0];
    assert_eq!(row["outcome"], "Moved", "{row}");
    assert_eq!(trial.group_holds().await, [NEW]);
    let by = row["by"].as_str().unwrap();
    assert!(by.starts_with("arn:aws:"), "{by}");
    assert!(by.contains(trial.account().id()), "{by}");
    let shown = trial.says(&format!("audit show {}", row["id"].as_str().unwrap()));
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains(by) && shown.out.contains("drill"), "{}", shown.out);
    let listed = trial.says("audit list --cause operator --output json").json();
    assert_eq!(listed["records"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(trial.says("audit verify").code, 0);
}

#[tokio::test]
async fn a_paused_route_refuses_events_and_swaps_until_resumed_or_overridden() {
    let trial = Trial::ready().await;
    let paused = trial.says("pause aurora-source --for 2h --reason night --yes");
    assert_eq!(paused.code, 0, "{}", paused.err);
    let event = trial.sample_path("aurora-failover-completed.eventbridge");
    let replayed = trial.says(&format!("replay {event} --output json"));
    assert_eq!(replayed.code, 5, "{}", replayed.err);
    assert_eq!(replayed.json()["replayed"][0]["outcome"], "Paused");
    let refused = trial.says(&format!("{SWAP} --yes"));
    assert_eq!(refused.code, 5, "{}", refused.out);
    assert!(refused.err.contains("--override paused"), "{}", refused.err);
    assert_eq!(trial.group_holds().await, [OLD]);
    let past = trial.says(&format!("{SWAP} --yes --override paused"));
    assert_eq!(past.code, 0, "{}", past.err);
    assert_eq!(trial.group_holds().await, [NEW]);
    let resumed = trial.says("resume aurora-source --reason morning --yes");
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    let back = "swap aurora-source --to aurora-source-instance-1 --reason back --yes";
    assert_eq!(trial.says(back).code, 0);
    assert_eq!(trial.group_holds().await, [OLD]);
}

#[tokio::test]
async fn a_pin_outlives_the_process_that_gave_it() {
    let trial = Trial::ready().await;
    let pin = "pin aurora-source --to aurora-source-instance-1 --reason upgrade --yes";
    let pinned = trial.says(pin);
    assert_eq!(pinned.code, 0, "{}", pinned.err);
    let refused = trial.says(&format!("{SWAP} --dry-run"));
    assert_eq!(refused.code, 5, "{}", refused.out);
    assert!(refused.err.contains("pinned to aurora-source-instance-1"), "{}", refused.err);
    let unpinned = trial.says("unpin aurora-source --reason done --yes");
    assert_eq!(unpinned.code, 0, "{}", unpinned.err);
    let said = trial.says(&format!("{SWAP} --dry-run --output json"));
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.json()["plan"][0]["action"], "register");
    assert_eq!(trial.group_holds().await, [OLD]);
}

#[tokio::test]
async fn a_freeze_covers_every_configured_route() {
    let sources = ["aurora-source", "users-source", "parts-source"];
    let trial = Trial::bare(&sources).await;
    assert_eq!(trial.says("setup").code, 0);
    let frozen = trial.says("freeze --reason outage --yes --output json");
    assert_eq!(frozen.code, 0, "{}", frozen.err);
    let rows = frozen.json();
    let rows = rows["ordered"].as_array().unwrap();
    for (row, source) in rows.iter().zip(sources) {
        assert_eq!((&row["route"], &row["outcome"]), (&source.into(), &"InForce".into()));
    }
    assert_eq!(rows.len(), sources.len());
    assert_eq!(trial.says(&format!("{SWAP} --yes")).code, 5);
    let lifted = trial.says("unfreeze --reason over --yes");
    assert_eq!(lifted.code, 0, "{}", lifted.err);
    assert_eq!(trial.says(&format!("{SWAP} --yes")).code, 0);
}

#[tokio::test]
async fn a_route_in_other_hands_ends_with_6_when_the_wait_is_over() {
    let trial = Trial::ready().await;
    let silence = Silence::start();
    let file = trial.file_with(&completed("aurora-source", 2, 1));
    let mut holding = trial.command(&format!("replay {file}"));
    let holder = Background::start(holding.env(ELB_ENDPOINT, silence.endpoint()));
    let _call = silence.wait_for_a_call();
    let said = trial.says("pause aurora-source --reason stop --yes --wait 1s");
    assert_eq!(said.code, 6, "{}{}", said.out, said.err);
    assert!(said.err.contains("the route is held by"), "{}", said.err);
    drop(holder);
}

#[tokio::test]
async fn nobody_at_a_terminal_and_no_yes_is_wrong_usage() {
    let trial = Trial::ready().await;
    let said = trial.says(SWAP);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("pass --yes"), "{}", said.err);
    assert_eq!(trial.group_holds().await, [OLD]);
}

#[tokio::test]
async fn whom_sts_does_not_know_orders_nothing() {
    let trial = Trial::ready().await;
    let unknown = Answer::rds_error(403, "InvalidClientTokenId", "The security token is invalid");
    let sts = Stub::answering(unknown);
    let mut command = trial.command(&format!("{SWAP} --yes"));
    let said = said(command.env("AWS_ENDPOINT_URL_STS", sts.endpoint()));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.starts_with("error: reading the caller's identity failed"), "{}", said.err);
    assert!(said.err.contains("aws sts get-caller-identity"), "{}", said.err);
    assert_eq!(trial.group_holds().await, [OLD]);
}
