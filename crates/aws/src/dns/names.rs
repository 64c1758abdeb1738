//! What a name points at now: asked anew every time, within a time that no name server can stretch.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::ResolverOpts;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::read_system_conf;

use crate::dns::no_address::{NoAddress, nobody, unopened};
pub use crate::dns::server::{Alias, Families};
use crate::dns::server::{Answer, Attempts, Server};
use writerlink_core::model::time::CALL_TIMEOUT;
use writerlink_engine::ports::CallError;

/// The longest one attempt may take, so that a second one fits in [`CALL_TIMEOUT`] after an attempt that
/// hung. A lost packet is sent again long before that; the VPC's resolver answers in milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How many attempts of the whole length are made: at one server one after the other, of two servers one at each.
const ATTEMPTS: u32 = 2;

/// So many name servers are asked at most, as the C library does (`MAXNS`): with more, none has the time to answer.
pub const SERVERS_MAX: usize = 3;

/// The port of a name server, if nothing else is said. `/etc/resolv.conf` cannot say anything else.
pub const PORT: u16 = 53;

/// How long a look-up may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// One attempt.
    pub attempt: Duration,
    /// All of it: retries, further servers, and every further name that the first one leads to.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempt: ATTEMPT_TIMEOUT, whole: CALL_TIMEOUT }
    }
}

impl Patience {
    /// How each of so many servers is asked, so that all attempts together take no longer than two at one.
    fn at_each_of(self, servers: usize) -> Attempts {
        match u32::try_from(servers).unwrap_or(u32::MAX) {
            0 | 1 => Attempts { within: self.attempt, retries: 1 },
            several => Attempts { within: self.attempt * ATTEMPTS / several, retries: 0 },
        }
    }
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its address.
    pub ip: IpAddr,
    /// The names on the way, the asked one first, each the alias (CNAME) of the next; the last one has the address.
    pub names: Vec<Alias>,
}

/// The name servers, without a cache in between.
///
/// They are asked in their order, one at a time. The next one is asked only when the one before it fails to answer: no
/// answer in time, no connection, or a code that is no answer (SERVFAIL, REFUSED …). That a name does not exist is
/// an answer. So the order is the operator's choice, as `/etc/resolv.conf` says it to every other program. The two other
/// ways are worse:
/// - Ask all, and the fastest wins (hickory's default): a stale cache answers from memory, while a fresh one has to ask
///   first, since Aurora's TTL of 5 s is over at every look. The stale one wins nearly always.
/// - Ask all, and a difference is unclear: one stale cache of three keeps the route from following a lost event for as
///   long as it is stale, which may be a day, and every look waits for a server that is down.
///
/// The one that is believed may lag behind as well. That is for the decision to bear, and for `check` to see, which asks
/// each server. The order is kept here and not by hickory's `UserProvidedOrder`: in hickory 0.26.3 one timeout is for
/// all servers together, so behind a silent first server the second one is never asked, however often it tries.
///
/// A TTL says for how long an answer may be used again, and none is: so no answer is ever older than its TTL.
/// Only two look-ups of the same name at the same moment share a question on the wire.
#[derive(Clone, Debug)]
pub struct Names {
    servers: Vec<Server>,
    whole: Duration,
}

impl Names {
    /// Asks the first three name servers of the system's configuration (`/etc/resolv.conf`).
    ///
    /// # Errors
    /// When that cannot be read or names no server.
    pub fn of_the_system() -> Result<Self, CallError> {
        let system = read_system_conf().map_err(|error| unopened(&error))?;
        let (config, options) = system;
        let servers = config.name_servers().iter();
        let servers: Vec<SocketAddr> =
            servers.map(|server| SocketAddr::new(server.ip, PORT)).take(SERVERS_MAX).collect();
        Self::with(&servers, &options, Patience::default()).map_err(|error| unopened(&error))
    }

    /// Asks these name servers.
    ///
    /// # Errors
    /// When no resolver can be made for them.
    pub fn of(servers: &[SocketAddr], patience: Patience) -> Result<Self, CallError> {
        let options = ResolverOpts::default();
        Self::with(servers, &options, patience).map_err(|error| unopened(&error))
    }

