//! `[sql]`: how the instances of routes with `discovery = "sql"` are asked, and what such a route needs.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::findings::Found;
use crate::config::section::{Number, Section};
use crate::config::words::{Keyword, Rule, words};
use writerlink_core::model::policy::{Database, DiscoverySource, Engine, Policy};
use writerlink_core::model::route::Route;
use writerlink_engine::timer::SQL_INTERVAL;

/// How the instances are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlConfig {
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub query_timeout: Duration,
    /// The database user.
    pub user: String,
    /// Where the password comes from. The configuration never holds it: its text is hashed, shown and copied.
    pub login: LoginFrom,
    /// The PEM file of the authorities that sign the servers' certificates; none for connections in the clear.
    pub ca_file: Option<PathBuf>,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFrom {
    /// From this variable of the environment.
    Variable(String),
    /// From the first line of this file.
    File(PathBuf),
    /// From IAM, anew for each connection.
    Iam,
}

/// The port at which PostgreSQL listens unless somebody says otherwise.
const POSTGRESQL_PORT: u32 = 5432;

words!(Engine: MySql = "mysql", PostgreSql = "postgresql";
    "write \"mysql\" (MySQL, MariaDB and Aurora MySQL too) or \"postgresql\" (Aurora PostgreSQL too)");

#[expect(clippy::cast_possible_truncation, reason = "half a second is no century")]
const INTERVAL: Number = Number::new(
    "interval_ms",
    100..=60_000,
    SQL_INTERVAL.as_millis() as u32,
    "more than ten questions a second find a failover no sooner, and after a minute the timer's own pass has come",
);

/// Both limits together stay within the five seconds that any call may take.
const CONNECT_TIMEOUT: Number = Number::new(
    "connect_timeout_ms",
    50..=2500,
    500,
    "a login takes some milliseconds, and a reading waits this long for an instance that is dead",
);

const QUERY_TIMEOUT: Number = Number {
    field: "query_timeout_ms",
    why: "an answer takes a millisecond, and a reading waits this long for an instance that hangs",
    ..CONNECT_TIMEOUT
};

const USER: Rule<String> = Rule {
    parse: |text| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        match text.len() {
            1..=63 if text.bytes().all(plain) => Ok(text.to_owned()),
            _ => Err("a database user has 1 to 63 letters, digits, '_', '-' or '.'".to_owned()),
        }
    },
    fix: "write the user that may do nothing but log in, such as \"writerlink\"; docs/discovery-sql.md has its statements",
};

const VARIABLE: Rule<String> = Rule {
    parse: |text| {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain && text.bytes().next().is_some_and(|b| !b.is_ascii_digit()) {
            return Ok(text.to_owned());
        }
        Err("this is no name of an environment variable".to_owned())
    },
    fix: "write the name of the variable that holds the password, such as \"WRITERLINK_SQL_PASSWORD\"",
};

const FILE: Rule<PathBuf> = Rule {
    parse: |text| match text {
        "" => Err("this is no path".to_owned()),
        path => Ok(PathBuf::from(path)),
    },
    fix: "write the path of a file that the worker can read",
};

const LOGIN_FIX: &str = "write one of password_env = \"VARIABLE\", password_file = \"PATH\" and iam = true";

