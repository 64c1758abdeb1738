//! The listeners of the embedded load balancer: weights, and how long the data plane takes to follow them.
//!
//! A group at weight 0 stays registered and health-checked (Network Load Balancer guide, "Listeners for your Network
//! Load Balancers"): nothing here touches its targets. A switch is not instant: after a listener had been re-pointed,
//! new connections reached the old group for about 75 s (containers-roadmap #470, 2019), and AWS writes down nothing
//! better for weights. Where clients stick to a group, those of before the switch come back to it for good: through
//! PrivateLink all of them have the load balancer's own address.

use std::time::Duration;

use writerlink_core::actuation::weights::{Stickiness, Weights};
use writerlink_core::model::names::ListenerArn;

/// How long new connections may still follow the weights that stood before.
pub const WEIGHTS_PROPAGATION: Duration = Duration::from_secs(75);

/// One accepted `ModifyListener`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedWeights {
    /// When, in true time since the world began.
    pub at: Duration,
    /// Whose call.
    pub by: String,
    /// Which listener.
    pub listener: ListenerArn,
    /// What stood before.
    pub before: Weights,
    /// What was set.
    pub after: Weights,
}

/// A listener as the load balancer keeps it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) weights: Weights,
    /// What stood before, and until when it may still be followed.
    pub(super) fading: Vec<(Duration, Weights)>,
}

impl Listener {
    pub(super) fn set(&mut self, weights: Weights, now: Duration) -> Weights {
        self.fading.retain(|(until, _)| now < *until);
        let before = std::mem::replace(&mut self.weights, weights);
        let until = match before.stickiness {
            Some(Stickiness::On(_)) => Duration::MAX,
            Some(Stickiness::Off) | None => now + WEIGHTS_PROPAGATION,
        };
        self.fading.push((until, before.clone()));
        before
    }
}
