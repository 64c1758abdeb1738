//! A caching resolver between a process and the names, and how it lies: all of it legal, and met in the field.
//!
//! unbound, dnsmasq, pdns-recursor and kresd let an operator raise TTLs to an hour or a day (`cache-min-ttl` and its
//! like); all of them and bind can serve stale answers while their upstream is away; all keep "there is no such name"
//! for as long as the zone says, 900 s in Route 53's. A process without a resolver here asks the names themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::databases::Clusters;
use crate::databases::sight::NameFault;
use crate::faults::lock;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_engine::ports::{CallError, ErrorKind};

/// The TTL of Aurora's names.
const TTL: Duration = Duration::from_secs(5);

/// How a resolver keeps what it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolverConfig {
    /// It keeps an answer for at least this long, whatever the TTL.
    pub min_ttl: Duration,
    /// It answers from memory while its upstream is away, however old the answer.
    pub serve_stale: bool,
    /// It keeps "there is no such name" for this long.
    pub negative_ttl: Duration,
}

/// A name's address, and the name that it is an alias of, as the name servers say.
pub(super) struct Resolved {
    pub(super) ip: IpAddr,
    /// The own endpoint's name of the instance behind a cluster's endpoint.
    pub(super) alias_of: Option<String>,
}

/// What was told of a name, and when.
#[derive(Clone, Copy, Debug)]
struct CachedAnswer {
    /// No address: there is no such name.
    ip: Option<IpAddr>,
    at: Duration,
}

/// A caching resolver, shared by the processes that are put behind it.
#[derive(Debug)]
pub struct CachingResolver {
    config: ResolverConfig,
    cut_off_until: Mutex<Duration>,
    kept: Mutex<BTreeMap<String, CachedAnswer>>,
}

impl CachingResolver {
    /// A resolver that knows nothing yet.
    #[must_use]
    pub fn new(config: ResolverConfig) -> Arc<Self> {
        Arc::new(Self { config, cut_off_until: Mutex::default(), kept: Mutex::default() })
    }

    /// Until this true time its upstream is away.
    pub fn cut_off(&self, until: Duration) {
        *lock(&self.cut_off_until) = until;
    }

    /// What it answers, `upstream` being what the name servers would.
    pub(super) fn look_up(
        &self,
        name: &str,
        now: Duration,
        upstream: impl FnOnce() -> Result<Resolved, CallError>,
    ) -> Result<IpAddr, CallError> {
        if let Some(kept) = self.fresh(name, now) {
            return kept.ip.ok_or_else(|| NameFault::NoSuchName.error());
        }
        let told =
            if now < *lock(&self.cut_off_until) { Err(NameFault::NoAnswer.error()) } else { upstream() };
        let ip = match told {
            // Most resolvers look the target of an alias up in their own memory.
            Ok(Resolved { ip, alias_of }) => match alias_of.and_then(|name| self.fresh(&name, now)) {
                Some(kept) => kept.ip,
                None => Some(ip),
            },
            Err(error) if error.kind == ErrorKind::Missing => None,
            Err(error) => {
                let stale = lock(&self.kept).get(name).and_then(|kept| kept.ip);
                return stale.filter(|_| self.config.serve_stale).ok_or(error);
            }
        };
        lock(&self.kept).insert(name.to_owned(), CachedAnswer { ip, at: now });
        ip.ok_or_else(|| NameFault::NoSuchName.error())
    }

    fn fresh(&self, name: &str, now: Duration) -> Option<CachedAnswer> {
        let kept = *lock(&self.kept).get(name)?;
        let keeps_for = match kept.ip {
            Some(_) => self.config.min_ttl.max(TTL),
            None => self.config.negative_ttl,
        };
        (now < kept.at + keeps_for).then_some(kept)
    }
}

/// What a process heard of a source when it asked about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When the answer reached it, in true time since the world began.
    pub at: Duration,
    /// Which process.
    pub by: String,
    /// About which route.
    pub route: RouteName,
    /// Whom it asked.
    pub of: DiscoverySource,
    /// The address of the writer that was named.
    pub ip: IpAddr,
}

