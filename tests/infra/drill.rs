//! The templates at work: an event on the bus, through the rule, into the queue, to the worker.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::{Value, json};
use writerlink_aws::dynamodb::TableNames;
use writerlink_aws::setup::{RECEIVES_MAX, RETENTION, VISIBILITY};

use crate::stacks::{ROUTE, Stacks, source_arn};
use crate::trial::{OLD, Trial, sample};

/// Puts a failover to the second instance on the default bus, as a person who drills would.
async fn put(trial: &Trial, source: &str, source_arn: &str) {
    let event: Value = serde_json::from_str(&sample("aurora-failover-started.eventbridge")).unwrap();
    let mut detail = event["detail"].clone();
    detail["SourceArn"] = json!(source_arn);
    detail["SourceIdentifier"] = json!(source_arn.rsplit(':').next().unwrap());
    let entry = PutEventsRequestEntry::builder()
        .source(source)
        .detail_type(event["detail-type"].as_str().unwrap())
        .detail(detail.to_string())
        .build();
    let put = trial.events().put_events().entries(entry).send().await.unwrap();
    assert_eq!(put.failed_entry_count(), 0, "{put:?}");
}

#[tokio::test]
async fn a_drill_comes_through_the_rule_in_its_group_and_ends_in_a_dry_run() {
    let trial = Trial::bare(&[ROUTE]).await;
    Stacks::deployed_for(&trial);
    put(&trial, "writerlink.drill", &source_arn(&trial)).await;
    // Neither another database nor another application's event is this rule's business.
    put(&trial, "writerlink.drill", &source_arn(&trial).replace(ROUTE, "other")).await;
    put(&trial, "somebody.else", &source_arn(&trial)).await;

    let worked = trial.says("run --drain --log json");
    assert_eq!(worked.code, 0, "{}", worked.err);
    let log = worked.log();
    let ignored: Vec<&Value> = log.iter().filter(|line| line["event"] == "message_ignored").collect();
    assert_eq!(ignored.len(), 1, "{}", worked.err);
    assert_eq!(ignored[0]["message_group"], ROUTE);
    assert_eq!(
        ignored[0]["note"],
        "a drill; route aurora-source: would move to aurora-source-instance-2 at 10.0.2.10:3306: \
         register [10.0.2.10:3306], deregister [10.0.1.10:3306]"
    );
    assert_eq!(trial.group_holds().await, [OLD], "a drill moves nothing");
    let list = trial.says("audit list --output json").json();
    assert_eq!(list["records"], json!([]), "and leaves no record");
}

#[tokio::test]
async fn a_drill_cannot_be_replayed_into_a_move() {
    let trial = Trial::ready().await;
    let event = sample("aurora-failover-started.eventbridge").replace("aws.rds", "writerlink.drill");
    let file = trial.file_with(&event);
    let replayed = trial.says(&format!("replay {file}"));
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert!(replayed.err.contains("is a drill"), "{}", replayed.err);
    assert_eq!(trial.group_holds().await, [OLD]);
    let planned = trial.says(&format!("plan --event {file}"));
    assert!(planned.out.contains("10.0.2.10:3306"), "{}", planned.out);
}

#[tokio::test]
async fn the_templates_queue_and_tables_are_those_that_setup_makes() {
    let trial = Trial::bare(&[ROUTE]).await;
    let stacks = Stacks::deployed_for(&trial);
    let queue = &stacks.0["queues"]["writerlink.fifo"];
    assert_eq!(queue["VisibilityTimeout"], VISIBILITY.as_secs().to_string());
    assert_eq!(queue["MessageRetentionPeriod"], RETENTION.as_secs().to_string());
    let redrive: Value = serde_json::from_str(queue["RedrivePolicy"].as_str().unwrap()).unwrap();
    assert_eq!(redrive["maxReceiveCount"], RECEIVES_MAX);
    // `setup` compares what is there with what it would make, and refuses what differs.
    let again = trial.says("setup");
    assert_eq!(again.code, 0, "{}", again.err);

    let made = Trial::ready().await;
    for table in [TableNames::default().state, TableNames::default().audit] {
        assert_eq!(described(&trial, &table).await, described(&made, &table).await);
    }
}

/// Keys and indexes of a table, in an order of their own.
async fn described(trial: &Trial, table: &str) -> Vec<String> {
    let described = trial.dynamodb().describe_table().table_name(table);
    let described = described.send().await.unwrap().table.unwrap();
    let mut parts = vec![format!("{:?}", described.key_schema())];
    for index in described.global_secondary_indexes() {
        parts.push(format!("{:?} {:?} {:?}", index.index_name(), index.key_schema(), index.projection()));
    }
    parts.extend(described.attribute_definitions().iter().map(|a| format!("{a:?}")));
    parts.sort();
    parts
}

/// Puts a drill of a blue/green switchover of this database on the default bus.
async fn put_switchover(trial: &Trial, database: &str) {
    let event = sample("blue-green-switched-over.eventbridge").replace("aurora-source", database);
    let event: Value = serde_json::from_str(&event).unwrap();
    let arn = event["detail"]["SourceArn"].as_str().unwrap();
    let mut detail = event["detail"].clone();
    detail["SourceArn"] = json!(arn.replace("123456789012", trial.account().id()));
    let entry = PutEventsRequestEntry::builder()
        .source("writerlink.drill")
        .detail_type(event["detail-type"].as_str().unwrap())
        .detail(detail.to_string());
    let put = trial.events().put_events().entries(entry.build());
    assert_eq!(put.send().await.unwrap().failed_entry_count(), 0);
}

#[tokio::test]
async fn a_switchover_that_names_the_database_comes_through_its_rule() {
    let trial = Trial::bare(&[ROUTE]).await;
    Stacks::deployed_for(&trial);
    for database in [ROUTE, "other", "aurora-source-2", "aurora"] {
        put_switchover(&trial, database).await;
    }
    let worked = trial.says("run --drain --log json");
    assert_eq!(worked.code, 0, "{}", worked.err);
    let log = worked.log();
    let ignored = log.iter().filter(|line| line["event"] == "message_ignored");
    let notes: Vec<&str> = ignored.map(|line| line["note"].as_str().unwrap()).collect();
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(note.starts_with("a drill; route aurora-source: ") && note.contains("Ignored"), "{note}");
}
