//! What people want to know of routes now, gathered by reads alone.
//!
//! One Query per thing and never a Scan; nothing is written, not even the item of a route never seen, and no lease is
//! taken. A part that cannot be read is told in its place and hides none of the others: that is when somebody looks.

mod pace;
pub mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ports::{AuditQuery, CallError, Depth, Page, Ports, Queue, StoredRecord, UnreadableRow};
use crate::survey::pace::ReadRate;
use writerlink_core::actuation::relay::RelayReport;
use writerlink_core::actuation::weights::{ObservedListener, Weight, Weights};
use writerlink_core::ledger::state::{Assignment, ChainHead, RouteState};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::reason::Cause;
use writerlink_core::model::route::{Route, Strategy, TargetGroup, Weighted};
use writerlink_core::model::target::ObservedTarget;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::chain_end::{ChainEnd, EndRow};
use writerlink_core::status::health::{ActualState, Assessment, RouteHealth, assess};
use writerlink_core::status::last_move::LastMove;

/// How many routes are read at the same time: enough to hide the round trips of a fleet, few enough for the
/// client's connections.
const ROUTES_AT_ONCE: usize = 8;

/// How many of a route's newest records are read: one Query, and more than one move with all its signs takes, unless
/// the route was told of many events that moved nothing.
pub const RECORDS_READ: u32 = 50;

/// How often a route is read again that changed while it was read.
const READ_AGAIN_MAX: u32 = 2;

/// A part of a survey: what was read, or why it could not be.
pub type Part<T> = Result<T, Unread>;

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// A call failed.
    Call(CallError),
    /// Another reason, in words.
    Other(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl From<CallError> for Unread {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<UnreadableRow> for Unread {
    fn from(row: UnreadableRow) -> Self {
        Self::Other(row.to_string())
    }
}

/// Everything that was read of some routes and of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// When it began, by the reader's wall clock: what ages are counted to.
    pub at: Timestamp,
    /// The routes, in the order in which they were asked for.
    pub routes: Vec<RouteSurvey>,
    /// The queue.
    pub queue: QueueSurvey,
}

impl Survey {
    /// Whether any route is in one of these states.
    #[must_use]
    pub fn any_in(&self, states: &[RouteHealth]) -> bool {
        self.routes.iter().any(|route| states.contains(&route.assessment.health))
    }

    /// The newest record that a worker wrote of these routes: the nearest there is to the configuration that it runs.
    /// What a person's command wrote was written under the file that the person had.
    #[must_use]
    pub fn newest_of_a_worker(&self) -> Option<&StoredRecord> {
        let records = self.routes.iter().flat_map(|route| &route.records);
        let of_a_worker = |stored: &&StoredRecord| match stored.record.entry.cause {
            Cause::Event | Cause::Reconcile => true,
            Cause::Replay | Cause::Operator => false,
        };
        // Two of one move may have the same time.
        let newest = |stored: &&StoredRecord| (stored.record.entry.at, stored.record.seq);
        records.flatten().filter(of_a_worker).max_by_key(newest)
    }
}

/// How full the queue and its dead-letter queue are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSurvey {
    /// The queue.
    pub depth: Part<Depth>,
    /// Its dead-letter queue.
    pub dead_letters: Part<Depth>,
}

impl QueueSurvey {
    /// Reads how full a queue is.
    pub async fn of(queue: &dyn Queue) -> Self {
        let (depth, dead_letters) = tokio::join!(queue.depth(), queue.dead_letters());
        Self { depth: depth.map_err(Unread::from), dead_letters: dead_letters.map_err(Unread::from) }
    }

    /// A queue that could not even be opened.
    #[must_use]
    pub fn unread(why: &Unread) -> Self {
        Self { depth: Err(why.clone()), dead_letters: Err(why.clone()) }
    }
}

/// Everything that was read of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSurvey {
    /// The route as it is configured.
    pub route: Route,
    /// When it was read.
    pub at: Timestamp,
    /// Its state in the ledger; nothing if the ledger has never seen it.
    pub state: Part<Option<RouteState>>,
    /// Its group; of a weighted route the group of each instance.
    pub groups: Vec<GroupSurvey>,
    /// A weighted route's weights.
    pub weights: Option<Part<Weights>>,
    /// What the relays of a relay route report.
    pub relays: Part<Vec<RelayReport>>,
    /// Its newest records, newest first, at most [`RECORDS_READ`].
    pub records: Part<Vec<StoredRecord>>,
    /// The newest row of its audit, if there is one.
    pub newest_row: Part<Option<EndRow>>,
    /// Whether that row is the head of its state.
    pub chain_end: Part<ChainEnd>,
    /// The last move among them.
    pub last_move: Option<LastMove>,
    /// Whether it is where it should be.
    pub assessment: Assessment,
}

