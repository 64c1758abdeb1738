//! An order carried out, on one route or on many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::cli::ProcessContext;
use crate::cli::failure::{Exit, Failure};
use crate::cli::orders::foresee::{lifts, nothing_to_lift, standing};
use crate::cli::run::{asked, attempts, author};
use crate::config::Config;
use writerlink_core::evidence::trigger::OperatorCommand;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::{AttemptResult, OperatorCommands, Ordered};
use writerlink_engine::ports::{CallError, Clock, Ledger, Ports};
use writerlink_engine::telemetry::event::EventSink as _;
use writerlink_engine::telemetry::event::WorkerEvent;
use writerlink_engine::telemetry::tracing_sink::TracingSink;

/// How many routes are in hand at once: a freeze of a thousand takes seconds, and asks DynamoDB for no more
/// than a worker does.
const AT_ONCE: usize = 16;

/// How often a route in other hands is tried again. An attempt takes a fraction of a second when all is well.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// What became of an order on one route.
pub(super) enum CommandResult {
    /// The engine's own word.
    Ordered(Ordered),
    /// There was nothing to lift.
    Nothing(String),
    /// A call failed, and nobody can say whether the order is in force.
    Failed(CallError),
}

/// The same with its route, and how long it took in all.
pub(super) struct Done {
    pub(super) route: Route,
    pub(super) became: CommandResult,
    pub(super) took: Duration,
}

/// What carries an order out.
pub(super) struct Crew {
    commands: OperatorCommands,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    stops: watch::Receiver<u32>,
    at_once: Semaphore,
    wait: Duration,
}

impl Crew {
    pub(super) fn new(config: &Config, ports: &Ports, process: ProcessContext, wait: Duration) -> Self {
        let clock = Arc::clone(&ports.clock);
        Self {
            commands: OperatorCommands::new(ports, author(config, process.owner), attempts(config)),
            ledger: Arc::clone(&ports.ledger),
            clock,
            stops: process.stops,
            at_once: Semaphore::new(AT_ONCE),
            wait,
        }
    }

    /// Carries the order out on every one of the routes. One that is in other hands holds up none of the others.
    pub(super) async fn carry_out(
        self: Arc<Self>,
        routes: &[&Route],
        order: &OperatorCommand,
    ) -> Result<Vec<Done>, Failure> {
        let mut under_way = JoinSet::new();
        for (n, route) in routes.iter().enumerate() {
            let crew = Arc::clone(&self);
            let (route, order) = (Route::clone(route), order.clone());
            under_way.spawn(async move { (n, crew.wait_and_carry_out(&route, &order).await) });
        }
        let mut done = BTreeMap::new();
        while let Some(one) = under_way.join_next().await {
            let (n, one) = one.map_err(|error| {
                Failure::told(
                    "the order came to no end on one of the routes",
                    error.to_string(),
                    "this should not happen: please report it; give the order again",
                    Exit::Error,
                )
            })?;
            done.insert(n, one);
        }
        Ok(done.into_values().collect())
    }

    /// Tries until the route is free, time is up, or somebody asks to stop.
    async fn wait_and_carry_out(&self, route: &Route, order: &OperatorCommand) -> Done {
        let began = self.clock.monotonic();
        let mut told = false;
        loop {
            let became = self.try_once(route, order).await;
            let took = self.clock.monotonic().saturating_sub(began);
            let left = self.wait.saturating_sub(took);
            let holder = busy(&became).filter(|_| !left.is_zero());
            let Some((owner, most)) = holder else {
                return done(route, became, took);
            };
            if !told {
                let most = most.as_secs() + 1;
                tracing::info!(
                    event = "waiting",
                    "route {} is held by {owner} for at most {most} s",
                    route.name
                );
                told = true;
            }
            tokio::select! {
                biased;
                () = asked(self.stops.clone(), 1) => return done(route, became, took),
                () = self.clock.sleep(TRY_EVERY.min(left)) => {}
            }
        }
    }

    async fn try_once(&self, route: &Route, order: &OperatorCommand) -> CommandResult {
        // Held only for the try: a route that is waited for must not keep another one from its turn.
        let _turn = self.at_once.acquire().await.ok();
        if lifts(&order.act) {
            match self.ledger.peek(&route.name).await {
                Err(error) => return CommandResult::Failed(error),
                Ok(state) => {
                    let control = state.map(|state| state.control).unwrap_or_default();
                    let now = self.clock.wall();
                    if standing(route, &order.act, &control, now).is_none() {
                        let why = nothing_to_lift(route, &order.act, Some(&control.safety), now);
                        return CommandResult::Nothing(why);
                    }
                }
            }
        }
        match self.commands.order(route, order).await {
            Err(error) => CommandResult::Failed(error),
            Ok(ordered) => {
                if let Ordered::Attempted(report) = &ordered
                    && !matches!(report.ended, AttemptResult::Busy(..))
                {
                    TracingSink.record(&WorkerEvent::Attempt(report));
                }
                CommandResult::Ordered(ordered)
            }
        }
    }
}

fn done(route: &Route, became: CommandResult, took: Duration) -> Done {
    Done { route: route.clone(), became, took }
}

/// Who has the route in hand, if that is why the order was not carried out.
pub(super) fn busy(became: &CommandResult) -> Option<(Owner, Duration)> {
    match became {
        CommandResult::Ordered(Ordered::Busy(owner, most)) => Some((owner.clone(), *most)),
        CommandResult::Ordered(Ordered::Attempted(report)) => match &report.ended {
            AttemptResult::Busy(owner, most) => Some((owner.clone(), *most)),
            AttemptResult::Settled(_)
            | AttemptResult::Duplicate(_)
            | AttemptResult::Nothing(_)
            | AttemptResult::Paced(_)
            | AttemptResult::Waits(..)
            | AttemptResult::Deferred(..)
            | AttemptResult::Unavailable(..)
            | AttemptResult::LeaseLost { .. } => None,
        },
        CommandResult::Ordered(Ordered::InForce(_))
        | CommandResult::Nothing(_)
        | CommandResult::Failed(_) => None,
    }
}
