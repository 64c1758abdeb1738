//! What one worker remembers of the answers of a route's discovery sources, and what an answer is worth against the
//! evidence that the route points by (I3).
//!
//! A source may stand behind a cache. A resolver with a minimum TTL, or one that serves stale answers while its own
//! upstream is away, names the old writer for minutes or hours after a failover, and nothing in the answer tells. What
//! tells is change: an answer that is the same as before the evidence was accepted is no newer than that evidence. It
//! is *lagging* until it changes.
//!
//! This memory is one worker's. Two workers may stand behind different resolvers, so that one has seen the source agree
//! tells nothing about the source of the other one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::aim::{RANK_ORDER, RANK_TRUTH};
use super::event::{EventKey, RANK_COMPLETED};
use super::plan::Reach;
use super::policy::Role;
use super::route::Route;
use super::time::Timestamp;
use super::transition::{Control, Desired, Fact};
use super::truth::{Reading, Readings, Sighting, Since, Testimony, Truth, Witness, Worth};
use crate::planted::{Bug, planted};

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
    /// Its rank ([`super::event::EvidenceOrder`]).
    pub rank: u8,
    /// Whether the ledger says that the sources of some worker have agreed with it.
    pub agreed: bool,
}

impl Known {
    /// The newest evidence of a route.
    #[must_use]
    pub fn of(control: &Control) -> Option<Self> {
        let newest = control.newest()?;
        Some(Self {
            ip: newest.target.ip,
            rank: newest.evidence.rank,
            agreed: control.agreed_with == Some(newest.event),
        })
    }

    /// Whether only newer answers count against evidence of this rank: it tells what has happened. A failover that
    /// started may still be called off, and a person's order says what is wished; both leave the sources what they were.
    pub(super) fn is_fact_of(rank: u8) -> bool {
        rank == RANK_COMPLETED || rank == RANK_TRUTH
    }

    /// The same of evidence as it stands by now: sources that agree show that a failover which started took place.
    fn binds(self) -> bool {
        Self::is_fact_of(self.rank) || (self.agreed && self.rank < RANK_COMPLETED)
    }

    /// The newest evidence of what has happened: the newest of all, or what that replaced.
    pub(super) fn newest_fact(control: &Control) -> Option<Fact> {
        let newest = control.newest().zip(Self::of(control));
        let binding = newest.filter(|(_, known)| known.binds());
        let fact = binding.map(|(newest, known)| Fact {
            event: newest.event,
            ip: known.ip,
        });
        fact.or(control.replaced_fact)
    }

    /// What a first answer is worth against it that contradicts it.
    fn against_a_first_answer(self) -> Since {
        if self.agreed {
            Since::Unknown
        } else {
            Since::Unchanged
        }
    }
}

/// What a look finds new about the evidence that a route points by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// Nothing: it is what it was at the last look, or this is the first look.
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
    pub fn of(control: &Control, news: News, of_replaced: News) -> Option<Self> {
        let known = Known::of(control)?;
        Some(Self {
            newest: (known, news),
            fact: control.replaced_fact.map(|fact| (fact.ip, of_replaced)),
        })
    }
}

/// What a source answered last, and what that is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The address of the writer that it named.
    pub ip: IpAddr,
    /// Against the newest evidence.
    pub newest: Since,
    /// Against the newest evidence that tells what has happened: a failover that starts after it, or an order, makes
    /// no answer newer.
    pub fact: Since,
}

