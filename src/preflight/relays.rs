//! A relay route: whether its target group leads to relays, and whether those report.

use crate::preflight::finding::{Check, CheckFindings, Lines};
use crate::preflight::group;
use writerlink_core::actuation::relay::{RelayReport, live};
use writerlink_core::model::route::{Relay, Route, Strategy};
use writerlink_core::model::target::ObservedTarget;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::installation::{DescribedGroup, RouteFacts, RouteGroup};

const TARGETS: Check = Check::ours("relays in the target group");
const REPORTS: Check = Check::ours("relays that report");

/// With one relay its every restart is an outage.
const RELAYS_MIN: usize = 2;

/// What a relay route is compared with.
#[derive(Clone, Copy)]
pub(super) struct RelayCheck<'a> {
    pub(super) relay: &'a Relay,
    /// `relay.alive_port` of the configuration.
    pub(super) alive_port: u16,
    pub(super) now: Timestamp,
}

impl<'a> RelayCheck<'a> {
    /// Of a route that relays serve.
    pub(super) fn of(route: &'a Route, alive_port: u16, now: Timestamp) -> Option<Self> {
        match &route.strategy {
            Strategy::Relay(relay) => Some(Self { relay, alive_port, now }),
            Strategy::Swap | Strategy::Weighted(_) => None,
        }
    }

    pub(super) fn judge(self, facts: &RouteFacts, findings: &mut CheckFindings) {
        for group in &facts.groups {
            let mut lines = findings.about(group::subject(facts, group));
            match &group.facts.described {
                Ok(described) => self.described_as(facts, group, described, &mut lines),
                Err(unseen) => lines.unseen(group::THERE, unseen),
            }
            if let Some(rows) = lines.read(TARGETS, &group.observed) {
                self.targets(rows, &mut lines);
            }
        }
        let mut lines = findings.about_route(facts);
        if let Some(seen) = &facts.relays
            && let Some(reports) = lines.read(REPORTS, seen)
        {
            self.reports(reports, &mut lines);
        }
    }

    fn described_as(
        self,
        facts: &RouteFacts,
        group: &RouteGroup,
        described: &DescribedGroup,
        lines: &mut Lines<'_>,
    ) {
        lines.found(group::PROTOCOL, described.protocol.clone()).require(
            described.protocol == "TCP",
            "a relay passes TCP on, with the database's TLS inside",
            "create a target group with protocol TCP; the protocol of an existing group cannot be changed",
        );
        group::in_use(described, lines);
        self.health(described, lines);
        match &group.facts.attributes {
            Ok(attributes) => {
                group::sticky(&facts.route, attributes, lines);
                group::proxy_protocol(attributes, "HAProxy", lines);
            }
            Err(unseen) => lines.unseen(group::STICKY, unseen),
        }
    }

    fn health(self, described: &DescribedGroup, lines: &mut Lines<'_>) {
        let DescribedGroup { health_port: port, health_protocol: protocol, .. } = described;
        let found = format!("{protocol} on {port}");
        if *port == self.alive_port.to_string() {
            return lines.pass(group::HEALTH, format!("{found}, where HAProxy says that it lives"));
        }
        lines.warn(
            group::HEALTH,
            format!("{found}: HAProxy holds such a check like a client, or passes it to the database"),
            format!("let the group's health checks use port {} (relay.alive_port)", self.alive_port),
        );
    }

    fn targets(self, rows: &[ObservedTarget], lines: &mut Lines<'_>) {
        let registered: Vec<&ObservedTarget> = rows.iter().filter(|row| row.is_registered()).collect();
        let shown = |rows: &[&ObservedTarget]| {
            let shown = rows.iter().map(|row| format!("{} {}", row.target, row.health.as_str()));
            shown.collect::<Vec<_>>().join(", ")
        };
        let listen = self.relay.listen;
        let elsewhere: Vec<&ObservedTarget> =
            registered.iter().copied().filter(|row| row.target.port != listen).collect();
        if registered.is_empty() {
            lines.fail(
                TARGETS,
                "no relay is registered: clients cannot connect",
                "deploy infra/relay.yaml with this target group, or register the relays",
            );
        } else if !elsewhere.is_empty() {
            lines.fail(
                TARGETS,
                format!("{}: the route's relays listen on port {listen} (relay.listen)", shown(&elsewhere)),
                format!("register the relays with port {listen}"),
            );
        } else if registered.len() < RELAYS_MIN {
            lines.warn(
                TARGETS,
                format!("{}: with one relay, its every restart is an outage", shown(&registered)),
                "run a second relay in another zone (DesiredCount of infra/relay.yaml)",
            );
        } else {
            lines.pass(TARGETS, shown(&registered));
        }
    }

    fn reports(self, reports: &[RelayReport], lines: &mut Lines<'_>) {
        let live: Vec<&str> =
            live(reports, self.relay, self.now).map(|report| report.relay.as_str()).collect();
        let limit = self.relay.silent_limit.as_secs();
        if live.is_empty() {
            lines.fail(
                REPORTS,
                format!("none within {limit} s: nobody can tell where the route's clients are"),
                "start `writerlink relay` beside each HAProxy, and read its log; its role must write the items relay#* \
                 of the state table",
            );
        } else if live.len() < RELAYS_MIN {
            lines.warn(
                REPORTS,
                format!("{} alone within {limit} s", live.join(", ")),
                "start the agent of the second relay, or read its log",
            );
        } else {
            lines.pass(REPORTS, live.join(", "));
        }
    }
}
