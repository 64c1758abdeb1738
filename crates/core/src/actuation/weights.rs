//! What a weighted route's listener gives to each target group, and what it should give.
//!
//! Every group is registered and health-checked all the time, so a move registers nothing: one call moves the
//! weight. "A target group with a weight of 0 receives no traffic" and stays health-checked (Network Load
//! Balancer guide, "Listeners for your Network Load Balancers"). I1 reads here: the weights are never all 0, and
//! no group gets the weight before its instance's target is registered in it. Both are kept by [`WeightChange`], the
//! only weights that can be set: it cannot be made without [`RegisteredIn`], which only the load balancer's reply gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::actuation::plan::RegisteredProof;
use crate::evidence::desired::Desired;
use crate::evidence::discovery::Discovery;
use crate::model::names::{InstanceId, TargetGroupArn};
use crate::model::route::{Route, TargetGroup, Weighted};
use crate::model::target::{MoveMode, ObservedTarget, Target};

/// The weight of a target group: its share among those of the same action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u16);

impl Weight {
    /// No traffic.
    pub const NONE: Self = Self(0);
    /// What the group of the desired instance has. Any number would do beside zeros; this one reads as what it is.
    pub const WHOLE: Self = Self(100);
    /// The most that the API takes (`TargetGroupTuple`, ELB API reference).
    pub const MAX: Self = Self(999);

    /// A weight, if it is one.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number <= Self::MAX.0).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// `TargetGroupStickinessConfig`, which is not ours: it is kept as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stickiness {
    /// Off.
    Off,
    /// On, for so long if that was said.
    On(Option<Duration>),
}

/// A listener's forward action. *Read*, not *actual*: it is already old.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// The weight of every group of the action.
    pub groups: BTreeMap<TargetGroupArn, Weight>,
    /// Whether clients stick to a group; absent when the action does not say.
    pub stickiness: Option<Stickiness>,
}

impl Weights {
    /// What a group has; none when the action does not name it.
    #[must_use]
    pub fn of(&self, group: &TargetGroupArn) -> Option<Weight> {
        self.groups.get(group).copied()
    }

    /// The groups that new connections go to.
    #[must_use]
    pub fn in_service(&self) -> BTreeSet<&TargetGroupArn> {
        let weighty = self.groups.iter().filter(|(_, w)| **w > Weight::NONE);
        weighty.map(|(group, _)| group).collect()
    }
}

/// By the groups' names, which a person knows them by: `db-1 100, db-2 0`.
impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.groups.is_empty() {
            return f.write_str("no group");
        }
        let mut separator = "";
        for (group, weight) in &self.groups {
            write!(f, "{separator}{} {weight}", name_of(group))?;
            separator = ", ";
        }
        Ok(())
    }
}

/// `db-1` of `arn:…:targetgroup/db-1/73e2d6bc24d8a067`.
fn name_of(group: &TargetGroupArn) -> &str {
    let resource = group.as_str().rsplit(':').next().unwrap_or_default();
    let mut parts = resource.split('/');
    parts.nth(1).unwrap_or(resource)
}

/// Proof that the target of an instance is registered, and not draining, in that instance's own group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredIn {
    group: TargetGroupArn,
    present: RegisteredProof,
}

impl RegisteredIn {
    /// Proof by having seen it among the rows of its group.
    #[must_use]
    pub fn observed(group: &TargetGroup, target: Target, rows: &[ObservedTarget]) -> Option<Self> {
        RegisteredProof::observed(target, rows).map(|present| Self::holds(group, present))
    }

    /// Proof by the load balancer's reply to `RegisterTargets` for this group. As [`RegisteredProof::registered`]: on
    /// success alone.
    #[must_use]
    pub fn registered(group: &TargetGroup, target: Target) -> Self {
        Self::holds(group, RegisteredProof::registered(target))
    }

    fn holds(group: &TargetGroup, present: RegisteredProof) -> Self {
        Self { group: group.arn.clone(), present }
    }

    /// The target that is there.
    #[must_use]
    pub fn target(&self) -> Target {
        self.present.target()
    }
}

/// Weights that may be set: one group has the weight, and it is [`RegisteredIn`] (I1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightChange(Weights);

