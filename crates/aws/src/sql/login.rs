//! How the prober proves who it is, without ever showing it.

use std::fmt;
use std::path::PathBuf;

use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};

use crate::sql::hosts::Host;

/// A password or a token. It shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the driver alone.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Where the password of a new connection comes from.
#[derive(Clone)]
pub enum Login {
    /// This one.
    Password(Secret),
    /// The first line of this file, read anew for each connection: a rotated password needs no restart.
    File(PathBuf),
    /// IAM database authentication. A token is good for 15 minutes, and an open connection outlives it, so each
    /// new connection signs its own. Signing is local; only the credentials may need a call.
    Iam(Box<SdkConfig>),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(secret) => secret.fmt(f),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Iam(_) => f.write_str("Iam"),
        }
    }
}

impl Login {
    /// Whether the password goes to the server as it is, which only TLS hides from others.
    pub(super) fn is_sent_in_clear(&self) -> bool {
        matches!(self, Self::Iam(_))
    }

    /// The password for a connection that is opened now.
    pub(super) async fn secret(&self, user: &str, host: &Host) -> Result<Secret, String> {
        match self {
            Self::Password(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                match text.lines().next() {
                    Some(line) if !line.is_empty() => Ok(Secret::new(line)),
                    Some(_) | None => Err(format!("{} has no password in its first line", path.display())),
                }
            }
            Self::Iam(sdk) => token(sdk, user, host).await,
        }
    }
}

/// A token is signed for the name of the endpoint that RDS gave the instance, and for no other name of it (RDS User
/// Guide, "Connecting to your DB instance using IAM authentication").
async fn token(sdk: &SdkConfig, user: &str, host: &Host) -> Result<Secret, String> {
    let Some(name) = &host.name else {
        return Err(format!(
            "the endpoint's name of {} is not known, and a token is signed for it",
            host.instance
        ));
    };
    let config = Config::builder().hostname(name).port(host.port.into()).username(user).build();
    let config = config.map_err(|error| format!("no token: {error}"))?;
    let signed = AuthTokenGenerator::new(config).auth_token(sdk).await;
    signed.map(|token| Secret::new(token.as_str())).map_err(|error| format!("no token: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::SqlSettings;
    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_async::time::StaticTimeSource;
    use std::time::{Duration, UNIX_EPOCH};
    use writerlink_core::model::names::InstanceId;

    fn host(name: Option<&str>) -> Host {
        Host {
            instance: InstanceId::new("db-1").unwrap(),
            ip: [10, 0, 0, 1].into(),
            port: 3306,
            name: name.map(str::to_owned),
        }
    }

    fn sdk() -> SdkConfig {
        let credentials =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", Some("session".to_owned()), None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .time_source(StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(1_700_000_000)))
            .build()
    }

    #[test]
    fn no_secret_is_in_any_debug_output() {
        for login in [Login::Password(Secret::new("hunter2")), Login::Iam(Box::new(sdk()))] {
            let settings = SqlSettings {
                connect_timeout: Duration::ZERO,
                query_timeout: Duration::ZERO,
                user: "monitor".to_owned(),
                login,
                ca_file: None,
            };
            let shown = format!("{settings:?} {:#?}", settings.login);
            for secret in ["hunter2", "AKIDEXAMPLE", "wJalrXUtnFEMI", "session"] {
                assert!(!shown.contains(secret), "{shown}");
            }
            assert!(shown.contains("monitor"));
        }
    }

    #[tokio::test]
    async fn each_connection_signs_a_token_for_its_own_endpoint() {
        let name = "db-1.abc123.eu-west-1.rds.amazonaws.com";
        let secret = Login::Iam(Box::new(sdk())).secret("monitor", &host(Some(name))).await.unwrap();
        let token = secret.reveal();
        assert!(token.starts_with(&format!("{name}:3306/?Action=connect&DBUser=monitor&")), "{token}");
        assert!(token.contains("X-Amz-Expires=900"), "{token}");
        assert!(token.contains("eu-west-1%2Frds-db%2Faws4_request"), "{token}");
        let why = Login::Iam(Box::new(sdk())).secret("monitor", &host(None)).await.unwrap_err();
        assert!(why.contains("db-1"), "{why}");
    }

    #[tokio::test]
    async fn a_password_file_is_read_for_each_connection() {
        let file = std::env::temp_dir().join(format!("writerlink-sql-password-{}", std::process::id()));
        let login = Login::File(file.clone());
        for password in ["first", "second"] {
            std::fs::write(&file, format!("{password}\n")).unwrap();
            let secret = login.secret("monitor", &host(None)).await.unwrap();
            assert_eq!(secret.reveal(), password);
        }
        std::fs::remove_file(&file).unwrap();
        let why = login.secret("monitor", &host(None)).await.unwrap_err();
        assert!(why.contains("cannot be read"), "{why}");
    }
}
