//! What a worker remembers of its source's answers (`ledger::sources::Sources`), and the same said a second time by
//! what it really heard, for the property.
//!
//! Each worker has a resolver of its own: any look may hear any answer. The steps of one source's answer are the
//! domain's own (`SourceAnswer`); that a reading counts only if it was taken after the last move is in the model's looks, since
//! one look is three readings.

use std::net::IpAddr;

use writerlink_core::evidence::discovery::Freshness;
use writerlink_core::evidence::event::{RANK_COMMAND, RANK_COMPLETED, RANK_READING};
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::sources::{Against, Known, News, SourceAnswer};

use super::ledger::remember;
use super::protocol::{Bug, Protocol};
use super::state::{Desired, Look, Mark, Route, SourceSays, State};
use super::story::ADDRESSES;

/// `evidence::discovery::Worth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Worth {
    pub against: Option<u8>,
    pub since: Freshness,
}

impl Look {
    /// A look that nobody has heard yet.
    pub fn new(reading: SourceSays, trusts: bool) -> Self {
        Self { reading, number: 0, trusts, worth: Worth { against: None, since: Freshness::Changed } }
    }
}

/// What a worker's timer remembers of its source (`ledger::sources::Sources`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    /// The newest evidence at its last look.
    pub newest: Option<u8>,
    /// The evidence that it made of its own reading since.
    pub own: Option<u8>,
    /// The last answer that named anybody: the place, and what it is worth.
    pub answer: Option<(u8, Freshness, Freshness)>,
}

/// What a worker's source really said, for the property alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hearsay {
    /// The place that it named last.
    pub last: Option<u8>,
    /// The place that it named first, since the answer before the newest evidence.
    pub only: Option<u8>,
    /// Whether it named another one since.
    pub varied: bool,
    /// Whether it had named anybody before that evidence.
    pub there: bool,
    /// Whether it has named where that evidence points.
    pub shown: bool,
}

impl Protocol {
    /// Takes the answer of a look into the worker's memory; the look, with what its answer is worth.
    pub fn hear(&self, state: &mut State, worker: usize, look: Look) -> Look {
        if look.reading == SourceSays::Silent {
            return look;
        }
        let named = self.world.named_by(look);
        let newest = state.route.newest();
        Self::note_heard(state, worker, named);
        let control = self.world.state(&state.route).control;
        let known = Known::of(&control);
        let memory = &mut state.workers[worker].memory;
        let now = newest.map(|newest| newest.key);
        let news = match *memory {
            None => News::None,
            Some(memory) if memory.newest == now || now.is_none() => News::None,
            Some(memory) if memory.own == now => News::Own,
            Some(_) => News::Accepted,
        };
        let before = memory.and_then(|memory| memory.answer).map(large);
        // The model's route has no facts but the newest evidence.
        let against = Against::of(&control, news, News::None);
        let answer = SourceAnswer::after(before, named.map(|place| ADDRESSES[place]), against);
        *memory = Some(Memory { newest: now, own: None, answer: answer.map(small) });
        let since = known.zip(answer).map(|(known, answer)| answer.worth(known));
        let believed = self.has(Bug::BelievesALaggingSource);
        Look {
            worth: Worth { against: now, since: since.filter(|_| !believed).unwrap_or(Freshness::Changed) },
            ..look
        }
    }

    /// Records the first agreement with evidence (`PeriodicPass::tell_of_sources`).
    pub fn tell_of_agreement(&self, state: &mut State, worker: usize, look: Look) {
        let Some(newest) = state.route.newest() else {
            return;
        };
        let named = self.world.named_by(look);
        let rank = self.world.evidence_of(newest).rank;
        let agrees = named == Some(usize::from(newest.place));
        if !agrees || state.route.agreed || rank == RANK_READING {
            return;
        }
        let from = self.world.state(&state.route);
        let event = self.world.key(newest.key);
        let told = self.noticed(worker, look);
        let change = change::note(&from, StateUpdate::Agrees(event), told).unwrap();
        self.commit(state, worker, None, &change);
        remember(state, worker);
    }

    /// Notes what a worker really heard, whatever it makes of it.
    fn note_heard(state: &mut State, worker: usize, named: Option<usize>) {
        let Some(named) = named.map(|place| u8::try_from(place).unwrap()) else {
            return;
        };
        let newest = state.route.newest();
        let heard = &mut state.workers[worker].heard;
        heard.varied |= heard.only.is_some_and(|only| only != named);
        heard.only = heard.only.or(Some(named));
        heard.last = Some(named);
        heard.shown |= newest.is_some_and(|newest| newest.place == named);
    }

    /// I3, I10: watches evidence that is accepted. What the sources say against a failover that took place, or against
    /// what they said themselves, is said by a worker that has heard another answer since before that was accepted.
    pub fn watch_evidence(&self, state: &mut State, worker: usize, (before, after): (&Route, &Route)) {
        let key = |route: &Route| route.newest().map(|newest| newest.key);
        let Some(accepted) = after.newest().filter(|_| key(before) != key(after)) else {
            return;
        };
        let rank = |desired: Desired| self.world.evidence_of(desired).rank;
        if let (RANK_READING, Some(newest)) = (rank(accepted), before.newest()) {
            let is_fact = matches!(rank(newest), RANK_COMPLETED | RANK_READING);
            let took_place = rank(newest) < RANK_COMPLETED && before.agreed;
            let heard = state.workers[worker].heard;
            let elsewhere = newest.place != accepted.place;
            if elsewhere && (is_fact || took_place) && heard.there && !heard.varied {
                state.marks.set(Mark::MovedByALaggingSource);
            }
        }
        if rank(accepted) == RANK_COMMAND {
            return;
        }
        for worker in &mut state.workers {
            let last = worker.heard.last;
            worker.heard = Hearsay { last, only: last, there: last.is_some(), varied: false, shown: false };
        }
        if rank(accepted) == RANK_READING
            && let Some(memory) = &mut state.workers[worker].memory
        {
            memory.own = Some(accepted.key);
        }
    }

    /// Whether nothing but a person can tell where the route belongs: every worker's source names somebody else than the
    /// newest evidence, none has shown where that points since it was accepted, and none is known to have done so
    /// before the worker started.
    pub fn is_for_a_person(&self, state: &State) -> bool {
        let unknown = |heard: &Hearsay| {
            let asked = heard.only.is_some();
            asked && !heard.shown && (heard.there || !state.route.agreed)
        };
        let all = state.workers.iter().all(|worker| unknown(&worker.heard));
        self.world.has_witnesses() && state.route.newest().is_some() && all
    }
}

type Small = (u8, Freshness, Freshness);

fn large((place, newest, fact): Small) -> SourceAnswer {
    let ip = ADDRESSES[usize::from(place)];
    SourceAnswer { ip, newest, fact }
}

fn small(answer: SourceAnswer) -> Small {
    (place(answer.ip), answer.newest, answer.fact)
}

fn place(ip: IpAddr) -> u8 {
    let place = ADDRESSES.iter().position(|address| *address == ip).unwrap();
    u8::try_from(place).unwrap()
}