impl RouteSurvey {
    /// What decisions look at, if it could be read and is there.
    #[must_use]
    pub fn control(&self) -> Option<&Assignment> {
        let state = self.state.as_ref().ok()?.as_ref();
        state.map(|state| &state.control)
    }

    /// Whether another worker's move between the reads may be what makes it look like this.
    fn may_have_changed(&self) -> bool {
        let differs = self.chain_end.as_ref().is_ok_and(|end| !end.matches());
        differs || matches!(self.assessment.health, RouteHealth::OutOfSync | RouteHealth::Held)
    }

    /// The head of its state, if it has one.
    fn head(&self) -> Option<ChainHead> {
        let state = self.state.as_ref().ok()?.as_ref();
        state.map(|state| state.chain)
    }
}

/// A target group of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSurvey {
    /// Whose it is, on a weighted route.
    pub instance: Option<InstanceId>,
    /// Which group.
    pub group: TargetGroup,
    /// What it has of the listener's weights, where those were read and name it.
    pub weight: Option<Weight>,
    /// Its rows.
    pub rows: Part<Vec<ObservedTarget>>,
}

/// Makes surveys. Keep one for surveys that follow each other: it remembers what it has spent of the load balancer's
/// rate.
pub struct Surveyor {
    ports: Ports,
    at_once: Semaphore,
    pace: ReadRate,
}

impl Surveyor {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new(ports: Ports) -> Arc<Self> {
        let pace = ReadRate::new(Arc::clone(&ports.clock));
        Arc::new(Self { ports, at_once: Semaphore::new(ROUTES_AT_ONCE), pace })
    }

    /// Reads everything about `routes`, and how full the queue is.
    pub async fn survey(self: &Arc<Self>, routes: &[Route]) -> Survey {
        let at = self.ports.clock.wall();
        let (routes, queue) = tokio::join!(self.routes(routes), QueueSurvey::of(self.ports.queue.as_ref()));
        Survey { at, routes, queue }
    }

    /// Reads one route.
    pub async fn one(&self, route: Route) -> RouteSurvey {
        let _turn = self.at_once.acquire().await.ok();
        self.route(route).await
    }

    /// Reads the routes, several at the same time, and gives them in their order.
    pub async fn routes(self: &Arc<Self>, routes: &[Route]) -> Vec<RouteSurvey> {
        let mut under_way = JoinSet::new();
        for (n, route) in routes.iter().enumerate() {
            let (surveyor, route) = (Arc::clone(self), route.clone());
            under_way.spawn(async move {
                // The semaphore is never closed; were it, reading all at once would still be right.
                let _turn = surveyor.at_once.acquire().await.ok();
                (n, surveyor.route(route).await)
            });
        }
        let mut read = BTreeMap::new();
        while let Some(joined) = under_way.join_next().await {
            read.extend(joined.ok());
        }
        let now = self.ports.clock.wall();
        let unread = |route: &Route| RouteSurvey::unread(route, now);
        let in_order = routes.iter().enumerate();
        in_order.map(|(n, route)| read.remove(&n).unwrap_or_else(|| unread(route))).collect()
    }

    /// A route that was moved between the read of its state and that of its group looks wrong for no reason, and one
    /// that was recorded about looks as if its records did not fit: where one does and it has changed meanwhile, it is
    /// read once more.
    async fn route(&self, route: Route) -> RouteSurvey {
        let mut survey = self.read(route).await;
        for _ in 0..READ_AGAIN_MAX {
            if !survey.may_have_changed() || self.still_stands(&survey).await {
                return survey;
            }
            survey = self.read(survey.route).await;
        }
        if survey.may_have_changed() && !self.still_stands(&survey).await {
            let why = "it is being recorded about faster than it can be read; ask again";
            survey.chain_end = Err(Unread::Other(why.to_owned()));
            survey.assessment = survey.judged();
        }
        survey
    }

    /// Whether state and newest row are still those of the survey, as far as they can be read.
    async fn still_stands(&self, survey: &RouteSurvey) -> bool {
        let name = &survey.route.name;
        let newest = AuditQuery::Newest { route: name.clone() };
        let (state, page) =
            tokio::join!(self.ports.ledger.peek(name), self.ports.audit.page(&newest, 1, None),);
        let same_state = match (&survey.state, state) {
            (Ok(_), Ok(now)) => now.map(|now| now.chain) == survey.head(),
            _ => true,
        };
        let same_row = match (&survey.newest_row, page) {
            (Ok(before), Ok(now)) => *before == now.end().newest(),
            _ => true,
        };
        same_state && same_row
    }

