//! The DNS resolvers of a route: how long each caches an answer, and whether they agree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::preflight::finding::{Check, CheckFindings, Lines};
use writerlink_engine::ports::installation::{NameFacts, RouteFacts, Unseen};

const RESOLVER: Check = Check::ours("resolver");
const AGREEMENT: Check = Check::ours("resolvers agree");

/// The longest TTL without a warning. RDS's own names have a TTL of 5 s, so a longer one was set
/// by a resolver. A shorter one ends before the trust in an event does.
const KEPT_MOST: Duration = Duration::from_secs(30);

pub(super) fn judge(facts: &RouteFacts, findings: &mut CheckFindings) {
    let mut lines = findings.about_route(facts);
    let Some(names) = lines.read(RESOLVER, &facts.names) else { return };
    let mut resolvers: Vec<SocketAddr> = Vec::new();
    for name in names {
        if !resolvers.contains(&name.resolver) {
            resolvers.push(name.resolver);
        }
    }
    for resolver in &resolvers {
        let of_it = names.iter().filter(|name| name.resolver == *resolver);
        keeps(*resolver, of_it, &mut lines);
    }
    if resolvers.len() > 1 {
        agree(names, &mut lines);
    }
}

/// Whether a resolver answers, and how long it caches its answers.
fn keeps<'f>(resolver: SocketAddr, names: impl Iterator<Item = &'f NameFacts>, lines: &mut Lines<'_>) {
    let mut longest: Option<(Duration, &str)> = None;
    for name in names {
        match &name.answer {
            Ok(answer) => {
                let kept = (answer.kept, name.name.as_str());
                longest = longest.max(Some(kept));
            }
            Err(unseen @ (Unseen::NotHere(_) | Unseen::Told(_))) => {
                return lines.unseen(RESOLVER, unseen);
            }
            Err(Unseen::Refused(error)) => {
                return lines.unknown(
                    RESOLVER,
                    format!("{resolver}: {}", error.message),
                    "run check where the worker runs; if it stays, correct the resolver (/etc/resolv.conf, or resolver \
                     under [dns])",
                );
            }
        }
    }
    let Some((kept, name)) = longest else {
        return;
    };
    let seconds = kept.as_secs();
    if kept <= KEPT_MOST {
        return lines.pass(RESOLVER, format!("{resolver} caches names for {seconds} s"));
    }
    lines.warn(
        RESOLVER,
        format!(
            "{resolver} caches names for {seconds} s ({name}): after a failover it returns the old writer that long"
        ),
        "lower its minimum TTL, or name the VPC's own resolver as resolver under [dns] (the VPC's base address plus two)",
    );
}

/// Whether all resolvers that answer agree. The first answer is used.
fn agree(names: &[NameFacts], lines: &mut Lines<'_>) {
    let mut answers: BTreeMap<&str, Vec<(SocketAddr, String)>> = BTreeMap::new();
    for name in names {
        if let Ok(answer) = &name.answer {
            let places = answers.entry(name.name.as_str()).or_default();
            places.push((name.resolver, answer.ip.to_string()));
        }
    }
    let differ = |places: &[(SocketAddr, String)]| {
        let ips: BTreeSet<&String> = places.iter().map(|(_, ip)| ip).collect();
        ips.len() > 1
    };
    let mut differing = answers.iter().filter(|(_, places)| differ(places)).peekable();
    if differing.peek().is_none() {
        return lines.pass(AGREEMENT, "all answers agree");
    }
    for (name, places) in differing {
        let places: Vec<String> =
            places.iter().map(|(resolver, ip)| format!("{resolver} returns {ip}")).collect();
        lines.warn(
            AGREEMENT,
            format!("they differ about {name}: {}; the first answer is used", places.join(", ")),
            "run check again in a minute; if they still differ, remove the wrong one",
        );
    }
}
