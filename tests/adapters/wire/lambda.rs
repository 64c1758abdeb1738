//! Whoever ran the Lambda changes nothing but the program.

use std::process::Command;

use crate::trial::{NEW, OLD, Trial, said};

#[tokio::test]
async fn an_event_that_was_rejected_is_replayed_anew_once_its_cause_is_mended() {
    let trial = Trial::bare(&["whatever-the-source"]).await;
    let with = |dict: String, line: &str| -> Command {
        let mut command = trial.bare_command(line);
        command.env("TARGET_GROUP_ARN", &trial.groups[0]).env("IP_DICT", dict);
        command
    };
    let old = || format!("{{'aurora-source-instance-1': '{OLD}'}}");
    let both = || format!("{{'aurora-source-instance-1': '{OLD}', 'aurora-source-instance-2': '{NEW}'}}");
    let event = trial.sample_path("aurora-failover-started.lambda-sns");
    assert_eq!(said(&mut with(old(), "setup")).code, 0);
    let rejected = said(with(old(), "replay").arg(&event));
    assert_eq!(rejected.code, 5, "{}", rejected.err);
    assert!(rejected.out.contains("UnknownInstance"), "{}", rejected.out);
    assert_eq!(trial.group_holds().await, [OLD]);
    let mended = said(with(both(), "replay").arg(&event));
    assert_eq!(mended.code, 0, "{}", mended.err);
    assert!(mended.out.contains("Moved"), "{}", mended.out);
    assert_eq!(trial.group_holds().await, [NEW]);
    assert_eq!(said(&mut with(both(), "audit verify")).code, 0);
}

#[tokio::test]
async fn the_lambdas_two_variables_and_its_event_move_its_group() {
    let trial = Trial::bare(&["whatever-the-source"]).await;
    let lambda = |line: &str| -> Command {
        let dict = format!("{{'aurora-source-instance-1': '{OLD}', 'aurora-source-instance-2': '{NEW}'}}");
        let mut command = trial.bare_command(line);
        command.env("TARGET_GROUP_ARN", &trial.groups[0]).env("IP_DICT", dict);
        command
    };
    let setup = said(&mut lambda("setup"));
    assert_eq!(setup.code, 0, "{}", setup.err);
    assert_eq!(trial.group_holds().await, [OLD]);
    let event = trial.sample_path("aurora-failover-started.lambda-sns");
    let replay = said(lambda("replay").arg(event));
    assert_eq!(replay.code, 0, "{}", replay.err);
    assert!(replay.out.contains("Moved"), "{}", replay.out);
    assert_eq!(trial.group_holds().await, [NEW]);
}
