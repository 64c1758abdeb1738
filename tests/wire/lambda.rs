//! Whoever ran the Lambda changes nothing but the program.

use std::process::Command;

use crate::trial::{NEW, OLD, Trial, said, sample_path};

#[tokio::test]
async fn the_lambdas_two_variables_and_its_event_move_its_group() {
    let trial = Trial::bare(&["whatever-the-source"]).await;
    let lambda = |line: &str| -> Command {
        let dict =
            format!("{{'aurora-source-instance-1': '{OLD}', 'aurora-source-instance-2': '{NEW}'}}");
        let mut command = trial.bare_command(line);
        command
            .env("TARGET_GROUP_ARN", &trial.groups[0])
            .env("IP_DICT", dict);
        command
    };
    let setup = said(&mut lambda("setup"));
    assert_eq!(setup.code, 0, "{}", setup.err);
    assert_eq!(trial.group_holds().await, [OLD]);
    let event = sample_path("aurora-failover-started.lambda-sns");
    let replay = said(lambda("replay").arg(event));
    assert_eq!(replay.code, 0, "{}", replay.err);
    assert!(replay.out.contains("Swapped"), "{}", replay.out);
    assert_eq!(trial.group_holds().await, [NEW]);
}
