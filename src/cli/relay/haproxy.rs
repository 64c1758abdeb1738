//! HAProxy's configuration for the relay routes of a file: one for versions 2.6 to 3.2.
//!
//! Every line that is not obvious was measured with real servers (`docs/relay.md`, and the drill that provokes it).

use std::path::Path;

use crate::config::RelaySettings;
use writerlink_core::model::route::{Relay, RelayProfile, Route, Strategy};
use writerlink_core::model::target::Target;

/// Where HAProxy's files are unless somebody says otherwise: the folder of the tasks' volume.
pub(super) const FOLDER: &str = "/run/haproxy";

/// The names of the files.
pub(super) const CONFIG: &str = "haproxy.cfg";
pub(super) const LUA: &str = "writerlink.lua";

/// What a reload carries over, and what it is before the first one: the version of its format.
pub(super) const STATE: &str = "servers.state";
pub(super) const STATE_EMPTY: &str = "1\n";

/// The actions that hold a new client. `nbsrv` counts usable servers.
pub(super) const SCRIPT: &str = "\
-- writerlink relay: holds a new client instead of refusing it.
-- hold: until exactly one server of backend `be` is usable, at most `secs` seconds.
core.register_action(\"hold\", { \"tcp-req\" }, function(txn, be, secs)
  for _ = 1, tonumber(secs) * 40 do
    if txn.f:nbsrv(be) == 1 then return end
    core.msleep(25)
  end
end, 2)
-- settle: until exactly one server has been usable for `calm` milliseconds on end, at most `secs` seconds.
core.register_action(\"settle\", { \"tcp-req\" }, function(txn, be, secs, calm)
  local ok = 0
  for _ = 1, tonumber(secs) * 40 do
    if txn.f:nbsrv(be) == 1 then ok = ok + 25 else ok = 0 end
    if ok > tonumber(calm) then return end
    core.msleep(25)
  end
end, 3)
";

/// How long a client is held at most: below the 60 s after which replicas give up a silent source
/// (`slave_net_timeout`, `replica_net_timeout`).
const HOLD_SECONDS: u32 = 50;

/// How often HAProxy checks a replication route's server, and how many refusals take it out. In the usual order of a
/// failover the old writer refuses seconds before the ledger knows the new one.
const CHECK_MS: u32 = 100;
const CHECK_FALL: u32 = 2;

/// How long one server has to have been usable: longer than [`CHECK_MS`] times [`CHECK_FALL`], or a client would be let
/// through to a server that is about to be found dead.
const CALM_MS: u32 = 300;

/// Without a check an application's server is usable until the agent says otherwise. In the usual order of a failover
/// it refuses seconds before: a new client is tried again, and on the other server as soon as that is the usable one.
const RETRIES: &str = "  retries 30\n  option redispatch 1\n";

/// The whole file. HAProxy's Lua file and its state are in `folder`.
pub(super) fn file(settings: &RelaySettings, routes: &[Route], folder: &Path) -> String {
    let folder = folder.display();
    let (agent, port) = (settings.agent_address.ip(), settings.agent_address.port());
    let head = format!(
        "# Written by `writerlink relay config`. Do not edit: change writerlink.toml and write it again.
global
  log stdout format raw daemon notice
  stats socket {socket} mode 600 level admin expose-fd listeners
  # What a reload carries over. Written before it by `show servers state`.
  server-state-file {folder}/{STATE}
  # The old process of a reload asks no agent any more, so it must not keep sessions.
  hard-stop-after 5s
.if version_atleast(3.1)
  tune.lua.bool-sample-conversion normal
.endif
  lua-load {folder}/{LUA}
defaults
  mode tcp
  log global
  load-server-state-from-file global
  # A held client that left must not reach the database: each would count there as a connection error.
  option abortonclose
  timeout connect 2s
  timeout check 1s
  # Replication is idle for hours; TCP keepalives find dead peers, and the load balancer forgets a flow after 350 s.
  timeout client 8h
  timeout server 8h
  option clitcpka
  clitcpka-idle 60s
  option srvtcpka
  srvtcpka-idle 60s
  # Closed until the agent answers. What it says is kept while it is silent.
  default-server agent-check agent-addr {agent} agent-port {port} agent-inter {interval}ms on-marked-down shutdown-sessions disabled
# The load balancer's health check: HAProxy lives. It never asks a database.
frontend alive
  mode http
  bind :{alive}
  timeout client 5s
  monitor-uri /alive
",
        socket = settings.admin_socket.display(),
        interval = settings.poll_interval.as_millis(),
        alive = settings.alive_port,
    );
    let relays = routes.iter().filter_map(|route| match route.strategy {
        Strategy::Relay(relay) => Some(of_route(route, relay)),
        Strategy::Swap | Strategy::Weighted(_) => None,
    });
    std::iter::once(head).chain(relays).collect()
}

fn of_route(route: &Route, relay: Relay) -> String {
    let name = &route.name;
    let (hold, check) = match relay.profile {
        RelayProfile::Replication => (
            format!("lua.settle {name} {HOLD_SECONDS} {CALM_MS}"),
            format!("  default-server check inter {CHECK_MS}ms fall {CHECK_FALL} rise 1\n"),
        ),
        RelayProfile::Application => (format!("lua.hold {name} {HOLD_SECONDS}"), RETRIES.to_owned()),
    };
    let head = format!(
        "frontend {name}_in
  bind :{listen}
  tcp-request inspect-delay {delay}s
  tcp-request content {hold}
  tcp-request content reject unless {{ nbsrv({name}) eq 1 }}
  default_backend {name}
backend {name}
{check}",
        listen = relay.listen,
        delay = HOLD_SECONDS + 10,
    );
    let servers = route.instances.iter().map(|(instance, ip)| {
        let target = Target { ip: *ip, port: route.port };
        format!("  server {instance} {target} agent-send \"{name}/{instance}\\n\"\n")
    });
    std::iter::once(head).chain(servers).collect()
}
