//! One worker, whose source lags.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_resolver_that_raises_ttls_moves_no_route_back_however_far() {
    for seconds in [60, 300, 3_600, 86_400] {
        let rig = asking(&[DiscoverySource::Dns]).await;
        put_behind(&rig, "w1", &min_ttl(seconds));
        let _worker = rig.start("w1");
        pass(MINUTE).await;
        fail_over(&rig, 2).await;
        pass(Duration::from_secs(seconds) + 10 * MINUTE).await;
        assert_eq!(rig.registered(0), [rig.target(0, 2)], "{seconds}");
        assert_eq!(moves(&rig).await, 1, "{seconds}");
        let told = match seconds {
            60 => &[Reason::SourcesAgree][..],
            // Its lag was shown while it lasted, and ended with its agreement.
            _ => &[Reason::SourcesContradict, Reason::SourcesAgree],
        };
        assert_eq!(noticed(&rig).await, told, "{seconds}");
        assert_eq!(conflict(&rig).await, None, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resolver_with_stale_answers_moves_no_route_back_in_its_outage() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    let resolver = CachingResolver::new(ResolverConfig { serve_stale: true, ..ResolverConfig::default() });
    put_behind(&rig, "w1", &resolver);
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    // The zone that fails takes the writer, and the resolver's way out.
    resolver.cut_off(now(&rig) + 3 * HOUR);
    fail_over(&rig, 2).await;
    pass(4 * HOUR).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(moves(&rig).await, 1);
    assert_eq!(control(&rig).await.agreed_with, control(&rig).await.desired.map(|d| d.event));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_agreed_is_believed_again_and_a_lost_failback_is_followed() {
    let rig = asking(&[DiscoverySource::Dns]).await;
    put_behind(&rig, "w1", &min_ttl(300));
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    fail_over(&rig, 2).await;
    pass(6 * MINUTE).await;
    fail_over_unheard(&rig, 1);
    pass(6 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
    assert_eq!(moves(&rig).await, 2);
}

/// RDS-EVENT-0185 two seconds after a failover's completion.
fn asks(failover: &Failover) -> RdsEvent {
    RdsEvent {
        id: EventId::parse("RDS-EVENT-0185"),
        at: failover.completed.event.at.plus(2 * SECOND),
        message: "Global switchover to DB cluster orders in Region us-east-1 finished.".to_owned(),
        ..failover.completed.event.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_asks_two_seconds_after_a_failover_takes_nothing_back() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let failover = fail_over_unheard(&rig, 2);
    let rds = &rig.fleet.world.rds;
    rds.break_api(&orders(), ApiFault::Stale, 2 * MINUTE);
    pass_until(&rig, failover.completed.due).await;
    tell(&rig, &failover.completed);
    pass(2 * SECOND).await;
    rig.fleet.world.deliver(&asks(&failover));
    pass(10 * MINUTE).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    assert_eq!(moves(&rig).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_agreed_and_went_stale_moves_nothing_while_trust_lasts() {
    for is_asked in [false, true] {
        let rig = asking(&[DiscoverySource::Rds]).await;
        let _worker = rig.start("w1");
        pass(MINUTE).await;
        let failover = fail_over_unheard(&rig, 2);
        tell(&rig, &failover.started);
        pass_until(&rig, failover.completed.due).await;
        tell(&rig, &failover.completed);
        pass(10 * SECOND).await;
        assert_eq!(noticed(&rig).await, [Reason::SourcesAgree]);
        // One of the API's servers has not noticed yet.
        let rds = &rig.fleet.world.rds;
        rds.break_api(&orders(), ApiFault::Stale, 2 * MINUTE);
        if is_asked {
            rig.fleet.world.deliver(&asks(&failover));
        }
        pass(10 * MINUTE).await;
        assert_eq!(rig.registered(0), [rig.target(0, 2)], "{is_asked}");
        assert_eq!(moves(&rig).await, 1, "{is_asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_move_confirms_nothing_after_it() {
    let rig = asking(&[DiscoverySource::Rds]).await;
    let _worker = rig.start("w1");
    pass(10 * MINUTE).await;
    let failover = fail_over_unheard(&rig, 2);
    tell(&rig, &failover.started);
    pass(2 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    let failed = rig.fleet.world.rds.failover_failed(&orders());
    tell(&rig, &failed);
    // The first look after it would do, if ten minutes of readings counted.
    pass(3 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 2)]);
    pass(10 * SECOND).await;
    assert_eq!(rig.registered(0), [rig.target(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_failover_costs_one_record_of_the_sources_and_quiet_hours_none() {
    let rig = asking(&[DiscoverySource::Rds, DiscoverySource::Dns]).await;
    let _worker = rig.start("w1");
    pass(MINUTE).await;
    let failover = fail_over_unheard(&rig, 2);
    tell(&rig, &failover.started);
    pass_until(&rig, failover.completed.due).await;
    tell(&rig, &failover.completed);
    pass(10 * MINUTE).await;
    assert_eq!(noticed(&rig).await, [Reason::SourcesAgree]);
    let writes = || {
        let calls = rig.calls("w1").into_iter();
        calls.filter(|call| *call == "ExecuteTransaction").count()
    };
    let before = writes();
    pass(3 * HOUR).await;
    assert_eq!(writes(), before);
}
