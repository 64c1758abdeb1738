//! A Network Load Balancer and its target groups: registration delay, draining, fail-open, quotas.
//!
//! No stand-in models these, and they are what a move is about. Sources: ELB User Guide for Network Load
//! Balancers, "Target groups", "Health checks", "Troubleshoot your Network Load Balancer"; for the delays
//! that AWS does not write down, aws-load-balancer-controller #1834 and #2366 and containers-roadmap #470.
//! States are computed from the world's time when somebody looks; nothing runs in the background.

pub(crate) mod listeners;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::WorldTime;
use crate::faults::{lock, refused};
use crate::health::{Answers, HealthChecks, Probe, ProbeResponse};
use crate::listener::{AppliedWeights, Listener};
use crate::quota;
use crate::quota::Throttling;
use crate::target_group::{Difference, Group, PROPAGATION, Progress, TargetDescription, TargetGroupSpec};
use writerlink_core::actuation::token_bucket::TokenBucket;
use writerlink_core::model::names::{ListenerArn, TargetGroupArn};
use writerlink_core::model::target::{ObservedTarget, Target, TargetHealth};
use writerlink_engine::ports::{CallError, ErrorKind, Reply};

pub(super) const DESCRIBE: &str = "DescribeTargetHealth";
pub(super) const REGISTER: &str = "RegisterTargets";
pub(super) const DEREGISTER: &str = "DeregisterTargets";
const DESCRIBE_GROUPS: &str = "DescribeTargetGroups";

/// How the load balancer is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerConfig {
    /// From the registration until health checks begin. 180 s is the low end of what AWS Support says.
    pub registration_delay: Duration,
    /// `deregistration_delay.timeout_seconds`: how long a target drains.
    pub deregistration_delay: Duration,
    /// How targets are checked.
    pub checks: HealthChecks,
    /// Whether the API's quotas are applied.
    pub throttling: Throttling,
}

impl Default for LoadBalancerConfig {
    fn default() -> Self {
        Self {
            registration_delay: Duration::from_mins(3),
            deregistration_delay: Duration::from_mins(5),
            checks: HealthChecks::default(),
            throttling: Throttling::On,
        }
    }
}

/// What a call asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `RegisterTargets`.
    Register,
    /// `DeregisterTargets`.
    Deregister,
}

/// One target of one mutating call that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// When, in true time since the world began.
    pub at: Duration,
    /// Whose call.
    pub by: String,
    /// Which group.
    pub group: TargetGroupArn,
    /// Which call.
    pub action: Action,
    /// Which target.
    pub target: Target,
    /// Whether it made a difference.
    pub difference: Difference,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) groups: BTreeMap<TargetGroupArn, Group>,
    pub(super) listeners: BTreeMap<ListenerArn, Listener>,
    answers: Answers,
    registrations: TokenBucket,
    pub(super) modifications: TokenBucket,
    pub(super) descriptions: TokenBucket,
    mutations: Vec<Mutation>,
    pub(super) weight_changes: Vec<AppliedWeights>,
    pub(super) mutating_calls: BTreeMap<String, u64>,
    requests: u64,
}

/// The load balancer of a world, shared by all its processes.
#[derive(Debug)]
pub struct LoadBalancer {
    pub(super) time: WorldTime,
    config: LoadBalancerConfig,
    pub(super) state: Mutex<State>,
}

/// What its owner does to it, outside of any call.
impl LoadBalancer {
    /// A load balancer without target groups.
    #[must_use]
    pub fn new(time: WorldTime, config: LoadBalancerConfig) -> Arc<Self> {
        let state = Mutex::new(State {
            groups: BTreeMap::new(),
            listeners: BTreeMap::new(),
            answers: Answers::default(),
            registrations: quota::registrations(),
            modifications: quota::modifications(),
            descriptions: quota::descriptions(),
            mutations: Vec::new(),
            weight_changes: Vec::new(),
            mutating_calls: BTreeMap::new(),
            requests: 0,
        });
        Arc::new(Self { time, config, state })
    }

