//! Relays: `[relay]`, which all of them have in common, and `[route.relay]`, how they serve a route.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::findings::{Findings, Found, Place};
use crate::config::section::{Number, Section, seconds};
use crate::config::words::{Keyword, Rule, words};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::policy::{Database, Policy, Role};
use writerlink_core::model::route::{
    OnStarted, Relay, RelayProfile, Route, SILENT_LIMIT as SILENT_LIMIT_DEFAULT,
    SWITCH_LIMIT as SWITCH_LIMIT_DEFAULT, Strategy,
};

#[cfg(test)]
mod tests;

const RELAY: &str = "relay";

/// What all relays of an installation have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// How often HAProxy asks its agent for each server.
    pub poll_interval: Duration,
    /// How often the agent reads the ledger. It pushes a change at once, so half of this is what a failover waits for it.
    pub read_interval: Duration,
    /// Where the agent answers: beside HAProxy, on loopback.
    pub agent_address: SocketAddr,
    /// The port of the load balancer's health check on a relay: HAProxy lives.
    pub alive_port: u16,
    /// HAProxy's UNIX socket of level admin, over which the agent pushes a change.
    pub admin_socket: PathBuf,
    /// How long a relay may take to apply a move before that is recorded as a problem.
    pub switch_limit: Duration,
    /// After how long without a report a relay is silent.
    pub silent_limit: Duration,
}

impl RelaySettings {
    const AGENT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9906));

    /// The route with the limits that all relay routes have in common.
    pub(super) fn applied_to(&self, route: Route) -> Route {
        match route.strategy {
            Strategy::Relay(relay) => {
                let (switch_limit, silent_limit) = (self.switch_limit, self.silent_limit);
                Route { strategy: Strategy::Relay(Relay { switch_limit, silent_limit, ..relay }), ..route }
            }
            Strategy::Swap | Strategy::Weighted(_) => route,
        }
    }
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(POLL.default.into()),
            read_interval: Duration::from_millis(READ.default.into()),
            agent_address: Self::AGENT,
            alive_port: 8080,
            admin_socket: PathBuf::from("/run/haproxy/admin.sock"),
            switch_limit: SWITCH_LIMIT_DEFAULT,
            silent_limit: SILENT_LIMIT_DEFAULT,
        }
    }
}

/// HAProxy 2.6 and 3.2 moved within one interval at 250 ms to 1 s (`docs/relay.md`); below 100 ms the polls of many
/// routes cost more than they gain.
const POLL: Number = Number::new(
    "poll_interval_ms",
    100..=5000,
    500,
    "below 100 ms polling costs more than it gains, and above 5 s a relay that lost a push waits for it",
);

/// What a read costs a month is in `docs/relay.md`.
const READ: Number = Number::new(
    "read_interval_ms",
    50..=5000,
    200,
    "below 50 ms reading costs more than it gains, and above 5 s a failover waits for it",
);

const PORT_WHY: &str = "this is no port";

const ALIVE: Number = Number::new("alive_port", 1..=65_535, 8080, PORT_WHY);

const SWITCH_LIMIT: Number = Number::new(
    "switch_limit_seconds",
    2..=600,
    seconds(SWITCH_LIMIT_DEFAULT),
    "a relay applies a move within its poll interval, and a limit of minutes reports nothing in time",
);

const SILENT_LIMIT: Number = Number::new(
    "silent_limit_seconds",
    40..=3600,
    seconds(SILENT_LIMIT_DEFAULT),
    "a relay reports every 30 s at least",
);

const AGENT_RULE: Rule<SocketAddr> = Rule {
    parse: |text| match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("the agent answers HAProxy beside it and nobody else".to_owned()),
        Err(_) => Err("this is no address with a port".to_owned()),
    },
    fix: "write a loopback address and a port, such as \"127.0.0.1:9906\"",
};

/// `sun_path` holds 108 bytes with its terminator (unix(7)), and HAProxy binds a temporary name beside it that is a
/// little longer.
const SOCKET_PATH_MAX: usize = 90;

const SOCKET_RULE: Rule<String> = Rule {
    parse: |text| {
        let path = Path::new(text);
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        if path.is_absolute() && plain && text.len() <= SOCKET_PATH_MAX {
            return Ok(text.to_owned());
        }
        Err(format!(
            "a socket's path is absolute, of letters, digits, '/', '.', '_' and '-', and at most {SOCKET_PATH_MAX} long"
        ))
    },
    fix: "write where HAProxy's `stats socket` is, such as \"/run/haproxy/admin.sock\"",
};

