//! One name server, asked by itself: who goes on to the next one when it fails is [`crate::dns::names`].

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use ipnet::IpNet;

use crate::dns::no_address::{NoAddress, no_address, plain};

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

/// How one name server is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    /// How long one attempt may take.
    pub(super) within: Duration,
    /// How often one that failed is made again.
    pub(super) retries: usize,
}

/// A name server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    resolver: TokioResolver,
}

impl Server {
    /// A server that is asked with these options.
    ///
    /// # Errors
    /// When no resolver can be made for it.
    pub(super) fn new(
        address: SocketAddr,
        options: &ResolverOpts,
        attempts: Attempts,
    ) -> Result<Self, NetError> {
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        for connection in &mut server.connections {
            connection.port = address.port();
        }
        let config = ResolverConfig::from_name_servers(vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = without_memory(options, attempts);
        let resolver = builder.build()?;
        Ok(Self { address, resolver })
    }

    /// What it says of a name, by the addresses of these families.
    pub(super) async fn ask(&self, name: &Name, families: Families) -> Result<Answer, NoAddress> {
        let ask = |family| self.ask_for(name, family);
        match families {
            Families::V4 => ask(RecordType::A).await,
            Families::V6 => ask(RecordType::AAAA).await,
            Families::Either => {
                let (four, six) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
                together(four, six)
            }
        }
    }

    async fn ask_for(&self, name: &Name, family: RecordType) -> Result<Answer, NoAddress> {
        match self.resolver.lookup(name.clone(), family).await {
            Ok(lookup) => Ok(Answer::read(name, &lookup)),
            Err(error) => Err(no_address(&plain(name), &error)),
        }
    }
}

/// A cached answer would be yesterday's writer, and so would a line of the hosts file, which is read once.
///
/// The size alone turns the cache off. A greatest TTL of zero would as well, and would hide what the name server said.
fn without_memory(options: &ResolverOpts, attempts: Attempts) -> ResolverOpts {
    let mut options = options.clone();
    options.timeout = attempts.within;
    options.attempts = attempts.retries;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // Without the aliases on the way nobody could tell which instance a cluster's endpoint leads to.
    options.preserve_intermediates = true;
    options
}

/// The addresses in an answer, and the names that led to them.
pub(super) struct Answer {
    pub(super) ips: Vec<IpAddr>,
    pub(super) names: Vec<Alias>,
}

/// A name on the way to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name, in lower case and without a dot at the end.
    pub name: String,
    /// For how long the name server allows what it said of it to be used again.
    pub ttl: Duration,
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
        let names: Vec<Name> =
            std::iter::successors(Some(asked.clone()), alias_of).take(records.len() + 1).collect();
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
        let ttl_of = |name: &Name| {
            let own = records.iter().filter(|record| record.name == *name);
            let longest = own.map(|record| record.ttl).max();
            Duration::from_secs(longest.unwrap_or_default().into())
        };
        let alias = |name: &Name| Alias { name: plain(name), ttl: ttl_of(name) };
        let names = names.iter().map(alias).collect();
        Self { ips, names }
    }
}

/// What both families say. One that has no address leaves the word to the other one; a fault of either is
/// a fault, since nobody knows what it would have said.
fn together(four: Result<Answer, NoAddress>, six: Result<Answer, NoAddress>) -> Result<Answer, NoAddress> {
    match (four, six) {
        (Err(NoAddress::Empty(_)), other) | (other, Err(NoAddress::Empty(_))) => other,
        (Ok(mut answer), Ok(six)) => {
            answer.ips.extend(six.ips);
            Ok(answer)
        }
        (Err(why), _) | (_, Err(why)) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
