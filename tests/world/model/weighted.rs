//! The calls of an attempt on a weighted route: `Reconciler::shift_there`.

use std::collections::BTreeMap;

use writerlink_core::actuation::weights::ObservedListener as Seen;
use writerlink_core::actuation::weights::{RegisteredIn, Weight, WeightChange, Weights, warm_targets};
use writerlink_core::evidence::desired::Desired;
use writerlink_core::evidence::discovery::Discovery;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::route::Weighted;
use writerlink_core::model::target::{MoveMode, Target};

use super::carrying::ROUNDS_MAX;
use super::protocol::{Bug, Protocol};
use super::state::{Call, Carrying, Matter, OTHERS, Phase, Row, Scene, State, TARGETS};
use super::story::{group_at, instance};
use super::world::World;

/// A route's instances that have a group of their own.
const OWN: std::ops::Range<usize> = 0..OTHERS;

impl World {
    /// The listener and every group, as the load balancer describes them.
    pub fn seen(&self, scene: &Scene) -> Seen {
        let rows = OWN.map(|place| {
            let mut group = [Row::Absent; TARGETS];
            group[place] = scene.group[place];
            (instance(place), self.observed(&group))
        });
        let weight = |has| if has { Weight::WHOLE } else { Weight::NONE };
        let groups = (0..TARGETS).map(|place| (group_at(place).arn, weight(scene.weights[place])));
        Seen { weights: Weights { groups: groups.collect(), stickiness: None }, rows: rows.collect() }
    }

    fn small_weights(weights: &Weights) -> super::state::Weights {
        let places: [usize; TARGETS] = std::array::from_fn(|place| place);
        places.map(|place| weights.of(&group_at(place).arn) > Some(Weight::NONE))
    }

    /// What each group should hold, as far as an attempt at this knows.
    fn warm_targets(
        &self,
        weighted: &Weighted,
        desired: &Desired,
        matter: Matter,
    ) -> BTreeMap<InstanceId, Target> {
        let discovery: Option<Discovery> = match matter {
            Matter::Seen(look) => Some(self.reading(look).discovery),
            Matter::Told(_) | Matter::Ordered(_) => None,
        };
        warm_targets(&self.route, weighted, desired, discovery.as_ref())
    }
}

impl Carrying {
    /// What a failed call leaves: a move that is done stays done, even if the other instance's group could not be
    /// looked after.
    pub fn fails(&mut self) {
        let at_other = match self.phase {
            Phase::Sent { call, .. } | Phase::StandsStill(call) => call == Call::RegisterOther,
            Phase::About(_) | Phase::Lengthening { .. } | Phase::Finishing { .. } => false,
        };
        let is_done = at_other && self.changed;
        self.stop(is_done);
    }
}

impl Protocol {
    /// Whether the timer finds nothing to do on a weighted route.
    pub fn weighted_is_right(&self, desired: &Desired, matter: Matter, scene: &Scene) -> bool {
        self.world.weighted().is_none_or(|weighted| {
            let targets = self.world.warm_targets(weighted, desired, matter);
            let seen = self.world.seen(scene);
            let missing = seen.missing(&self.world.route, weighted, desired, &targets);
            missing.is_empty()
        })
    }

    /// One round of `Reconciler::move_weights`: what is missing, and which call is next.
    pub fn shift_on(&self, carrying: &mut Carrying, scene: Scene) {
        let Some(weighted) = self.world.weighted() else {
            return;
        };
        carrying.observed = Some(scene);
        let desired = self.desired(carrying);
        let own = [(desired.instance.clone(), desired.target)].into();
        let seen = self.world.seen(&scene);
        let missing = seen.missing(&self.world.route, weighted, &desired, &own);
        if missing.is_empty() {
            carrying.observed = None;
            carrying.rounds = 0;
            carrying.phase = Phase::About(Call::LookAtOther);
            return;
        }
        if carrying.rounds == ROUNDS_MAX {
            return carrying.stop(false);
        }
        carrying.rounds += 1;
        carrying.changed = true;
        carrying.phase = Phase::About(match self.warm(carrying) {
            Some(_) => self.next_when_warm(carrying),
            None => Call::Register,
        });
    }

