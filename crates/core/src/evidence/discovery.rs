//! Discovery: who the writer is now, by the sources of a route.
//!
//! An event is a hint: AWS sends RDS events "on a best effort basis" and asks not to depend on their order or
//! existence (Aurora User Guide, "Working with Amazon RDS event notification"). What RDS's API or the name of
//! an endpoint says can be read again at any time. Yet it is no oracle either: for seconds after a failover
//! the API, the names and the events may each tell another story. So a source may say that it cannot tell,
//! two sources have to agree, and their reading has to be stable for a while before it outranks an event.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::evidence::event::EventKey;
use crate::model::names::InstanceId;
use crate::model::policy::DiscoverySource;
use crate::model::time::Timestamp;

/// An instance and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Which instance, if the source knows.
    pub instance: Option<InstanceId>,
    /// Its address.
    pub ip: IpAddr,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instance {
            Some(instance) => write!(f, "{instance} at {}", self.ip),
            None => write!(f, "{}", self.ip),
        }
    }
}

/// The report of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceReport {
    /// This is the writer, and these are the readers as far as it knows of any.
    Members {
        /// The writer.
        writer: Member,
        /// Who only reads, in order.
        readers: Vec<Member>,
    },
    /// It cannot tell now: a transitional status, no answer, an empty one, a name that does not exist. Never a
    /// reason to take anything out of a group.
    Unclear(String),
}

impl SourceReport {
    /// The writer by this report, if it is clear.
    #[must_use]
    pub fn writer(&self) -> Option<&Member> {
        match self {
            Self::Members { writer, .. } => Some(writer),
            Self::Unclear(_) => None,
        }
    }
}

/// The reports of all sources of a route, read together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReports(pub Vec<(DiscoverySource, SourceReport)>);

/// The combined result of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// The route has no sources: it is an events-only route.
    NoSources,
    /// They agree.
    Members {
        /// The writer.
        writer: Member,
        /// Who only reads.
        readers: Vec<Member>,
    },
    /// They differ, or one of them is unclear: wait.
    Unclear(String),
}

impl SourceReports {
    /// The combined result. The address decides, since that is what a target is; the instance's
    /// name comes from a source that knows it.
    #[must_use]
    pub fn discovery(&self) -> Discovery {
        let mut agreed: Option<(Member, Vec<Member>)> = None;
        for (source, report) in &self.0 {
            let (writer, readers) = match report {
                SourceReport::Unclear(why) => return Discovery::Unclear(format!("{source}: {why}")),
                SourceReport::Members { writer, readers } => (writer, readers),
            };
            match &mut agreed {
                None => agreed = Some((writer.clone(), readers.clone())),
                Some((known, _)) if known.ip != writer.ip => {
                    return Discovery::Unclear(format!("the sources differ: {self}"));
                }
                Some((known, known_readers)) => {
                    known.instance = known.instance.take().or_else(|| writer.instance.clone());
                    if known_readers.is_empty() {
                        known_readers.clone_from(readers);
                    }
                }
            }
        }
        match agreed {
            Some((writer, readers)) => Discovery::Members { writer, readers },
            None => Discovery::NoSources,
        }
    }
}

impl fmt::Display for SourceReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (source, report)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            match report {
                SourceReport::Members { writer, .. } => write!(f, "{comma}{source} says {writer}")?,
                SourceReport::Unclear(why) => write!(f, "{comma}{source} cannot tell: {why}")?,
            }
        }
        Ok(())
    }
}

/// How many readings in a row have to agree before they move a route, and how far apart they are taken.
pub const STEADY_READINGS: usize = 3;

/// How far apart the readings are taken that confirm a first one: with [`STEADY_READINGS`] a lost event is
/// believed four seconds after it was noticed.
pub const CONFIRM_EVERY: Duration = Duration::from_secs(2);

/// For how long readings have to agree when the route was moved by a reading a moment ago: a cluster's endpoint
/// has been seen to flap for 20 to 30 s after a failover, and a route must not flap along.
pub const STEADY_AFTER_A_MOVE: Duration = Duration::from_secs(35);

/// The readings of a route so far, as one worker took them: what makes single readings a stable one.
#[derive(Clone, Debug, Default)]
pub struct ReadingHistory {
    /// Readings that agree with the newest one, by the reader's monotonic clock.
    agreeing: VecDeque<Duration>,
    newest: Option<Discovery>,
}

impl ReadingHistory {
    /// Takes the next reading.
    pub fn take(&mut self, discovery: Discovery, monotonic: Duration) {
        if self.newest.as_ref() != Some(&discovery) {
            self.agreeing.clear();
            self.newest = Some(discovery);
        }
        self.agreeing.push_back(monotonic);
        if self.agreeing.len() > STEADY_READINGS {
            // The first one gives the start; the last ones give the count.
            self.agreeing.remove(1);
        }
    }

