//! Why an event moved a route, or did not.

use std::time::Duration;

use writerlink_core::evidence::event::{EventKey, RdsEvent};
use writerlink_core::model::source_arn::SourceArn;
use writerlink_sim::event_bodies::{eventbridge, rds_sns, sns_envelope};

use crate::desk::Desk;

/// A world in which `orders` has failed over to its second instance.
async fn failed_over() -> Desk {
    let desk = Desk::with(&["orders"]).await;
    let worker = desk.rig.start("w1");
    desk.pass(Duration::from_mins(1)).await;
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 59));
    desk.pass(Duration::from_mins(1)).await;
    drop(worker);
    desk
}

#[tokio::test(start_paused = true)]
async fn an_event_in_a_file_is_walked_question_by_question() {
    let desk = failed_over().await;
    let file = desk.file_with(&eventbridge(&desk.rig.completed(0, 3, 100)));
    let said = desk.says(&format!("explain {file}")).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    route orders: Move
      event  RDS-EVENT-0071 of 2026-05-06T23:01:40.000Z: "Completed failover to DB instance: orders-3"
      key    0c6bd5c9e4fed54256bdfc56ef6e8d3b38cf9671847a4d3f873d37242fc65edc

          ANSWER  QUESTION             COMPARED
       1  pass    same-kind            event CLUSTER, route CLUSTER
       2  pass    same-name            event orders, route orders
       3  pass    same-partition       event aws, route aws
       4  pass    same-account         event 123456789012, route 123456789012
       5  pass    same-region          event us-east-1, route us-east-1
       6  pass    new                  this route has not seen the event before
       7  pass    names-an-instance    RDS-EVENT-0071 of CLUSTER orders: a failover to orders-3
                                       completed
       8  pass    asks-for-something   it is over: the route is to point at orders-3 alone
       9  pass    not-from-the-future  its time is 2026-05-06T23:01:40.000Z, and the clock says
                                       2026-05-06T23:02:00.000Z
      10  pass    says-who-writes      orders-3, by the event itself
      11  pass    news                 evidence of 2026-05-06T23:01:40.000Z is newer than that of
                                       2026-05-06T23:00:59.000Z, which points the route at orders-2
      12  pass    young                the event is 20 s old; evidence_age_max_seconds = 1209600
      13  pass    instance-allowed     any instance of the source is allowed
      14  pass    address-known        instance orders-3 is at 10.0.3.11
      15  pass    has-a-group          the route's group is arn:aws:elasticloadbalancing:us-east-1:12345
                                       6789012:targetgroup/orders/73e2d6bc24d8a067
      16  pass    address-allowed      address 10.0.3.11 lies inside allowed_cidrs
      17  pass    not-frozen           no freeze is in force
      18  pass    not-paused           no pause is in force
      19  pass    not-flapping         flap protection does not hold it
      20  pass    not-pinned           it is not pinned
      21  pass    not-observing        mode = "enforce"
      22  pass    few-moves            changes of target in the last 10 minutes: 1; flap_moves_max = 5

      so  it would move to orders-3 at 10.0.3.11:3306; `writerlink plan --event` shows the calls
    "#);
    assert_eq!(desk.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_walk_ends_where_the_evidence_is_stopped() {
    let desk = failed_over().await;
    let stopped_at = async |file: &str| {
        let said = desk.says(&format!("explain {file} --output json")).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let explained = said.rows("explained");
        let asked = explained[0]["asked"].as_array().unwrap().clone();
        let (last, before) = asked.split_last().unwrap();
        assert!(before.iter().all(|asked| asked["answer"] == "pass"), "{asked:?}");
        assert_eq!(last["answer"], "stop");
        (last["question"].as_str().unwrap().to_owned(), explained[0]["reason"].clone())
    };
    let same = desk.file_with(&eventbridge(&desk.rig.completed(0, 2, 59)));
    assert_eq!(stopped_at(&same).await, ("new".to_owned(), "AlreadyProcessed".into()));
    // The other envelopes hold the same event.
    let late = desk.rig.completed(0, 1, 30);
    for body in [eventbridge(&late), rds_sns(&late), sns_envelope(&late)] {
        let file = desk.file_with(&body);
        assert_eq!(stopped_at(&file).await, ("news".to_owned(), "EvidenceNotNewer".into()));
    }
    let mut stranger = desk.rig.completed(0, 1, 100);
    stranger.message = "Completed failover to DB instance: parts-1".to_owned();
    let file = desk.file_with(&eventbridge(&stranger));
    assert_eq!(stopped_at(&file).await, ("address-known".to_owned(), "UnknownInstance".into()));
    assert_eq!(desk.says("pause orders --reason drill --yes").await.code, 0);
    let writes = desk.writes();
    let file = desk.file_with(&eventbridge(&desk.rig.completed(0, 3, 100)));
    assert_eq!(stopped_at(&file).await, ("not-paused".to_owned(), "Paused".into()));
    assert_eq!(desk.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_event_is_explained_by_its_records() {
    let desk = failed_over().await;
    let event = desk.rig.completed(0, 2, 59);
    let key = EventKey::of(&desk.rig.routes[0], &event);
    let said = desk.says(&format!("explain {key}")).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    event 23e3e8c5a9641e70dbf3bf29435fd49fdec8937e19d37c0b767e93fe76a916f9 on route orders
      event    RDS-EVENT-0071 of CLUSTER orders at 2026-05-06T23:00:59.000Z: "Completed failover to DB
               instance: orders-2"
      settled  as Moved, in attempt 1

    orders/1  2026-05-06T23:01:00.000Z  started
      note      moves to orders-2 at 10.0.2.11:3306
      pointing  to orders-2 at 10.0.2.11:3306

    orders/2  2026-05-06T23:01:00.000Z  Moved (WriterMoved)
      rule      the event names the writer, and the route moved to it
      note      the group holds orders-2 at 10.0.2.11:3306 and no other writer
      pointing  to orders-2 at 10.0.2.11:3306
      before    10.0.1.11:3306 healthy, 10.0.2.11:3306 initial
      after     10.0.1.11:3306 draining, 10.0.2.11:3306 initial
    "#);
    let decided = desk.says(&format!("explain {key} --output json")).await.rows("decided");
    let last = decided.last().unwrap();
    assert_eq!(decided[1]["outcome"], "Moved");
    assert_eq!(last["meaning"].is_string(), last["reason"].is_string());
    let id = decided[0]["transition"].as_str().unwrap();
    let by_id = desk.says(&format!("explain {id}")).await;
    assert_eq!(by_id.out, said.out);
    for format in ["jsonl", "csv"] {
        let lines = desk.says(&format!("explain {key} --output {format}")).await.out;
        let heading = usize::from(format == "csv");
        assert_eq!(lines.lines().count(), decided.len() + heading, "{format}: {lines}");
    }
    assert_eq!(desk.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_moved_nothing_names_the_question_that_stopped_it() {
    let desk = failed_over().await;
    let worker = desk.rig.start("w2");
    let late = desk.rig.completed(0, 1, 30);
    desk.rig.fleet.world.deliver(&late);
    desk.pass(Duration::from_secs(5)).await;
    let key = EventKey::of(&desk.rig.routes[0], &late);
    let said = desk.says(&format!("explain {key}")).await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.out, @r#"
    event 3dbf3306326af42f9027ce5107614bf8eec7273136deb0be0d212c35ce78c726 on route orders
      event    RDS-EVENT-0071 of CLUSTER orders at 2026-05-06T23:00:30.000Z: "Completed failover to DB
               instance: orders-1"
      settled  as Superseded, in attempt 1

    orders/3  2026-05-06T23:02:00.000Z  Superseded (EvidenceNotNewer)
      rule  news: newer evidence already moved the route, or a pin holds it
      note  evidence of 2026-05-06T23:00:30.000Z is not newer than that of 2026-05-06T23:00:59.000Z,
            which points the route at orders-2
    "#);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_region_is_explained_part_by_part_and_moves_nothing() {
    let desk = Desk::with(&["orders", "billing"]).await;
    let arn = "arn:aws:rds:eu-west-1:123456789012:cluster:orders";
    let elsewhere = RdsEvent { source_arn: SourceArn::parse(arn).ok(), ..desk.rig.completed(0, 2, 59) };
    let file = desk.file_with(&eventbridge(&elsewhere));
    let said = desk.says(&format!("explain {file}")).await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(said.out, @r#"
    route orders: NotFollowed
      event  RDS-EVENT-0071 of 2026-05-06T23:00:59.000Z: "Completed failover to DB instance: orders-2"

          ANSWER  QUESTION        COMPARED
       1  pass    same-kind       event CLUSTER, route CLUSTER
       2  pass    same-name       event orders, route orders
       3  pass    same-partition  event aws, route aws
       4  pass    same-account    event 123456789012, route 123456789012
       5  stop    same-region     event eu-west-1, route us-east-1: differs

      so  route orders does not follow CLUSTER orders: its Region is eu-west-1, not us-east-1; if a
          route is to follow it, write source = "arn:aws:rds:eu-west-1:123456789012:cluster:orders"
    "#);
    insta::assert_snapshot!(said.err, @r#"
    error: no route follows arn:aws:rds:eu-west-1:123456789012:cluster:orders
      why: route orders does not follow CLUSTER orders: its Region is eu-west-1, not us-east-1
      fix: if a route is to follow it, write source = "arn:aws:rds:eu-west-1:123456789012:cluster:orders"
    "#);
    let said = desk.says(&format!("explain {file} --output json")).await;
    let explained = said.rows("explained");
    assert_eq!(explained.len(), 1, "the route of the name, and no other");
    assert_eq!(explained[0]["event_key"], serde_json::Value::Null);
    let asked = explained[0]["asked"].as_array().unwrap();
    let stops = asked.iter().filter(|asked| asked["answer"] == "stop");
    let stops: Vec<_> = stops.map(|asked| &asked["question"]).collect();
    assert_eq!(stops, ["same-region"]);
    assert_eq!(desk.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_an_event_does_not_say_is_explained_as_not_said() {
    let desk = failed_over().await;
    let text = rds_sns(&desk.rig.completed(0, 3, 100));
    let mut body: serde_json::Value = serde_json::from_str(&text).unwrap();
    body.as_object_mut().unwrap().remove("Source ARN").unwrap();
    let file = desk.file_with(&body.to_string());
    let said = desk.says(&format!("explain {file}")).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let unsaid = "same-region          not said by the event, route us-east-1";
    assert!(said.out.contains(unsaid), "{}", said.out);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_route_has_the_name_of_is_held_against_the_nearest() {
    let desk = Desk::with(&["orders", "billing"]).await;
    let arn = "arn:aws:rds:us-east-1:123456789012:cluster:stock";
    let arn = SourceArn::parse(arn).unwrap();
    let stranger =
        RdsEvent { source: arn.name().clone(), source_arn: Some(arn), ..desk.rig.completed(0, 2, 59) };
    let file = desk.file_with(&eventbridge(&stranger));
    let said = desk.says(&format!("explain {file} --output csv")).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("no route follows stock"), "{}", said.err);
    let stops = said.out.lines().filter(|line| line.contains(",stop,"));
    let stops: Vec<&str> = stops.collect();
    assert_eq!(stops.len(), 2, "{}", said.out);
    assert!(stops.iter().all(|line| line.contains("same-name")), "{stops:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_with_what_to_do() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says(&format!("explain {}", "0".repeat(64))).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("there is no record of event 0000"), "{}", said.err);
    let said = desk.says("explain nowhere.json").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("nowhere.json cannot be read"), "{}", said.err);
}
