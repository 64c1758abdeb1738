//! `check` in the world in memory: what it has of an installation, and that the rest is said to be missing.

use writerlink::domain::route::SourceId;

use crate::desk::Desk;

#[tokio::test(start_paused = true)]
async fn the_world_in_memory_is_checked_as_far_as_it_goes() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("check").await;
    insta::assert_snapshot!(said.out, @r#"
    caller
      pass     endpoints                    no variable points elsewhere than to AWS
      skipped  Region                       this world has no Regions
      skipped  identity                     the world in memory has no accounts
      skipped  clock                        the world in memory has one clock
      pass     may read the state           has dynamodb:GetItem on the state table
      pass     may read the audit           has dynamodb:Query on the audit table
      pass     may read the audit by day    has dynamodb:Query on the index by-day
      pass     may read the audit by event  has dynamodb:Query on the index by-event
      skipped  may take a lease             the world in memory refuses nobody anything
      skipped  may enter an event           the world in memory refuses nobody anything
      skipped  may append a record          the world in memory refuses nobody anything
      skipped  may change no record         the world in memory refuses nobody anything
    queue writerlink.fifo
      pass     FIFO                         a FIFO queue
      pass     content-based deduplication  on
      pass     visibility timeout           30 s, longer than a dead worker's lease (25 s)
      pass     dead-letter queue            dlq, a FIFO queue
      pass     dead letters                 none
      pass     maxReceiveCount              1000, a backstop behind 6 attempts
      skipped  encryption                   the world in memory has no keys
      skipped  policy                       the world in memory refuses nobody anything
    table writerlink-state
      pass     is there                     ACTIVE
      pass     keys                         pk (S)
      warn     deletion protection          off: one wrong call deletes the ledger
      skipped  point-in-time recovery       the world in memory has no backups
      pass     time to live                 by expires_at
    table writerlink-audit
      pass     is there                     ACTIVE
      pass     keys                         route (S), seq (N)
      pass     indexes                      by-day, by-event
      warn     deletion protection          off: one wrong call deletes the ledger
      skipped  point-in-time recovery       the world in memory has no backups
      pass     time to live                 off: a record is kept for ever
    route orders
      skipped  rule                         in the world in memory events arrive by themselves
      pass     address                      orders-1 is at 10.0.1.11
      pass     address                      orders-2 is at 10.0.2.11
      pass     address                      orders-3 is at 10.0.3.11
      pass     truth                        asks nobody: events alone move the route
      pass     instances                    as RDS has them: orders-1, orders-2, orders-3
      pass     target type                  ip
      pass     protocol                     TCP
      pass     port                         3306
      pass     address family               ipv4
      pass     in use                       behind the load balancer in memory
      pass     health checks                TCP on traffic-port; with MySQL they count as failed
                                            connections: its max_connect_errors has to be high
      skipped  connection termination       the load balancer in memory has no attributes
      pass     targets                      10.0.1.11:3306 healthy
      skipped  may move                     not tried: a call of the load balancer that is let through
                                            moves something
      pass     load balancer                network
      pass     Availability Zones           has us-east-1a, us-east-1b, us-east-1c
      skipped  cross-zone                   the load balancer in memory has no attributes

    2 warn, 15 skipped, 32 pass

    warn table writerlink-state: deletion protection
      why:     off: one wrong call deletes the ledger
      fix:     aws dynamodb update-table --deletion-protection-enabled --table-name writerlink-state
      source:  DynamoDB developer guide, "Using deletion protection to protect your table"

    warn table writerlink-audit: deletion protection
      why:     off: one wrong call deletes the ledger
      fix:     aws dynamodb update-table --deletion-protection-enabled --table-name writerlink-audit
      source:  DynamoDB developer guide, "Using deletion protection to protect your table"

    skipped route orders: may move
      why:     not tried: a call of the load balancer that is let through moves something
      fix:     aws iam simulate-principal-policy --policy-source-arn ROLE --action-names
               elasticloadbalancing:RegisterTargets elasticloadbalancing:DeregisterTargets
               --resource-arns
               arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067
    "#);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[tokio::test(start_paused = true)]
async fn no_line_of_the_table_is_wider_than_a_hundred_columns() {
    let desk = Desk::with(&["orders", "billing"]).await;
    let said = desk.says("check").await;
    let (table, _) = said.out.split_once("\n\n").unwrap();
    for line in table.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_route_is_checked_with_what_all_share_and_one_that_is_not_configured_is_refused() {
    let desk = Desk::with(&["orders", "billing"]).await;
    let subjects = |said: &crate::desk::Said| {
        let rows = said.rows("findings");
        let subject = |row: &serde_json::Value| row["subject"].as_str().unwrap().to_owned();
        rows.iter()
            .map(subject)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let one = desk.says("check --route billing --output json").await;
    let all = desk.says("check --output json").await;
    let mut missing = subjects(&all);
    missing.retain(|subject| !subjects(&one).contains(subject));
    assert_eq!(Vec::from_iter(missing), ["route orders"]);
    let none = desk.says("check --route nobody").await;
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(
        none.err.contains("there is no route nobody"),
        "{}",
        none.err
    );
}

#[tokio::test(start_paused = true)]
async fn a_warning_ends_with_0_unless_it_is_to_be_strict_and_a_failure_always_with_1() {
    let desk = Desk::with(&["orders"]).await;
    // Its tables can be deleted, which is a warning.
    assert_eq!(desk.says("check").await.code, 0);
    assert_eq!(desk.says("check --strict").await.code, 1);
    let first = desk.rig.routes[0].instances.keys().next().unwrap();
    let source = SourceId::new("orders").unwrap();
    let clusters = &desk.rig.fleet.world.rds;
    clusters.set_address(&source, first, "10.0.9.9".parse().unwrap());
    let said = desk.says("check").await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.out.contains("fail route orders: instances"),
        "{}",
        said.out
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_lines_are_written_for_programs_with_a_version() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says("check --output json").await;
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["version"], 1);
    let rows = said.rows("findings");
    let fields: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["remedy", "source", "subject", "verdict", "what", "why"]
    );
    let lines = desk.says("check --output jsonl").await.out.lines().count();
    let csv = desk.says("check --output csv").await.out.lines().count();
    assert_eq!((lines, csv), (rows.len(), rows.len() + 1));
}

#[tokio::test(start_paused = true)]
async fn checking_writes_nothing() {
    let desk = Desk::with(&["orders"]).await;
    desk.says("check").await;
    assert_eq!((desk.writes(), desk.mutating_calls()), (0, 0));
}
