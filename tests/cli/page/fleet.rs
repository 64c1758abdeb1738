//! A thousand routes, and viewers who cannot get enough.

use std::collections::BTreeSet;
use std::time::Duration;

use writerlink::web::REFRESHED_EVERY;
use writerlink_core::model::names::{RouteName, SourceId};
use writerlink_core::model::route::Route;
use writerlink_sim::world::instances;

use super::shown::{is_harmless, text};
use super::world::Shown;
use crate::rig::Rig;

/// A rig whose routes have the longest names there are, all of one cluster: what a page costs in bytes is the same.
pub(crate) async fn routes_with_long_names(count: usize) -> Rig {
    let mut rig = Rig::new(&["orders"]).await;
    let first = rig.routes[0].clone();
    let long = |n: usize| RouteName::new(&format!("{n:04}-{}", "long".repeat(14) + "name")[..64]);
    rig.routes = (0..count).map(|n| Route { name: long(n).unwrap(), ..first.clone() }).collect();
    rig
}

/// The calls that the page made so far.
fn calls(shown: &Shown) -> usize {
    shown.rig.calls("page").len()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_routes_are_leafed_through_and_every_page_stays_small() {
    let shown = Shown::of(routes_with_long_names(1_000).await).await;
    // Those of the first page have been moved: there is more to show of them.
    let first = &shown.rig.routes[..25];
    shown.events_for(first, &[shown.rig.event_of("orders", 2)]).await;
    shown.get("/").await;
    // A thousand calls, ten a second: the round that the first viewer started.
    tokio::time::sleep(Duration::from_mins(2)).await;
    let mut seen = BTreeSet::new();
    for n in 1..=40 {
        let answer = shown.get(&format!("/?page={n}")).await;
        is_harmless(&answer);
        let page = text(&answer);
        assert!(page.contains(&format!("1000 routes, page {n} of 40")), "{page}");
        assert!(page.contains("? 975 unknown ✓ 25 in-sync"), "{page}");
        let names = answer.body.split("href=\"/routes/").skip(1);
        seen.extend(names.map(|name| name.split('"').next().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 1_000);
    let found = text(&shown.get("/?find=0042-").await);
    assert!(found.contains("1 routes, page 1 of 1"), "{found}");
    let beyond = text(&shown.get("/?page=4711").await);
    assert!(beyond.contains("page 40 of 40"), "{beyond}");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_shown_to_everybody_until_it_is_too_old() {
    let shown = Shown::after_a_day().await;
    shown.get("/").await;
    let once = calls(&shown);
    assert!(once > 0);
    tokio::join!(shown.get("/"), shown.get("/?page=1"), shown.get("/?page=77&x=y"));
    assert_eq!(calls(&shown), once, "viewers at the same time share one read");
    tokio::time::sleep(REFRESHED_EVERY).await;
    shown.get("/").await;
    assert_eq!(calls(&shown), 2 * once);
}

#[tokio::test(start_paused = true)]
async fn fast_page_requests_take_at_most_a_persons_share_of_elb_calls() {
    let shown = Shown::of(routes_with_long_names(1_000).await).await;
    let time = shown.rig.fleet.world.fabric.time;
    let began = time.elapsed();
    for n in 1..=40 {
        shown.get(&format!("/?page={n}")).await;
    }
    let took = time.elapsed().saturating_sub(began);
    let of_load_balancer = shown.rig.calls("page").into_iter().filter(|call| *call == "DescribeTargetHealth");
    // Ten a second after the first forty.
    let allowed = 41 + usize::try_from(took.as_millis() / 100).unwrap();
    let made = of_load_balancer.count();
    assert!(made > 100 && made <= allowed, "{made} in {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_sixteen_instances_and_long_reasons_fit_the_page() {
    let mut rig = Rig::new(&["orders"]).await;
    let members = instances("m", 16).unwrap();
    rig.routes = (0..25)
        .map(|n| {
            let name = format!("wide-{n:02}-{}", "w".repeat(50));
            let route = rig.fleet.world.add_weighted_route(&name, &members);
            route.unwrap()
        })
        .collect();
    let shown = Shown::of(rig).await;
    is_harmless(&shown.get("/").await);
}

impl Rig {
    /// A completed failover of a cluster to its `n`th instance, now.
    pub(crate) fn event_of(&self, cluster: &str, n: u8) -> writerlink_core::evidence::event::RdsEvent {
        let instance = instances(cluster, 3).unwrap().swap_remove(usize::from(n) - 1).id;
        writerlink_core::evidence::event::RdsEvent {
            id: Some(writerlink_core::evidence::event::EventId::FAILOVER_COMPLETED),
            source: SourceId::new(cluster).unwrap(),
            kind: writerlink_core::model::source_arn::SourceKind::Cluster,
            source_arn: None,
            at: self.fleet.world.fabric.time.now(),
            message: format!("Completed failover to DB instance: {instance}"),
        }
    }
}