/// Reads `[relay]`.
pub(super) fn settings(section: &Section<'_>) -> RelaySettings {
    let default = RelaySettings::default();
    let (poll, read) = (section.number(&POLL), section.number(&READ));
    let agent_address = section.text_or("agent_address", &AGENT_RULE, default.agent_address);
    let alive = section.number(&ALIVE);
    let socket = default.admin_socket.display().to_string();
    let socket = section.text_or("admin_socket", &SOCKET_RULE, socket);
    let settings = RelaySettings {
        poll_interval: Duration::from_millis(poll.into()),
        read_interval: Duration::from_millis(read.into()),
        agent_address,
        alive_port: u16::try_from(alive).unwrap_or(default.alive_port),
        admin_socket: PathBuf::from(socket),
        switch_limit: section.duration(&SWITCH_LIMIT),
        silent_limit: section.duration(&SILENT_LIMIT),
    };
    section.has_no_others();
    settings
}

words!(RelayProfile: Replication = "replication", Application = "application";
    "write \"replication\" (a new connection waits until one server is usable for a second on end) or \"application\" \
     (it waits until one server is usable)");

const LISTEN: Number = Number::new("listen", 1..=65_535, 0, PORT_WHY);

/// Reads `[route.relay]`. Two routes cannot listen on one port, so the port is always written.
pub(super) fn of_route(section: &Section<'_>) -> Option<Found<Relay>> {
    let table = section.table(RELAY);
    let place = table.place_of(LISTEN.field);
    let listen = if table.has(LISTEN.field) {
        u16::try_from(table.number(&LISTEN)).ok()
    } else {
        let why = "a relay route has to have the port on which relays take its clients";
        section.findings.fault(&place, None, why, "write listen = PORT below [route.relay]");
        None
    };
    let profile = table.word("profile");
    table.has_no_others();
    let (switch_limit, silent_limit) = (SWITCH_LIMIT_DEFAULT, SILENT_LIMIT_DEFAULT);
    Some(Found { value: Relay { listen: listen?, profile, switch_limit, silent_limit }, place })
}

/// Whether a route has the table that only a relay route reads.
pub(super) fn is_written(section: &Section<'_>) -> bool {
    section.has(RELAY)
}

/// What a strategy is held against.
pub(super) struct Fits<'a> {
    pub(super) policy: &'a Policy,
    pub(super) instances: &'a BTreeMap<InstanceId, IpAddr>,
    pub(super) on_started: OnStarted,
}

/// Holds a relay route against the rest of what is written of it.
pub(super) fn fits(section: &Section<'_>, Fits { policy, instances, on_started }: Fits<'_>) {
    if instances.is_empty() {
        let why =
            "HAProxy needs the address of every instance when it starts, and [route.instances] has none";
        let place = section.place_of("instances");
        section.findings.fault(
            &place,
            None,
            why,
            "list each instance that may become the writer with its address",
        );
    }
    if on_started == OnStarted::Register {
        let why = "relays forward to one instance: there is no second one to register beside it";
        section.accuse("on_started", why, "write \"wait\" (the default of a relay route) or \"swap\"");
    }
    if policy.role == Role::Readers {
        let why = "relays forward to exactly one instance, and readers may be several";
        section.accuse("role", why, "write strategy = \"swap\", or role = \"writer\"");
    }
    if policy.database == Database::Instance {
        let why = "a failover of a Multi-AZ instance gives the same instance another address, and relays know the \
                   addresses of when they started";
        section.accuse("database", why, "write strategy = \"swap\"");
    }
}

/// Reports ports that two routes, or a route and the relays themselves, would both listen on.
pub(super) fn no_port_twice(
    settings: &RelaySettings,
    routes: &[(String, Found<Relay>)],
    findings: &Findings,
) {
    let mut taken: BTreeMap<u16, &str> = BTreeMap::new();
    taken.insert(settings.alive_port, "the load balancer's health check (relay.alive_port)");
    taken.insert(settings.agent_address.port(), "the agent (relay.agent_address)");
    for (name, Found { value, place }) in routes {
        if let Some(by) = taken.insert(value.listen, name) {
            port_taken(value.listen, by, place, findings);
        }
    }
}

fn port_taken(port: u16, by: &str, place: &Place, findings: &Findings) {
    let why = format!("port {port} belongs to {by} already, and every route needs one of its own");
    findings.fault(place, Some(&port.to_string()), why, "choose another port");
}
