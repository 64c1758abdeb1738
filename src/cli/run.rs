//! `run`: the worker.

use std::cell::Cell;
use std::sync::Arc;

use tokio::sync::watch;

use crate::cli::args::Global;
use crate::cli::failure::{Exit, Failure};
use crate::cli::serving::{Served, Terms};
use crate::cli::{OpenQueue, Session, serving};
use crate::config::Config;
use crate::web;
use writerlink_core::model::ids::Owner;
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::{Attempts, Reconciler, RecordAuthor};
use writerlink_engine::ports::{ErrorKind, Ports};
use writerlink_engine::telemetry::event::{EventSink, EventSinks};
use writerlink_engine::telemetry::tracing_sink::TracingSink;
use writerlink_engine::worker::{Limits, Until, VISIBILITY, Worker};

/// Works until it is done or told to stop.
pub(super) async fn run(until: Until, global: &Global, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut config = session.config(global)?;
    let process = session.connect.process()?;
    let ports = session.connect.ports(&config).await?;
    let opening = session.connect.queue(&config);
    let (queue, ()) = tokio::try_join!(opening, ledger_is_there(&ports, &config))?;
    visible_late_enough(&queue)?;
    let started = started(&config, &process.owner, &queue);
    let ports = Ports { queue: queue.port, ..ports };
    // Moved, not copied: a thousand of them are a megabyte.
    let routes: Arc<[Route]> = std::mem::take(&mut config.routes).into();
    let terms = Terms {
        limits: web::ConnectionLimits::for_files(process.open_files_max),
        observer: Arc::new(TracingSink),
    };
    let mut served = serving::listen(&config, &ports, &routes, &terms).await?;
    tracing::info!(event = "started", "{started}");

    let reconciler = reconciler(&config, &ports, process.owner);
    let mut observers: Vec<Arc<dyn EventSink>> = vec![Arc::new(TracingSink)];
    observers.append(&mut served.observers);
    let observers = Arc::new(EventSinks(observers));
    let limits = limits(&config);
    let worker = Worker::new(&ports, Arc::new(reconciler), routes, observers, limits);
    Ok(work(&worker, until, &process.stops, &mut served).await)
}

/// Works until it is done, told to stop, or without its server.
async fn work(worker: &Worker, until: Until, stops: &watch::Receiver<u32>, served: &mut Served) -> Exit {
    let exit = Cell::new(Exit::Done);
    let end = async {
        tokio::select! {
            biased;
            () = asked(stops.clone(), 1) => {}
            why = served.ended() => {
                let fix = "this is a bug, please report it: the worker finishes what is in hand and ends";
                tracing::error!(event = "http_ended", "{why}; {fix}");
                exit.set(Exit::Error);
            }
        }
    };
    tokio::select! {
        biased;
        () = asked(stops.clone(), 2) => {
            tracing::warn!(event = "stopped", "told twice to stop; the next delivery resumes what was in hand");
            Exit::Error
        }
        released = worker.run(until, end) => {
            let note = match released {
                0 => "nothing is in hand any more".to_owned(),
                groups => format!("{groups} groups were let go of; the next delivery resumes them"),
            };
            tracing::info!(event = "stopped", "{note}");
            exit.get()
        }
    }
}

/// Ends when the process was asked this often to stop.
pub(super) async fn asked(mut stops: watch::Receiver<u32>, times: u32) {
    if stops.wait_for(|count| *count >= times).await.is_err() {
        // Nobody is left who could ask.
        std::future::pending::<()>().await;
    }
}

/// What makes attempts in the name of this configuration.
pub(super) fn reconciler(config: &Config, ports: &Ports, owner: Owner) -> Reconciler {
    Reconciler::new(ports, author(config, owner), attempts(config))
}

/// Who writes records in the name of this configuration: every command that writes any has it from here.
pub(super) fn author(config: &Config, owner: Owner) -> RecordAuthor {
    RecordAuthor::new(owner).under(config.provenance.clone())
}

/// How often events are tried, and how fast routes are moved.
pub(super) fn attempts(config: &Config) -> Attempts {
    Attempts {
        attempts_max: config.worker.max_attempts,
        moves_per_minute_max: config.moves_per_minute_max,
        quota: config.quota,
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        groups_min: 1,
        groups_max: usize::try_from(config.worker.parallel_groups).unwrap_or(usize::MAX),
        drain_timeout: config.worker.drain_timeout,
        reconciling: config.reconciling,
    }
}

fn started(config: &Config, owner: &Owner, queue: &OpenQueue) -> String {
    let names: Vec<&str> = config.routes.iter().map(|r| r.name.as_str()).collect();
    format!(
        "version {} installation {} config {} routes {} owner {owner} queue {} page {}",
        env!("CARGO_PKG_VERSION"),
        config.provenance.installation,
        config.provenance.config,
        names.join(","),
        queue.url,
        config.worker.page_address
    )
}

/// A ledger that is not there, or closed to this process, will not get better by waiting; whatever else is
/// wrong may, and the worker goes on trying.
async fn ledger_is_there(ports: &Ports, config: &Config) -> Result<(), Failure> {
    let Some(route) = config.routes.first() else {
        return Ok(());
    };
    match ports.ledger.peek(&route.name).await {
        Err(error) if matches!(error.kind, ErrorKind::Missing | ErrorKind::Denied) => {
            Err(Failure::call("reading the ledger", error))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A message that comes back sooner than a dead worker's lease can be taken over is received in vain, again
/// and again, and its group stands still meanwhile.
fn visible_late_enough(queue: &OpenQueue) -> Result<(), Failure> {
    if queue.visibility >= VISIBILITY {
        return Ok(());
    }
    let (found, least) = (queue.visibility.as_secs(), VISIBILITY.as_secs());
    Err(Failure::told(
        format!("the queue {} cannot be used", queue.url),
        format!(
            "its messages are visible again after {found} s, and the lease of a worker that died may be in the \
             way for up to {least} s"
        ),
        format!(
            "aws sqs set-queue-attributes --queue-url {} --attributes VisibilityTimeout={least}",
            queue.url
        ),
        Exit::Error,
    ))
}
