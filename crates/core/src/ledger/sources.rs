//! What one worker remembers of the answers of a route's discovery sources, and what an answer is worth against the
//! evidence that the route points by (I3).
//!
//! A source may stand behind a cache. A resolver with a minimum TTL, or one that serves stale answers while its own
//! upstream is away, names the old writer for minutes or hours after a failover, and the answer does not show it. Only
//! a change shows it: an answer that is the same as before the evidence was accepted is no newer than that evidence. It
//! is *lagging* until it changes.
//!
//! This memory is one worker's. Two workers may stand behind different resolvers, so an agreement seen by one
//! says nothing about the source of the other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::evidence::desired::{Desired, Fact};
use crate::evidence::discovery::{
    Discovery, Freshness, Reading, ReadingHistory, SourceReport, SourceReports, Worth,
};
use crate::evidence::event::{EventKey, RANK_COMMAND, RANK_COMPLETED, RANK_READING};
use crate::evidence::sql::{is_without_lag, steady_readings};
use crate::ledger::state::{Assignment, RouteContext};
use crate::model::policy::{DiscoverySource, Role};
use crate::model::route::Route;
use crate::model::target::MoveMode;
use crate::model::time::Timestamp;

/// How long sources contradict what is desired, or cannot tell, before that is recorded and counted. Seconds of lag
/// after a failover are normal, and the names of endpoints have been seen to flap for half a minute.
pub const CONFLICT_AFTER: Duration = Duration::from_mins(1);

/// From when on another worker than the one that recorded a conflict may end it. That one may be gone.
pub const CONFLICT_FORGOTTEN: Duration = Duration::from_hours(1);

/// How long RDS's API may lag behind an event. AWS gives no figure; no cache stands before an API, and this is five
/// times what evidence is trusted by default. After that it is believed, although it has not changed.
pub const RDS_LAGS_AT_MOST: Duration = Duration::from_mins(15);

/// The evidence that a route points by, as its sources are held against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where it points.
    pub ip: IpAddr,
    /// Its rank ([`crate::evidence::event::EvidenceOrder`]).
    pub rank: u8,
    /// Whether the ledger says that the sources of some worker have agreed with it.
    pub agreed: bool,
}

impl Known {
    /// The newest evidence of a route.
    #[must_use]
    pub fn of(control: &Assignment) -> Option<Self> {
        let newest = control.newest()?;
        Some(Self {
            ip: newest.target.ip,
            rank: newest.evidence.rank,
            agreed: control.agreed_with == Some(newest.event),
        })
    }

    /// Whether only newer answers count against evidence of this rank: it tells what has happened. A failover that
    /// started may still be called off, and a person's order says what is wished; both leave the sources what they were.
    pub(crate) fn is_fact_of(rank: u8) -> bool {
        rank == RANK_COMPLETED || rank == RANK_READING
    }

    /// The same of evidence as it stands by now: sources that agree show that a failover which started took place.
    fn binds(self) -> bool {
        Self::is_fact_of(self.rank) || (self.agreed && self.rank < RANK_COMPLETED)
    }

    /// The newest evidence of what has happened: the newest of all, or what that replaced.
    pub(crate) fn newest_fact(control: &Assignment) -> Option<Fact> {
        let newest = control.newest().zip(Self::of(control));
        let binding = newest.filter(|(_, known)| known.binds());
        let fact = binding.map(|(newest, known)| Fact { event: newest.event, ip: known.ip });
        fact.or(control.replaced_fact)
    }

    /// What a first answer is worth against it that contradicts it.
    fn against_a_first_answer(self) -> Freshness {
        if self.agreed { Freshness::Unknown } else { Freshness::Unchanged }
    }
}

/// What a reconcile pass finds new about the newest evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// Nothing: the same as at the last pass, or this is the first pass.
    None,
    /// Other evidence was accepted.
    Accepted,
    /// The same, and this worker made it of its own readings of the sources.
    Own,
}

/// What an answer is held against, with what is new about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Against {
    /// The newest evidence.
    pub newest: (Known, News),
    /// The fact that the newest evidence replaced, where that is none itself.
    pub fact: Option<(IpAddr, News)>,
}

impl Against {
    /// Of a route's newest evidence, about which this is new, and of the fact that it replaced.
    #[must_use]
    pub fn of(control: &Assignment, news: News, of_replaced: News) -> Option<Self> {
        let known = Known::of(control)?;
        Some(Self { newest: (known, news), fact: control.replaced_fact.map(|fact| (fact.ip, of_replaced)) })
    }
}

