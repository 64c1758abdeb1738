//! Workers in the world: the demo, the tests and the simulation all start them here, the same way.
//!
//! A worker is the real one; only its ports are this world's. Each runs in a process of its own that can
//! stand still or die, and dying drops everything it was doing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dynamodb::EmbeddedDynamo;
use crate::process::Process;
use crate::world::{World, WorldConfig};
use writerlink_core::actuation::quota::Quota;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::{Attempts, MOVES_PER_MINUTE_MAX, Reconciler, RecordAuthor};
use writerlink_engine::ports::{CallError, Ports};
use writerlink_engine::telemetry::event::EventSink;
use writerlink_engine::timer::Reconciling;
use writerlink_engine::worker::{Limits, Until, Worker};

/// How workers of a fleet are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetConfig {
    /// How often events are tried, and how fast routes are moved.
    pub attempts: Attempts,
    /// Limits of each worker.
    pub limits: Limits,
}

impl Default for FleetConfig {
    fn default() -> Self {
        let limits = Limits {
            groups_max: 16,
            groups_min: 1,
            drain_timeout: Duration::from_secs(25),
            reconciling: Reconciling::default(),
        };
        let attempts = Attempts {
            attempts_max: 6,
            moves_per_minute_max: MOVES_PER_MINUTE_MAX,
            quota: Some(Quota::default()),
        };
        Self { attempts, limits }
    }
}

/// A world, its ledger, and the workers in it.
pub struct Fleet {
    /// The world.
    pub world: World,
    /// The ledger's engine.
    pub dynamo: EmbeddedDynamo,
    /// How its workers are set up.
    pub config: FleetConfig,
    /// In whose name its workers write records; nobody's unless it is set.
    pub provenance: Option<Provenance>,
}

/// A worker that was started.
pub struct Running {
    /// Its process.
    pub process: Arc<Process>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Option<usize>>,
}

impl Fleet {
    /// A fleet without workers.
    ///
    /// # Errors
    /// When the ledger's tables cannot be made.
    pub async fn new(world: WorldConfig, config: FleetConfig) -> Result<Self, CallError> {
        Ok(Self::on(EmbeddedDynamo::memory().await?, world, config))
    }

    /// The same on this engine.
    #[must_use]
    pub fn on(dynamo: EmbeddedDynamo, world: WorldConfig, config: FleetConfig) -> Self {
        Self { world: World::new(world), dynamo, config, provenance: None }
    }

    /// The ports of a process of this world.
    #[must_use]
    pub fn ports(&self, process: &Arc<Process>) -> Ports {
        let ledger = Arc::new(self.dynamo.ledger(process));
        Ports {
            relays: Arc::clone(&ledger) as _,
            queue: self.world.queue(process),
            audit: Arc::clone(&ledger) as _,
            ledger,
            groups: self.world.target_groups(process),
            databases: self.world.databases(process),
            listeners: self.world.listeners(process),
            clock: Arc::clone(&process.clock) as _,
        }
    }

    /// Starts a worker for `routes` in a new process. Its name has to be new too: faults are planned by name.
    pub fn start(&self, name: &str, routes: &[Route], until: Until, observer: Arc<dyn EventSink>) -> Running {
        let process = self.world.process(name);
        let ports = self.ports(&process);
        let author = RecordAuthor::new(Owner::new(name));
        let author = match &self.provenance {
            Some(provenance) => author.under(provenance.clone()),
            None => author,
        };
        let reconciler = Reconciler::new(&ports, author, self.config.attempts);
        let worker = Worker::new(&ports, Arc::new(reconciler), routes.into(), observer, self.config.limits);
        let (stop, mut stopped) = watch::channel(false);
        let life = Arc::clone(&process);
        let task = tokio::spawn(async move {
            let shutdown = async move {
                // An error means that nobody is left who could stop it: then it works on.
                if stopped.wait_for(|stop| *stop).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            life.run(worker.run(until, shutdown)).await
        });
        Running { process, stop, task }
    }
}

impl Running {
    /// Asks the worker to stop, as SIGTERM does.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its end; `true` when it ended by itself, `false` when it died.
    pub async fn ended(self) -> bool {
        matches!(self.task.await, Ok(Some(_)))
    }

    /// Whether it has ended, one way or the other.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}
