//! The listeners' side of the load balancer's API, and a process's client of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::faults::{lock, refused};
use crate::listener::{AppliedWeights, Listener};
use crate::load_balancer::{LoadBalancer, answered, next_request};
use crate::process::Process;
use writerlink_core::actuation::weights::{WeightChange, Weights};
use writerlink_core::model::names::{ListenerArn, TargetGroupArn};
use writerlink_core::model::target::Target;
use writerlink_engine::ports::{CallError, ErrorKind, Listeners, Reply};

const DESCRIBE_LISTENERS: &str = "DescribeListeners";
const MODIFY_LISTENER: &str = "ModifyListener";

/// What its owner does to a listener, outside of any call.
impl LoadBalancer {
    /// Creates a listener with these weights, as if they had stood since before the world began.
    pub fn create_listener(&self, arn: &ListenerArn, weights: Weights) {
        let fading = Vec::new();
        let listener = Listener { weights, fading };
        lock(&self.state).listeners.insert(arn.clone(), listener);
    }
}

/// The API, quotas included.
impl LoadBalancer {
    /// `DescribeListeners`.
    ///
    /// # Errors
    /// As the API's: throttled, or no such listener.
    pub fn describe_listener(&self, arn: &ListenerArn) -> Result<Reply<Weights>, CallError> {
        let now = self.time.elapsed();
        let mut state = self.settled();
        let request_id = next_request(&mut state);
        let admitted = self.admitted(DESCRIBE_LISTENERS, state.descriptions.take(now));
        let weights = admitted.and_then(|()| {
            let listener = state.listeners.get(arn);
            let listener = listener.ok_or_else(|| missing(DESCRIBE_LISTENERS))?;
            Ok(listener.weights.clone())
        });
        answered(request_id, weights)
    }

    /// `ModifyListener`, called by `by`: the forward action is replaced as a whole.
    ///
    /// # Errors
    /// As the API's: throttled, no such listener, or a target group that does not exist.
    pub fn modify_listener(
        &self,
        by: &str,
        arn: &ListenerArn,
        weights: &Weights,
    ) -> Result<Reply<()>, CallError> {
        let at = self.time.elapsed();
        let mut state = self.settled();
        let request_id = next_request(&mut state);
        *state.mutating_calls.entry(by.to_owned()).or_default() += 1;
        let admitted = self.admitted(MODIFY_LISTENER, state.modifications.take(at));
        let unknown = weights.groups.keys().any(|group| !state.groups.contains_key(group));
        let done = admitted.and_then(|()| {
            if unknown {
                return Err(refused(MODIFY_LISTENER, ErrorKind::Missing));
            }
            let listener = state.listeners.get_mut(arn);
            let listener = listener.ok_or_else(|| missing(MODIFY_LISTENER))?;
            let before = listener.set(weights.clone(), at);
            state.weight_changes.push(AppliedWeights {
                at,
                by: by.to_owned(),
                listener: arn.clone(),
                before,
                after: weights.clone(),
            });
            Ok(())
        });
        answered(request_id, done)
    }
}

/// What a test or an invariant sees, without any call.
impl LoadBalancer {
    /// The weights of a listener as they are set; none of an unknown one.
    #[must_use]
    pub fn weights(&self, arn: &ListenerArn) -> Weights {
        let state = lock(&self.state);
        let listener = state.listeners.get(arn);
        listener.map_or_else(Weights::default, |listener| listener.weights.clone())
    }

    /// The targets that new connections of a listener may go to: those that serve in a group with a weight, by the
    /// weights that are set or by those that were, as long as these may still be followed.
    #[must_use]
    pub fn reached_through(&self, arn: &ListenerArn) -> BTreeSet<Target> {
        let groups: BTreeSet<TargetGroupArn> = {
            let now = self.time.elapsed();
            let state = lock(&self.state);
            let listener = state.listeners.get(arn);
            let fading = listener.into_iter().flat_map(|l| &l.fading);
            let fading = fading.filter(|(until, _)| now < *until).map(|(_, w)| w);
            let standing = listener.into_iter().map(|l| &l.weights);
            let weights = standing.chain(fading);
            weights.flat_map(Weights::in_service).cloned().collect()
        };
        let serving = groups.iter().map(|group| self.serving(group));
        serving.flatten().collect()
    }

    /// Every accepted `ModifyListener`, in order.
    #[must_use]
    pub fn weight_changes(&self) -> Vec<AppliedWeights> {
        lock(&self.state).weight_changes.clone()
    }
}

fn missing(call: &'static str) -> CallError {
    CallError {
        code: "ListenerNotFound".to_owned(),
        message: "one or more listeners not found".to_owned(),
        ..refused(call, ErrorKind::Missing)
    }
}

/// A process's client of the listeners.
#[derive(Debug)]
pub(crate) struct ListenersClient {
    pub(crate) process: Arc<Process>,
    pub(crate) load_balancer: Arc<LoadBalancer>,
}

#[async_trait]
impl Listeners for ListenersClient {
    async fn weights(&self, listener: &ListenerArn) -> Result<Reply<Weights>, CallError> {
        let (load_balancer, arn) = (Arc::clone(&self.load_balancer), listener.clone());
        let detail = arn.to_string();
        let describe = move || load_balancer.describe_listener(&arn);
        self.process.call(DESCRIBE_LISTENERS, detail, describe).await
    }

