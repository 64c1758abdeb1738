//! The question to MySQL, MariaDB, and Aurora or RDS of either.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Row, SslOpts};

use crate::sql::hosts::Host;
use crate::sql::login::Secret;
use crate::sql::{SqlSettings, told};

/// One question that every server of the family understands, with USAGE alone. A variable that a server does not have
/// is left out of the answer: MariaDB has no `super_read_only`, and calls `transaction_read_only` by the old name
/// `tx_read_only` before 11.1. `select @@global.super_read_only` is an error there.
const QUESTION: &str = "show global variables where variable_name in \
     ('read_only', 'super_read_only', 'innodb_read_only', 'transaction_read_only', 'tx_read_only')";

/// The variables that every server has. `read_only` alone calls a server writable that runs with `innodb_read_only`, as
/// Aurora's readers do.
const NEEDED: [&str; 2] = ["read_only", "innodb_read_only"];

/// An answer has five rows of a few bytes.
const PACKET_MAX: usize = 1 << 20;

/// How long the server may keep an idle connection: as long as it likes. Written down so that the driver does not ask.
const WAIT_TIMEOUT_SECONDS: usize = 28_800;

/// How soon the system looks whether the other side of an idle connection is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

pub(super) async fn connect(host: &Host, settings: &SqlSettings, secret: &Secret) -> Result<Conn, String> {
    let encrypted = settings.ca_file.as_ref().map(|ca_file| {
        SslOpts::default()
            .with_disable_built_in_roots(true)
            .with_root_certs(vec![ca_file.clone().into()])
            .with_danger_tls_hostname_override(Some(host.server_name()))
    });
    // In the clear a token would go to whoever listens.
    let sends_in_clear = settings.login.is_sent_in_clear() && encrypted.is_some();
    let options = OptsBuilder::default()
        .ip_or_hostname(host.ip.to_string())
        .tcp_port(host.port)
        .user(Some(settings.user.as_str()))
        .pass(Some(secret.reveal()))
        .ssl_opts(encrypted)
        .enable_cleartext_plugin(sends_in_clear)
        // Else the driver moves to a UNIX socket that a server of this machine names, past the port that is asked.
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE))
        .stmt_cache_size(0)
        .max_allowed_packet(Some(PACKET_MAX))
        .wait_timeout(Some(WAIT_TIMEOUT_SECONDS));
    Conn::new(options).await.map_err(|error| told(&error))
}

pub(super) async fn is_writable(connection: &mut Conn) -> Result<bool, String> {
    let rows = rows(connection, QUESTION).await?;
    let pair = |row: &Vec<String>| Some((row.first()?.clone(), row.get(1)?.clone()));
    writable(&rows.iter().filter_map(pair).collect::<Vec<_>>())
}

/// The rows of an answer as text.
pub(super) async fn rows(connection: &mut Conn, question: &str) -> Result<Vec<Vec<String>>, String> {
    let rows: Vec<Row> = connection.query(question).await.map_err(|error| told(&error))?;
    let text = |row: &Row| {
        let column = |n: usize| row.get_opt::<String, usize>(n).and_then(Result::ok).unwrap_or_default();
        (0..row.len()).map(column).collect()
    };
    Ok(rows.iter().map(text).collect())
}

/// Whether none of the variables forbids to write.
fn writable(variables: &[(String, String)]) -> Result<bool, String> {
    for name in NEEDED {
        if !variables.iter().any(|(variable, _)| variable.eq_ignore_ascii_case(name)) {
            return Err(format!("the server has no variable {name}"));
        }
    }
    let is_off = |value: &str| value.eq_ignore_ascii_case("off") || value == "0";
    // MariaDB 12 has more than two values: whatever is not off forbids something.
    Ok(variables.iter().all(|(_, value)| is_off(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rows: &[(&str, &str)]) -> Result<bool, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        writable(&rows.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_server_is_writable_when_every_variable_is_off() {
        assert_eq!(answer(&[("innodb_read_only", "OFF"), ("read_only", "OFF")]), Ok(true));
        assert_eq!(answer(&[("innodb_read_only", "0"), ("read_only", "0")]), Ok(true));
        for (variable, value) in [
            ("super_read_only", "ON"),
            ("transaction_read_only", "1"),
            ("tx_read_only", "ON"),
            ("read_only", "NO_LOCK_NO_ADMIN"),
        ] {
            let rows = [("innodb_read_only", "OFF"), ("read_only", "OFF"), (variable, value)];
            assert_eq!(answer(&rows), Ok(false), "{variable}");
        }
    }

    #[test]
    fn an_aurora_reader_is_no_writer_although_read_only_is_off() {
        assert_eq!(answer(&[("innodb_read_only", "ON"), ("read_only", "OFF")]), Ok(false));
    }

    #[test]
    fn an_answer_without_the_variables_proves_nothing() {
        assert!(answer(&[]).is_err());
        assert_eq!(
            answer(&[("read_only", "OFF")]),
            Err("the server has no variable innodb_read_only".to_owned())
        );
    }
}
