//! Each of the forms in which a failover is delivered, from the queue to the group and the audit.

use crate::support::stub::{Answer, Stub};
use crate::trial::{ELB_ENDPOINT, NEW, OLD, Trial, said, sample};

/// Sends a delivery twice. The first one moves the group; the second one is received by another process,
/// which finds the event settled and asks the load balancer nothing.
async fn moves_its_group_once(name: &str) {
    let trial = Trial::ready().await;
    assert_eq!(trial.group_holds().await, [OLD]);
    let body = sample(name);
    trial.send("aurora-source", &body).await;
    let first = trial.says("run --drain --log json");
    assert_eq!(first.code, 0, "{}", first.err);
    assert_eq!(trial.group_holds().await, [NEW], "{}", first.err);
    let log = first.log();
    assert!(log.iter().any(|line| line["outcome"] == "Moved"), "{}", first.err);

    trial.send("aurora-source", &body).await;
    let load_balancer = Stub::answering(Answer::elbv2("DescribeTargetHealth", ""));
    let mut again = trial.command("run --drain --log json");
    let again = said(again.env(ELB_ENDPOINT, load_balancer.endpoint()));
    assert_eq!(again.code, 0, "{}", again.err);
    let log = again.log();
    assert!(log.iter().any(|line| line["outcome"] == "Duplicate"), "{}", again.err);
    assert_eq!(load_balancer.asked(), Vec::<String>::new());
    // The proof is worth something only if a call would have gone there.
    let mut plan = trial.command("plan aurora-source");
    said(plan.env(ELB_ENDPOINT, load_balancer.endpoint()));
    assert_eq!(load_balancer.asked().len(), 1);

    reads_back(&trial);
}

fn reads_back(trial: &Trial) {
    let list = trial.says("audit list --route aurora-source --output json").json();
    let records = list["records"].as_array().unwrap();
    let kinds: Vec<_> = records.iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["finished", "started"], "{list}");
    assert_eq!(records[0]["outcome"], "Moved");
    assert_eq!(records[0]["target"], format!("{NEW}:3306"));
    assert_eq!(records[0]["instance"], "aurora-source-instance-2");
    let show = trial.says("audit show aurora-source/2");
    assert_eq!(show.code, 0, "{}", show.err);
    for step in ["RegisterTargets", "DeregisterTargets", "DescribeTargetHealth"] {
        assert!(show.out.contains(step), "{step}: {}", show.out);
    }
    let verify = trial.says("audit verify");
    assert_eq!(verify.code, 0, "{}{}", verify.out, verify.err);
}

#[tokio::test]
async fn a_completed_failover_from_eventbridge_moves_its_group_once() {
    moves_its_group_once("aurora-failover-completed.eventbridge").await;
}

#[tokio::test]
async fn a_started_failover_from_eventbridge_moves_its_group_once() {
    moves_its_group_once("aurora-failover-started.eventbridge").await;
}

#[tokio::test]
async fn a_started_failover_in_a_lambda_invocation_moves_its_group_once() {
    moves_its_group_once("aurora-failover-started.lambda-sns").await;
}

#[tokio::test]
async fn a_started_failover_as_rds_tells_sns_moves_its_group_once() {
    moves_its_group_once("aurora-failover-started.rds-sns").await;
}

#[tokio::test]
async fn a_started_failover_in_the_envelope_of_sns_moves_its_group_once() {
    moves_its_group_once("aurora-failover-started.sqs-sns-envelope").await;
}

#[tokio::test]
async fn one_failover_in_four_forms_and_its_completion_are_two_events() {
    let trial = Trial::ready().await;
    for form in ["eventbridge", "lambda-sns", "rds-sns", "sqs-sns-envelope"] {
        let body = sample(&format!("aurora-failover-started.{form}"));
        trial.send("aurora-source", &body).await;
    }
    let completed = sample("aurora-failover-completed.eventbridge");
    trial.send("aurora-source", &completed).await;
    let said = trial.says("run --drain --log json");
    let outcomes: Vec<_> =
        said.log().iter().filter_map(|l| l["outcome"].as_str().map(str::to_owned)).collect();
    let wanted = ["Moved", "Duplicate", "Duplicate", "Duplicate", "AlreadyThere"];
    assert_eq!(outcomes, wanted, "{}", said.err);
    assert_eq!(trial.group_holds().await, [NEW]);
}