    /// For how long the newest reading has stood, once enough of them agreed.
    #[must_use]
    pub fn stood(&self) -> Option<Duration> {
        self.stood_in(STEADY_READINGS)
    }

    /// The same for sources of which so many readings suffice, at most [`STEADY_READINGS`].
    #[must_use]
    pub fn stood_in(&self, readings: usize) -> Option<Duration> {
        let (first, last) = (self.agreeing.front()?, self.agreeing.back()?);
        (self.agreeing.len() >= readings).then(|| last.saturating_sub(*first))
    }
}

/// Whether a source's answer is newer than some evidence, as far as one worker can tell. The better one is the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Freshness {
    /// The answer changed since the evidence was accepted, or has agreed with it: the source is not lagging.
    Changed,
    /// This worker started later, and some worker's sources have agreed with the evidence. This one's resolver may
    /// still be the one that lags.
    Unknown,
    /// The same answer as before: the source is lagging.
    Unchanged,
}

/// What the answer of the sources is worth against the evidence that a route points by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// The event of that evidence; against any other the answer was not compared.
    pub against: Option<EventKey>,
    /// Whether it is newer.
    pub since: Freshness,
}

/// A reading: the combined result of the sources at one reconcile pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When it was read, by the reader's wall clock.
    pub at: Timestamp,
    /// The combined result.
    pub discovery: Discovery,
    /// For how long it has been stable, after enough readings ([`ReadingHistory::stood`]).
    pub stood: Option<Duration>,
    /// Each source's report, as text.
    pub said: String,
    /// What that is worth against the evidence that the route points by ([`crate::ledger::sources`]).
    pub worth: Worth,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, last: u8) -> Member {
        Member { instance: InstanceId::new(name).ok(), ip: IpAddr::from([10, 0, 0, last]) }
    }

    fn says(source: DiscoverySource, writer: Member) -> (DiscoverySource, SourceReport) {
        let readers = Vec::new();
        (source, SourceReport::Members { writer, readers })
    }

    fn unclear(why: &str) -> SourceReport {
        SourceReport::Unclear(why.to_owned())
    }

    #[test]
    fn a_route_without_sources_has_no_discovery() {
        assert_eq!(SourceReports::default().discovery(), Discovery::NoSources);
    }

    #[test]
    fn sources_with_one_address_agree_and_the_name_comes_from_either() {
        let nameless = Member { instance: None, ..member("db-2", 2) };
        let reading = SourceReports(vec![
            says(DiscoverySource::Dns, nameless),
            says(DiscoverySource::Rds, member("db-2", 2)),
        ]);
        let expected = Discovery::Members { writer: member("db-2", 2), readers: Vec::new() };
        assert_eq!(reading.discovery(), expected);
    }

    #[test]
    fn sources_that_differ_are_unclear() {
        let reading = SourceReports(vec![
            says(DiscoverySource::Rds, member("db-2", 2)),
            says(DiscoverySource::Dns, member("db-1", 1)),
        ]);
        let Discovery::Unclear(why) = reading.discovery() else {
            panic!("they differ");
        };
        assert_eq!(why, "the sources differ: rds says db-2 at 10.0.0.2, dns says db-1 at 10.0.0.1");
    }

    #[test]
    fn one_unclear_source_makes_the_result_unclear() {
        let reading = SourceReports(vec![
            says(DiscoverySource::Rds, member("db-2", 2)),
            (DiscoverySource::Dns, unclear("NXDOMAIN")),
        ]);
        assert_eq!(reading.discovery(), Discovery::Unclear("dns: NXDOMAIN".to_owned()));
    }

    fn writer(last: u8) -> Discovery {
        Discovery::Members { writer: member("db", last), readers: Vec::new() }
    }

    #[test]
    fn a_reading_is_stable_after_three_that_agree() {
        let mut readings = ReadingHistory::default();
        for second in 0..3 {
            assert_eq!(readings.stood(), None, "{second}");
            readings.take(writer(2), Duration::from_secs(2 * second));
        }
        assert_eq!(readings.stood(), Some(Duration::from_secs(4)));
    }

    #[test]
    fn a_reading_that_differs_starts_the_count_again() {
        let mut readings = ReadingHistory::default();
        for (n, last) in [2, 2, 1, 2, 2].into_iter().enumerate() {
            readings.take(writer(last), Duration::from_secs(n as u64));
            assert_eq!(readings.stood(), None, "{n}");
        }
        readings.take(writer(2), Duration::from_secs(9));
        assert_eq!(readings.stood(), Some(Duration::from_secs(6)));
    }

    #[test]
    fn a_stable_reading_keeps_its_start_while_readings_come_in() {
        let mut readings = ReadingHistory::default();
        for second in 0..100 {
            readings.take(writer(2), Duration::from_secs(second));
        }
        assert_eq!(readings.stood(), Some(Duration::from_secs(99)));
    }
}
