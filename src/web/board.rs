//! What was read of every route last. All viewers share it: they must not use up the quotas of the worker.
//!
//! A *round* reads each route whose reading is too old, once. It starts when somebody views a page, and
//! ends by itself, so a page that nobody views costs nothing. The load balancer allows a viewer ten calls a
//! second ([`writerlink_engine::survey`]): of a thousand routes a round takes 100 s, and so it reads first
//! what a person has to see first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::web::query::Listed;
use crate::web::shared::REFRESHED_EVERY;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::route::Route;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::ports::Clock;
use writerlink_engine::survey::{RouteSurvey, Surveyor};
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};

/// How many routes are read before the order is decided anew: as many as a survey reads at the same time.
const BATCH: usize = 8;

/// How long a viewer waits for a round. What it has not read by then is shown as it is known.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long after a view its routes are read again and again while a round lasts.
const WATCHED_FOR: Duration = Duration::from_secs(15);

/// Up to how many routes a viewer waits for the whole round: the load balancer allows them within ten
/// seconds.
const WHOLE_MAX: usize = 100;

/// How far apart the reads of routes are that are neither viewed nor wrong.
const BETWEEN_CALM_READS: Duration = Duration::from_millis(200);

/// The urgency of a route that was not read yet. Wrong and viewed ones come before it, all others after it.
const UNREAD: u8 = 2;

/// The newest reading of every route.
pub(super) struct Board {
    pub(super) routes: Arc<[Route]>,
    places: BTreeMap<RouteName, usize>,
    surveyor: Arc<Surveyor>,
    clock: Arc<dyn Clock>,
    readings: Mutex<Readings>,
    /// Counts the batches that were read.
    progress: watch::Sender<u64>,
}

/// A survey of a route without its records, and when it was made.
#[derive(Clone)]
struct LastRead {
    at: Duration,
    survey: Arc<RouteSurvey>,
}

#[derive(Default)]
struct Readings {
    newest: Vec<Option<LastRead>>,
    /// Routes that differ by the worker's last reconcile pass.
    differ: BTreeSet<usize>,
    /// The routes of the page that was viewed last, and when.
    viewed: Vec<usize>,
    viewed_at: Duration,
    round: Option<JoinHandle<()>>,
}

impl Readings {
    fn is_due(&self, place: usize, now: Duration) -> bool {
        let Some(reading) = self.newest.get(place) else {
            return false;
        };
        let fresh_for = if self.urgency(place).0 < UNREAD { REFRESHED_EVERY } else { self.calm() };
        reading.as_ref().is_none_or(|read| now.saturating_sub(read.at) >= fresh_for)
    }

    /// How long a reading counts of a route that is neither viewed nor wrong: an open page that reloads all
    /// day takes half of what the load balancer allows a viewer.
    fn calm(&self) -> Duration {
        let routes = u32::try_from(self.newest.len()).unwrap_or(u32::MAX);
        REFRESHED_EVERY.max(BETWEEN_CALM_READS * routes)
    }

    /// The lowest is read first.
    fn urgency(&self, place: usize) -> (u8, Option<Duration>) {
        let reading = self.newest.get(place).and_then(Option::as_ref);
        let wrong = reading.is_some_and(|read| read.survey.assessment.health == RouteHealth::OutOfSync);
        let class = match reading {
            _ if wrong || self.differ.contains(&place) => 0,
            _ if self.viewed.contains(&place) => 1,
            None => UNREAD,
            Some(_) => UNREAD + 1,
        };
        (class, reading.map(|read| read.at))
    }

    fn is_running(&self) -> bool {
        self.round.as_ref().is_some_and(|round| !round.is_finished())
    }

    /// Whether a page of many routes can be shown before the round ends: every route has been read once, and
    /// what was viewed is fresh.
    fn can_show(&self, now: Duration) -> bool {
        let read = self.newest.iter().all(Option::is_some);
        self.newest.len() > WHOLE_MAX && read && self.viewed.iter().all(|place| !self.is_due(*place, now))
    }
}

/// What the page knows of all routes, by their places.
pub(super) struct Known {
    surveys: Vec<Option<Arc<RouteSurvey>>>,
}

impl Known {
    /// The state of every route.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let listed = |survey: &Option<Arc<RouteSurvey>>| {
            survey.as_ref().map_or(Listed::NotYet, |survey| Listed::Read(survey.assessment.health))
        };
        self.surveys.iter().map(listed).collect()
    }

    pub(super) fn survey(&self, place: usize) -> Option<&RouteSurvey> {
        self.surveys.get(place)?.as_deref()
    }

    /// Every survey that there is.
    pub(super) fn read(&self) -> impl Iterator<Item = &RouteSurvey> {
        self.surveys.iter().flatten().map(Arc::as_ref)
    }
}

