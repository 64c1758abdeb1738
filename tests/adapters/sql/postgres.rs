//! PostgreSQL, as a primary and its physical standby.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use writerlink_aws::sql::SqlSettings;
use writerlink_aws::sql::login::{Login, Secret};
use writerlink_core::evidence::sql::ProbeAnswer;
use writerlink_core::model::policy::Engine;
use writerlink_core::model::route::Route;

use super::servers::{Account, Certificates, Process, folder, free_port, program, skipped, succeeds};
use super::{PASSWORD, USER, is_unclear, looked, route, says, settings, source, with_password, writer};
use crate::dns;

const IPS: [&str; 2] = ["127.0.0.31", "127.0.0.32"];

/// Whom the certificate of both names: the primary by its endpoint, and the standby by its address.
const NAMES: &str = "DNS:db-1.c1a2.us-east-1.rds.amazonaws.com,IP:127.0.0.32";

struct Pair {
    processes: Vec<Process>,
    homes: Vec<PathBuf>,
    port: u16,
    account: Account,
    certificates: Certificates,
    folder: tempfile::TempDir,
}

impl Pair {
    /// A primary and a standby that follows it; nothing where there is no PostgreSQL.
    fn start() -> Option<Self> {
        let (Some(initdb), Some(_), Some(base_backup), Some(_)) =
            (program("initdb"), program("postgres"), program("pg_basebackup"), program("psql"))
        else {
            skipped("postgresql");
            return None;
        };
        let folder = folder();
        let account = Account::of("postgres");
        account.owns(folder.path(), 0o755);
        let certificates = Certificates::new(folder.path(), NAMES);
        account.owns(&certificates.key, 0o400);
        let (port, primary) = (free_port(), folder.path().join("primary"));
        let mut first = account.command(&initdb);
        first.args(["--auth=trust", "--username=admin", "--no-sync", "-D"]).arg(&primary);
        succeeds(&mut first);
        let access = "local all admin trust\nhost replication admin 127.0.0.0/8 trust\n\
                      hostssl all guarded 127.0.0.0/8 scram-sha-256\nhost all guarded 127.0.0.0/8 reject\n\
                      host all all 127.0.0.0/8 scram-sha-256\n";
        fs::write(primary.join("pg_hba.conf"), access).unwrap();
        configure(account, &primary, &certificates, 0, port);
        let mut pair = Self {
            processes: vec![run(account, &primary, 0, port)],
            homes: vec![primary],
            port,
            account,
            certificates,
            folder,
        };
        let password = PASSWORD.replace('\'', "''");
        pair.does(0, &format!("create role {USER} login password '{password}'"));
        pair.does(0, &format!("create role guarded login password '{password}'"));
        pair.does(0, &format!("create role mighty login createdb in role pg_monitor password '{password}'"));
        let standby = pair.folder.path().join("standby");
        let mut copy = account.command(&base_backup);
        copy.args(["-h", IPS[0], "-p", &port.to_string(), "-U", "admin", "-R", "-X", "stream", "-c", "fast"]);
        succeeds(copy.arg("-D").arg(&standby));
        configure(account, &standby, &pair.certificates, 1, port);
        pair.processes.push(run(account, &standby, 1, port));
        pair.homes.push(standby);
        Some(pair)
    }

    /// What an administrator types at the `n`th server.
    fn does(&self, n: usize, statement: &str) -> String {
        let mut client = self.account.command(&program("psql").unwrap());
        client.args(["-X", "-A", "-t", "-U", "admin", "-d", "postgres", "-p", &self.port.to_string(), "-h"]);
        succeeds(client.arg(self.homes[n].with_extension("socket")).args(["-c", statement])).trim().to_owned()
    }

    fn route(&self) -> Route {
        let ips: Vec<IpAddr> = IPS.iter().map(|ip| ip.parse().unwrap()).collect();
        route(Engine::PostgreSql, self.port, &ips)
    }

    fn connections(&self, n: usize) -> String {
        self.does(n, &format!("select count(*) from pg_stat_activity where usename = '{USER}'"))
    }
}