    /// Creates an empty target group, or empties it.
    pub fn create_group(&self, arn: &TargetGroupArn, spec: TargetGroupSpec) {
        let mut state = lock(&self.state);
        state.groups.insert(arn.clone(), Group::empty(spec));
    }

    /// Puts a target into a group as if it had been there before the world began. No call, no quota, no log.
    ///
    /// # Errors
    /// When there is no such group, or this cannot be a target of it.
    pub fn install(&self, arn: &TargetGroupArn, target: Target) -> Result<(), CallError> {
        let mut state = self.settled();
        let group = group_of(&mut state, REGISTER, arn)?;
        let placed = group.place(&TargetDescription::of(target, None));
        let (target, zone) = placed.ok_or_else(|| refused(REGISTER, ErrorKind::Invalid))?;
        group.admit(target, zone, Progress::COMPLETE);
        Ok(())
    }

    /// Says whether an address answers health checks from now on. Every address does at first.
    pub fn set_answer(&self, ip: IpAddr, answer: ProbeResponse) {
        let now = self.time.elapsed();
        lock(&self.state).answers.change(ip, now, answer);
    }

    /// Drops the log of what was changed so far.
    pub(super) fn forget(&self) {
        let mut state = lock(&self.state);
        state.mutations = Vec::new();
        state.weight_changes = Vec::new();
    }

    /// The state as of now: targets whose drain is over are gone.
    pub(super) fn settled(&self) -> MutexGuard<'_, State> {
        let now = self.time.elapsed();
        let drain = self.config.deregistration_delay.max(PROPAGATION);
        let mut state = lock(&self.state);
        for group in state.groups.values_mut() {
            group.settle(now, drain);
        }
        state
    }
}

/// What it was set up with, for whoever checks it.
impl LoadBalancer {
    /// What a group was created with.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn spec(&self, arn: &TargetGroupArn) -> Result<TargetGroupSpec, CallError> {
        let mut state = lock(&self.state);
        group_of(&mut state, DESCRIBE_GROUPS, arn).map(|group| group.spec().clone())
    }

    /// The zones of all its groups' subnets.
    #[must_use]
    pub fn zones(&self) -> BTreeSet<String> {
        let state = lock(&self.state);
        let specs = state.groups.values().map(Group::spec);
        specs.flat_map(|spec| spec.subnets.values().cloned()).collect()
    }

    /// What its health checks ask.
    #[must_use]
    pub fn probe(&self) -> Probe {
        self.config.checks.probe
    }
}

/// The API, quotas and quirks included, for a process (through its client) or anyone else.
impl LoadBalancer {
    /// `DescribeTargetHealth`.
    ///
    /// # Errors
    /// As the API's: throttled, or no such group.
    pub fn describe(&self, arn: &TargetGroupArn) -> Result<Reply<Vec<ObservedTarget>>, CallError> {
        let now = self.time.elapsed();
        let mut state = self.settled();
        let request_id = next_request(&mut state);
        let admitted = self.admitted(DESCRIBE, state.descriptions.take(now));
        let rows = admitted.and_then(|()| {
            let group = state.groups.get(arn);
            let group = group.ok_or_else(|| refused(DESCRIBE, ErrorKind::Missing))?;
            Ok(group.observed(&self.config.checks, &state.answers, now))
        });
        answered(request_id, rows)
    }

    /// `RegisterTargets`, called by `by`.
    ///
    /// # Errors
    /// As the API's: throttled, no such group, or a target that cannot be one; then nothing is registered.
    pub fn register(
        &self,
        by: &str,
        arn: &TargetGroupArn,
        targets: &[TargetDescription],
    ) -> Result<Reply<()>, CallError> {
        let now = self.time.elapsed();
        let registered_by = now + self.config.registration_delay;
        let progress =
            Progress { registered_by, checked_by: registered_by + self.config.checks.first_verdict };
        self.mutate((by, Action::Register), arn, |group| {
            let placed: Option<Vec<_>> = targets.iter().map(|t| group.place(t)).collect();
            let placed = placed.ok_or_else(|| refused(REGISTER, ErrorKind::Invalid))?;
            let admit = |(target, zone)| (target, group.admit(target, zone, progress));
            Ok(placed.into_iter().map(admit).collect())
        })
    }

