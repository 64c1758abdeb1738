//! The source that asks the instances themselves, against servers of its own: MariaDB and PostgreSQL from Debian's
//! packages (`mariadb-server`, `postgresql`), each with a data directory of its own on loopback. Where a package is
//! missing the test says so and proves nothing.

mod mariadb;
mod postgres;
mod servers;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use writerlink_aws::dns::names::{Names, Patience};
use writerlink_aws::rds::RdsWitness;
use writerlink_aws::sql::login::{Login, Secret};
use writerlink_aws::sql::{SqlSettings, SqlSource};
use writerlink_core::evidence::discovery::SourceReport;
use writerlink_core::evidence::sql::ProbeAnswer;
use writerlink_core::model::policy::{DiscoverySource, Engine};
use writerlink_core::model::route::Route;

use super::dns;
use crate::support::Account;

/// The user that may do nothing, and its password.
const USER: &str = "writerlink";
const PASSWORD: &str = "pass word'with\"signs";

/// Long enough for two busy cores, and short enough to be waited for.
const LIMIT: Duration = Duration::from_secs(2);

fn settings(login: Login, ca_file: Option<PathBuf>) -> SqlSettings {
    SqlSettings { connect_timeout: LIMIT, query_timeout: LIMIT, user: USER.to_owned(), login, ca_file }
}

fn with_password() -> SqlSettings {
    settings(Login::Password(Secret::new(PASSWORD)), None)
}

/// A source that reaches neither RDS nor a name server: the route has its map.
async fn source(settings: SqlSettings) -> SqlSource {
    let names = Names::of(&["127.0.0.1:9".parse().unwrap()], Patience::default()).unwrap();
    let config = Account::fresh().config("http://127.0.0.1:9").await;
    let clock = std::sync::Arc::new(writerlink_engine::system_clock::SystemClock::start());
    SqlSource::new(settings, RdsWitness::new(aws_sdk_rds::Client::new(&config), names), clock)
}

/// A route of `db-1`, `db-2` and so on at these addresses.
fn route(engine: Engine, port: u16, ips: &[IpAddr]) -> Route {
    let mut route = dns::route(&[DiscoverySource::Sql]);
    let named = (1..).zip(ips).map(|(n, ip)| (dns::instance(&format!("db-{n}")), *ip));
    route.instances = named.collect::<BTreeMap<_, _>>();
    route.port = port;
    route.policy.engine = engine;
    route.policy.endpoint = None;
    route
}

/// The name of the writer, or why there is none.
async fn writer(source: &SqlSource, route: &Route) -> Result<String, String> {
    match source.ask(route).await {
        SourceReport::Members { writer, .. } => Ok(writer.instance.unwrap().to_string()),
        SourceReport::Unclear(why) => Err(why),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for what a reading answers")]
fn says(name: &str) -> Result<String, String> {
    Ok(name.to_owned())
}

fn is_unclear(answer: &Result<String, String>, because: &str) {
    let why = answer.as_ref().expect_err("nobody can be the writer");
    assert!(why.contains(because), "{why}");
    assert!(!why.contains(PASSWORD), "{why}");
}

/// What `check` finds about each instance: its answer, and what its user may do too much.
async fn looked(source: &SqlSource, route: &Route) -> Vec<(ProbeAnswer, Vec<String>)> {
    let facts = source.look(route).await.unwrap();
    facts.into_iter().map(|facts| (facts.answer, facts.excess.unwrap())).collect()
}

#[tokio::test]
async fn instances_that_nobody_listens_at_are_unclear_within_the_limit() {
    let route = route(Engine::MySql, servers::free_port(), &["127.0.0.21".parse().unwrap()]);
    let source = source(with_password()).await;
    is_unclear(&writer(&source, &route).await, "db-1 at 127.0.0.21 could not be asked");
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_connect_timeout() {
    for engine in [Engine::MySql, Engine::PostgreSql] {
        let listener = std::net::TcpListener::bind("127.0.0.21:0").unwrap();
        let address = listener.local_addr().unwrap();
        let route = route(engine, address.port(), &[address.ip()]);
        let short = SqlSettings { connect_timeout: Duration::from_millis(100), ..with_password() };
        let source = source(short).await;
        is_unclear(&writer(&source, &route).await, "no connection within 100 ms");
    }
}
