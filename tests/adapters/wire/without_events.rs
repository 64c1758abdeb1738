//! No event at all: RDS fails over, and the timer finds out.

use crate::trial::{Background, NEW, OLD, Trial};

/// A cluster whose writer is the first instance of the trial's route.
async fn a_cluster(rds: &aws_sdk_rds::Client) {
    let create = rds.create_db_cluster().db_cluster_identifier("aurora-source");
    let create = create.engine("aurora-mysql").master_username("admin");
    let create = create.master_user_password("not-a-secret");
    create.send().await.unwrap();
    for n in 1..=2 {
        let create = rds.create_db_instance();
        let create = create.db_instance_identifier(format!("aurora-source-instance-{n}"));
        let create = create.db_cluster_identifier("aurora-source");
        let create = create.db_instance_class("db.r6g.large").engine("aurora-mysql");
        create.send().await.unwrap();
    }
}

#[tokio::test]
async fn a_failover_of_which_no_event_tells_moves_the_group() {
    let trial = Trial::ready().await;
    trial.with_route_setting("discovery = \"rds\"");
    trial.with_table("[reconcile]\ninterval_seconds = 5\n");
    let rds = trial.rds();
    a_cluster(&rds).await;
    let worker = Background::start(&mut trial.command("run --log json"));
    worker.wait_for("started");
    assert_eq!(trial.group_holds().await, [OLD]);
    let fail_over = rds.failover_db_cluster().db_cluster_identifier("aurora-source");
    let fail_over = fail_over.target_db_instance_identifier("aurora-source-instance-2");
    fail_over.send().await.unwrap();
    let line = worker.wait_for("\"outcome\":\"Moved\"");
    assert!(line.contains("\"cause\":\"reconcile\""), "{line}");
    assert_eq!(trial.group_holds().await, [NEW]);
    // ministack's targets serve at once.
    worker.wait_for("\"event\":\"target-healthy\"");
    worker.signal("-TERM");
    assert_eq!(worker.ends().0, Some(0));
    let listed = trial.says("audit list --output json");
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains("WriterChanged"), "{}", listed.out);
    let verified = trial.says("audit verify");
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}