    /// The call that follows once the desired group is known to be warm.
    fn next_when_warm(&self, carrying: &Carrying) -> Call {
        match (self.desired(carrying).move_mode, self.shift(carrying)) {
            (MoveMode::Swap, Some(_)) => Call::Shift,
            (MoveMode::Swap, None) | (MoveMode::Register, _) => Call::Look,
        }
    }

    /// The proof that the desired group may get the weight: its target was seen there, or registered since.
    fn warm(&self, carrying: &Carrying) -> Option<RegisteredIn> {
        let weighted = self.world.weighted()?;
        let desired = self.desired(carrying);
        let group = weighted.groups.get(&desired.instance)?;
        if carrying.proof || self.has(Bug::ShiftsToAColdGroup) {
            return Some(RegisteredIn::registered(group, desired.target));
        }
        let seen = self.world.seen(&carrying.observed?);
        let rows = seen.rows.get(&desired.instance)?;
        RegisteredIn::observed(group, desired.target, rows)
    }

    /// What a call does to a weighted route.
    pub fn take_weighted_effect(&self, state: &mut State, carrying: &Carrying, call: Call) {
        let place = self.world.place(self.desired(carrying).target);
        match call {
            Call::Register => state.group[place] = Row::Registered,
            Call::RegisterOther => state.group[other_than(place)] = Row::Registered,
            Call::Shift => {
                if let Some(shift) = self.shift(carrying) {
                    let hasty = self.has(Bug::TakesTheWeightAwayFirst) && state.weights[other_than(place)];
                    state.weights = if hasty {
                        super::state::Weights::default()
                    } else {
                        World::small_weights(shift.weights())
                    };
                    state.populated = true;
                }
            }
            Call::First | Call::Look | Call::LookAtOther | Call::Deregister => {}
        }
    }

    /// The weights that are set: as they were read, but for what moves.
    fn shift(&self, carrying: &Carrying) -> Option<WeightChange> {
        let weighted = self.world.weighted()?;
        let standing = self.world.seen(&carrying.observed?).weights;
        WeightChange::to(&self.warm(carrying)?, &self.world.route, weighted, &standing)
    }

    /// Which call follows an answer on a weighted route.
    pub fn weighted_answer(&self, carrying: &mut Carrying, call: Call) {
        match call {
            Call::Register => {
                carrying.proof = true;
                let next = self.next_when_warm(carrying);
                // Every round asks for its own proof.
                carrying.proof = next == Call::Shift;
                carrying.phase = Phase::About(next);
            }
            Call::Shift | Call::Look | Call::First | Call::Deregister => {
                carrying.proof = false;
                carrying.phase = Phase::About(Call::Look);
            }
            Call::LookAtOther | Call::RegisterOther => carrying.stop(true),
        }
    }

    /// `Reconciler::warm_the_others`: the look at the other instance's group.
    pub fn look_at_other(&self, carrying: &mut Carrying, scene: Scene) {
        let Some(weighted) = self.world.weighted() else {
            return;
        };
        let desired = self.desired(carrying);
        let targets = self.world.warm_targets(weighted, &desired, carrying.hand.matter);
        let other = instance(other_than(self.world.place(desired.target)));
        let rows = self.world.seen(&scene).rows;
        let is_warm = RegisteredIn::observed(&weighted.groups[&other], targets[&other], &rows[&other]);
        if is_warm.is_some() {
            carrying.stop(true);
        } else {
            carrying.phase = Phase::About(Call::RegisterOther);
        }
    }
}

/// There are two.
fn other_than(place: usize) -> usize {
    1 - place
}