/// Reads `[sql]`. A file whose routes ask no instance needs none, and then nothing of it is shown.
pub(super) fn settings(section: &Section<'_>, routes: Option<&[Route]>) -> Option<(SqlConfig, Duration)> {
    let asks = |route: &&Route| route.policy.discovery.contains(&DiscoverySource::Sql);
    let asked = routes.map(|routes| routes.iter().any(|route| asks(&route)));
    match (section.is_written(), asked) {
        (false, Some(true)) => {
            let why = "discovery has sql, and nothing says as whom the instances are asked";
            let fix = format!("write [sql] with user = \"NAME\"; also {LOGIN_FIX}");
            section.findings.fault(&section.header(), None, why, fix);
            return None;
        }
        (false, Some(false) | None) => return None,
        (true, Some(false)) => {
            let why = "nobody would use this: discovery of no route has sql";
            section.findings.fault(
                &section.header(),
                None,
                why,
                "add \"sql\" to a route's discovery, or remove [sql]",
            );
        }
        (true, Some(true) | None) => {}
    }
    let interval = millis(section.number(&INTERVAL));
    let connect_timeout = millis(section.number(&CONNECT_TIMEOUT));
    let query_timeout = millis(section.number(&QUERY_TIMEOUT));
    let user = user(section);
    let login = login(section);
    let ca_file = section.text("ca_file", &FILE);
    let shown = |file: &Option<PathBuf>| match file {
        Some(file) => file.display().to_string(),
        None => "none: connections are not encrypted".to_owned(),
    };
    let found = ca_file.map(|Found { value, place }| Found { value: Some(value), place });
    let ca_file = section.or_default("ca_file", found, None, shown);
    section.has_no_others();
    let login = login?;
    if login == LoginFrom::Iam {
        what_a_token_needs(section, ca_file.is_some(), routes);
    }
    Some((SqlConfig { connect_timeout, query_timeout, user: user?, login, ca_file }, interval))
}

fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn user(section: &Section<'_>) -> Option<String> {
    if !section.has("user") {
        let why = "nothing says as whom the instances are asked";
        section.findings.fault(&section.place_of("user"), None, why, USER.fix);
    }
    let user = section.text("user", &USER)?;
    section.findings.understood(&user.place, &user.value);
    Some(user.value)
}

/// Exactly one of the three ways to log in.
fn login(section: &Section<'_>) -> Option<LoginFrom> {
    if section.has("password") {
        // Its value is not quoted.
        let why = "a password does not belong in this file: its text is hashed, shown and copied";
        section.findings.fault(&section.place_of("password"), None, why, LOGIN_FIX);
        return None;
    }
    let variable = section.text("password_env", &VARIABLE);
    let file = section.text("password_file", &FILE);
    let iam = section.has("iam") && section.flag_or("iam", false);
    let written = ["password_env", "password_file"].into_iter().filter(|field| section.has(field)).count();
    match written + usize::from(iam) {
        1 => {}
        0 => {
            let why = "nothing says how the user proves who it is";
            section.findings.fault(&section.header(), None, why, LOGIN_FIX);
            return None;
        }
        _ => {
            let why = "the user proves who it is in one way, and this names several";
            section.findings.fault(&section.header(), None, why, LOGIN_FIX);
            return None;
        }
    }
    if let Some(Found { value, place }) = variable {
        section.findings.understood(&place, &value);
        return Some(LoginFrom::Variable(value));
    }
    if let Some(Found { value, place }) = file {
        section.findings.understood(&place, value.display());
        return Some(LoginFrom::File(value));
    }
    iam.then_some(LoginFrom::Iam)
}

/// A token is signed for the name of an instance's endpoint, and is sent as it is.
fn what_a_token_needs(section: &Section<'_>, encrypted: bool, routes: Option<&[Route]>) {
    if !encrypted {
        let why = "a token is sent as it is, so the connection has to be encrypted";
        let fix = "write ca_file = \"PATH\": RDS offers its authorities as global-bundle.pem";
        section.findings.fault(&section.place_of("ca_file"), None, why, fix);
    }
    for route in routes.unwrap_or_default() {
        let asked = route.policy.discovery.contains(&DiscoverySource::Sql);
        if asked && !route.instances.is_empty() && route.policy.endpoint.is_none() {
            let why = format!(
                "a token is signed for the name of an instance's endpoint, and route {} has addresses alone",
                route.name
            );
            let fix = "write the cluster endpoint as the route's endpoint, or remove its [route.instances]: RDS lists them";
            section.accuse("iam", &why, fix);
        }
    }
}

/// What the instances of a route speak. The field belongs to routes that ask them.
pub(super) fn engine(section: &Section<'_>, port: u32, policy: &Policy) -> Engine {
    let field = "engine";
    let default = if port == POSTGRESQL_PORT { Engine::PostgreSql } else { Engine::MySql };
    let written = section.text(field, &Engine::RULE);
    if policy.discovery.contains(&DiscoverySource::Sql) {
        return section.or_default(field, written, default, |engine| engine.word().to_owned());
    }
    if written.is_some() {
        let why = "no instance would be asked in it: discovery has no sql";
        section.accuse(field, why, "add \"sql\" to discovery, or remove the line");
    }
    default
}

