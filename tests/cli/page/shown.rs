//! What is shown, and what is never let through.

use std::collections::BTreeSet;

use writerlink::web::{PAGE_BYTES_MAX, REFRESHED_EVERY};
use writerlink_core::evidence::event::RdsEvent;
use writerlink_engine::ports::ErrorKind;
use writerlink_sim::faults::{CallSite, Fate, Fault};

use super::http::Answer;
use super::markup::{Tag, tags};
use super::world::{HOSTILE, Shown, provenance};

const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// The classes of many elements are the names of variants: a new name wants a new rule.
const STYLE: &str = include_str!("../../../src/web/style.css");

pub(crate) fn is_guarded(answer: &Answer) {
    for (name, value) in HEADERS {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    let parts: Vec<&str> = policy.split("; ").collect();
    for part in ["default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(parts.contains(&part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
}

/// A page as anybody may see it: well formed, small, and without anything that runs or is somebody else's.
pub(crate) fn is_harmless(answer: &Answer) -> Vec<Tag> {
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/html; charset=utf-8"));
    assert!(answer.body.len() < PAGE_BYTES_MAX, "{} bytes", answer.body.len());
    let tags = tags(&answer.body);
    for tag in &tags {
        assert!(!["script", "img", "iframe", "style", "object"].contains(&tag.name.as_str()));
        for (name, value) in &tag.attributes {
            assert!(!name.starts_with("on") && name != "style", "{name}={value}");
            let drawn =
                |class: &str| ["bar", "lane"].contains(&class) || STYLE.contains(&format!(".{class}"));
            assert!(name != "class" || value.split(' ').all(drawn), "{value} has no style");
            let leads_away = ["href", "src", "action"].contains(&name.as_str()) && !value.starts_with('/');
            assert!(!leads_away || is_console(tag), "{name}={value}");
        }
    }
    tags
}

/// Whether a tag is a link to the AWS console, which tells it nothing of this page.
fn is_console(tag: &Tag) -> bool {
    let href = tag.attribute("href").unwrap_or_default();
    let (host, _) = href.trim_start_matches("https://").split_once('/').unwrap_or_default();
    tag.name == "a"
        && href.starts_with("https://")
        && host.ends_with(".console.aws.amazon.com")
        && tag.attribute("rel") == Some("noreferrer noopener")
}

/// The links to other pages of the worker.
fn links(tags: &[Tag]) -> BTreeSet<String> {
    let href = |tag: &Tag| tag.attribute("href").map(str::to_owned);
    tags.iter().filter_map(href).filter(|href| href.starts_with('/')).collect()
}

/// The text of a page, as a reader has it.
pub(crate) fn text(answer: &Answer) -> String {
    let mut text = String::new();
    for piece in answer.body.split('<') {
        let (_, after) = piece.split_once('>').unwrap_or(("", piece));
        text.push_str(after);
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn every_page_is_well_formed_small_harmless_and_its_links_lead_to_pages() {
    let shown = Shown::after_a_day().await;
    let (mut seen, mut to_see) = (BTreeSet::new(), BTreeSet::from(["/".to_owned()]));
    let mut transitions = 0;
    while let Some(path) = to_see.pop_first() {
        let answer = shown.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        is_guarded(&answer);
        seen.insert(path.clone());
        if answer.header("content-type") != Some("text/html; charset=utf-8") {
            continue;
        }
        transitions += usize::from(path.starts_with("/transitions/"));
        let found = links(&is_harmless(&answer));
        to_see.extend(found.difference(&seen).cloned());
    }
    assert!(transitions >= 7, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_page_says_how_every_route_is_and_what_happened() {
    let shown = Shown::after_a_day().await;
    let page = text(&shown.get("/").await);
    for part in [
        "✓ 1 in-sync",
        "Queue: 0 waiting, 0 in flight.",
        "! Dead letters: 1",
        "orders ✓ in-sync orders-2 10.0.2.11:3306",
        "10.0.2.11:3306 healthy",
        "billing weighted",
        "‖ paused",
        "maintenance &lt;b&gt;tonight&lt;/b&gt;",
        "billing-2 10.0.2.11:3306 evidence",
        "billing-3, weight 100",
        "no event accepted yet",
        "✕ Rejected UnknownInstance",
        "✓ Moved WriterMoved",
        "target healthy after",
        "old target removed after",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_header_of_every_page_names_installation_and_configuration() {
    let shown = Shown::after_a_day().await;
    let moved = shown.transition_with(0, "Moved").await;
    for path in [
        "/".to_owned(),
        format!("/transitions/{moved}"),
        "/transitions/019dff8c-1dd0-7000-8000-000000000002".to_owned(),
        "/transitions/none".to_owned(),
    ] {
        let answer = shown.get(&path).await;
        let (header, _) = answer.body.split_once("</header>").unwrap();
        let config = provenance().config;
        assert!(header.contains(">orders-prod<"), "{path}: {header}");
        let named = format!(">configuration {config}<");
        assert!(header.contains(&named), "{path}: {header}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_transition_shows_the_configuration_of_each_record() {
    let shown = Shown::after_a_day().await;
    let moved = shown.transition_with(0, "Moved").await;
    let page = text(&shown.get(&format!("/transitions/{moved}")).await);
    let named = format!("Installation orders-prod, configuration {}", provenance().config);
    assert!(page.matches(&named).count() >= 2, "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_route_with_an_event_that_nobody_acted_on_is_not_green() {
    let shown = Shown::of(crate::rig::Rig::new(&["orders"]).await).await;
    shown.events(&[shown.rig.completed(0, 1, 0)]).await;
    let unknown = RdsEvent {
        message: "Completed failover to DB instance: somebody-elses".to_owned(),
        ..shown.now(shown.rig.completed(0, 2, 0))
    };
    shown.events(&[unknown]).await;
    let answer = shown.get("/").await;
    is_harmless(&answer);
    let page = text(&answer);
    for part in [
        "✕ 1 out-of-sync",
        "orders ✕ out-of-sync the event of",
        "instance somebody-elses is not one of route orders",
        "`writerlink ack orders` leaves it where it is",
        "unresolved event since",
        "10.0.1.11:3306 healthy",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let metrics = shown.get("/metrics").await.body;
    assert!(
        metrics.contains("\nwriterlink_routes_out_of_sync{installation=\"orders-prod\"} 1\n"),
        "{metrics}"
    );
    let log = shown.log.lines();
    let mut counted = log.iter().filter_map(|line| line["routes_out_of_sync"].as_u64());
    assert_eq!(counted.next_back(), Some(1), "the log's metric says the same");
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_transition_shows_calls_sets_evidence_and_its_chain() {
    let shown = Shown::after_a_day().await;
    let id = shown.transition_with(0, "Started cross AZ").await;
    let page = text(&shown.get(&format!("/transitions/{id}")).await);
    let chain = shown.rig.chain(0).await;
    let own = chain.iter().filter(|s| s.record.entry.transition.to_string() == id);
    for stored in own {
        let hash = stored.hash.to_string();
        assert!(page.contains(&hash), "the hash of {}", stored.record.seq);
    }
    for part in [
        "orders to orders-2",
        &id,
        "Started cross AZ failover to DB instance: orders-2",
        "RDS-EVENT-0073",
        "CLUSTER orders",
        "arn:aws:rds:us-east-1:123456789012:cluster:orders",
        "RegisterTargets",
        "DeregisterTargets",
        "Request id",
        "Before, as first read",
        "10.0.1.11:3306",
        "After, as last read",
        "10.0.2.11:3306",
        "worker-0, writerlink",
        "orders/1",
        "target-healthy",
        "old target gone",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_event_says_stays_text() {
    let shown = Shown::after_a_day().await;
    let id = shown.transition_with(0, "onerror").await;
    let answer = shown.get(&format!("/transitions/{id}")).await;
    is_harmless(&answer);
    let escaped = HOSTILE
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\u{202E}', "\\u{202e}")
        .replace('\u{7}', "\\u{7}");
    assert!(answer.body.contains(&escaped), "{}", answer.body);
    let echoed = shown.get("/transitions/%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert_eq!(echoed.status, 404);
    is_harmless(&echoed);
    let echoed = shown.get("/transitions/%3Cscript%3Ealert(1)").await;
    assert_eq!(echoed.status, 404);
    is_harmless(&echoed);
    assert!(text(&echoed).contains("&lt;script&gt;alert(1) is not a transition"));
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_changed_here() {
    let shown = Shown::of(crate::rig::Rig::new(&["orders"]).await).await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
        for path in ["/", "/metrics", "/healthz", "/nowhere"] {
            let answer = shown.client.ask(method, path).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
            is_guarded(&answer);
        }
    }
    let head = shown.client.ask("HEAD", "/").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    is_guarded(&head);
    assert_eq!(shown.get("/nowhere").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_rebound_to_this_machine_is_refused_everything() {
    let shown = Shown::of(crate::rig::Rig::new(&["orders"]).await).await;
    let rebound = shown.client.calling_it("rebound.example:8089");
    for path in ["/", "/metrics", "/healthz", "/readyz", "/style.css"] {
        let answer = rebound.get(path).await;
        assert_eq!(answer.status, 421, "{path}");
        is_guarded(&answer);
        assert!(!answer.body.contains("orders"));
    }
    let forwarded = shown.client.calling_it("localhost:9000");
    assert_eq!(forwarded.get("/").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_transition_that_nobody_knows_is_not_found_and_says_what_to_do() {
    let shown = Shown::of(crate::rig::Rig::new(&["orders"]).await).await;
    let path = "/transitions/01977f2e-8c3a-7b1d-9e0f-112233445566";
    let answer = shown.get(path).await;
    assert_eq!(answer.status, 404);
    is_harmless(&answer);
    assert!(text(&answer).contains("writerlink audit show 01977f2e"), "{}", text(&answer));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_cannot_be_read_is_said_in_its_place() {
    let shown = Shown::after_a_day().await;
    tokio::time::sleep(REFRESHED_EVERY).await;
    let down = |site: &CallSite| match site.call {
        "Query" | "GetItem" => Fate::meets(Fault::Refused(ErrorKind::Denied)),
        _ => Fate::WORKS,
    };
    shown.rig.fleet.world.fabric.set_plan(Box::new(down));
    let answer = shown.get("/").await;
    assert_eq!(answer.status, 200);
    is_harmless(&answer);
    let page = text(&answer);
    for part in ["? 3 unknown", "could not be read", "10.0.2.11:3306 healthy"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_a_state_that_ends_before_its_records_with_advice() {
    let shown = Shown::after_a_day().await;
    shown.rig.delete_state_row(0).await;
    let answer = shown.get("/routes/orders").await;
    is_harmless(&answer);
    let page = text(&answer);
    for part in [
        "the route has no state: it was deleted",
        "to do: nothing: the worker continues after the newest record by itself",
        "differs",
        "audit ends at ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}