impl Answer {
    /// The answer after a look at which the source named this address, or could not tell.
    ///
    /// The first answer after evidence was accepted is not newer than it, even if it is another one than at the look
    /// before: between two looks the answer may have changed first, and the evidence come after.
    #[must_use]
    pub fn after(
        before: Option<Self>,
        named: Option<IpAddr>,
        against: Option<Against>,
    ) -> Option<Self> {
        let ip = named.or(before.map(|answer| answer.ip))?;
        let answer = match before {
            Some(answer) if answer.ip == ip => answer,
            Some(_) => Self::changed(ip),
            None => Self::first(ip, against.map(|against| against.newest.0)),
        };
        let Some(Against {
            newest: (known, news),
            fact,
        }) = against
        else {
            return Some(answer);
        };
        let since = |named: IpAddr, news: News, stood: Since| {
            let knew = before.is_some_and(|answer| answer.ip == named);
            match news {
                _ if ip == named => Since::Changed,
                News::None => stood,
                News::Accepted if !knew => Since::Unchanged,
                News::Accepted | News::Own => Since::Changed,
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
        Self {
            ip,
            newest: Since::Changed,
            fact: Since::Changed,
        }
    }

    /// The first answer that this worker hears. What the ledger knows of the answers before decides.
    fn first(ip: IpAddr, known: Option<Known>) -> Self {
        let Some(known) = known else {
            return Self::changed(ip);
        };
        let newest = known.against_a_first_answer();
        let fact = match known.rank {
            // An order takes over what was known before it ([`agreed_after`]).
            RANK_ORDER if known.agreed => Since::Changed,
            RANK_ORDER | RANK_COMPLETED | RANK_TRUTH => newest,
            _ => Since::Changed,
        };
        Self { ip, newest, fact }
    }

    /// What it is worth against the newest evidence.
    #[must_use]
    pub fn worth(self, known: Known) -> Since {
        if known.binds() {
            self.newest
        } else {
            self.fact
        }
    }
}

/// The discovery sources of a route, as one worker has heard them.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    readings: Readings,
    answers: BTreeMap<Witness, Answer>,
    /// The newest evidence at the last look.
    newest: LastSeen,
    /// What had happened, by the evidence of the last look.
    fact: Option<EventKey>,
    /// By what the route was moved last, at the last look.
    moved: Option<Moved>,
    /// The evidence that this worker made of its own readings.
    own: Option<EventKey>,
}

/// What the last look saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LastSeen {
    /// There was none yet.
    #[default]
    Nothing,
    /// The newest evidence, if the route had any.
    Newest(Option<EventKey>),
}

/// What moved a route last: by which evidence, and when its target changed.
type Moved = (Option<EventKey>, Option<Timestamp>);

impl Sources {
    /// Takes what the sources said at a look, at which the ledger said this of the route.
    pub fn take(
        &mut self,
        (route, control): (&Route, &Control),
        reading: &Reading,
        (at, monotonic): (Timestamp, Duration),
    ) -> Sighting {
        let known = Known::of(control);
        let of_fact = self.news_of_fact(control);
        let news = self.news(control.newest());
        let against = Against::of(control, news, of_fact);
        for (witness, testimony) in &reading.0 {
            let before = self.answers.get(witness).copied();
            let named = testimony.writer().map(|writer| writer.ip);
            if let Some(answer) = Answer::after(before, named, against) {
                self.answers.insert(*witness, answer);
            }
        }
        let heard = Heard {
            route,
            newest: control.newest().zip(known),
            reading,
            now: at,
        };
        let truth = self.truth(heard);
        // What was read before the last move says nothing about it, and this reading was taken at the same time as the
        // ledger was read (I3).
        if self.is_moved(control) && !planted(Bug::OldReadingsCount) {
            self.readings = Readings::default();
        } else {
            self.readings.take(truth.clone(), monotonic);
        }
        Sighting {
            at,
            truth,
            stood: self.readings.stood(),
            said: reading.to_string(),
            worth: Worth {
                against: control.newest().map(|newest| newest.event),
                since: self.worth(heard),
            },
        }
    }

    /// This worker made evidence of its own readings: its sources agree with it.
    pub fn made(&mut self, event: EventKey) {
        self.own = Some(event);
    }

    fn news(&mut self, newest: Option<&Desired>) -> News {
        let now = newest.map(|newest| newest.event);
        let before = std::mem::replace(&mut self.newest, LastSeen::Newest(now));
        match (before, now) {
            (LastSeen::Nothing, _) | (_, None) => News::None,
            (LastSeen::Newest(before), now) if before == now => News::None,
            (LastSeen::Newest(_), now) if now == self.own => News::Own,
            (LastSeen::Newest(_), Some(_)) => News::Accepted,
        }
    }

    /// A fact that was accepted and replaced between two looks is new, though the newest evidence is another.
    fn news_of_fact(&mut self, control: &Control) -> News {
        let now = Known::newest_fact(control).map(|fact| fact.event);
        let before = std::mem::replace(&mut self.fact, now);
        match self.newest {
            LastSeen::Nothing => News::None,
            LastSeen::Newest(newest) if now == before || now == newest => News::None,
            LastSeen::Newest(_) if now == self.own => News::Own,
            LastSeen::Newest(_) => News::Accepted,
        }
    }

    fn is_moved(&mut self, control: &Control) -> bool {
        let event = control.desired.as_ref().map(|desired| desired.event);
        let now = (event, control.safety.moves.last().copied());
        let before = self.moved.replace(now);
        before.is_some_and(|before| before != now)
    }