impl WeightChange {
    /// The weights that give everything to the group that is proved to be warm; `None` when they stand already.
    #[must_use]
    pub fn to(warm: &RegisteredIn, route: &Route, weighted: &Weighted, standing: &Weights) -> Option<Self> {
        let wanted = wanted(&warm.group, route, weighted, standing);
        (wanted != *standing).then_some(Self(wanted))
    }

    /// The weights as they are to be set.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.0
    }
}

/// The weights as they should be: the desired group's whole, those of the route's other groups 0. Groups of
/// others in the same action keep theirs unless the listener is the route's alone: then they are set to 0, and
/// stay in the action, so that whoever put them there finds them. A group that the action lost comes back, since
/// outside of it nothing is health-checked.
fn wanted(desired: &TargetGroupArn, route: &Route, weighted: &Weighted, standing: &Weights) -> Weights {
    let mut wanted = standing.clone();
    if route.exclusive {
        for weight in wanted.groups.values_mut() {
            *weight = Weight::NONE;
        }
    }
    for group in weighted.groups.values() {
        wanted.groups.insert(group.arn.clone(), Weight::NONE);
    }
    wanted.groups.insert(desired.clone(), Weight::WHOLE);
    wanted
}

/// The target that each instance's own group should hold, as far as addresses are known: the desired one's, those
/// of the route's map, and those of the newest reading.
#[must_use]
pub fn warm_targets(
    route: &Route,
    weighted: &Weighted,
    desired: &Desired,
    discovery: Option<&Discovery>,
) -> BTreeMap<InstanceId, Target> {
    let address = |instance: &InstanceId| {
        let mapped = route.instances.get(instance).copied();
        mapped.or_else(|| address_in(discovery?, instance))
    };
    let mut targets = BTreeMap::new();
    for instance in weighted.groups.keys() {
        let target = if *instance == desired.instance {
            Some(desired.target)
        } else {
            address(instance).and_then(|ip| route.admit(ip))
        };
        targets.extend(target.map(|target| (instance.clone(), target)));
    }
    targets
}

fn address_in(discovery: &Discovery, instance: &InstanceId) -> Option<std::net::IpAddr> {
    let (writer, readers) = match discovery {
        Discovery::Members { writer, readers } => (writer, readers),
        Discovery::NoSources | Discovery::Unclear(_) => return None,
    };
    let mut members = std::iter::once(writer).chain(readers);
    let named = members.find(|member| member.instance.as_ref() == Some(instance))?;
    Some(named.ip)
}

/// What the load balancer shows of a weighted route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedListener {
    /// The listener's weights.
    pub weights: Weights,
    /// The rows of the groups that were read, by instance.
    pub rows: BTreeMap<InstanceId, Vec<ObservedTarget>>,
}

/// What is missing of a weighted route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Targets to register, each in its instance's group.
    pub register: BTreeMap<InstanceId, Target>,
    /// The weights that should stand, if they do not.
    pub weights: Option<Weights>,
}

impl Missing {
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.register.is_empty() && self.weights.is_none()
    }
}

impl ObservedListener {
    /// The rows of every group.
    #[must_use]
    pub fn all_rows(&self) -> Vec<ObservedTarget> {
        self.rows.values().flatten().cloned().collect()
    }

