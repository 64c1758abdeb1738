//! Why an event moved a route, or did not.

use std::time::Duration;

use writerlink::domain::event::EventKey;
use writerlink::embedded::event_bodies::{eventbridge, rds_sns, sns_envelope};

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
      key    79810d17b4a644973f80b990e2fb908750547fab007c6332c4a639b41d721017

          ANSWER  QUESTION             COMPARED
       1  pass    new                  this route has not seen the event before
       2  pass    names-an-instance    RDS-EVENT-0071 of CLUSTER orders: a failover to orders-3
                                       completed
       3  pass    asks-for-something   it is over: the route is to point at orders-3 alone
       4  pass    not-from-the-future  its time is 2026-05-06T23:01:40.000Z, and the clock says
                                       2026-05-06T23:02:00.000Z
       5  pass    says-who-writes      orders-3, by the event itself
       6  pass    news                 evidence of 2026-05-06T23:01:40.000Z is newer than that of
                                       2026-05-06T23:00:59.000Z, which points the route at orders-2
       7  pass    young                the event is 20 s old; evidence_age_max_seconds = 1209600
       8  pass    instance-allowed     any instance of the source is allowed
       9  pass    address-known        instance orders-3 is at 10.0.3.11
      10  pass    has-a-group          the route's group is arn:aws:elasticloadbalancing:us-east-1:12345
                                       6789012:targetgroup/orders/73e2d6bc24d8a067
      11  pass    address-allowed      address 10.0.3.11 lies inside allowed_cidrs
      12  pass    not-frozen           no freeze is in force
      13  pass    not-paused           no pause is in force
      14  pass    not-flapping         the flap rule has not stopped it
      15  pass    not-pinned           it is not pinned
      16  pass    not-observing        mode = "enforce"
      17  pass    few-moves            changes of target in the last 10 minutes: 1; flap_moves_max = 5

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
        assert!(
            before.iter().all(|asked| asked["answer"] == "pass"),
            "{asked:?}"
        );
        assert_eq!(last["answer"], "stop");
        (
            last["question"].as_str().unwrap().to_owned(),
            explained[0]["reason"].clone(),
        )
    };
    let same = desk.file_with(&eventbridge(&desk.rig.completed(0, 2, 59)));
    assert_eq!(
        stopped_at(&same).await,
        ("new".to_owned(), "SettledBefore".into())
    );
    // The other envelopes hold the same event.
    let late = desk.rig.completed(0, 1, 30);
    for body in [eventbridge(&late), rds_sns(&late), sns_envelope(&late)] {
        let file = desk.file_with(&body);
        assert_eq!(
            stopped_at(&file).await,
            ("news".to_owned(), "EvidenceNotNewer".into())
        );
    }
    let mut stranger = desk.rig.completed(0, 1, 100);
    stranger.message = "Completed failover to DB instance: parts-1".to_owned();
    let file = desk.file_with(&eventbridge(&stranger));
    assert_eq!(
        stopped_at(&file).await,
        ("address-known".to_owned(), "UnknownInstance".into())
    );
    assert_eq!(desk.says("pause orders --reason drill --yes").await.code, 0);
    let writes = desk.writes();
    let file = desk.file_with(&eventbridge(&desk.rig.completed(0, 3, 100)));
    assert_eq!(
        stopped_at(&file).await,
        ("not-paused".to_owned(), "Paused".into())
    );
    assert_eq!(desk.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_event_is_explained_by_its_records() {
    let desk = failed_over().await;
    let event = desk.rig.completed(0, 2, 59);
    let key = EventKey::of(&desk.rig.routes[0].name, &event);
    let said = desk.says(&format!("explain {key}")).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    event 510efebb8bcec72cb4d6f3391f746bb1064a1cb343b1c1392d4bbabe8d6c0184 on route orders
      event    RDS-EVENT-0071 of CLUSTER orders at 2026-05-06T23:00:59.000Z: "Completed failover to DB
               instance: orders-2"
      settled  as Swapped, in attempt 1

    orders/1  2026-05-06T23:01:00.000Z  started
      note      moves to orders-2 at 10.0.2.11:3306
      pointing  to orders-2 at 10.0.2.11:3306

    orders/2  2026-05-06T23:01:00.000Z  Swapped (WriterMoved)
      rule      the event says who writes, and the group follows
      note      the group holds orders-2 at 10.0.2.11:3306 and no other writer
      pointing  to orders-2 at 10.0.2.11:3306
      before    10.0.1.11:3306 healthy, 10.0.2.11:3306 initial
      after     10.0.1.11:3306 draining, 10.0.2.11:3306 initial
    "#);
    let decided = desk
        .says(&format!("explain {key} --output json"))
        .await
        .rows("decided");
    let last = decided.last().unwrap();
    assert_eq!(decided[1]["outcome"], "Swapped");
    assert_eq!(last["meaning"].is_string(), last["reason"].is_string());
    let id = decided[0]["transition"].as_str().unwrap();
    let by_id = desk.says(&format!("explain {id}")).await;
    assert_eq!(by_id.out, said.out);
    for format in ["jsonl", "csv"] {
        let lines = desk
            .says(&format!("explain {key} --output {format}"))
            .await
            .out;
        let heading = usize::from(format == "csv");
        assert_eq!(
            lines.lines().count(),
            decided.len() + heading,
            "{format}: {lines}"
        );
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
    let key = EventKey::of(&desk.rig.routes[0].name, &late);
    let said = desk.says(&format!("explain {key}")).await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.out, @r#"
    event 7fa2ab217f309c8d04f6fa0e2e2f4b9a6264af4d89257d33755f27d7eebcab34 on route orders
      event    RDS-EVENT-0071 of CLUSTER orders at 2026-05-06T23:00:30.000Z: "Completed failover to DB
               instance: orders-1"
      settled  as Superseded, in attempt 1

    orders/3  2026-05-06T23:02:00.000Z  Superseded (EvidenceNotNewer)
      rule  news: newer evidence has moved the route already, or holds it
      note  evidence of 2026-05-06T23:00:30.000Z is not newer than that of 2026-05-06T23:00:59.000Z,
            which points the route at orders-2
    "#);
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_with_what_to_do() {
    let desk = Desk::with(&["orders"]).await;
    let said = desk.says(&format!("explain {}", "0".repeat(64))).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("there is no record of event 0000"),
        "{}",
        said.err
    );
    let said = desk.says("explain nowhere.json").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("nowhere.json cannot be read"),
        "{}",
        said.err
    );
}
