//! What no source can tell, or tells against the newest event for too long.

use super::*;

/// A failover completes and is told; the writer fails back before any source has shown it, and that is not told.
async fn unresolvable(rig: &Rig) {
    let resolver = min_ttl(180);
    for worker in ["w1", "w2", "w3"] {
        put_behind(rig, worker, &resolver);
    }
    pass(MINUTE).await;
    let failover = fail_over_unheard(rig, 2);
    let rds = &rig.fleet.world.rds;
    rds.break_api(&orders(), ApiFault::NoAnswer, 50 * SECOND);
    pass_until(rig, failover.completed.due).await;
    tell(rig, &failover.completed);
    let back = fail_over_unheard(rig, 1);
    pass_until(rig, back.promoted_at + SECOND).await;
    assert_eq!(rig.fleet.world.rds.writer(&orders()).unwrap().id, member(1));
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_no_source_can_tell_is_shown_until_a_person_says() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    unresolvable(&rig).await;
    pass(RECORDED_WITHIN).await;
    let told = conflict(&rig).await.unwrap();
    assert!(told.note.contains("dns says 10.0.1.11"), "{}", told.note);
    assert!(told.note.contains("writerlink swap orders --to orders-1"), "{}", told.note);
    pass(5 * HOUR).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(noticed(&rig).await, [Reason::SourcesContradict], "once");
    assert!(summary(&rig).contains("out_of_sync: 1"), "{}", summary(&rig));
    rig.order(0, CommandKind::Swap(member(1))).await;
    pass(2 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(conflict(&rig).await, None);
    assert!(summary(&rig).contains("out_of_sync: 0"), "{}", summary(&rig));
    // The sources count again, against the order too.
    fail_over_unheard(&rig, 3);
    pass(4 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn rds_that_insists_for_a_quarter_of_an_hour_resolves_what_a_name_cannot() {
    let rig = asking(&[DiscoverySource::Rds, DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    unresolvable(&rig).await;
    pass(5 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(11 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(conflict(&rig).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_contradiction_is_recorded_once_by_two_workers_and_after_a_restart() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let first = rig.start("w1");
    let _second = rig.start("w2");
    unresolvable(&rig).await;
    pass(10 * MINUTE).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesContradict]);
    first.stop();
    assert!(first.ended().await);
    let _third = rig.start("w3");
    pass(HOUR).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesContradict]);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_conflict_is_renewed_when_it_is_another_one() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let rds = &rig.fleet.world.rds;
    rds.break_names(&orders(), NameFault::NoAnswer, 5 * MINUTE);
    rig.fleet.world.deliver(&rig.completed(0, 2, 60));
    pass(10 * MINUTE).await;
    let expected = [Reason::SourcesUnclear, Reason::SourcesContradict];
    assert_eq!(noticed(&rig).await, expected);
    let told = conflict(&rig).await.unwrap();
    assert_eq!(told.reason, Reason::SourcesContradict);
}

#[tokio::test(start_paused = true)]
async fn sources_that_cannot_tell_are_recorded_once_they_cannot_for_a_minute() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let rds = &rig.fleet.world.rds;
    rds.break_names(&orders(), NameFault::NoAnswer, 50 * SECOND);
    pass(5 * MINUTE).await;
    assert_eq!(noticed(&rig).await, []);
    rds.break_names(&orders(), NameFault::NoAnswer, 5 * MINUTE);
    pass(3 * MINUTE).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesUnclear]);
    assert_eq!(conflict(&rig).await.map(|told| told.reason), Some(Reason::SourcesUnclear));
    assert!(summary(&rig).contains("out_of_sync: 1"), "{}", summary(&rig));
    pass(4 * MINUTE).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesUnclear, Reason::SourcesAgree]);
    assert_eq!(conflict(&rig).await, None);
    assert!(summary(&rig).contains("out_of_sync: 0"), "{}", summary(&rig));
}