/// What a source answered last, and what that is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceAnswer {
    /// The address of the writer that it named.
    pub ip: IpAddr,
    /// Against the newest evidence.
    pub newest: Freshness,
    /// Against the newest evidence that tells what has happened: a failover that starts after it, or an order, makes
    /// no answer newer.
    pub fact: Freshness,
}

impl SourceAnswer {
    /// The answer after a pass in which the source named this address, or gave no clear answer.
    ///
    /// The first answer after evidence was accepted is not newer than it, even if it is another one than at the pass
    /// before: between two passes the answer may have changed first, and the evidence come after.
    #[must_use]
    pub fn after(before: Option<Self>, named: Option<IpAddr>, against: Option<Against>) -> Option<Self> {
        let ip = named.or(before.map(|answer| answer.ip))?;
        let answer = match before {
            Some(answer) if answer.ip == ip => answer,
            Some(_) => Self::changed(ip),
            None => Self::first(ip, against.map(|against| against.newest.0)),
        };
        let Some(Against { newest: (known, news), fact }) = against else {
            return Some(answer);
        };
        let since = |named: IpAddr, news: News, stood: Freshness| {
            let knew = before.is_some_and(|answer| answer.ip == named);
            match news {
                _ if ip == named => Freshness::Changed,
                News::None => stood,
                News::Accepted if !knew => Freshness::Unchanged,
                News::Accepted | News::Own => Freshness::Changed,
            }
        };
        let newest = since(known.ip, news, answer.newest);
        let fact = match fact {
            _ if known.binds() => newest,
            Some((named, news)) => since(named, news, answer.fact),
            None => answer.fact,
        };
        Some(Self { ip, newest, fact })
    }

    fn changed(ip: IpAddr) -> Self {
        Self { ip, newest: Freshness::Changed, fact: Freshness::Changed }
    }

    /// The first answer that this worker reads. What the ledger knows of the answers before decides.
    fn first(ip: IpAddr, known: Option<Known>) -> Self {
        let Some(known) = known else {
            return Self::changed(ip);
        };
        let newest = known.against_a_first_answer();
        let fact = match known.rank {
            // An order takes over what was known before it (`change::agreed_after`).
            RANK_COMMAND if known.agreed => Freshness::Changed,
            RANK_COMMAND | RANK_COMPLETED | RANK_READING => newest,
            _ => Freshness::Changed,
        };
        Self { ip, newest, fact }
    }

    /// What it is worth against the newest evidence.
    #[must_use]
    pub fn worth(self, known: Known) -> Freshness {
        if known.binds() { self.newest } else { self.fact }
    }
}

/// The discovery sources of a route, as one worker has read them.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    readings: ReadingHistory,
    answers: BTreeMap<DiscoverySource, SourceAnswer>,
    /// The evidence at the last pass, if there was one.
    last: Option<LastSeen>,
    /// The last move of the route, at the last pass.
    moved: Option<Moved>,
    /// The evidence that this worker made of its own readings.
    own: Option<EventKey>,
}

/// The evidence at a pass, if the route had any.
#[derive(Clone, Copy, Debug)]
struct LastSeen {
    newest: Option<EventKey>,
    /// The newest of what had happened.
    fact: Option<EventKey>,
}

/// What moved a route last: by which evidence, and when its target changed.
type Moved = (Option<EventKey>, Option<Timestamp>);

impl Sources {
    /// Takes the reports of the sources and the state that the ledger had at the same pass.
    pub fn take(
        &mut self,
        RouteContext { route, control, now }: RouteContext<'_>,
        reading: &SourceReports,
        monotonic: Duration,
    ) -> Reading {
        let known = Known::of(control);
        let seen = LastSeen {
            newest: control.newest().map(|newest| newest.event),
            fact: Known::newest_fact(control).map(|fact| fact.event),
        };
        let last = self.last.replace(seen);
        let news = self.news(seen.newest, last.map(|last| [last.newest; 2]));
        // A fact that was accepted and replaced between two passes is new, though the newest evidence is another.
        let of_fact = self.news(seen.fact, last.map(|last| [last.newest, last.fact]));
        let against = Against::of(control, news, of_fact);
        for (source, report) in &reading.0 {
            let before = self.answers.get(source).copied();
            let named = report.writer().map(|writer| writer.ip);
            if let Some(answer) = SourceAnswer::after(before, named, against) {
                self.answers.insert(*source, answer);
            }
        }
        let heard = Heard { route, newest: control.newest().zip(known), reading, now };
        let discovery = self.discovery(heard);
        // What was read before the last move says nothing about it, and this reading was taken at the same time as the
        // ledger was read (I3).
        if self.is_moved(control) {
            self.readings = ReadingHistory::default();
        } else {
            self.readings.take(discovery.clone(), monotonic);
        }
        Reading {
            at: now,
            discovery,
            stood: self.readings.stood_in(steady_readings(&route.policy.discovery)),
            said: reading.to_string(),
            worth: Worth { against: control.newest().map(|newest| newest.event), since: self.worth(heard) },
        }
    }