impl Board {
    pub(super) fn new(routes: Arc<[Route]>, surveyor: Arc<Surveyor>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let places = routes.iter().enumerate().map(|(n, route)| (route.name.clone(), n)).collect();
        let readings = Readings { newest: vec![None; routes.len()], ..Readings::default() };
        let (progress, _) = watch::channel(0);
        Arc::new(Self { routes, places, surveyor, clock, readings: Mutex::new(readings), progress })
    }

    fn readings(&self) -> MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The route's place in the configuration.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let name = RouteName::new(name).ok()?;
        self.places.get(&name).copied()
    }

    /// Sees that something is read if it is due, waits a little for it, and gives all that is known.
    pub(super) async fn known(self: &Arc<Self>) -> Known {
        let mut progress = self.progress.subscribe();
        self.start();
        let wait = async { while self.is_behind() && progress.changed().await.is_ok() {} };
        tokio::select! {
            biased;
            () = wait => {}
            () = self.clock.sleep(PATIENCE) => {}
        }
        let newest = self.readings();
        let survey = |reading: &Option<LastRead>| reading.as_ref().map(|read| Arc::clone(&read.survey));
        Known { surveys: newest.newest.iter().map(survey).collect() }
    }

    /// Remembers what is viewed.
    pub(super) fn view(&self, places: &[usize]) {
        let now = self.clock.monotonic();
        let mut readings = self.readings();
        readings.viewed = places.to_vec();
        readings.viewed_at = now;
    }

    fn is_behind(&self) -> bool {
        let readings = self.readings();
        readings.is_running() && !readings.can_show(self.clock.monotonic())
    }

    /// Starts a round if something is due and none is running.
    fn start(self: &Arc<Self>) {
        let now = self.clock.monotonic();
        let mut readings = self.readings();
        let due: BTreeSet<usize> = (0..self.routes.len()).filter(|n| readings.is_due(*n, now)).collect();
        if readings.is_running() || due.is_empty() {
            return;
        }
        let board = Arc::clone(self);
        // A task of its own: a viewer who disconnects must not end what others wait for.
        readings.round = Some(tokio::spawn(async move { board.round(due).await }));
    }

    async fn round(&self, mut left: BTreeSet<usize>) {
        loop {
            let batch = self.next_batch(&mut left);
            if batch.is_empty() {
                break;
            }
            let routes: Vec<Route> = batch.iter().filter_map(|n| self.routes.get(*n)).cloned().collect();
            let surveys = self.surveyor.routes(&routes).await;
            self.keep(&batch, surveys);
        }
        // Nobody waits for a round that has ended, although its task has not quite.
        self.readings().round = None;
        self.progress.send_modify(|batches| *batches += 1);
    }

    fn next_batch(&self, left: &mut BTreeSet<usize>) -> Vec<usize> {
        let now = self.clock.monotonic();
        let readings = self.readings();
        if now.saturating_sub(readings.viewed_at) < WATCHED_FOR {
            left.extend(readings.viewed.iter().filter(|place| readings.is_due(**place, now)));
        }
        let mut order: Vec<usize> = left.iter().copied().collect();
        order.sort_by_key(|place| readings.urgency(*place));
        order.truncate(BATCH);
        left.retain(|place| !order.contains(place));
        order
    }

    fn keep(&self, places: &[usize], surveys: Vec<RouteSurvey>) {
        let at = self.clock.monotonic();
        let mut readings = self.readings();
        for (place, mut survey) in places.iter().zip(surveys) {
            // The page of a route reads them itself; of a thousand routes they are a hundred megabytes.
            survey.records = survey.records.map(|_| Vec::new());
            if let Some(slot) = readings.newest.get_mut(*place) {
                *slot = Some(LastRead { at, survey: Arc::new(survey) });
            }
        }
        drop(readings);
        self.progress.send_modify(|batches| *batches += 1);
    }
}

impl EventSink for Board {
    fn record(&self, happening: &WorkerEvent<'_>) {
        if let WorkerEvent::PassEnded { route, differs } = happening
            && let Some(place) = self.places.get(&route.name)
        {
            let mut readings = self.readings();
            if *differs {
                readings.differ.insert(*place);
            } else {
                readings.differ.remove(place);
            }
        }
    }
}
