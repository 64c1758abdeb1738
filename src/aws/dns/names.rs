//! What a name points at now: asked anew every time, within a time that no name server can stretch.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use ipnet::IpNet;

use super::no_address::{NoAddress, no_address, unopened};
use crate::domain::lease::CALL_TIMEOUT;
use crate::ports::CallError;

/// The longest one attempt may take, so that a second one fits in [`CALL_TIMEOUT`] after an attempt that
/// hung. A lost packet is sent again long before that; the VPC's resolver answers in milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a look-up is tried again that failed with a fault or without an answer.
const RETRIES: usize = 1;

/// How long a look-up may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// One attempt.
    pub attempt: Duration,
    /// All of it: retries, and every further name that the first one leads to.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: ATTEMPT_TIMEOUT,
            whole: CALL_TIMEOUT,
        }
    }
}

/// Which kinds of addresses a route can have, by what it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Either: the one that a name has.
    Either,
}

impl Families {
    /// The families that occur in a route's `allowed_cidrs`: an address of another one could never be
    /// registered, so nobody needs to ask for it.
    #[must_use]
    pub fn of(allowed: &[IpNet]) -> Self {
        let four = allowed.iter().any(|cidr| matches!(cidr, IpNet::V4(_)));
        let six = allowed.iter().any(|cidr| matches!(cidr, IpNet::V6(_)));
        match (four, six) {
            (_, false) => Self::V4,
            (false, true) => Self::V6,
            (true, true) => Self::Either,
        }
    }
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its address.
    pub ip: IpAddr,
    /// The names on the way, the asked one first, each the alias (CNAME) of the next. Lower case, no dot
    /// at the end.
    pub names: Vec<String>,
}

/// The system's name servers, without a cache in between.
///
/// A TTL says for how long an answer may be used again, and none is: so no answer is ever older than its TTL.
/// Only two look-ups of the same name at the same moment share a question on the wire.
#[derive(Clone, Debug)]
pub struct Names {
    resolver: TokioResolver,
    whole: Duration,
}

impl Names {
    /// Asks the name servers of the system's configuration (`/etc/resolv.conf`).
    ///
    /// # Errors
    /// When that cannot be read or names no server.
    pub fn of_the_system() -> Result<Self, CallError> {
        TokioResolver::builder_tokio()
            .and_then(|builder| Self::built(builder, Patience::default()))
            .map_err(|error| unopened(&error))
    }

    /// Asks these name servers, for whoever has their own.
    ///
    /// # Errors
    /// When no resolver can be made for them.
    pub fn of(servers: &[SocketAddr], patience: Patience) -> Result<Self, CallError> {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let provider = TokioRuntimeProvider::default();
        let builder = TokioResolver::builder_with_config(config, provider);
        Self::built(builder, patience).map_err(|error| unopened(&error))
    }

    fn built(
        mut builder: ResolverBuilder<TokioRuntimeProvider>,
        patience: Patience,
    ) -> Result<Self, NetError> {
        let options = builder.options_mut();
        set_limits(options, patience);
        forget_everything(options);
        Ok(Self {
            resolver: builder.build()?,
            whole: patience.whole,
        })
    }

    /// The one address of a name.
    ///
    /// # Errors
    /// When there is none, or more than one, or no answer in time.
    pub async fn look_up(&self, name: &str, families: Families) -> Result<Located, NoAddress> {
        let answer = tokio::time::timeout(self.whole, self.ask(name, families)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(NoAddress::Silent {
                name: name.to_owned(),
                why: format!("it took longer than {:?}", self.whole),
            })
        })?;
        answer.located(name)
    }

    async fn ask(&self, name: &str, families: Families) -> Result<Answer, NoAddress> {
        let asked = fully_qualified(name)?;
        let ask = |family| self.ask_for(&asked, name, family);
        match families {
            Families::V4 => ask(RecordType::A).await,
            Families::V6 => ask(RecordType::AAAA).await,
            Families::Either => {
                let (four, six) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
                together(four, six)
            }
        }
    }

    async fn ask_for(
        &self,
        asked: &Name,
        name: &str,
        family: RecordType,
    ) -> Result<Answer, NoAddress> {
        match self.resolver.lookup(asked.clone(), family).await {
            Ok(lookup) => Ok(Answer::read(asked, &lookup)),
            Err(error) => Err(no_address(name, &error)),
        }
    }
}

/// The addresses in an answer, and the names that led to them.
struct Answer {
    ips: Vec<IpAddr>,
    names: Vec<String>,
}

impl Answer {
    fn read(asked: &Name, lookup: &Lookup) -> Self {
        let records = lookup.answers();
        let alias_of = |name: &Name| {
            records.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if record.name == *name => Some(target.0.clone()),
                _ => None,
            })
        };
        // An alias takes one record, so a chain is never longer than the answer, not even a circle.
        let names: Vec<Name> = std::iter::successors(Some(asked.clone()), alias_of)
            .take(records.len() + 1)
            .collect();
        let mut ips: Vec<IpAddr> = records
            .iter()
            .filter(|record| names.last() == Some(&record.name))
            .filter_map(|record| match &record.data {
                RData::A(ip) => Some(IpAddr::V4(ip.0)),
                RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
                _ => None,
            })
            .collect();
        ips.sort_unstable();
        ips.dedup();
        let names = names.iter().map(plain).collect();
        Self { ips, names }
    }

    fn located(self, name: &str) -> Result<Located, NoAddress> {
        let name = name.to_owned();
        match self.ips.as_slice() {
            [] => Err(NoAddress::Empty(name)),
            [ip] => Ok(Located {
                ip: *ip,
                names: self.names,
            }),
            _ => Err(NoAddress::Many {
                name,
                ips: self.ips,
            }),
        }
    }
}

/// What both families say. One that has no address leaves the word to the other one; a fault of either is
/// a fault, since nobody knows what it would have said.
fn together(
    four: Result<Answer, NoAddress>,
    six: Result<Answer, NoAddress>,
) -> Result<Answer, NoAddress> {
    match (four, six) {
        (Err(NoAddress::Empty(_)), other) | (other, Err(NoAddress::Empty(_))) => other,
        (Ok(mut answer), Ok(six)) => {
            answer.ips.extend(six.ips);
            Ok(answer)
        }
        (Err(why), _) | (_, Err(why)) => Err(why),
    }
}

fn set_limits(options: &mut ResolverOpts, patience: Patience) {
    options.timeout = patience.attempt;
    options.attempts = RETRIES;
}

/// A cached answer would be yesterday's writer, and so would a line of the hosts file, which is read once.
fn forget_everything(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.positive_max_ttl = Some(Duration::ZERO);
    options.negative_max_ttl = Some(Duration::ZERO);
    options.use_hosts_file = ResolveHosts::Never;
    // Without the aliases on the way nobody could tell which instance a cluster's endpoint leads to.
    options.preserve_intermediates = true;
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

fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_fits_after_one_that_hung() {
        let attempts = u32::try_from(RETRIES).unwrap() + 1;
        assert!(ATTEMPT_TIMEOUT * attempts <= CALL_TIMEOUT);
    }

    #[test]
    fn a_route_asks_for_the_families_that_it_allows() {
        let families = |cidrs: &[&str]| {
            let parsed: Vec<IpNet> = cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect();
            Families::of(&parsed)
        };
        assert_eq!(families(&["10.0.0.0/8", "172.16.0.0/12"]), Families::V4);
        assert_eq!(families(&["2001:db8::/32"]), Families::V6);
        assert_eq!(families(&["10.0.0.0/8", "fd00::/8"]), Families::Either);
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