    /// `DeregisterTargets`, called by `by`. A target that is not there is no error, and a description
    /// without a port deregisters nothing and is answered 200 (chaostoolkit-aws #60, aws-sdk-js #1964).
    ///
    /// # Errors
    /// As the API's: throttled, or no such group.
    pub fn deregister(
        &self,
        by: &str,
        arn: &TargetGroupArn,
        targets: &[TargetDescription],
    ) -> Result<Reply<()>, CallError> {
        let now = self.time.elapsed();
        self.mutate((by, Action::Deregister), arn, |group| {
            let named = targets.iter().filter_map(|description| {
                let ip = description.ip;
                description.port.map(|port| Target { ip, port })
            });
            Ok(named.map(|target| (target, group.dismiss(target, now))).collect())
        })
    }

    fn mutate(
        &self,
        (by, action): (&str, Action),
        arn: &TargetGroupArn,
        change: impl FnOnce(&mut Group) -> Result<Vec<(Target, Difference)>, CallError>,
    ) -> Result<Reply<()>, CallError> {
        let at = self.time.elapsed();
        let mut state = self.settled();
        let request_id = next_request(&mut state);
        *state.mutating_calls.entry(by.to_owned()).or_default() += 1;
        let call = match action {
            Action::Register => REGISTER,
            Action::Deregister => DEREGISTER,
        };
        // RegisterTargets and DeregisterTargets share one bucket.
        let admitted = self.admitted(call, state.registrations.take(at));
        let changes = admitted.and_then(|()| change(group_of(&mut state, call, arn)?));
        let done = changes.map(|changes| {
            for (target, difference) in changes {
                state.mutations.push(Mutation {
                    at,
                    by: by.to_owned(),
                    group: arn.clone(),
                    action,
                    target,
                    difference,
                });
            }
        });
        answered(request_id, done)
    }

    pub(super) fn admitted(&self, call: &'static str, token: Option<()>) -> Result<(), CallError> {
        match (self.config.throttling, token) {
            (Throttling::On, None) => Err(refused(call, ErrorKind::Throttled)),
            (Throttling::On, Some(())) | (Throttling::Off, _) => Ok(()),
        }
    }
}

/// What a test or an invariant sees, without any call.
impl LoadBalancer {
    /// A group's rows, draining ones included; empty for an unknown group.
    #[must_use]
    pub fn rows(&self, arn: &TargetGroupArn) -> Vec<ObservedTarget> {
        let state = self.settled();
        let group = state.groups.get(arn);
        group.map_or_else(Vec::new, |group| {
            group.observed(&self.config.checks, &state.answers, self.time.elapsed())
        })
    }

    /// The targets that are registered and not draining: what I1 and I2 are about.
    #[must_use]
    pub fn registered(&self, arn: &TargetGroupArn) -> BTreeSet<Target> {
        let rows = self.rows(arn).into_iter();
        rows.filter(ObservedTarget::is_registered).map(|row| row.target).collect()
    }

    /// The targets that new connections go to. When none is healthy the load balancer fails open: all that
    /// have finished registering get them ("Troubleshoot your Network Load Balancer").
    #[must_use]
    pub fn serving(&self, arn: &TargetGroupArn) -> BTreeSet<Target> {
        let rows = self.rows(arn).into_iter();
        let healthy: BTreeSet<Target> =
            rows.filter(|row| row.health == TargetHealth::Healthy).map(|row| row.target).collect();
        if healthy.is_empty() {
            return self.of_group(arn, Group::ready);
        }
        healthy
    }

    /// The targets that left a short while ago and may get new connections until that has propagated.
    #[must_use]
    pub fn may_still_serve(&self, arn: &TargetGroupArn) -> BTreeSet<Target> {
        self.of_group(arn, Group::lingering)
    }

