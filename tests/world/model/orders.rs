//! What people order: `OperatorCommands::order`, with what they are told before and after.

use writerlink_core::evidence::discovery::Freshness;
use writerlink_core::evidence::trigger::{CommandKind, Evidence, OperatorCommand, Trigger};
use writerlink_core::ledger::change;
use writerlink_core::ledger::change::StateUpdate;
use writerlink_core::ledger::lease::{Acquire, acquire};
use writerlink_core::ledger::record::RecordKind;
use writerlink_core::ledger::state::Assignment;
use writerlink_core::model::reason::Rule;

use super::hearing::Worth;
use super::protocol::{Bug, Protocol};
use super::state::{Doing, Hand, Look, Mark, Matter, Opening, Route, SourceSays, State, Transition, WORKERS};
use super::story::Does;
use super::world::{World, ticks};

/// Whose process carries an order out, and whose clock it goes by: the one that is ahead, which takes a lease for
/// dead the soonest.
const OF_THE_PEOPLE: usize = WORKERS - 1;

impl Protocol {
    /// Which orders can be given now.
    pub fn orders(&self, state: &State) -> Vec<usize> {
        let process = &state.workers[OF_THE_PEOPLE];
        let is_free = process.doing == Doing::Nothing && !process.stands_still;
        let wishes = self.world.wishes.iter().enumerate();
        let possible = wishes.filter(|(_, wish)| state.left.orders > 0 && (is_free || !wish.moves()));
        possible.map(|(n, _)| n).collect()
    }

    /// A person gives an order. One that moves the route is an attempt like any other. Where an attempt is under
    /// way already nobody waits here: the same order may be given later.
    pub fn give(&self, state: &mut State, wish: usize) {
        let order = &self.world.wishes[wish];
        if !order.moves() {
            return self.lift(state, wish);
        }
        state.left.orders -= 1;
        state.workers[OF_THE_PEOPLE].doing = Doing::Opening(Opening {
            hand: Hand {
                matter: Matter::Ordered(self.world.given(wish, &state.route)),
                ours: false,
                settled_before: false,
            },
            known: None,
            tries: 0,
            sent: None,
        });
    }

    /// An order that lets the route go on, if something holds it.
    fn lift(&self, state: &mut State, wish: usize) {
        let order = &self.world.wishes[wish];
        let stands = match order.act {
            Does::Unpin => state.route.pin.is_some(),
            Does::Acknowledge => {
                let max = self.world.flap_moves_max;
                state.route.flapping || max > 0 && state.route.moves >= max
            }
            Does::Swap(_) | Does::Pin(_) => false,
        };
        if !stands {
            state.left.orders -= 1;
            return;
        }
        let moves = state.route.moves;
        let order = World::order(order, World::wall(OF_THE_PEOPLE, 0));
        if !self.obey(state, order) {
            return;
        }
        if self.has(Bug::KeepsItsCount) {
            state.route.moves = moves;
        }
        state.left.orders -= 1;
        let people = &mut state.people;
        match self.world.wishes[wish].act {
            Does::Unpin => people.pinned = None,
            Does::Acknowledge => {
                (people.flapping, people.changes) = (false, 0);
                state.marks.set(Mark::Acknowledged);
            }
            Does::Swap(_) | Does::Pin(_) => {}
        }
    }

    /// A person pauses the route, or ends the pause, where no attempt is under way.
    pub fn toggle(&self, state: &mut State) {
        let act = if state.people.paused { CommandKind::Resume } else { CommandKind::Pause { within: None } };
        let order = OperatorCommand {
            at: World::wall(OF_THE_PEOPLE, 0),
            by: String::new(),
            reason: String::new(),
            act,
            overrides: Vec::new(),
        };
        if self.obey(state, order) {
            state.left.toggles -= 1;
            state.people.paused = !state.people.paused;
        }
    }

    /// Writes an order that moves nothing, unless an attempt is under way; says whether it did.
    fn obey(&self, state: &mut State, order: OperatorCommand) -> bool {
        let from = self.world.state(&state.route);
        let lease = from.control.lease.as_ref();
        let under_way = matches!(acquire(lease, order.at, ticks(0)), Acquire::Wait(_));
        if under_way && !self.has(Bug::PausesAmongCalls) {
            return false;
        }
        let none = Transition::default();
        let mut told = self.world.told(OF_THE_PEOPLE, NOBODYS, none, 0);
        told.kind = RecordKind::Command;
        let change = change::note(&from, StateUpdate::Apply(order), told).unwrap();
        self.commit(state, OF_THE_PEOPLE, None, &change);
        true
    }

    /// The state by which it is decided whether something holds the route back.
    pub fn heeded(&self, control: &Assignment) -> Assignment {
        let mut heeded = control.clone();
        match self.bug {
            Some(Bug::MovesWhilePaused) => heeded.safety.pause = None,
            Some(Bug::ForgetsThePin) => heeded.safety.pin = None,
            Some(Bug::DoesNotCountItsMoves) => heeded.safety.moves.clear(),
            _ => {}
        }
        heeded
    }

    /// What speaks for a move, as it is understood.
    pub fn heard(&self, evidence: &Evidence) -> Evidence {
        let mut heard = evidence.clone();
        if let Trigger::Command(order) = &mut heard.trigger
            && self.has(Bug::OverridesEveryRule)
            && !order.overrides.is_empty()
        {
            order.overrides = Rule::ALL.to_vec();
        }
        heard
    }

    /// What the people who watch see of a move that is announced: which rules it went past (I7), by what they
    /// have ordered themselves.
    pub fn watch_move(&self, state: &mut State, matter: Matter, (before, after): (&Route, &Route)) {
        let Some(desired) = after.desired else {
            return;
        };
        let named = self.world.named(matter);
        let passed = |rule| named.contains(&rule);
        let people = &mut state.people;
        let changes = before.desired.is_none_or(|old| old.place != desired.place);
        let max = self.world.flap_moves_max;
        let flaps = people.flapping || max > 0 && changes && people.changes >= max;
        if changes {
            people.changes = (people.changes + 1).min(max);
        }
        let elsewhere = people.pinned.is_some_and(|pinned| pinned != desired.place);
        let broken = [
            (people.paused, Rule::Paused, Mark::MovedPastAPause),
            (elsewhere, Rule::Pinned, Mark::MovedPastAPin),
            (flaps, Rule::Flapping, Mark::MovedWhileFlapping),
        ];
        for (holds, rule, mark) in broken {
            if holds && !passed(rule) {
                state.marks.set(mark);
            }
        }
        if let Matter::Ordered(given) = matter {
            people.moved = Some((desired.place, desired.order));
            match self.world.wish(given).act {
                Does::Pin(_) => people.pinned = Some(desired.place),
                Does::Swap(_) if passed(Rule::Pinned) => {
                    if elsewhere {
                        state.marks.set(Mark::PinOverridden);
                    }
                    people.pinned = None;
                }
                Does::Swap(_) | Does::Unpin | Does::Acknowledge => {}
            }
        }
    }
}

/// An order that moves nothing is no worker's matter; its record needs a key.
pub const NOBODYS: Matter = Matter::Seen(Look {
    reading: SourceSays::Silent,
    number: 0,
    trusts: true,
    worth: Worth { against: None, since: Freshness::Changed },
});