    async fn set_weights(
        &self,
        listener: &ListenerArn,
        shift: &WeightChange,
    ) -> Result<Reply<()>, CallError> {
        let (load_balancer, arn) = (Arc::clone(&self.load_balancer), listener.clone());
        let (by, weights) = (self.process.name.clone(), shift.weights().clone());
        let detail = format!("{arn} {weights}");
        let modify = move || load_balancer.modify_listener(&by, &arn, &weights);
        self.process.call(MODIFY_LISTENER, detail, modify).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::WEIGHTS_PROPAGATION;
    use crate::world::{World, WorldConfig, instances};
    use std::time::Duration;
    use writerlink_core::actuation::weights::{Stickiness, Weight};
    use writerlink_core::model::route::{Strategy, Weighted};
    use writerlink_core::model::target::TargetHealth;

    const OPERATOR: &str = "operator";

    fn world() -> (World, Weighted) {
        let world = World::new(WorldConfig::default());
        let members = instances("db", 2).unwrap();
        let route = world.add_weighted_route("db", &members).unwrap();
        let Strategy::Weighted(weighted) = route.strategy else { panic!("the route is weighted") };
        (world, weighted)
    }

    /// The weights of the first and the second instance's group.
    fn weights(weighted: &Weighted, numbers: [u16; 2]) -> Weights {
        let groups = weighted.groups.values().zip(numbers);
        Weights {
            groups: groups.map(|(group, number)| (group.arn.clone(), Weight::new(number).unwrap())).collect(),
            stickiness: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_at_weight_0_stays_health_checked_and_gets_no_connection() {
        let (world, weighted) = world();
        let second = weighted.groups.values().nth(1).unwrap();
        let rows = world.elb.rows(&second.arn);
        assert_eq!(rows[0].health, TargetHealth::Healthy);
        let reached = world.elb.reached_through(&weighted.listener);
        assert!(!reached.contains(&rows[0].target));
    }

    #[tokio::test(start_paused = true)]
    async fn new_connections_may_follow_the_old_weights_after_every_switch() {
        let (world, weighted) = world();
        let listener = &weighted.listener;
        let set = |numbers| {
            let weights = weights(&weighted, numbers);
            world.elb.modify_listener(OPERATOR, listener, &weights)
        };
        set([0, 100]).unwrap();
        tokio::time::sleep(WEIGHTS_PROPAGATION / 2).await;
        assert_eq!(world.elb.reached_through(listener).len(), 2);
        set([100, 0]).unwrap();
        tokio::time::sleep(WEIGHTS_PROPAGATION).await;
        let first = weighted.groups.values().next().unwrap();
        assert_eq!(world.elb.reached_through(listener), world.elb.serving(&first.arn));
        let changes = world.elb.weight_changes();
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[1].before, weights(&weighted, [0, 100]));
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_stick_to_a_group_come_back_to_it_after_any_switch() {
        for (stickiness, reached) in [(None, 1), (Some(Stickiness::Off), 1), (Some(Stickiness::On(None)), 2)]
        {
            let (world, weighted) = world();
            for numbers in [[100, 0], [0, 100]] {
                let weights = Weights { stickiness, ..weights(&weighted, numbers) };
                let listener = &weighted.listener;
                let set = world.elb.modify_listener(OPERATOR, listener, &weights);
                set.unwrap();
            }
            tokio::time::sleep(WEIGHTS_PROPAGATION * 100).await;
            let found = world.elb.reached_through(&weighted.listener);
            assert_eq!(found.len(), reached, "{stickiness:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_or_group_that_does_not_exist_is_missing_and_nothing_is_set() {
        let (world, weighted) = world();
        let elsewhere = weighted.listener.as_str().replace("net/db", "net/other");
        let elsewhere = ListenerArn::new(&elsewhere).unwrap();
        let even = weights(&weighted, [50, 50]);
        let errors = [
            world.elb.describe_listener(&elsewhere).unwrap_err(),
            world.elb.modify_listener(OPERATOR, &elsewhere, &even).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Missing, "ListenerNotFound"));
        }
        let mut strange = even;
        let stranger = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/other/1";
        let stranger = TargetGroupArn::new(stranger).unwrap();
        strange.groups.insert(stranger, Weight::WHOLE);
        let refused = world.elb.modify_listener(OPERATOR, &weighted.listener, &strange);
        assert_eq!(refused.unwrap_err().code, "TargetGroupNotFound");
        assert_eq!(world.elb.weights(&weighted.listener), weights(&weighted, [100, 0]));
    }

    #[tokio::test(start_paused = true)]
    async fn modifications_have_their_own_bucket_that_refills_at_three_a_second() {
        let (world, weighted) = world();
        let even = weights(&weighted, [50, 50]);
        let set = || world.elb.modify_listener(OPERATOR, &weighted.listener, &even);
        for _ in 0..20 {
            set().unwrap();
        }
        assert_eq!(set().unwrap_err().kind, ErrorKind::Throttled);
        tokio::time::sleep(Duration::from_millis(334)).await;
        assert!(set().is_ok());
        assert!(set().is_err());
    }
}