fn configure(account: Account, home: &Path, certificates: &Certificates, n: usize, port: u16) {
    let mut file = fs::File::options().append(true).open(home.join("postgresql.conf")).unwrap();
    // Not in the data directory: a copy of that would take the socket's lock along.
    let socket = home.with_extension("socket");
    fs::create_dir(&socket).unwrap();
    account.owns(&socket, 0o755);
    let (socket, ip) = (socket.display(), IPS[n]);
    let (certificate, key) = (certificates.certificate.display(), certificates.key.display());
    writeln!(
        file,
        "listen_addresses = '{ip}'\nport = {port}\nunix_socket_directories = '{socket}'\nfsync = off\n\
         shared_buffers = 16MB\nssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'"
    )
    .unwrap();
}

fn run(account: Account, home: &Path, n: usize, port: u16) -> Process {
    let mut command = account.command(&program("postgres").unwrap());
    let log = fs::File::create(home.with_extension("log")).unwrap();
    command.arg("-D").arg(home).stdout(log.try_clone().unwrap()).stderr(log);
    Process::start(command, IPS[n], port)
}

#[tokio::test]
async fn postgresql_tells_its_writer_through_a_promotion() {
    let Some(mut pair) = Pair::start() else { return };
    let (route, source) = (pair.route(), source(with_password()).await);
    assert_eq!(writer(&source, &route).await, says("db-1"));
    assert_eq!(writer(&source, &route).await, says("db-1"));
    assert_eq!(pair.connections(0), "1", "one connection is kept");

    // The usual order: the primary dies, and the standby is promoted after that.
    pair.processes[0].end("-QUIT");
    is_unclear(&writer(&source, &route).await, "db-2 at 127.0.0.32 is read-only");
    assert_eq!(pair.does(1, "select pg_promote()"), "t");
    assert_eq!(writer(&source, &route).await, says("db-2"));

    // The old primary comes back, and nobody has fenced it.
    pair.processes[0].go();
    is_unclear(&writer(&source, &route).await, "2 instances are writable");
}

#[tokio::test]
async fn the_role_of_postgresql_needs_login_and_no_more() {
    let Some(pair) = Pair::start() else { return };
    let route = pair.route();
    let least = looked(&source(with_password()).await, &route).await;
    assert!(least.iter().all(|(_, excess)| excess.is_empty()), "{least:?}");
    let mighty = SqlSettings { user: "mighty".to_owned(), ..with_password() };
    let too_much = looked(&source(mighty).await, &route).await;
    assert_eq!(too_much[0].1, ["CREATEDB", "role pg_monitor"]);
    let wrong = source(settings(Login::Password(Secret::new("not-this-one")), None)).await;
    let answer = writer(&wrong, &route).await;
    is_unclear(&answer, "password authentication failed for user \"writerlink\"");
    assert!(!answer.unwrap_err().contains("not-this-one"));
}

#[tokio::test]
async fn postgresql_is_asked_over_tls_by_the_authority_of_the_file_alone() {
    let Some(pair) = Pair::start() else { return };
    let mut route = pair.route();
    let guarded = |ca_file| SqlSettings { user: "guarded".to_owned(), ca_file, ..with_password() };
    is_unclear(&writer(&source(guarded(None)).await, &route).await, "could not be asked");

    // By addresses, the certificate has to name the address: the standby's alone.
    let ca_file = Some(pair.certificates.authority.clone());
    let by_address = source(guarded(ca_file.clone())).await;
    let answer = writer(&by_address, &route).await;
    is_unclear(&answer, "not valid for name");
    is_unclear(&answer, "db-2 at 127.0.0.32 is read-only");

    // By names, it has to name the endpoint: the primary's alone.
    route.policy.endpoint = Some(dns::ENDPOINT.to_owned());
    let by_name = source(guarded(ca_file)).await;
    assert_eq!(writer(&by_name, &route).await, says("db-1"));
    let secured = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'guarded' and ssl";
    assert_eq!(pair.does(0, secured), "1");
    let facts = by_name.look(&route).await.unwrap();
    assert!(matches!(facts[1].answer, ProbeAnswer::Failed(_)), "{facts:?}");

    let other = folder();
    let stranger = Certificates::new(other.path(), NAMES).authority;
    is_unclear(&writer(&source(guarded(Some(stranger))).await, &route).await, "could not be asked");
}
