//! Two workers behind resolvers that differ.

use writerlink_sim::fleet::Running;

use super::*;

/// Two workers that have looked for a minute: the names of the first one may be ten minutes old.
async fn one_stale_and_one_fresh() -> (Rig, [Running; 2]) {
    let rig = asking(&[DiscoverySource::Dns]).await;
    put_behind(&rig, "w1", &min_ttl(600));
    let workers = ["w1", "w2"].map(|name| rig.start(name));
    pass(MINUTE).await;
    (rig, workers)
}

#[tokio::test(start_paused = true)]
async fn two_workers_behind_resolvers_that_differ_move_a_route_once() {
    let (rig, _workers) = one_stale_and_one_fresh().await;
    fail_over(&rig, 2).await;
    pass(20 * MINUTE).await;
    assert_eq!(moves(&rig).await, 1);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let told = [Reason::SourcesAgree, Reason::SourcesContradict, Reason::WorkersDisagree];
    let over = Reason::SourcesAgree;
    assert_eq!(noticed(&rig).await, [&told[..], &[over]].concat());
    assert_eq!(conflict(&rig).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_failover_soon_after_is_followed_at_once_behind_differing_resolvers() {
    let (rig, _workers) = one_stale_and_one_fresh().await;
    fail_over(&rig, 2).await;
    pass(7 * MINUTE).await;
    fail_over(&rig, 3).await;
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
    assert_eq!(control(&rig).await.safety.flapping, None);
    pass(20 * MINUTE).await;
    assert_eq!(moves(&rig).await, 2);
    assert_eq!(rig.registered(0), [rig.target(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_failover_is_followed_by_the_fresh_worker_and_not_undone() {
    let (rig, _workers) = one_stale_and_one_fresh().await;
    let lost = fail_over_unheard(&rig, 2);
    pass_until(&rig, lost.promoted_at + INTERVAL + 5 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(20 * MINUTE).await;
    assert_eq!(moves(&rig).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_behind_a_stale_resolver_is_held_by_the_fresh_one() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let stale = min_ttl(3_600);
    put_behind(&rig, "w1", &stale);
    put_behind(&rig, "w3", &stale);
    let first = rig.start("w1");
    let _fresh = rig.start("w2");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    first.stop();
    assert!(first.ended().await);
    let _again = rig.start("w3");
    pass(50 * MINUTE).await;
    assert_eq!(moves(&rig).await, 1);
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_failback_that_no_worker_was_there_to_see_is_followed_minutes_later() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let first = rig.start("w1");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    pass(5 * MINUTE).await;
    first.stop();
    assert!(first.ended().await);
    fail_over_unheard(&rig, 1);
    pass(HOUR).await;
    let _worker = rig.start("w2");
    pass(4 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(3 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn another_workers_conflict_is_ended_by_agreeing_sources_after_an_hour() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let resolver = CachingResolver::new(ResolverConfig::default());
    put_behind(&rig, "w1", &resolver);
    let first = rig.start("w1");
    let _second = rig.start("w2");
    pass(MINUTE).await;
    resolver.cut_off(now(&rig) + 5 * MINUTE);
    pass(3 * MINUTE).await;
    let told = conflict(&rig).await.unwrap();
    assert_eq!(told.reason, Reason::WorkersDisagree);
    // It is gone before its own sources can tell again.
    first.stop();
    assert!(first.ended().await);
    pass(55 * MINUTE).await;
    assert!(conflict(&rig).await.is_some());
    pass(5 * MINUTE).await;
    assert_eq!(conflict(&rig).await, None);
}
