//! One name server, asked by itself: who goes on to the next one when it fails is [`crate::dns::names`].

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use crate::dns::names::Families;
use crate::dns::no_address::{NoAddress, no_address};

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

pub(super) fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}