    /// The difference between how the route should be and how it was seen. With [`MoveMode::Register`] the weights
    /// stay as they are, whatever they are. Re-planning after any prefix of the calls gives the rest of them.
    #[must_use]
    pub fn missing(
        &self,
        route: &Route,
        weighted: &Weighted,
        desired: &Desired,
        targets: &BTreeMap<InstanceId, Target>,
    ) -> Missing {
        let no_rows = Vec::new();
        let is_there = |instance: &InstanceId, target: Target| {
            let rows = self.rows.get(instance).unwrap_or(&no_rows);
            RegisteredProof::observed(target, rows).is_some()
        };
        let absent = targets.iter().filter(|(i, t)| !is_there(i, **t));
        let wanted = match (desired.move_mode, weighted.groups.get(&desired.instance)) {
            (MoveMode::Register, _) | (MoveMode::Swap, None) => None,
            (MoveMode::Swap, Some(group)) => Some(wanted(&group.arn, route, weighted, &self.weights)),
        };
        Missing {
            register: absent.map(|(i, t)| (i.clone(), *t)).collect(),
            weights: wanted.filter(|wanted| *wanted != self.weights),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
    use proptest::strategy::Strategy as Generator;

    use super::*;
    use crate::evidence::discovery::Member;
    use crate::evidence::event::{EventKey, EvidenceOrder};
    use crate::model::names::{ListenerArn, RouteName};
    use crate::model::policy::Policy;
    use crate::model::route::{OnStarted, Source, Strategy};
    use crate::model::target::TargetHealth;
    use crate::model::time::Timestamp;

    const PORT: u16 = 3306;

    fn instance(n: u8) -> InstanceId {
        InstanceId::new(&format!("db-{n}")).unwrap()
    }

    fn target(n: u8) -> Target {
        let ip = [10, 0, n, 11].into();
        Target { ip, port: PORT }
    }

    fn group(name: &str) -> TargetGroup {
        let arn = format!(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067"
        );
        TargetGroup { arn: TargetGroupArn::new(&arn).unwrap(), availability_zone: None }
    }

    /// A route of three instances, each with its group, and where they are known to be.
    fn route(exclusive: bool) -> (Route, Weighted) {
        let listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/db/50dc6c495c0c9188/f2f7dc8efc522ab2";
        let own = |n: u8| (instance(n), group(&format!("db-{n}")));
        let weighted =
            Weighted { listener: ListenerArn::new(listener).unwrap(), groups: (1..=3).map(own).collect() };
        let route = Route {
            name: RouteName::new("orders").unwrap(),
            source: Source::Any,
            strategy: Strategy::Weighted(weighted.clone()),
            group: group("db-1"),
            port: PORT,
            instances: (1..=3).map(|n| (instance(n), target(n).ip)).collect(),
            allowed_cidrs: vec!["10.0.0.0/16".parse().unwrap()],
            exclusive,
            on_started: OnStarted::Swap,
            policy: Policy::default(),
        };
        (route, weighted)
    }

    fn desired(n: u8, move_mode: MoveMode) -> Desired {
        Desired {
            instance: instance(n),
            target: target(n),
            additional_targets: BTreeSet::new(),
            move_mode,
            evidence: EvidenceOrder { at: Timestamp::EPOCH, rank: 1 },
            event: EventKey::random(&RouteName::new("orders").unwrap(), Timestamp::EPOCH, 1),
        }
    }

    fn row(n: u8, health: TargetHealth) -> ObservedTarget {
        ObservedTarget { target: target(n), health, reason: None, availability_zone: None }
    }

    /// Weights of the route's groups and of a stranger's, some of them absent.
    fn standing() -> impl Generator<Value = Weights> {
        let names = prop::sample::select(vec!["db-1", "db-2", "db-3", "other"]);
        let groups = btree_map(names.prop_map(|name| group(name).arn), 0..=999_u16, 0..=4);
        let stickiness = prop::option::of(prop::bool::ANY);
        (groups, stickiness).prop_map(|(groups, sticky)| Weights {
            groups: groups.into_iter().map(|(group, weight)| (group, Weight::new(weight).unwrap())).collect(),
            stickiness: sticky
                .map(|on| if on { Stickiness::On(Some(Duration::from_mins(5))) } else { Stickiness::Off }),
        })
    }

    proptest! {
        #[test]
        fn a_weight_change_leaves_one_own_group_with_weight_and_the_rest_right(
            standing in standing(),
            n in 1..=3_u8,
            exclusive in prop::bool::ANY,
        ) {
            let (route, weighted) = route(exclusive);
            let own = &weighted.groups[&instance(n)];
            let warm = RegisteredIn::registered(own, target(n));
            let after = WeightChange::to(&warm, &route, &weighted, &standing)
                .map_or_else(|| standing.clone(), |shift| shift.weights().clone());
            prop_assert!(after.in_service().contains(&own.arn), "never all 0");
            for group in weighted.groups.values() {
                let expected = if group == own { Weight::WHOLE } else { Weight::NONE };
                prop_assert_eq!(after.of(&group.arn), Some(expected));
            }
            let other = group("other").arn;
            let kept = standing.of(&other).map(|weight| if exclusive { Weight::NONE } else { weight });
            prop_assert_eq!(after.of(&other), kept);
            prop_assert_eq!(after.stickiness, standing.stickiness);
            prop_assert_eq!(WeightChange::to(&warm, &route, &weighted, &after), None, "nothing is left to do");
        }

        #[test]
        fn what_is_missing_is_made_up_for_by_the_calls_in_their_order(
            standing in standing(),
            n in 1..=3_u8,
            there in prop::collection::btree_set(1..=3_u8, 0..=3),
        ) {
            let (route, weighted) = route(true);
            let desired = desired(n, MoveMode::Swap);
            let targets = warm_targets(&route, &weighted, &desired, None);
            prop_assert_eq!(targets.len(), 3);
            let rows = there.iter().map(|n| (instance(*n), vec![row(*n, TargetHealth::Unhealthy)]));
            let mut scene = ObservedListener { weights: standing, rows: rows.collect() };
            let missing = scene.missing(&route, &weighted, &desired, &targets);
            prop_assert_eq!(missing.register.len(), 3 - there.len());
            for n in 1..=3 {
                scene.rows.insert(instance(n), vec![row(n, TargetHealth::Initial)]);
            }
            let left = scene.missing(&route, &weighted, &desired, &targets);
            prop_assert!(left.register.is_empty());
            prop_assert_eq!(&left.weights, &missing.weights, "registering moves no weight");
            if let Some(weights) = left.weights {
                scene.weights = weights;
            }
            prop_assert!(scene.missing(&route, &weighted, &desired, &targets).is_empty());
        }
    }

    #[test]
    fn a_target_that_drains_or_stands_in_another_group_is_no_proof() {
        let own = group("db-1");
        let rows = [row(1, TargetHealth::Draining), row(2, TargetHealth::Healthy)];
        assert_eq!(RegisteredIn::observed(&own, target(1), &rows), None);
        let rows = [row(1, TargetHealth::Unhealthy)];
        let warm = RegisteredIn::observed(&own, target(1), &rows);
        assert_eq!(warm.map(|warm| warm.target()), Some(target(1)));
    }

    #[test]
    fn a_move_that_only_registers_leaves_every_weight_alone() {
        let (route, weighted) = route(true);
        let desired = desired(2, MoveMode::Register);
        let targets = warm_targets(&route, &weighted, &desired, None);
        let missing = ObservedListener::default().missing(&route, &weighted, &desired, &targets);
        assert_eq!(missing.weights, None);
        assert!(missing.register.contains_key(&instance(2)));
    }

    #[test]
    fn addresses_come_from_map_or_sources_and_never_from_outside_the_ranges() {
        let (mut route, weighted) = route(true);
        let member = |n: u8, ip: [u8; 4]| Member { instance: Some(instance(n)), ip: ip.into() };
        let discovery = Discovery::Members {
            writer: member(1, [10, 0, 9, 9]),
            readers: vec![member(2, [10, 0, 2, 99]), member(3, [192, 168, 0, 1])],
        };
        route.instances.retain(|id, _| *id == instance(2));
        let targets = warm_targets(&route, &weighted, &desired(1, MoveMode::Swap), Some(&discovery));
        assert_eq!(
            targets,
            [(instance(1), target(1)), (instance(2), target(2))].into(),
            "the desired one's is decided, the map comes first, and 192.168.0.1 is not allowed"
        );
        let unclear = Discovery::Unclear("rds: no answer".to_owned());
        let targets = warm_targets(&route, &weighted, &desired(1, MoveMode::Swap), Some(&unclear));
        assert_eq!(targets.len(), 2);
    }

    #[test]
    fn weights_are_shown_by_the_names_of_their_groups() {
        let weight = |name: &str, weight| (group(name).arn, Weight::new(weight).unwrap());
        let weights = Weights { groups: [weight("db-2", 100), weight("db-1", 0)].into(), stickiness: None };
        assert_eq!(weights.to_string(), "db-1 0, db-2 100");
        assert_eq!(Weights::default().to_string(), "no group");
        assert_eq!(Weight::new(1000), None);
    }
}