    fn with(servers: &[SocketAddr], options: &ResolverOpts, patience: Patience) -> Result<Self, NetError> {
        let attempts = patience.at_each_of(servers.len());
        let servers = servers.iter();
        let servers = servers.map(|address| Server::new(*address, options, attempts));
        Ok(Self { servers: servers.collect::<Result<_, _>>()?, whole: patience.whole })
    }

    /// The one address of a name.
    ///
    /// # Errors
    /// When there is none, or more than one, or no answer in time.
    pub async fn look_up(&self, name: &str, families: Families) -> Result<Located, NoAddress> {
        let asked = fully_qualified(name)?;
        let answer = self.in_time(name, self.in_order(&asked, families)).await?;
        located(answer, name)
    }

    /// The same of every server by itself, in their order: for whoever compares them.
    ///
    /// # Errors
    /// When it cannot be a name.
    pub async fn look_up_at_each(
        &self,
        name: &str,
        families: Families,
    ) -> Result<Vec<(SocketAddr, Result<Located, NoAddress>)>, NoAddress> {
        let asked = fully_qualified(name)?;
        let mut said = Vec::new();
        for server in &self.servers {
            let answer = self.in_time(name, server.ask(&asked, families)).await;
            let found = answer.and_then(|answer| located(answer, name));
            said.push((server.address, found));
        }
        Ok(said)
    }

    async fn in_time(
        &self,
        name: &str,
        asking: impl Future<Output = Result<Answer, NoAddress>>,
    ) -> Result<Answer, NoAddress> {
        let answer = tokio::time::timeout(self.whole, asking).await;
        answer.unwrap_or_else(|_| {
            Err(NoAddress::Silent {
                name: name.to_owned(),
                why: format!("it took longer than {:?}", self.whole),
            })
        })
    }

    async fn in_order(&self, asked: &Name, families: Families) -> Result<Answer, NoAddress> {
        let mut failed = Vec::new();
        for server in &self.servers {
            match server.ask(asked, families).await {
                Err(why) if !why.is_an_answer() => failed.push((server.address, why)),
                answer => return answer,
            }
        }
        Err(nobody(asked, &failed))
    }
}

fn located(answer: Answer, name: &str) -> Result<Located, NoAddress> {
    let name = name.to_owned();
    match answer.ips.as_slice() {
        [] => Err(NoAddress::Empty(answer.names.last().map_or(name, |last| last.name.clone()))),
        [ip] => Ok(Located { ip: *ip, names: answer.names }),
        _ => Err(NoAddress::Many { name, ips: answer.ips }),
    }
}

/// With its dot at the end, or the system's search list would be tried on it: `db.example.com` must never
/// be answered by `db.example.com.corp.example.com`.
fn fully_qualified(name: &str) -> Result<Name, NoAddress> {
    match Name::from_ascii(name) {
        Ok(mut parsed) if parsed.num_labels() > 0 => {
            parsed.set_fqdn(true);
            Ok(parsed)
        }
        Ok(_) => Err(malformed(name, "it is empty".to_owned())),
        Err(error) => Err(malformed(name, error.to_string())),
    }
}

fn malformed(name: &str, why: String) -> NoAddress {
    let name = name.to_owned();
    NoAddress::Malformed { name, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_attempts_at_all_servers_fit_in_the_time_of_a_call() {
        for servers in 1..=SERVERS_MAX {
            let Attempts { within, retries } = Patience::default().at_each_of(servers);
            let attempts = u32::try_from(servers * (retries + 1)).unwrap();
            assert!(within * attempts < CALL_TIMEOUT, "{servers}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_says_so() {
        let long = "a".repeat(64);
        for name in ["", ".", "a..b", long.as_str()] {
            let refused = fully_qualified(name).unwrap_err();
            assert!(matches!(refused, NoAddress::Malformed { .. }), "{name:?}");
        }
    }

    #[test]
    fn the_search_list_is_never_tried() {
        assert!(fully_qualified("db.example.com").unwrap().is_fqdn());
        assert!(fully_qualified("db").unwrap().is_fqdn());
    }
}
