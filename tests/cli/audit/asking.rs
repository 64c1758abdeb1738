//! list and show.

use aws_sdk_dynamodb::types::{AttributeValue, KeySchemaElement, KeyType, ReturnConsumedCapacity};
use writerlink_core::model::provenance::ConfigHash;

use super::archive::{done, ids, moved, numbered, redacted};
use crate::desk::{DESK, Desk};

/// How often the desk has asked for records.
fn queries(desk: &Desk) -> usize {
    let calls = desk.rig.calls(DESK);
    calls.iter().filter(|call| **call == "Query").count()
}

#[tokio::test(start_paused = true)]
async fn a_list_looks_like_this() {
    let desk = moved(&["orders"], 2).await;
    let said = done(desk.says("audit list --route orders --limit 3").await);
    insta::assert_snapshot!(redacted(&said.out), @"
    AT                        RECORD    WHAT     REASON       INSTANCE  TOOK
    2026-05-06T23:05:04.000Z  orders/4  Moved    WriterMoved  orders-3  0 ms
    2026-05-06T23:05:04.000Z  orders/3  started  -            orders-3  0 ms
    2026-05-06T23:02:31.000Z  orders/2  Moved    WriterMoved  orders-2  0 ms
    ");
    insta::assert_snapshot!(said.err, @"there may be more; go on with --cursor 2026-05-06T23:02:31.000Z/orders/2");
    let said = done(desk.says("audit list --route orders --limit 1 --output json").await);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    {
      "version": 1,
      "records": [
        {
          "at": "2026-05-06T23:05:04.000Z",
          "route": "orders",
          "seq": 4,
          "kind": "finished",
          "outcome": "Moved",
          "reason": "WriterMoved",
          "cause": "event",
          "instance": "orders-3",
          "target": "10.0.3.11:3306",
          "took_ms": 0,
          "attempt": 1,
          "generation": 2,
          "owner": "w",
          "version": "VERSION",
          "installation": null,
          "config_hash": null,
          "event_id": "RDS-EVENT-0071",
          "evidence_at": "2026-05-06T23:05:04.000Z",
          "event_source": "orders",
          "event_key": "HASH",
          "transition": "TRANSITION",
          "hash": "HASH",
          "intact": true,
          "note": "the group holds orders-3 at 10.0.3.11:3306 and no other writer"
        }
      ],
      "next": "2026-05-06T23:05:04.000Z/orders/4"
    }
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_answer_costs_one_query_a_page_and_goes_on_where_it_ended() {
    let desk = moved(&["orders", "billing"], 10).await;
    let whole = done(desk.says("audit list --output jsonl").await);
    let whole = ids(&whole.out);
    assert_eq!(whole.len(), 40);
    for (options, of_all) in [("", 40), ("--route orders", 20), ("--route orders --outcome Moved", 10)] {
        let (mut joined, mut cursor) = (Vec::new(), String::new());
        loop {
            let before = queries(&desk);
            let line = format!("audit list --since 1d --limit 7 --output json {options} {cursor}");
            let said = done(desk.says(&line).await);
            let page: serde_json::Value = serde_json::from_str(&said.out).unwrap();
            // Over all routes there is yesterday, too.
            let days = if options.is_empty() && page["next"].is_null() { 2 } else { 1 };
            assert_eq!(queries(&desk) - before, days, "{line}");
            let lines: Vec<String> =
                page["records"].as_array().unwrap().iter().map(ToString::to_string).collect();
            joined.extend(ids(&lines.join("\n")));
            match page["next"].as_str() {
                Some(next) => cursor = format!("--cursor {next}"),
                None => break,
            }
        }
        assert_eq!(joined.len(), of_all, "{options}");
        joined.retain(|id| !whole.contains(id));
        assert_eq!(joined, Vec::<String>::new(), "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_is_found_in_a_long_chain_without_reading_it() {
    let desk = moved(&["orders"], 64).await;
    let all = done(desk.says("audit list --route orders --limit 1000 --output jsonl").await);
    let row = |seq: usize| -> serde_json::Value {
        serde_json::from_str(all.out.lines().rev().nth(seq - 1).unwrap()).unwrap()
    };
    let at = row(33)["at"].as_str().unwrap().to_owned();
    let before = queries(&desk);
    let line = format!("audit list --route orders --until {at} --limit 2 --output jsonl");
    let said = done(desk.says(&line).await);
    let found = ids(&said.out);
    assert_eq!(found.len(), 2);
    let earlier: Vec<String> = all
        .out
        .lines()
        .filter(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["at"].as_str().unwrap() < at.as_str()
        })
        .map(|line| ids(line).remove(0))
        .collect();
    assert_eq!(found, earlier[..2]);
    assert!(queries(&desk) - before <= 12, "{}", queries(&desk) - before);
}

#[tokio::test(start_paused = true)]
async fn a_transition_is_shown_with_who_ordered_it() {
    let desk = Desk::with(&["orders"]).await;
    let order = "swap orders --to orders-3 --reason \"sick zone\" --yes";
    done(desk.says(order).await);
    let said = done(desk.says("audit show orders/2").await);
    let text = std::fs::read_to_string(desk.file()).unwrap();
    let out = said.out.replace(ConfigHash::of(&text).as_str(), "CONFIG");
    insta::assert_snapshot!(redacted(&out), @"
    transition TRANSITION of route orders
      cause     operator, arn:aws:sts::123456789012:assumed-role/Operator/ada
      at        2026-05-06T23:00:00.000Z
      order     swap to orders-3 by arn:aws:sts::123456789012:assumed-role/Operator/ada: sick zone
      event key HASH
      group     arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/HASH
      phases
        evidence to attempt  █················· from    0.000 s to    0.000 s
        attempt              █················· from    0.000 s to    0.000 s

    orders/1  2026-05-06T23:00:00.000Z  started
      by        desk:1, writerlink VERSION; attempt 1, generation 1
      of        writerlink, configuration CONFIG
      desired   orders-3 at 10.0.3.11:3306
      note      moves to orders-3 at 10.0.3.11:3306
      hash      HASH
      follows   HASH

    orders/2  2026-05-06T23:00:00.000Z  Moved (OperatorCommand)
      by        desk:1, writerlink VERSION; attempt 1, generation 1
      of        writerlink, configuration CONFIG
      desired   orders-3 at 10.0.3.11:3306
      before    10.0.1.11:3306 healthy
                10.0.3.11:3306 initial (Elb.RegistrationInProgress)
      after     10.0.1.11:3306 draining (Target.DeregistrationInProgress)
                10.0.3.11:3306 initial (Elb.RegistrationInProgress)
      note      the group holds orders-3 at 10.0.3.11:3306 and no other writer
      steps
        Begin                █················· at     0,     0 ms
        RegisterTargets      █················· at     0,     0 ms  req-000001
        DescribeTargetHealth █················· at     0,     0 ms  req-000002
        DeregisterTargets    █················· at     0,     0 ms  req-000003
        DescribeTargetHealth █················· at     0,     0 ms  req-000004
      hash      HASH
      follows   HASH
    ");
    for line in said.out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_program_is_told_of_a_record_looks_like_this() {
    let desk = Desk::with(&["orders"]).await;
    let order = "swap orders --to orders-3 --reason \"sick zone\" --yes";
    done(desk.says(order).await);
    let said = done(desk.says("audit show orders/2 --output jsonl").await);
    let finished: serde_json::Value = serde_json::from_str(said.out.lines().nth(1).unwrap()).unwrap();
    let fields: Vec<String> =
        finished.as_object().unwrap().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text = std::fs::read_to_string(desk.file()).unwrap();
    let fields = fields.join("\n");
    let fields = fields.replace(ConfigHash::of(&text).as_str(), "CONFIG");
    insta::assert_snapshot!(redacted(&fields), @r#"
    after: [{"availability_zone":"us-east-1a","health":"draining","reason":"Target.DeregistrationInProgress","target":"10.0.1.11:3306"},{"availability_zone":"us-east-1c","health":"initial","reason":"Elb.RegistrationInProgress","target":"10.0.3.11:3306"}]
    altered: null
    at: "2026-05-06T23:00:00.000Z"
    attempt: 1
    before: [{"availability_zone":"us-east-1a","health":"healthy","reason":null,"target":"10.0.1.11:3306"},{"availability_zone":"us-east-1c","health":"initial","reason":"Elb.RegistrationInProgress","target":"10.0.3.11:3306"}]
    cause: "operator"
    config_hash: "CONFIG"
    event_id: null
    event_key: "HASH"
    event_source: null
    event_source_arn: null
    evidence: "swap to orders-3 by arn:aws:sts::123456789012:assumed-role/Operator/ada: sick zone"
    evidence_at: "2026-05-06T23:00:00.000Z"
    evidence_kind: "order"
    generation: 1
    hash: "HASH"
    installation: "writerlink"
    instance: "orders-3"
    intact: true
    kind: "finished"
    note: "the group holds orders-3 at 10.0.3.11:3306 and no other writer"
    ordered_by: "arn:aws:sts::123456789012:assumed-role/Operator/ada"
    outcome: "Moved"
    owner: "desk:1"
    prev_hash: "HASH"
    reason: "OperatorCommand"
    route: "orders"
    seq: 2
    steps: [{"error":null,"name":"Begin","request_id":null,"start_ms":0,"took_ms":0},{"error":null,"name":"RegisterTargets","request_id":"req-000001","start_ms":0,"took_ms":0},{"error":null,"name":"DescribeTargetHealth","request_id":"req-000002","start_ms":0,"took_ms":0},{"error":null,"name":"DeregisterTargets","request_id":"req-000003","start_ms":0,"took_ms":0},{"error":null,"name":"DescribeTargetHealth","request_id":"req-000004","start_ms":0,"took_ms":0}]
    target: "10.0.3.11:3306"
    target_group: "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/HASH"
    took_ms: 0
    transition: "TRANSITION"
    version: "VERSION"
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_not_there_is_told() {
    let desk = moved(&["orders"], 1).await;
    let said = desk.says("audit list --route ordres").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    insta::assert_snapshot!(said.err, @r#"
    error: there is no route ordres
      why: it is not in the configuration, and nothing is recorded of it
      fix: configured are: orders
    "#);
    let said = desk.says("audit list --route orders --outcome failed --output jsonl").await;
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
    assert_eq!(
        ids(&desk.says("audit list --route orders --output jsonl").await.out),
        numbered("orders", [2, 1])
    );
}

/// What a question costs, in read units.
/// `cargo test --locked --test cli what_answers_cost -- --nocapture` prints it.
#[tokio::test(start_paused = true)]
async fn what_answers_cost_stands_in_the_document() {
    let desk = moved(&["orders"], 100).await;
    let chain = desk.rig.chain(0).await;
    let newest = &chain[chain.len() - 1].record.entry;
    let [day, key] = [newest.at.day(), newest.event_key.to_string()];
    let dynamo = &desk.rig.fleet.dynamo;
    let client = dynamo.client_outside();
    let ask = async |index: Option<&str>, attribute: &str, value: &str, limit: i32| {
        let query = client
            .query()
            .table_name(&dynamo.tables().audit)
            .set_index_name(index.map(str::to_owned))
            .consistent_read(index.is_none())
            .key_condition_expression("#k = :v")
            .expression_attribute_names("#k", attribute)
            .expression_attribute_values(":v", AttributeValue::S(value.to_owned()))
            .limit(limit)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = query.send().await.unwrap();
        let units = answer.consumed_capacity().unwrap().capacity_units().unwrap();
        (answer.count(), units)
    };
    let costs = [
        ("`audit list --route R`, with 50 records", ask(None, "route", "orders", 51).await),
        ("a page of `audit verify` or `audit export`", ask(None, "route", "orders", 100).await),
        (
            "a page of `audit list` over all routes, with a filter",
            ask(Some("by-day"), "day", &day, 100).await,
        ),
        ("`audit show` of an event", ask(Some("by-event"), "event_key", &key, 100).await),
        ("one record, or a step of the search for a time", ask(None, "route", "orders", 1).await),
        ("a read of `audit tail` of a route, with nothing new", ask(None, "route", "none", 100).await),
        ("a day without a record", ask(Some("by-day"), "day", "2020-01-01", 100).await),
    ];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md");
    let document = std::fs::read_to_string(path).unwrap();
    let lines = costs.map(|(question, (records, units))| {
        let line = format!("| {question} | {records} | {units} |");
        crate::rig::say(&format!("{line}\n"));
        line
    });
    for line in lines {
        assert!(document.contains(&line), "docs/audit.md has not {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_has_every_attribute_and_every_key_of_the_table() {
    let desk = moved(&["orders"], 1).await;
    let dynamo = &desk.rig.fleet.dynamo;
    let (client, table) = (dynamo.client_outside(), &dynamo.tables().audit);
    let get = client.get_item().table_name(table);
    let get = get.key("route", AttributeValue::S("orders".to_owned()));
    let get = get.key("seq", AttributeValue::N("2".to_owned()));
    let row = get.consistent_read(true).send();
    let row = row.await.unwrap().item.unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md");
    let document = std::fs::read_to_string(path).unwrap();
    let tables = document.split("## The tables").nth(1).unwrap();
    let tables = tables.split("## Ask").next().unwrap();
    for name in row.keys() {
        assert!(tables.contains(&format!("`{name}`")), "{name}");
    }
    let described = client.describe_table().table_name(table).send();
    let described = described.await.unwrap().table.unwrap();
    let types = described.attribute_definitions();
    let key = |schema: &[KeySchemaElement]| {
        let parts = schema.iter().map(|part| {
            let name = part.attribute_name();
            let of = types.iter().find(|t| t.attribute_name() == name).unwrap();
            let role = match part.key_type() {
                KeyType::Hash => "partition",
                _ => "sort",
            };
            format!("`{name}` ({}, {role})", of.attribute_type().as_str())
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    let row = format!("| primary | the table | {} |", key(described.key_schema()));
    assert!(tables.contains(&row), "{row}");
    for index in described.global_secondary_indexes() {
        let (name, key) = (index.index_name().unwrap(), key(index.key_schema()));
        let row = format!("| `{name}` | an index with every attribute | {key} |");
        assert!(tables.contains(&row), "{row}");
    }
}