    async fn read(&self, route: Route) -> RouteSurvey {
        let newest = AuditQuery::Newest { route: route.name.clone() };
        let (state, records, (groups, weights), relays) = tokio::join!(
            self.ports.ledger.peek(&route.name),
            self.ports.audit.page(&newest, RECORDS_READ, None),
            self.load_balancer(&route),
            self.relays(&route),
        );
        let (state, records) = (state.map_err(Unread::from), records.map_err(Unread::from));
        let rows = records.as_ref().map(Page::end).map_err(Unread::clone);
        let chain_end = match (&state, &rows) {
            (Ok(state), Ok(rows)) => Ok(ChainEnd::of(state.as_ref().map(|state| state.chain), rows)),
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
        };
        let records = records.and_then(|page| page.records().map_err(Unread::from));
        let newest: Vec<_> = records.iter().flatten().map(|stored| &stored.record).collect();
        let last_move = LastMove::among(&newest);
        let mut survey = RouteSurvey {
            state,
            groups,
            weights,
            relays,
            records,
            newest_row: rows.map(|rows| rows.newest()),
            chain_end,
            last_move,
            ..RouteSurvey::unread(&route, self.ports.clock.wall())
        };
        survey.assessment = survey.judged();
        survey
    }

    async fn relays(&self, route: &Route) -> Part<Vec<RelayReport>> {
        match &route.strategy {
            Strategy::Relay(_) => self.ports.relays.reports().await.map_err(Unread::from),
            Strategy::Swap | Strategy::Weighted(_) => Ok(Vec::new()),
        }
    }

    async fn load_balancer(&self, route: &Route) -> (Vec<GroupSurvey>, Option<Part<Weights>>) {
        let weighted = match &route.strategy {
            Strategy::Swap | Strategy::Relay(_) => return (vec![self.group(None, &route.group).await], None),
            Strategy::Weighted(weighted) => weighted,
        };
        self.pace.turn().await;
        let weights = self.ports.listeners.weights(&weighted.listener).await;
        let mut groups = Vec::new();
        for (instance, group) in &weighted.groups {
            let mut read = self.group(Some(instance), group).await;
            let weights = weights.as_ref().ok();
            read.weight = weights.and_then(|weights| weights.value.of(&group.arn));
            groups.push(read);
        }
        let weights = weights.map(|reply| reply.value).map_err(Unread::from);
        (groups, Some(weights))
    }

    async fn group(&self, instance: Option<&InstanceId>, group: &TargetGroup) -> GroupSurvey {
        self.pace.turn().await;
        let rows = self.ports.groups.observe(group).await;
        GroupSurvey {
            instance: instance.cloned(),
            group: group.clone(),
            weight: None,
            rows: rows.map(|reply| reply.value).map_err(Unread::from),
        }
    }
}

impl RouteSurvey {
    /// A route of which nothing could be read, for no reason that a call gave.
    fn unread(route: &Route, at: Timestamp) -> Self {
        let why = || {
            Unread::Other("reading it came to no end; this should not happen: please report it".to_owned())
        };
        Self {
            route: route.clone(),
            at,
            state: Err(why()),
            groups: Vec::new(),
            weights: None,
            relays: Err(why()),
            records: Err(why()),
            newest_row: Err(why()),
            chain_end: Err(why()),
            last_move: None,
            assessment: Assessment::new(RouteHealth::Unknown, why().to_string()),
        }
    }

    fn judged(&self) -> Assessment {
        let Ok(state) = &self.state else {
            let why = "its state in the ledger could not be read";
            return Assessment::new(RouteHealth::Unknown, why);
        };
        let control = state.as_ref().map(|state| &state.control);
        let scene;
        let shown = match (&self.route.strategy, &self.weights) {
            (Strategy::Swap, _) => self.own_group(),
            (Strategy::Relay(relay), _) => match &self.relays {
                Ok(reports) => ActualState::Relays(relay, reports),
                Err(_) => ActualState::Nothing,
            },
            (Strategy::Weighted(weighted), Some(Ok(weights))) => {
                scene = self.scene(weighted, weights);
                ActualState::Weighted(weighted, &scene)
            }
            (Strategy::Weighted(_), Some(Err(_)) | None) => ActualState::Nothing,
        };
        let last = self.last_move.as_ref();
        let found = assess(&self.route, control, shown, last, self.at);
        let Ok(end) = &self.chain_end else {
            let why = "whether its records end where its state says could not be read";
            return Assessment::new(RouteHealth::Unknown, why).and(&found);
        };
        match end.assessment(&self.route.name) {
            Some(differs) => differs.and(&found),
            None => found,
        }
    }

    fn own_group(&self) -> ActualState<'_> {
        let rows = self.groups.first().and_then(|group| group.rows.as_ref().ok());
        rows.map_or(ActualState::Nothing, |rows| ActualState::Group(rows))
    }

    fn scene(&self, weighted: &Weighted, weights: &Weights) -> ObservedListener {
        let instances = weighted.groups.keys().zip(&self.groups);
        let read = instances.filter_map(|(instance, group)| {
            let rows = group.rows.as_ref().ok()?;
            Some((instance.clone(), rows.clone()))
        });
        ObservedListener { weights: weights.clone(), rows: read.collect() }
    }
}