/// The resolvers of a world's processes, and what the processes heard.
#[derive(Debug, Default)]
pub(super) struct Askers {
    resolvers: Mutex<BTreeMap<String, Arc<CachingResolver>>>,
    heard: Mutex<Vec<Heard>>,
}

impl Askers {
    pub(super) fn resolver(&self, process: &str) -> Option<Arc<CachingResolver>> {
        lock(&self.resolvers).get(process).cloned()
    }
}

impl Clusters {
    /// From now on this process reads names through that resolver.
    pub fn put_behind(&self, process: &str, resolver: &Arc<CachingResolver>) {
        lock(&self.askers.resolvers).insert(process.to_owned(), Arc::clone(resolver));
    }

    /// Notes what a process heard.
    pub fn note_heard(&self, by: &str, route: &RouteName, (of, ip): (DiscoverySource, IpAddr)) {
        let heard = Heard { at: self.time.elapsed(), by: by.to_owned(), route: route.clone(), of, ip };
        lock(&self.askers.heard).push(heard);
    }

    /// What processes heard about this route since then, oldest first, as far as a writer was named.
    #[must_use]
    pub fn heard(&self, route: &RouteName, since: Duration) -> Vec<Heard> {
        let heard = lock(&self.askers.heard);
        let of_route = heard.iter().filter(|heard| heard.at >= since && heard.route == *route);
        of_route.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for what an upstream answers")]
    fn says(last: u8) -> Result<Resolved, CallError> {
        let alias_of = Some("db-1".to_owned());
        Ok(Resolved { ip: ip(last), alias_of })
    }

    fn absent() -> Result<Resolved, CallError> {
        Err(NameFault::NoSuchName.error())
    }

    fn never() -> Result<Resolved, CallError> {
        panic!("nobody is asked")
    }

    #[test]
    fn an_answer_is_kept_for_its_ttl_or_for_longer_if_the_resolver_raises_it() {
        for (min_ttl, kept) in [(0, 5), (300, 300)] {
            let resolver = CachingResolver::new(ResolverConfig {
                min_ttl: seconds(min_ttl),
                ..ResolverConfig::default()
            });
            assert_eq!(resolver.look_up("db", seconds(10), || says(1)), Ok(ip(1)));
            let last = seconds(10 + kept - 1);
            assert_eq!(resolver.look_up("db", last, never), Ok(ip(1)));
            let over = seconds(10 + kept);
            assert_eq!(resolver.look_up("db", over, || says(2)), Ok(ip(2)));
        }
    }

    #[test]
    fn a_resolver_serves_stale_answers_until_its_upstream_is_back() {
        for serve_stale in [true, false] {
            let resolver = CachingResolver::new(ResolverConfig { serve_stale, ..ResolverConfig::default() });
            resolver.look_up("db", seconds(0), || says(1)).unwrap();
            resolver.cut_off(seconds(7_200));
            let away = resolver.look_up("db", seconds(7_199), never);
            assert_eq!(away.ok(), serve_stale.then(|| ip(1)));
            let back = resolver.look_up("db", seconds(7_200), || says(2));
            assert_eq!(back, Ok(ip(2)));
        }
    }

    #[test]
    fn a_name_asked_for_too_early_stays_absent_and_so_do_its_aliases() {
        let resolver =
            CachingResolver::new(ResolverConfig { negative_ttl: seconds(900), ..ResolverConfig::default() });
        let error = resolver.look_up("db-1", seconds(0), absent).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing);
        // The cluster's endpoint leads there by now, and the resolver believes itself.
        let cluster = resolver.look_up("db", seconds(100), || says(1));
        assert_eq!(cluster, Err(NameFault::NoSuchName.error()));
        assert!(resolver.look_up("db-1", seconds(899), never).is_err());
        assert_eq!(resolver.look_up("db-1", seconds(900), || says(1)), Ok(ip(1)));
    }
}
