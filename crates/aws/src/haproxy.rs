//! HAProxy's UNIX socket, over which a change reaches it at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use writerlink_engine::relay::{Haproxy, NotPushed, RelaySwitch};

/// HAProxy answers at once or not at all.
const WITHIN: Duration = Duration::from_secs(1);

/// The most of an answer that is read.
const ANSWER_MAX: u64 = 64 * 1024;

/// The socket of `stats socket`, level admin.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
}

impl AdminSocket {
    /// The socket at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    async fn say(&self, commands: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(&self.path).await?;
        stream.write_all(commands.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    }
}

/// The commands of a switch, on one line: the old servers first, so that never two are usable. They say what the
/// agent's words say, `down maint` and `up ready`.
fn commands(switch: &RelaySwitch) -> String {
    let route = &switch.route;
    let server = |instance, health, state| {
        format!("set server {route}/{instance} agent {health}; set server {route}/{instance} state {state}")
    };
    let mut commands: Vec<String> =
        switch.others.iter().map(|other| server(other, "down", "maint")).collect();
    commands.push(server(&switch.to, "up", "ready"));
    commands.join("; ")
}

#[async_trait]
impl Haproxy for AdminSocket {
    async fn switch(&self, switch: &RelaySwitch) -> Result<(), NotPushed> {
        let not = |why: String| NotPushed(format!("{}: {why}", self.path.display()));
        match timeout(WITHIN, self.say(&commands(switch))).await {
            Err(_) => Err(not(format!("no answer within {} s", WITHIN.as_secs()))),
            Ok(Err(error)) => Err(not(error.to_string())),
            // HAProxy answers nothing to a command that it carried out.
            Ok(Ok(answer)) if answer.is_empty() => Ok(()),
            Ok(Ok(answer)) => Err(not(answer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use writerlink_core::model::names::{InstanceId, RouteName};

    #[test]
    fn a_switch_takes_the_old_servers_out_before_it_puts_the_new_one_in() {
        let instance = |name: &str| InstanceId::new(name).unwrap();
        let switch = RelaySwitch {
            route: RouteName::new("orders").unwrap(),
            to: instance("db-2"),
            others: vec![instance("db-1"), instance("db-3")],
        };
        assert_eq!(
            commands(&switch),
            "set server orders/db-1 agent down; set server orders/db-1 state maint; \
             set server orders/db-3 agent down; set server orders/db-3 state maint; \
             set server orders/db-2 agent up; set server orders/db-2 state ready"
        );
    }
}
