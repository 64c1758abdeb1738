//! MariaDB, as two instances of one port at two addresses.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use tokio::sync::{Mutex, MutexGuard};

use writerlink_aws::sql::SqlSettings;
use writerlink_aws::sql::login::{Login, Secret};
use writerlink_core::evidence::sql::ProbeAnswer;
use writerlink_core::model::policy::Engine;

use super::servers::{Account, Certificates, Process, folder, free_port, program, skipped, succeeds};
use super::{PASSWORD, USER, is_unclear, looked, route, says, settings, source, with_password, writer};
use crate::dns;

const IPS: [&str; 2] = ["127.0.0.21", "127.0.0.22"];

/// Whom the certificate of both names: the first one by its address, and the second one by its endpoint.
const NAMES: &str = "IP:127.0.0.21,DNS:db-2.c1a2.us-east-1.rds.amazonaws.com";

/// One pair at a time: each server takes its share of the kernel's asynchronous I/O, and of two busy cores.
static ONE_PAIR: Mutex<()> = Mutex::const_new(());

struct Server {
    process: Process,
    socket: PathBuf,
}

impl Server {
    /// What an administrator types.
    fn does(&self, statement: &str) -> String {
        let mut client = Command::new(program("mariadb").unwrap());
        client.args(["--no-defaults", "-u", "root", "-N", "-S"]).arg(&self.socket).args(["-e", statement]);
        succeeds(&mut client).trim().to_owned()
    }

    /// How many connections the prober has, and how many it has made.
    fn connections(&self) -> String {
        self.does(&format!("select count(*) from information_schema.processlist where user = '{USER}'"))
    }
}