/// Holds a route that asks its instances against what it says of them: whether it lists them, and whether RDS can be
/// asked for them.
pub(super) fn who_is_asked(section: &Section<'_>, policy: &Policy, has_map: bool, rds_lists: bool) {
    if !policy.discovery.contains(&DiscoverySource::Sql) {
        return;
    }
    if policy.database == Database::Instance {
        let why =
            "the standby of a Multi-AZ instance answers nobody, so there are no two instances to tell apart";
        let fix = "write discovery = \"dns\" or \"rds\" for a Multi-AZ instance";
        section.accuse("database", why, fix);
    }
    if !has_map && !rds_lists {
        let why = "discovery has sql, and nothing says which instances are to be asked";
        let fix = "list them with their addresses below [route.instances], or write source = \"CLUSTER\", whose instances RDS \
                   lists in the account and Region of the target group";
        section.accuse("discovery", why, fix);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigError, Loaded, file};

    const GROUP: &str = "target_group = \"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/73e2d6bc24d8a067\"\n";
    const MAP: &str = "[route.instances]\ndb-1 = \"10.0.1.10\"\ndb-2 = \"10.0.1.11\"\n";
    const SQL: &str = "[sql]\nuser = \"writerlink\"\npassword_env = \"PASSWORD\"\n";

    /// A file of this `[sql]`, and of one route with these lines.
    fn read(sql: &str, lines: &str) -> Result<Loaded, ConfigError> {
        file::parse(Path::new("w.toml"), &format!("{sql}[[route]]\n{GROUP}{lines}\n{MAP}"), &|_| None)
    }

    fn faults(sql: &str, lines: &str) -> String {
        let Err(ConfigError::Faulty { faults, .. }) = read(sql, lines) else {
            panic!("{sql}{lines} has no fault");
        };
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        faults.join("\n")
    }

    #[test]
    fn sql_is_read_with_its_defaults_and_shown_without_a_secret() {
        let loaded = read(SQL, "discovery = \"sql\"").unwrap();
        let expected = SqlConfig {
            connect_timeout: Duration::from_millis(500),
            query_timeout: Duration::from_millis(500),
            user: "writerlink".to_owned(),
            login: LoginFrom::Variable("PASSWORD".to_owned()),
            ca_file: None,
        };
        assert_eq!(loaded.config.sql, Some(expected));
        assert_eq!(loaded.config.reconciling.sql_interval, Duration::from_millis(500));
        assert_eq!(loaded.config.routes[0].policy.engine, Engine::MySql);
        let shown = loaded.settings.iter().filter(|setting| setting.field.starts_with("sql."));
        let shown: Vec<String> =
            shown.map(|setting| format!("{} = {}", setting.field, setting.value)).collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        sql.interval_ms = 500
        sql.connect_timeout_ms = 500
        sql.query_timeout_ms = 500
        sql.user = writerlink
        sql.password_env = PASSWORD
        sql.ca_file = none: connections are not encrypted
        ");
    }

    #[test]
    fn a_file_whose_routes_ask_no_instance_needs_no_sql() {
        let loaded = read("", "").unwrap();
        assert_eq!(loaded.config.sql, None);
        assert!(loaded.settings.iter().all(|setting| !setting.field.starts_with("sql")));
    }

    #[test]
    fn the_engine_follows_from_the_port_unless_it_is_written() {
        for (lines, engine) in [
            ("port = 3306", Engine::MySql),
            ("port = 5432", Engine::PostgreSql),
            ("port = 6432\nengine = \"postgresql\"", Engine::PostgreSql),
            ("port = 5432\nengine = \"mysql\"", Engine::MySql),
        ] {
            let loaded = read(SQL, &format!("discovery = \"sql\"\n{lines}")).unwrap();
            assert_eq!(loaded.config.routes[0].policy.engine, engine, "{lines}");
        }
    }

    #[test]
    fn every_fault_of_sql_names_the_field_and_what_to_write() {
        let asks = "discovery = \"sql\"";
        let all = [
            faults("", asks),
            faults(SQL, ""),
            faults("[sql]\n", asks),
            faults("[sql]\nuser = \"a b\"\npassword = \"hunter2\"\ninterval_ms = 5\n", asks),
            faults(&format!("{SQL}iam = true\n"), asks),
            faults("[sql]\nuser = \"writerlink\"\niam = true\n", asks),
            faults(SQL, "discovery = \"sql\"\ndatabase = \"instance\""),
            faults("", "engine = \"mysql\""),
            faults(SQL, "discovery = \"sql\"\nengine = \"oracle\""),
        ]
        .join("\n");
        assert!(!all.contains("hunter2"), "{all}");
        insta::assert_snapshot!(all, @r#"
        w.toml:1: sql
          why: discovery has sql, and nothing says as whom the instances are asked
          fix: write [sql] with user = "NAME"; also write one of password_env = "VARIABLE", password_file = "PATH" and iam = true
        w.toml:1: sql
          why: nobody would use this: discovery of no route has sql
          fix: add "sql" to a route's discovery, or remove [sql]
        w.toml:1: sql.user
          why: nothing says as whom the instances are asked
          fix: write the user that may do nothing but log in, such as "writerlink"; docs/discovery-sql.md has its statements
        w.toml:1: sql
          why: nothing says how the user proves who it is
          fix: write one of password_env = "VARIABLE", password_file = "PATH" and iam = true
        w.toml:2: sql.user = "a b"
          why: a database user has 1 to 63 letters, digits, '_', '-' or '.'
          fix: write the user that may do nothing but log in, such as "writerlink"; docs/discovery-sql.md has its statements
        w.toml:3: sql.password
          why: a password does not belong in this file: its text is hashed, shown and copied
          fix: write one of password_env = "VARIABLE", password_file = "PATH" and iam = true
        w.toml:4: sql.interval_ms = 5
          why: more than ten questions a second find a failover no sooner, and after a minute the timer's own pass has come
          fix: write a whole number from 100 to 60000; the default is 500
        w.toml:1: sql
          why: the user proves who it is in one way, and this names several
          fix: write one of password_env = "VARIABLE", password_file = "PATH" and iam = true
        w.toml:1: sql.ca_file
          why: a token is sent as it is, so the connection has to be encrypted
          fix: write ca_file = "PATH": RDS offers its authorities as global-bundle.pem
        w.toml:3: sql.iam = true
          why: a token is signed for the name of an instance's endpoint, and route default has addresses alone
          fix: write the cluster endpoint as the route's endpoint, or remove its [route.instances]: RDS lists them
        w.toml:7: route.default.database = "instance"
          why: the standby of a Multi-AZ instance answers nobody, so there are no two instances to tell apart
          fix: write discovery = "dns" or "rds" for a Multi-AZ instance
        w.toml:3: route.default.engine = "mysql"
          why: no instance would be asked in it: discovery has no sql
          fix: add "sql" to discovery, or remove the line
        w.toml:7: route.default.engine = "oracle"
          why: expected mysql or postgresql
          fix: write "mysql" (MySQL, MariaDB and Aurora MySQL too) or "postgresql" (Aurora PostgreSQL too)
        "#);
    }

    #[test]
    fn without_a_map_rds_has_to_know_the_instances() {
        let text = |lines: &str| {
            let ranges = "allowed_cidrs = [\"10.0.0.0/16\"]\ndiscovery = \"sql\"\n";
            let text = format!("{SQL}[[route]]\n{GROUP}{ranges}{lines}");
            file::parse(Path::new("w.toml"), &text, &|_| None)
        };
        assert!(text("source = \"aurora\"\n").is_ok());
        let Err(ConfigError::Faulty { faults, .. }) = text("") else { panic!("nobody knows the instances") };
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(faults.join("\n"), @r#"
        w.toml:7: route.default.discovery = "sql"
          why: discovery has sql, and nothing says which instances are to be asked
          fix: list them with their addresses below [route.instances], or write source = "CLUSTER", whose instances RDS lists in the account and Region of the target group
        "#);
    }
}
