//! What the page says at a glance: the gravest state first, what could not be read, and who holds a route.

use std::time::Duration;

use writerlink::web::{PAGE_BYTES_MAX, REFRESHED_EVERY};
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::evidence::trigger::CommandKind;
use writerlink_core::model::target::Target;
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault};
use writerlink_sim::world::instances;

use super::fleet::routes_with_long_names;
use super::markup::{Tag, tags};
use super::shown::{is_harmless, text};
use super::world::Shown;
use crate::rig::Rig;

/// Thirty routes in sync.
async fn thirty() -> Shown {
    let names: Vec<String> = (0..30).map(|n| format!("route-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let shown = Shown::of(Rig::new(&names).await).await;
    let events: Vec<RdsEvent> = (0..30).map(|n| shown.rig.completed(n, 1, 0)).collect();
    shown.events(&events).await;
    shown
}

/// Somebody registers a target that nothing asked for, behind the worker's back.
fn break_route(shown: &Shown, route: usize) {
    let ip = shown.rig.instance(route, 3).ip;
    let target = Target { ip, port: shown.rig.routes[route].port };
    shown.rig.fleet.world.elb.install(&shown.rig.routes[route].group.arn, target).unwrap();
}

fn classes(tags: &[Tag]) -> Vec<&str> {
    tags.iter().filter_map(|tag| tag.attribute("class")).flat_map(|class| class.split(' ')).collect()
}

/// What is left of a page without the explanations of its signs.
fn without_legends(body: &str) -> String {
    let cut = |text: &str, start: &str, end: &str| {
        let pieces = text.split(start).enumerate();
        let kept = pieces.map(|(n, piece)| if n == 0 { piece } else { piece.split_once(end).unwrap().1 });
        kept.collect::<String>()
    };
    cut(&cut(body, "<details>", "</details>"), "<p class=\"legend\">", "</p>")
}

/// From the headline to the end of it.
fn headline(body: &str) -> &str {
    let (_, after) = body.split_once("<h1>").unwrap();
    after.split_once("</h1>").unwrap().0
}

#[tokio::test(start_paused = true)]
async fn thirty_routes_in_sync_have_a_green_headline() {
    let shown = thirty().await;
    let answer = shown.get("/").await;
    is_harmless(&answer);
    assert!(headline(&answer.body).contains("badge good"), "{}", headline(&answer.body));
    assert!(text(&answer).contains("✓ All 30 routes are in sync"), "{}", text(&answer));
    assert!(!classes(&tags(&answer.body)).contains(&"banner"), "{}", text(&answer));
}

#[tokio::test(start_paused = true)]
async fn the_one_broken_route_of_thirty_is_first_and_in_the_headline() {
    let shown = thirty().await;
    break_route(&shown, 27);
    let answer = shown.get("/").await;
    is_harmless(&answer);
    let page = text(&answer);
    let headline = headline(&answer.body);
    assert!(headline.contains("badge bad") && !headline.contains("good"), "{headline}");
    for part in [
        "✕ 1 of 30 routes is out of sync · writerlink",
        "✕ 1 out-of-sync ✓ 29 in-sync",
        "30 routes, page 1 of 2",
        "route-27 ✕ out-of-sync 10.0.3.11:3306 is still registered (healthy) route-27-1",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let rows = answer.body.matches("href=\"/routes/route-").count();
    assert!(rows >= 25, "{rows}");
    let first = answer.body.find("href=\"/routes/").unwrap();
    assert!(answer.body[first..].starts_with("href=\"/routes/route-27\""), "it is the first row");
    let filtered = text(&shown.get("/?state=out-of-sync").await);
    let (routes, _) = filtered.split_once("Last 24 hours").unwrap();
    assert!(routes.contains("1 routes, page 1 of 1") && !routes.contains("route-03"), "{routes}");
    let second = shown.get("/?page=2").await;
    assert!(text(&second).contains("✕ 1 of 30 routes is out of sync"), "on every page");
}

#[tokio::test(start_paused = true)]
async fn when_aws_is_unreachable_one_banner_says_so_and_no_default_is_shown() {
    let shown = thirty().await;
    let down = |_: &CallSite| Fate::meets(Fault::Refused(ErrorKind::Unreachable));
    shown.rig.fleet.world.fabric.set_plan(Box::new(down));
    let answer = shown.get("/").await;
    assert_eq!(answer.status, 200);
    let banners = classes(&is_harmless(&answer)).iter().filter(|class| **class == "banner").count();
    let page = text(&answer);
    assert_eq!(banners, 1, "{page}");
    assert_eq!(page.matches("no answer").count(), 1, "{page}");
    for part in [
        "? All 30 routes are in an unknown state",
        "? Not read : AWS does not answer. To do: check the worker's network path to AWS",
        "records of the last 24 hours",
        "state (30 times)",
        "target group (30 times)",
        "Queue: not read",
        "Dead letters: not read",
        "route-00 ? unknown its state in the ledger could not be read not read not read not read not read",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    for default in ["free", "none recorded", "no event yet", "nothing yet", "empty", "0 waiting", "no relay"]
    {
        assert!(!page.contains(default), "{default}\n{page}");
    }
    let route = shown.get("/routes/route-00").await;
    let banners = classes(&is_harmless(&route)).iter().filter(|class| **class == "banner").count();
    assert_eq!(banners, 1);
    for default in [" free ", "none recorded", "no event yet", "nothing yet", "Nothing holds", "No record"] {
        assert!(!text(&route).contains(default), "{default}\n{}", text(&route));
    }
    let history = text(&shown.get("/transitions").await);
    assert!(history.contains("AWS does not answer") && !history.contains("No move"), "{history}");
}

#[tokio::test(start_paused = true)]
async fn a_held_route_is_amber_and_its_page_has_who_why_and_what_lifts_it() {
    let shown = Shown::of(Rig::new(&["orders"]).await).await;
    shown.events(&[shown.rig.completed(0, 1, 0)]).await;
    let within = Some(Duration::from_hours(2));
    shown.order(0, CommandKind::Pause { within }, "upgrade of the cluster").await;
    shown.events(&[shown.now(shown.rig.completed(0, 2, 0))]).await;
    let answer = shown.get("/").await;
    is_harmless(&answer);
    let page = text(&answer);
    assert!(!without_legends(&answer.body).contains('✕'), "{page}");
    for part in [
        "‖ 1 of 1 route is held",
        "‖ 1 held",
        "orders ‖ held",
        "orders-2 10.0.2.11:3306 evidence",
        "orders-1 10.0.1.11:3306 moved",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let route = shown.get("/routes/orders").await;
    is_harmless(&route);
    let page = text(&route);
    assert!(!page.contains('✕') && !route.body.contains("badge bad"), "{page}");
    for part in [
        "‖ paused arn:aws:iam::123456789012:user/ann 2026-",
        "upgrade of the cluster writerlink resume orders --reason &quot;…&quot;",
        "pause until 2026-",
        "by arn:aws:iam::123456789012:user/ann reason: upgrade of the cluster",
        "in 1 h",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_amber_and_say_what_to_do() {
    let shown = Shown::after_a_day().await;
    let answer = shown.get("/").await;
    let page = text(&answer);
    for part in ["! Dead letters: 1 An event", "To do: find the cause with", "writerlink replay FILE"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(answer.body.contains("badge warning"), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn the_header_has_account_and_region_and_says_utc_once() {
    let shown = Shown::after_a_day().await;
    let first = shown.transition_with(0, "Moved").await;
    for path in ["/", "/routes/orders", "/transitions", &format!("/transitions/{first}")] {
        let answer = shown.get(path).await;
        is_harmless(&answer);
        let page = text(&answer);
        for part in ["orders-prod", "account 123456789012", "us-east-1"] {
            assert!(page.contains(part), "{path}: {part}\n{page}");
        }
        assert_eq!(page.matches("UTC").count(), 1, "{path}: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_reloads_by_itself_until_the_viewer_stops_it() {
    let shown = Shown::after_a_day().await;
    for path in ["/", "/routes/orders", "/transitions"] {
        let tags = is_harmless(&shown.get(path).await);
        let refresh = |tag: &&Tag| tag.attribute("http-equiv") == Some("refresh");
        let found = tags.iter().find(refresh).unwrap();
        assert_eq!(found.attribute("content"), Some(REFRESHED_EVERY.as_secs().to_string().as_str()));
        let off = format!("{path}?refresh=off");
        assert!(tags.iter().any(|tag| tag.attribute("href") == Some(&off)), "{path}");
        let stopped = is_harmless(&shown.get(&off).await);
        assert!(!stopped.iter().any(|tag| refresh(&tag)), "{off}");
        assert!(stopped.iter().any(|tag| tag.attribute("href") == Some(path)), "{path}");
    }
    let kept = shown.get("/?state=held&refresh=off").await;
    assert!(kept.body.contains("href=\"/?state=held\""), "{}", kept.body);
}

#[tokio::test(start_paused = true)]
async fn the_wrong_one_of_a_thousand_is_on_the_first_screen_at_once() {
    let shown = Shown::of(routes_with_long_names(1_000).await).await;
    let unknown = RdsEvent {
        message: "Completed failover to DB instance: somebody-elses".to_owned(),
        ..shown.now(shown.rig.event_of("orders", 2))
    };
    shown.events_for(&shown.rig.routes[777..778], &[unknown]).await;
    let answer = shown.get("/").await;
    is_harmless(&answer);
    assert!(answer.body.len() <= PAGE_BYTES_MAX, "{}", answer.body.len());
    let first = answer.body.find("href=\"/routes/").unwrap();
    assert!(answer.body[first..].starts_with("href=\"/routes/0777-"), "{}", text(&answer));
    assert!(text(&answer).contains("✕ 1 of 1000 routes is out of sync"), "{}", text(&answer));
    assert!(text(&answer).contains("not-read-yet"), "it does not wait for all of them");
    tokio::time::sleep(Duration::from_mins(3)).await;
    let answer = shown.get("/").await;
    is_harmless(&answer);
    let page = text(&answer);
    assert!(page.contains("✕ 1 out-of-sync ? 999 unknown"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn records_of_a_route_are_leafed_through() {
    let shown = Shown::of(Rig::new(&["orders"]).await).await;
    for n in 0..30 {
        shown.order(0, CommandKind::Pause { within: None }, &format!("number {n}")).await;
        shown.order(0, CommandKind::Resume, "go on").await;
    }
    let chain = shown.rig.chain(0).await;
    let newest = chain.last().unwrap().record.seq;
    let mut path = "/routes/orders".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = shown.get(&path).await;
        let tags = is_harmless(&answer);
        let page = text(&answer);
        seen.extend((1..=newest).filter(|seq| page.contains(&format!(" orders/{seq} "))));
        let older = answer.body.split("<a href=\"").find(|part| part.contains(">Older<"));
        let Some(older) = older else { break };
        path = older.split('"').next().unwrap().to_owned();
        assert!(tags.len() > 20);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=newest).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn transitions_are_filtered_by_outcome_cause_and_time() {
    let shown = Shown::after_a_day().await;
    let all = text(&shown.get("/transitions").await);
    for part in ["Time to serve, last 30 days", "moves: median", "✓ Moved WriterMoved", "✕ Rejected"] {
        assert!(all.contains(part), "{part}\n{all}");
    }
    let answer = shown.get("/transitions?outcome=Rejected").await;
    is_harmless(&answer);
    let rejected = text(&answer);
    assert!(rejected.contains("✕ Rejected") && !rejected.contains("WriterMoved"), "{rejected}");
    let commands = text(&shown.get("/transitions?cause=operator").await);
    assert!(commands.contains("pause by arn:aws:iam::123456789012:user/ann"), "{commands}");
    assert!(!commands.contains("✕ Rejected"), "{commands}");
    let hour = text(&shown.get("/transitions?since=1h").await);
    assert!(hour.contains("transitions in the last 1h"), "{hour}");
    let drawn = shown.get("/transitions").await.body.matches("<circle").count();
    assert!(drawn >= 3, "{drawn}");
}

#[tokio::test(start_paused = true)]
async fn links_to_the_console_name_group_cluster_and_queue() {
    let shown = Shown::after_a_day().await;
    let route = shown.get("/routes/orders").await.body;
    for part in [
        "https://us-east-1.console.aws.amazon.com/ec2/home?region=us-east-1#TargetGroup:targetGroupArn=arn:aws:",
        "https://us-east-1.console.aws.amazon.com/rds/home?region=us-east-1#database:id=orders;is-cluster=true",
    ] {
        assert!(route.contains(part), "{part}\n{route}");
    }
    let first = shown.get("/").await.body;
    assert!(first.contains("/sqs/v3/home?region=us-east-1#/queues/https%3A%2F%2Fsqs."), "{first}");
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_relay_route_says_that_no_relay_has_reported() {
    let mut rig = Rig::new(&[]).await;
    let members = instances("orders", 3).unwrap();
    rig.routes = vec![rig.fleet.world.add_relay_route("orders", 3306, &members).unwrap()];
    let shown = Shown::of(rig).await;
    let answer = shown.get("/routes/orders").await;
    is_harmless(&answer);
    let page = text(&answer);
    assert!(page.contains("Relays ✕ no relay has reported") && page.contains("Strategy relay"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_not_configured_is_not_found() {
    let shown = Shown::of(Rig::new(&["orders"]).await).await;
    for name in ["billing", "%3Cscript%3E"] {
        let answer = shown.get(&format!("/routes/{name}")).await;
        assert_eq!(answer.status, 404, "{name}");
        is_harmless(&answer);
        assert!(text(&answer).contains("is not a route of this worker"), "{name}");
    }
}