    fn worth_of(&self, witness: Witness, heard: Heard<'_>) -> Option<Since> {
        let (newest, known) = heard.newest?;
        let answer = self.answers.get(&witness)?;
        if witness == Witness::Rds && heard.rds_insists(newest) {
            return Some(Since::Changed);
        }
        Some(answer.worth(known))
    }

    /// Sources that agree with one another are as new as the newest of them.
    fn worth(&self, heard: Heard<'_>) -> Since {
        if heard.route.policy.role == Role::Readers {
            // No event names readers: what moves such a route is the sources' word alone.
            return Since::Changed;
        }
        let asked = heard.reading.0.iter();
        let worth = asked.filter_map(|(witness, _)| self.worth_of(*witness, heard));
        worth.min().unwrap_or(Since::Changed)
    }

    /// What the sources say together. One that lags says nothing about now: where the others agree with the evidence,
    /// and nothing is left to move, they differ from it alone.
    fn truth(&self, heard: Heard<'_>) -> Truth {
        let together = heard.reading.truth();
        let Some((newest, known)) = heard.newest else {
            return together;
        };
        let moves = newest.reach != Reach::Swap || heard.route.policy.role == Role::Readers;
        if moves || planted(Bug::LaggingIsBelieved) {
            return together;
        }
        let agrees = |testimony: &Testimony| {
            let writer = testimony.writer();
            writer.is_some_and(|writer| writer.ip == known.ip)
        };
        let lags = |witness: Witness| self.worth_of(witness, heard) > Some(Since::Changed);
        let mut asked = heard.reading.0.iter();
        let all = asked
            .all(|(witness, said)| agrees(said) || (said.writer().is_some() && lags(*witness)));
        let agreeing = heard.reading.0.iter().filter(|(_, said)| agrees(said));
        let rest = Reading(agreeing.cloned().collect());
        if all && !rest.0.is_empty() {
            rest.truth()
        } else {
            together
        }
    }
}

/// What is heard at a look, with what it is held against.
#[derive(Clone, Copy)]
struct Heard<'a> {
    route: &'a Route,
    newest: Option<(&'a Desired, Known)>,
    reading: &'a Reading,
    now: Timestamp,
}

impl Heard<'_> {
    /// Whether RDS's API has named another instance for longer than an API lags. Where it names the same instance at
    /// another address, that address comes from a name, which may be cached.
    fn rds_insists(self, newest: &Desired) -> bool {
        let mut said = self.reading.0.iter();
        let said = said.find(|(witness, _)| *witness == Witness::Rds);
        let named = said.and_then(|(_, said)| said.writer()?.instance.as_ref());
        let another = named.is_some_and(|named| *named != newest.instance);
        another && self.now.since(newest.evidence.at) >= RDS_LAGS_AT_MOST
    }
}

/// Whether one of the sources names where the newest evidence points.
#[must_use]
pub fn one_agrees(control: &Control, reading: &Reading) -> bool {
    let known = Known::of(control);
    known.is_some_and(|known| {
        let writers = reading.0.iter().filter_map(|(_, said)| said.writer());
        writers.into_iter().any(|writer| writer.ip == known.ip)
    })
}

/// The evidence with which the sources have agreed, once this is accepted (I3). The sources' own word agrees with itself.
/// A failover that completes is agreed with as its start was. A person's order makes no answer newer or older: who could
/// contradict the evidence before it can contradict the order.
pub(super) fn agreed_after(before: &Control, accepted: &Desired) -> Option<EventKey> {
    let known = before.newest();
    let known_agreed = known.is_some_and(|known| before.agreed_with == Some(known.event));
    let started = known.is_none_or(|known| known.evidence.rank < RANK_COMPLETED);
    let same_place = known.is_some_and(|known| known.target == accepted.target);
    let agrees = match accepted.evidence.rank {
        RANK_TRUTH => true,
        RANK_ORDER => known_agreed || started,
        _ => known_agreed && started && same_place,
    };
    if agrees {
        Some(accepted.event)
    } else {
        before.agreed_with
    }
}

/// What had happened before evidence that tells of nothing that happened.
pub(super) fn replaced_by(before: &Control, accepted: &Desired) -> Option<Fact> {
    if Known::is_fact_of(accepted.evidence.rank) {
        return None;
    }
    let again = before
        .newest()
        .is_some_and(|known| known.event == accepted.event);
    if again {
        before.replaced_fact
    } else {
        Known::newest_fact(before)
    }
}
