//! The question to PostgreSQL, and Aurora or RDS of it.

use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::sql::hosts::Host;
use crate::sql::login::Secret;
use crate::sql::tls::client_config;
use crate::sql::{SqlSettings, told};

/// A server in recovery is a standby, or an Aurora reader. `default_transaction_read_only` is not asked: it may be set
/// for the user that asks, which is a good idea and says nothing about the server.
const QUESTION: &str = "select pg_is_in_recovery()";

/// The database that every server has, RDS included. Nothing in it is read.
const DATABASE: &str = "postgres";

pub(super) async fn connect(host: &Host, settings: &SqlSettings, secret: &Secret) -> Result<Client, String> {
    let mut config = Config::new();
    config
        .host(host.server_name())
        .hostaddr(host.ip)
        .port(host.port)
        .user(&settings.user)
        .password(secret.reveal())
        .dbname(DATABASE)
        .application_name("writerlink");
    let Some(ca_file) = &settings.ca_file else {
        if settings.login.is_sent_in_clear() {
            return Err("without a CA file a token would be sent in the clear".to_owned());
        }
        config.ssl_mode(SslMode::Disable);
        let (client, connection) = config.connect(NoTls).await.map_err(|error| told(&error))?;
        tokio::spawn(async move { drop(connection.await) });
        return Ok(client);
    };
    config.ssl_mode(SslMode::Require);
    let tls = MakeRustlsConnect::new(client_config(ca_file)?);
    let (client, connection) = config.connect(tls).await.map_err(|error| told(&error))?;
    // It ends when the client is dropped, or the server hangs up.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

pub(super) async fn is_writable(client: &Client) -> Result<bool, String> {
    let rows = rows(client, QUESTION).await?;
    match rows.first().and_then(|row| row.first()).map(String::as_str) {
        Some("f") => Ok(true),
        Some("t") => Ok(false),
        Some(_) | None => Err("the server did not say whether it is in recovery".to_owned()),
    }
}

/// The rows of an answer as text.
pub(super) async fn rows(client: &Client, question: &str) -> Result<Vec<Vec<String>>, String> {
    let messages = client.simple_query(question).await.map_err(|error| told(&error))?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let column = |n: usize| row.try_get(n).ok().flatten().unwrap_or_default().to_owned();
            Some((0..row.len()).map(column).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}
