//! `relay`: the agent beside HAProxy, and HAProxy's configuration.

mod haproxy;

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::cli::args::{Global, RelayArgs, RelayCommand};
use crate::cli::failure::{Exit, Failure};
use crate::cli::{Session, run};
use crate::config::Config;
use writerlink_aws::haproxy::AdminSocket;
use writerlink_core::actuation::relay::RelayName;
use writerlink_core::model::route::{Route, Strategy};
use writerlink_engine::relay::{Agent, AgentPace, AgentPorts};

/// Runs the agent, or writes HAProxy's configuration.
pub(super) async fn relay(
    args: &RelayArgs,
    global: &Global,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let routes = relay_routes(&config)?;
    match &args.command {
        None => agent(args, &config, &routes, session).await,
        Some(RelayCommand::Config { to: None }) => {
            let file = haproxy::file(&config.relay, &routes, haproxy::FOLDER.as_ref());
            session.out.write_all(file.as_bytes())?;
            Ok(Exit::Done)
        }
        Some(RelayCommand::Config { to: Some(folder) }) => {
            write(folder, haproxy::CONFIG, &haproxy::file(&config.relay, &routes, folder))?;
            write(folder, haproxy::LUA, haproxy::SCRIPT)?;
            // HAProxy warns at every start without it; one that a reload wrote stays.
            if !folder.join(haproxy::STATE).exists() {
                write(folder, haproxy::STATE, haproxy::STATE_EMPTY)?;
            }
            Ok(Exit::Done)
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|error| {
        Failure::told(
            format!("{} cannot be written", path.display()),
            error.to_string(),
            "name a folder that exists and may be written: --to FOLDER".to_owned(),
            Exit::Error,
        )
    })
}

/// The relay routes of a file.
fn relay_routes(config: &Config) -> Result<Vec<Route>, Failure> {
    let routes = config.routes.iter();
    let routes: Vec<Route> =
        routes.filter(|route| matches!(route.strategy, Strategy::Relay(_))).cloned().collect();
    if routes.is_empty() {
        return Err(Failure::told(
            "there is nothing to relay".to_owned(),
            "no route of the configuration has strategy = \"relay\"".to_owned(),
            "write strategy = \"relay\" for the routes that relays serve (docs/relay.md)".to_owned(),
            Exit::Error,
        ));
    }
    Ok(routes)
}

async fn agent(
    args: &RelayArgs,
    config: &Config,
    routes: &[Route],
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let process = session.connect.process()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(process.owner.as_str()),
    };
    let ports = session.connect.relay_ports(config).await?;
    let ports = AgentPorts {
        ledger: ports.ledger,
        reports: ports.reports,
        haproxy: Arc::new(AdminSocket::new(&config.relay.admin_socket)),
        clock: ports.clock,
    };
    let address = config.relay.agent_address;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::told(
            format!("HAProxy cannot be answered at {address}"),
            error.to_string(),
            "end whoever listens there, or write another relay.agent_address".to_owned(),
            Exit::Error,
        )
    })?;
    let names: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
    tracing::info!(
        event = "started",
        "version {} relay {name} routes {} agent {address} config {}",
        env!("CARGO_PKG_VERSION"),
        names.join(","),
        config.provenance.config
    );
    let pace = AgentPace {
        poll_interval: config.relay.poll_interval,
        read_interval: config.relay.read_interval,
        silent_after: config.relay.silent_limit,
    };
    let agent = Arc::new(Agent::new(name, routes, pace, ports));
    tokio::select! {
        biased;
        () = run::asked(process.stops, 1) => {}
        () = agent.follow() => {}
        () = Arc::clone(&agent).serve(listener) => {}
    }
    tracing::info!(event = "stopped", "HAProxy keeps its state");
    Ok(Exit::Done)
}

/// The relay's name: the place of the process (an ECS task or a host) without what tells its restarts apart, so that a
/// relay which restarts keeps its place among the reports.
fn name_of(owner: &str) -> RelayName {
    let place = owner.split(':').next().unwrap_or_default();
    let plain: String =
        place.chars().filter(|c| c.is_ascii_alphanumeric() || "._-/".contains(*c)).take(64).collect();
    RelayName::new(&plain).unwrap_or_default()
}
