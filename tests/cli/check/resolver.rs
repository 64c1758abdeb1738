//! The resolvers behind a route's names.

use std::time::Duration;

use writerlink::preflight::CheckStatus::{Pass, Skipped, Unknown, Warn};
use writerlink_core::evidence::discovery::{SourceReport, SourceReports};
use writerlink_core::model::policy::DiscoverySource;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{NameAnswer, NameFacts, Unseen};

use super::seen::{Case, unseen};

const ENDPOINT: &str = "orders.cluster-c1a2.us-east-1.rds.amazonaws.com";

/// What a resolver says of the endpoint: where it leads, and for how many seconds that may be kept.
fn says(resolver: &str, ip: &str, seconds: u64) -> NameFacts {
    NameFacts {
        resolver: resolver.parse().unwrap(),
        name: ENDPOINT.to_owned(),
        answer: Ok(NameAnswer { ip: ip.parse().unwrap(), kept: Duration::from_secs(seconds) }),
    }
}

fn fails(resolver: &str) -> NameFacts {
    NameFacts { answer: Err(unseen(ErrorKind::Unreachable)), ..says(resolver, "10.0.1.10", 0) }
}

fn case(names: Vec<NameFacts>) -> Case {
    let mut case = Case::good();
    case.route().names = Ok(names);
    case
}

#[test]
fn a_resolver_that_keeps_names_for_more_than_30_s_is_a_warning() {
    for (seconds, verdict) in [(0, Pass), (5, Pass), (30, Pass), (31, Warn), (86_400, Warn)] {
        let case = case(vec![says("10.0.0.2:53", "10.0.1.10", seconds)]);
        assert_eq!(case.says("resolver"), verdict, "{seconds}");
        let why = case.why("resolver");
        let kept = format!("10.0.0.2:53 caches names for {seconds} s");
        assert!(why.starts_with(&kept), "{why}");
    }
    let why = case(vec![says("10.0.0.2:53", "10.0.1.10", 299)]).why("resolver");
    assert!(
        why.ends_with(&format!("({ENDPOINT}): after a failover it returns the old writer that long")),
        "{why}"
    );
}

#[test]
fn each_resolver_is_judged_by_itself_also_the_one_that_is_asked_last() {
    let all = case(vec![
        says("10.0.0.2:53", "10.0.1.10", 5),
        says("10.0.0.3:53", "10.0.1.10", 299),
        fails("10.0.0.4:53"),
    ]);
    let verdicts: Vec<_> = all.lines("resolver").iter().map(|line| line.verdict).collect();
    assert_eq!(verdicts, [Warn, Unknown, Pass]);
    assert_eq!(all.says("resolvers agree"), Pass);
}

#[test]
fn resolvers_that_differ_are_a_warning_that_names_both() {
    let differing = case(vec![says("10.0.0.2:53", "10.0.2.10", 5), says("10.0.0.3:53", "10.0.1.10", 5)]);
    assert_eq!(differing.says("resolvers agree"), Warn);
    let why = differing.why("resolvers agree");
    for part in [ENDPOINT, "10.0.0.2:53 returns 10.0.2.10", "10.0.0.3:53 returns 10.0.1.10"] {
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn who_asks_no_names_hears_nothing_of_resolvers() {
    assert!(case(Vec::new()).lines("resolver").is_empty());
    let one = case(vec![says("10.0.0.2:53", "10.0.1.10", 5)]);
    assert!(one.lines("resolvers agree").is_empty());
    let mut unseen = Case::good();
    unseen.route().names = Err(Unseen::NotHere("there is no name server to ask"));
    assert_eq!(unseen.says("resolver"), Skipped);
}

#[test]
fn an_unclear_discovery_comes_with_advice_about_the_sources_asked() {
    let remedy = |lines: &str, source| {
        let mut case = Case::with(lines);
        let unclear = SourceReport::Unclear("no answer".to_owned());
        case.route().reading = SourceReports(vec![(source, unclear)]);
        case.lines("discovery")[0].remedy.clone().unwrap()
    };
    let dns = format!("discovery = \"dns\"\nendpoint = \"{ENDPOINT}\"");
    let told = remedy(&dns, DiscoverySource::Dns);
    assert!(told.contains("resolver") && !told.contains("RDS"), "{told}");
    let told = remedy("discovery = \"rds\"", DiscoverySource::Rds);
    assert!(told.contains("the role may call RDS"), "{told}");
}