    /// This worker made evidence of its own readings: its sources agree with it.
    pub fn made(&mut self, event: EventKey) {
        self.own = Some(event);
    }

    /// What is new about evidence, given what was known of it at the last pass.
    fn news(&self, now: Option<EventKey>, known: Option<[Option<EventKey>; 2]>) -> News {
        match known {
            Some(known) if now.is_some() && !known.contains(&now) => {
                if now == self.own {
                    News::Own
                } else {
                    News::Accepted
                }
            }
            Some(_) | None => News::None,
        }
    }

    fn is_moved(&mut self, control: &Assignment) -> bool {
        let event = control.desired.as_ref().map(|desired| desired.event);
        let now = (event, control.safety.moves.last().copied());
        let before = self.moved.replace(now);
        before.is_some_and(|before| before != now)
    }

    fn worth_of(&self, source: DiscoverySource, heard: Heard<'_>) -> Option<Freshness> {
        let (newest, known) = heard.newest?;
        let answer = self.answers.get(&source)?;
        if source == DiscoverySource::Rds && heard.rds_insists(newest) {
            return Some(Freshness::Changed);
        }
        Some(answer.worth(known))
    }

    /// Sources that agree with one another are as new as the newest of them.
    fn worth(&self, heard: Heard<'_>) -> Freshness {
        if heard.route.policy.role == Role::Readers {
            // No event names readers: what moves such a route is the sources' word alone.
            return Freshness::Changed;
        }
        if is_without_lag(&heard.route.policy.discovery) {
            // The same answer as before is as new as any other: nothing stands between that could keep an old one.
            return Freshness::Changed;
        }
        let asked = heard.reading.0.iter();
        let worth = asked.filter_map(|(source, _)| self.worth_of(*source, heard));
        worth.min().unwrap_or(Freshness::Changed)
    }

    /// What the sources say together. One that lags says nothing about now: where the others agree with the evidence,
    /// and nothing is left to move, they differ from it alone.
    fn discovery(&self, heard: Heard<'_>) -> Discovery {
        let together = heard.reading.discovery();
        let Some((newest, known)) = heard.newest else {
            return together;
        };
        let moves = newest.move_mode != MoveMode::Swap || heard.route.policy.role == Role::Readers;
        if moves {
            return together;
        }
        let agrees = |report: &SourceReport| {
            let writer = report.writer();
            writer.is_some_and(|writer| writer.ip == known.ip)
        };
        let lags = |source: DiscoverySource| self.worth_of(source, heard) > Some(Freshness::Changed);
        let mut asked = heard.reading.0.iter();
        let all = asked.all(|(source, said)| agrees(said) || (said.writer().is_some() && lags(*source)));
        let agreeing = heard.reading.0.iter().filter(|(_, said)| agrees(said));
        let rest = SourceReports(agreeing.cloned().collect());
        if all && !rest.0.is_empty() { rest.discovery() } else { together }
    }
}

/// The reports of a pass, with what they are compared with.
#[derive(Clone, Copy)]
struct Heard<'a> {
    route: &'a Route,
    newest: Option<(&'a Desired, Known)>,
    reading: &'a SourceReports,
    now: Timestamp,
}

impl Heard<'_> {
    /// Whether RDS's API has named another instance for longer than an API lags. Where it names the same instance at
    /// another address, that address comes from a name, which may be cached.
    fn rds_insists(self, newest: &Desired) -> bool {
        let mut said = self.reading.0.iter();
        let said = said.find(|(source, _)| *source == DiscoverySource::Rds);
        let named = said.and_then(|(_, said)| said.writer()?.instance.as_ref());
        let another = named.is_some_and(|named| *named != newest.instance);
        another && self.now.since(newest.evidence.at) >= RDS_LAGS_AT_MOST
    }
}

/// Whether one of the sources names where the newest evidence points.
#[must_use]
pub fn one_agrees(control: &Assignment, reading: &SourceReports) -> bool {
    let known = Known::of(control);
    known.is_some_and(|known| {
        let writers = reading.0.iter().filter_map(|(_, said)| said.writer());
        writers.into_iter().any(|writer| writer.ip == known.ip)
    })
}