    /// Every target of every accepted mutating call, in order.
    #[must_use]
    pub fn mutations(&self) -> Vec<Mutation> {
        lock(&self.state).mutations.clone()
    }

    /// How many mutating calls of a process reached the load balancer, refused ones included.
    #[must_use]
    pub fn mutating_calls(&self, by: &str) -> u64 {
        let state = lock(&self.state);
        state.mutating_calls.get(by).copied().unwrap_or_default()
    }

    fn of_group(
        &self,
        arn: &TargetGroupArn,
        targets: impl FnOnce(&Group, Duration) -> BTreeSet<Target>,
    ) -> BTreeSet<Target> {
        let state = self.settled();
        let group = state.groups.get(arn);
        group.map_or_else(BTreeSet::new, |group| targets(group, self.time.elapsed()))
    }
}

fn group_of<'a>(
    state: &'a mut State,
    call: &'static str,
    arn: &TargetGroupArn,
) -> Result<&'a mut Group, CallError> {
    let group = state.groups.get_mut(arn);
    group.ok_or_else(|| refused(call, ErrorKind::Missing))
}

pub(super) fn next_request(state: &mut State) -> String {
    state.requests += 1;
    format!("req-{:06}", state.requests)
}

pub(super) fn answered<T>(request_id: String, answer: Result<T, CallError>) -> Result<Reply<T>, CallError> {
    let request_id = Some(request_id);
    match answer {
        Ok(value) => Ok(Reply { value, request_id }),
        Err(error) => Err(CallError { request_id, ..error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Probe;
    use crate::world::{PORT, World, WorldConfig, instances};
    use writerlink_core::actuation::plan::RegisteredProof;
    use writerlink_core::model::route::Route;

    const OPERATOR: &str = "operator";

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    async fn after(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// A world with one route of two instances; the first one writes and is registered.
    fn world(config: LoadBalancerConfig) -> (World, Route) {
        let world = World::new(WorldConfig { load_balancer: config, ..WorldConfig::default() });
        let route = world.add_route("aurora", &instances("aurora", 2).unwrap()).unwrap();
        (world, route)
    }

    fn target(n: u8) -> Target {
        let ip = IpAddr::from([10, 0, n, 11]);
        Target { ip, port: PORT }
    }

    fn described(n: u8) -> Vec<TargetDescription> {
        vec![TargetDescription::of(target(n), None)]
    }

    fn row(world: &World, route: &Route, n: u8) -> Option<(String, Option<String>)> {
        let rows = world.elb.rows(&route.group.arn).into_iter();
        let mut of_target = rows.filter(|row| row.target == target(n));
        of_target.next().map(|row| (row.health.as_str().to_owned(), row.reason))
    }

    fn state(health: &str, reason: &str) -> (String, Option<String>) {
        (health.to_owned(), Some(reason.to_owned()))
    }

    fn register(world: &World, route: &Route, n: u8) {
        let done = world.elb.register(OPERATOR, &route.group.arn, &described(n));
        done.unwrap();
    }

    fn deregister(world: &World, route: &Route, n: u8) {
        let done = world.elb.deregister(OPERATOR, &route.group.arn, &described(n));
        done.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_target_registers_for_minutes_then_is_checked_then_serves() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        register(&world, &route, 2);
        assert_eq!(row(&world, &route, 2).unwrap(), state("initial", "Elb.RegistrationInProgress"));
        assert_eq!(world.elb.registered(arn), [target(1), target(2)].into());
        after(seconds(180)).await;
        assert_eq!(row(&world, &route, 2).unwrap(), state("initial", "Elb.InitialHealthChecking"));
        assert_eq!(world.elb.serving(arn), [target(1)].into());
        after(seconds(10)).await;
        assert_eq!(row(&world, &route, 2), Some(("healthy".to_owned(), None)));
        assert_eq!(world.elb.serving(arn), [target(1), target(2)].into());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_target_that_does_not_answer_is_unhealthy() {
        let (world, route) = world(LoadBalancerConfig::default());
        world.elb.set_answer(target(2).ip, ProbeResponse::Silent);
        register(&world, &route, 2);
        after(seconds(190)).await;
        assert_eq!(row(&world, &route, 2).unwrap(), state("unhealthy", "Target.FailedHealthChecks"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_verdict_changes_only_after_its_threshold() {
        let (world, route) = world(LoadBalancerConfig::default());
        let health = || row(&world, &route, 1).unwrap().0;
        let ip = target(1).ip;
        after(seconds(100)).await;
        world.elb.set_answer(ip, ProbeResponse::Silent);
        after(seconds(59)).await;
        assert_eq!(health(), "healthy");
        world.elb.set_answer(ip, ProbeResponse::Answers);
        after(seconds(1)).await;
        world.elb.set_answer(ip, ProbeResponse::Silent);
        after(seconds(59)).await;
        assert_eq!(health(), "healthy", "the count began anew");
        after(seconds(1)).await;
        assert_eq!(health(), "unhealthy");
        world.elb.set_answer(ip, ProbeResponse::Answers);
        after(seconds(149)).await;
        assert_eq!(health(), "unhealthy");
        after(seconds(1)).await;
        assert_eq!(health(), "healthy");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unhealthy_target_drains_before_it_leaves_if_the_group_is_set_so() {
        let mut config = LoadBalancerConfig::default();
        config.checks.unhealthy_draining = Some(seconds(40));
        let (world, route) = world(config);
        world.elb.set_answer(target(1).ip, ProbeResponse::Silent);
        assert_eq!(row(&world, &route, 1).unwrap(), state("unhealthy.draining", "Target.FailedHealthChecks"));
        assert_eq!(world.elb.registered(&route.group.arn), [target(1)].into());
        after(seconds(39)).await;
        assert_eq!(row(&world, &route, 1).unwrap().0, "unhealthy.draining", "until the interval is over");
        after(seconds(1)).await;
        assert_eq!(row(&world, &route, 1).unwrap(), state("unhealthy", "Target.FailedHealthChecks"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_answers_for_a_moment_does_not_drain_anew() {
        let mut config = LoadBalancerConfig::default();
        config.checks.unhealthy_draining = Some(seconds(40));
        let (world, route) = world(config);
        let ip = target(1).ip;
        world.elb.set_answer(ip, ProbeResponse::Silent);
        after(seconds(50)).await;
        world.elb.set_answer(ip, ProbeResponse::Answers);
        after(seconds(5)).await;
        world.elb.set_answer(ip, ProbeResponse::Silent);
        after(seconds(60)).await;
        assert_eq!(row(&world, &route, 1).unwrap().0, "unhealthy");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unhealthy_group_fails_open() {
        let mut config = LoadBalancerConfig::default();
        config.checks.probe = Probe::NeverAnswered;
        let (world, route) = world(config);
        let arn = &route.group.arn;
        register(&world, &route, 2);
        after(seconds(179)).await;
        assert_eq!(world.elb.serving(arn), [target(1)].into(), "the other one registers still");
        after(seconds(11)).await;
        assert_eq!(row(&world, &route, 2).unwrap(), state("unhealthy", "Target.FailedHealthChecks"));
        assert_eq!(world.elb.serving(arn), [target(1), target(2)].into());
        deregister(&world, &route, 1);
        assert_eq!(world.elb.serving(arn), [target(2)].into());
    }

    #[tokio::test(start_paused = true)]
    async fn registering_a_registered_target_changes_nothing() {
        let (world, route) = world(LoadBalancerConfig::default());
        after(seconds(60)).await;
        register(&world, &route, 1);
        assert_eq!(row(&world, &route, 1), Some(("healthy".to_owned(), None)));
        assert_eq!(world.elb.mutations()[0].difference, Difference::Unchanged);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deregistered_target_drains_for_the_delay_and_is_gone() {
        let (world, route) = world(LoadBalancerConfig::default());
        deregister(&world, &route, 1);
        assert_eq!(row(&world, &route, 1).unwrap(), state("draining", "Target.DeregistrationInProgress"));
        assert!(world.elb.registered(&route.group.arn).is_empty());
        after(seconds(200)).await;
        deregister(&world, &route, 1);
        after(seconds(99)).await;
        assert!(row(&world, &route, 1).is_some());
        after(seconds(1)).await;
        assert_eq!(row(&world, &route, 1), None, "a second call prolongs no drain");
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_drains_for_two_minutes_at_least() {
        let config =
            LoadBalancerConfig { deregistration_delay: Duration::ZERO, ..LoadBalancerConfig::default() };
        let (world, route) = world(config);
        deregister(&world, &route, 1);
        after(seconds(119)).await;
        assert!(row(&world, &route, 1).is_some());
        after(seconds(1)).await;
        assert_eq!(row(&world, &route, 1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deregistered_target_may_get_connections_for_two_minutes() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        register(&world, &route, 2);
        after(seconds(1)).await;
        deregister(&world, &route, 1);
        deregister(&world, &route, 2);
        assert!(world.elb.serving(arn).is_empty());
        assert_eq!(world.elb.may_still_serve(arn), [target(1)].into(), "2 never served");
        after(seconds(120)).await;
        assert!(world.elb.may_still_serve(arn).is_empty());
        assert!(row(&world, &route, 1).is_some(), "it drains on");
    }

    #[tokio::test(start_paused = true)]
    async fn registering_a_draining_target_cancels_the_drain() {
        let (world, route) = world(LoadBalancerConfig::default());
        after(seconds(60)).await;
        deregister(&world, &route, 1);
        after(seconds(250)).await;
        register(&world, &route, 1);
        assert_eq!(row(&world, &route, 1), Some(("healthy".to_owned(), None)));
        after(seconds(600)).await;
        assert_eq!(world.elb.registered(&route.group.arn), [target(1)].into());
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_is_gone_registers_from_the_beginning() {
        let (world, route) = world(LoadBalancerConfig::default());
        deregister(&world, &route, 1);
        after(seconds(300)).await;
        register(&world, &route, 1);
        assert_eq!(row(&world, &route, 1).unwrap(), state("initial", "Elb.RegistrationInProgress"));
    }

    #[tokio::test(start_paused = true)]
    async fn deregistering_an_unknown_target_succeeds_and_does_nothing() {
        let (world, route) = world(LoadBalancerConfig::default());
        deregister(&world, &route, 2);
        assert_eq!(world.elb.registered(&route.group.arn), [target(1)].into());
        assert_eq!(world.elb.mutations()[0].difference, Difference::Unchanged);
    }

    #[tokio::test(start_paused = true)]
    async fn deregistering_without_a_port_does_nothing() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        let nameless = TargetDescription { port: None, ..described(1)[0].clone() };
        let done = world.elb.deregister(OPERATOR, arn, std::slice::from_ref(&nameless));
        assert!(done.is_ok());
        assert_eq!(world.elb.registered(arn), [target(1)].into());
        assert!(world.elb.mutations().is_empty());
        let again = world.elb.register(OPERATOR, arn, &[nameless]);
        assert!(again.is_ok(), "without a port the group's own is meant");
        assert_eq!(world.elb.mutations()[0].target, target(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_with_two_ports_is_two_targets() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        let other = Target { port: 3307, ..target(1) };
        let description = [TargetDescription::of(other, None)];
        world.elb.register(OPERATOR, arn, &description).unwrap();
        deregister(&world, &route, 1);
        assert_eq!(world.elb.registered(arn), [other].into());
    }

    #[tokio::test(start_paused = true)]
    async fn the_zone_is_read_back_and_has_to_be_named_outside_the_vpc() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        let zone_of = |n: usize| world.elb.rows(arn)[n].availability_zone.clone();
        assert_eq!(zone_of(0).as_deref(), Some("us-east-1a"));
        let peered = Target { ip: IpAddr::from([192, 168, 7, 7]), port: PORT };
        let without = [TargetDescription::of(peered, None)];
        let error = world.elb.register(OPERATOR, arn, &without).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Invalid, "InvalidTarget"));
        let with = [TargetDescription::of(peered, Some("all".to_owned()))];
        world.elb.register(OPERATOR, arn, &with).unwrap();
        assert_eq!(zone_of(1).as_deref(), Some("all"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_bad_target_refuses_the_whole_call() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        let public = TargetDescription {
            ip: IpAddr::from([8, 8, 8, 8]),
            port: Some(PORT),
            availability_zone: Some("all".to_owned()),
        };
        let targets = [described(2).remove(0), public];
        let error = world.elb.register(OPERATOR, arn, &targets).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(world.elb.registered(arn), [target(1)].into());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_group_is_missing_whatever_is_asked() {
        let (world, _) = world(LoadBalancerConfig::default());
        let other = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/other/1";
        let arn = TargetGroupArn::new(other).unwrap();
        let errors = [
            world.elb.describe(&arn).unwrap_err(),
            world.elb.register(OPERATOR, &arn, &described(1)).unwrap_err(),
            world.elb.deregister(OPERATOR, &arn, &described(1)).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Missing, "TargetGroupNotFound"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_21st_registration_of_a_burst_is_throttled_for_250_ms() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        for _ in 0..10 {
            register(&world, &route, 2);
            deregister(&world, &route, 2);
        }
        let error = world.elb.register(OPERATOR, arn, &described(2)).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Throttled, "ThrottlingException"));
        assert!(error.request_id.is_some());
        after(Duration::from_millis(249)).await;
        assert!(world.elb.register(OPERATOR, arn, &described(2)).is_err());
        after(Duration::from_millis(1)).await;
        register(&world, &route, 2);
        assert!(world.elb.register(OPERATOR, arn, &described(2)).is_err());
        assert_eq!(world.elb.mutating_calls(OPERATOR), 24, "refused ones included");
        assert_eq!(world.elb.mutations().len(), 21);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_hour_saves_no_more_than_one_burst() {
        let (world, route) = world(LoadBalancerConfig::default());
        after(seconds(3600)).await;
        let arn = &route.group.arn;
        let accepted = (0..30).filter(|_| {
            let done = world.elb.register(OPERATOR, arn, &described(1));
            done.is_ok()
        });
        assert_eq!(accepted.count(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn describing_has_a_bucket_of_its_own() {
        let (world, route) = world(LoadBalancerConfig::default());
        let arn = &route.group.arn;
        for _ in 0..200 {
            world.elb.describe(arn).unwrap();
        }
        assert_eq!(world.elb.describe(arn).unwrap_err().kind, ErrorKind::Throttled);
        register(&world, &route, 2);
        after(Duration::from_millis(20)).await;
        assert!(world.elb.describe(arn).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn without_throttling_nothing_is_throttled() {
        let (world, route) =
            world(LoadBalancerConfig { throttling: Throttling::Off, ..LoadBalancerConfig::default() });
        for _ in 0..100 {
            register(&world, &route, 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_moves_a_group_and_never_deregisters_the_target_it_moved_to() {
        let (world, route) = world(LoadBalancerConfig::default());
        let process = world.process("w1");
        let groups = world.target_groups(&process);
        let registered = groups.register(&route.group, &[target(2)]).await.unwrap();
        assert_eq!(registered.request_id.as_deref(), Some("req-000001"));
        let rows = groups.observe(&route.group).await.unwrap().value;
        let present = RegisteredProof::observed(target(2), &rows).unwrap();
        groups.deregister(&route.group, &rows, &present).await.unwrap();
        assert_eq!(world.elb.registered(&route.group.arn), [target(2)].into());
        let log: Vec<_> = world.elb.mutations().into_iter().map(|m| (m.by, m.action, m.target)).collect();
        let by = || "w1".to_owned();
        assert_eq!(log, [(by(), Action::Register, target(2)), (by(), Action::Deregister, target(1))]);
        let calls: Vec<_> = world.fabric.journal().iter().map(|line| line.call).collect();
        assert_eq!(calls, [REGISTER, DESCRIBE, DEREGISTER]);
    }
}