struct Pair {
    servers: [Server; 2],
    port: u16,
    certificates: Certificates,
    _folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Pair {
    /// Two servers that both take writes; nothing where there is no MariaDB.
    async fn start() -> Option<Self> {
        let (Some(server), Some(install), Some(_)) =
            (program("mariadbd"), program("mariadb-install-db"), program("mariadb"))
        else {
            skipped("mariadb-server");
            return None;
        };
        let alone = ONE_PAIR.lock().await;
        let folder = folder();
        let account = Account::of("mysql");
        let certificates = Certificates::new(folder.path(), NAMES);
        account.owns(&certificates.key, 0o400);
        let port = free_port();
        let servers = IPS.map(|ip| {
            let home = folder.path().join(ip);
            fs::create_dir(&home).unwrap();
            account.owns(&home, 0o755);
            let data = home.join("data");
            let mut first = account.command(&install);
            first.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
            first.arg("--innodb-use-native-aio=0");
            first.arg(format!("--datadir={}", data.display()));
            succeeds(&mut first);
            let users = home.join("users.sql");
            let password = PASSWORD.replace('\'', "''");
            let statements = format!(
                "create or replace user {USER} identified by '{password}';\ngrant usage on *.* to {USER};\n\
                 create or replace user guarded identified by '{password}' require ssl;\n\
                 create or replace user mighty identified by '{password}';\ngrant select, insert on *.* to mighty;\n\
                 delete from mysql.global_priv where user = '';\nflush privileges;\n"
            );
            fs::write(&users, statements).unwrap();
            account.owns(&users, 0o644);
            let socket = home.join("socket");
            let mut command = account.command(&server);
            command
                .args(["--no-defaults", "--skip-name-resolve", "--performance-schema=off"])
                .args(["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"])
                .arg("--innodb-use-native-aio=0")
                .arg(format!("--datadir={}", data.display()))
                .arg(format!("--socket={}", socket.display()))
                .arg(format!("--pid-file={}", home.join("pid").display()))
                .arg(format!("--log-error={}", home.join("log").display()))
                .arg(format!("--init-file={}", users.display()))
                .arg(format!("--ssl-cert={}", certificates.certificate.display()))
                .arg(format!("--ssl-key={}", certificates.key.display()))
                .arg(format!("--ssl-ca={}", certificates.authority.display()))
                .args([format!("--bind-address={ip}"), format!("--port={port}")]);
            Server { process: Process::start(command, ip, port), socket }
        });
        Some(Self { servers, port, certificates, _folder: folder, _alone: alone })
    }

    fn route(&self) -> writerlink_core::model::route::Route {
        let ips: Vec<IpAddr> = IPS.iter().map(|ip| ip.parse().unwrap()).collect();
        route(Engine::MySql, self.port, &ips)
    }

    fn both(&self, statement: &str) {
        for server in &self.servers {
            server.does(statement);
        }
    }
}

#[tokio::test]
async fn mariadb_tells_its_writer_through_a_failover() {
    let Some(mut pair) = Pair::start().await else { return };
    let (route, source) = (pair.route(), source(with_password()).await);
    is_unclear(
        &writer(&source, &route).await,
        "2 instances are writable: db-1 at 127.0.0.21 and db-2 at 127.0.0.22",
    );
    pair.servers[1].does("set global read_only = 1");
    assert_eq!(writer(&source, &route).await, says("db-1"));
    assert_eq!(pair.servers[0].connections(), "1", "one connection is kept");

    // A planned failover: the old writer refuses before the new one is promoted.
    pair.servers[0].does("set global read_only = 1");
    is_unclear(
        &writer(&source, &route).await,
        "db-1 at 127.0.0.21 is read-only, db-2 at 127.0.0.22 is read-only",
    );
    pair.servers[1].does("set global read_only = 0");
    assert_eq!(writer(&source, &route).await, says("db-2"));
    assert_eq!(pair.servers[1].connections(), "1");

    // The usual one: the writer dies, and nobody else writes yet.
    pair.servers[1].process.end("-KILL");
    is_unclear(&writer(&source, &route).await, "no instance is writable");
    pair.servers[0].does("set global read_only = 0");
    assert_eq!(writer(&source, &route).await, says("db-1"), "the dead one may be writable too");

    // It comes back as a reader: the connection that broke is opened anew.
    pair.servers[1].process.go();
    pair.servers[1].does("set global read_only = 1");
    assert_eq!(writer(&source, &route).await, says("db-1"));
    let answers: Vec<ProbeAnswer> =
        looked(&source, &route).await.into_iter().map(|(answer, _)| answer).collect();
    assert_eq!(answers, [ProbeAnswer::Writable, ProbeAnswer::ReadOnly]);
}

#[tokio::test]
async fn every_variable_of_mariadb_that_forbids_to_write_is_seen() {
    let Some(pair) = Pair::start().await else { return };
    let (route, source) = (pair.route(), source(with_password()).await);
    pair.servers[1].does("set global read_only = 1");
    // MariaDB 10.11 calls it by the old name.
    for statement in ["set global read_only = ", "set global tx_read_only = "] {
        pair.servers[0].does(&format!("{statement}1"));
        is_unclear(&writer(&source, &route).await, "db-1 at 127.0.0.21 is read-only");
        pair.servers[0].does(&format!("{statement}0"));
        assert_eq!(writer(&source, &route).await, says("db-1"), "{statement}");
    }
    // What the answer does not prove.
    pair.servers[0].does("flush tables with read lock");
    assert_eq!(writer(&source, &route).await, says("db-1"), "a lock is not seen");
}

#[tokio::test]
async fn a_mariadb_that_hangs_costs_the_query_timeout_and_is_asked_again() {
    let Some(pair) = Pair::start().await else { return };
    let short = SqlSettings { query_timeout: std::time::Duration::from_millis(200), ..with_password() };
    let (route, source) = (pair.route(), source(short).await);
    pair.servers[1].does("set global read_only = 1");
    assert_eq!(writer(&source, &route).await, says("db-1"));
    pair.servers[0].process.signal("-STOP");
    is_unclear(
        &writer(&source, &route).await,
        "db-1 at 127.0.0.21 could not be asked (no answer within 200 ms)",
    );
    pair.servers[0].process.signal("-CONT");
    assert_eq!(writer(&source, &route).await, says("db-1"));
}

#[tokio::test]
async fn a_wrong_password_at_mariadb_is_told_without_the_password() {
    let Some(pair) = Pair::start().await else { return };
    let route = pair.route();
    let wrong = source(settings(Login::Password(Secret::new("not-this-one")), None)).await;
    let answer = writer(&wrong, &route).await;
    is_unclear(&answer, "Access denied for user 'writerlink'");
    assert!(!answer.unwrap_err().contains("not-this-one"));
}

#[tokio::test]
async fn the_user_of_mariadb_needs_usage_and_no_more() {
    let Some(pair) = Pair::start().await else { return };
    let route = pair.route();
    let least = looked(&source(with_password()).await, &route).await;
    assert!(least.iter().all(|(_, excess)| excess.is_empty()), "{least:?}");
    let mighty = SqlSettings { user: "mighty".to_owned(), ..with_password() };
    let too_much = looked(&source(mighty).await, &route).await;
    assert_eq!(too_much[0].1, ["GRANT SELECT, INSERT ON *.*"]);
}

#[tokio::test]
async fn mariadb_is_asked_over_tls_by_the_authority_of_the_file_alone() {
    let Some(pair) = Pair::start().await else { return };
    let (swap, failed) = ("set global read_only = 1 - @@global.read_only", "not valid for name");
    pair.servers[1].does(swap);
    let mut route = pair.route();
    let guarded = |ca_file| SqlSettings { user: "guarded".to_owned(), ca_file, ..with_password() };
    is_unclear(&writer(&source(guarded(None)).await, &route).await, "Access denied");

    // The user can log in by TLS alone. By addresses, the certificate has to name the address.
    let ca_file = Some(pair.certificates.authority.clone());
    let by_address = source(guarded(ca_file.clone())).await;
    assert_eq!(writer(&by_address, &route).await, says("db-1"));
    pair.both(swap);
    is_unclear(&writer(&by_address, &route).await, failed);

    // By names, it has to name the endpoint.
    route.policy.endpoint = Some(dns::ENDPOINT.to_owned());
    let by_name = source(guarded(ca_file)).await;
    assert_eq!(writer(&by_name, &route).await, says("db-2"));
    pair.both(swap);
    is_unclear(&writer(&by_name, &route).await, failed);

    let other = folder();
    let stranger = Certificates::new(other.path(), NAMES).authority;
    is_unclear(&writer(&source(guarded(Some(stranger))).await, &route).await, "could not be asked");
}
