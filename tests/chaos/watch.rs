//! Somebody who looks at every group, again and again, while the workers work.
//!
//! A look is a sample: what was so between two looks is not seen. The stand-in has no draining and no health
//! checks, so a registered target is one that serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use tokio::task::JoinHandle;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;

/// Between two rounds. The stand-in answers one call after another, and the workers' calls come first.
const EVERY: Duration = Duration::from_millis(50);

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Looks that were answered.
    pub(crate) looks: u64,
    /// Looks that were not, on a slow machine.
    pub(crate) missed: u64,
    /// The route, and when its group was first seen empty.
    pub(crate) empty: Vec<(usize, Timestamp)>,
}

/// A watcher at work.
pub(crate) struct Watcher {
    enough: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
}

impl Watcher {
    /// Watches these groups, each that of a route.
    pub(crate) fn start(client: Client, groups: Vec<String>) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&enough);
        let task = tokio::spawn(async move {
            let clock = SystemClock::start();
            let mut seen = Seen::default();
            let mut empty = BTreeSet::new();
            while !told.load(Ordering::Relaxed) {
                for (route, group) in groups.iter().enumerate() {
                    match holds(&client, group).await {
                        None => seen.missed += 1,
                        Some(0) => {
                            seen.looks += 1;
                            if empty.insert(route) {
                                seen.empty.push((route, clock.wall()));
                            }
                        }
                        Some(_) => {
                            seen.looks += 1;
                            empty.remove(&route);
                        }
                    }
                }
                tokio::time::sleep(EVERY).await;
            }
            seen
        });
        Self { enough, task }
    }

    /// Ends it.
    pub(crate) async fn seen(self) -> Seen {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await.expect("the watcher does not panic")
    }
}

/// How many targets are in the group, if it can be told.
async fn holds(client: &Client, group: &str) -> Option<usize> {
    let look = client.describe_target_health().target_group_arn(group);
    let look = look.send().await.ok()?;
    Some(look.target_health_descriptions().len())
}
