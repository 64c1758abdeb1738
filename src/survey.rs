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

use self::pace::Pace;
use crate::domain::audit::Cause;
use crate::domain::past::LastMove;
use crate::domain::route::{InstanceId, Route, Strategy, TargetGroup, Weighted};
use crate::domain::standing::{Judgement, Shown, Standing, judge};
use crate::domain::target::ObservedTarget;
use crate::domain::time::Timestamp;
use crate::domain::transition::{Control, RouteState};
use crate::domain::weights::{Scene, Weight, Weights};
use crate::ports::{AuditQuery, CallError, Depth, Ports, Queue, StoredRecord, UnreadableRow};

/// How many routes are read at the same time: enough to hide the round trips of a fleet, few enough for the
/// client's connections.
const ROUTES_AT_ONCE: usize = 8;

/// How many of a route's newest records are read: one Query, and more than one move with all its signs takes, unless
/// the route was told of many events that moved nothing.
pub const RECORDS_READ: u32 = 50;

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
    /// Whether every route stands right.
    #[must_use]
    pub fn all_right(&self) -> bool {
        let mut routes = self.routes.iter();
        routes.all(|route| route.judgement.standing == Standing::Right)
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
        Self {
            depth: depth.map_err(Unread::from),
            dead_letters: dead_letters.map_err(Unread::from),
        }
    }

    /// A queue that could not even be opened.
    #[must_use]
    pub fn unread(why: &Unread) -> Self {
        Self {
            depth: Err(why.clone()),
            dead_letters: Err(why.clone()),
        }
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
    /// Its newest records, newest first, at most [`RECORDS_READ`].
    pub records: Part<Vec<StoredRecord>>,
    /// The last move among them.
    pub last_move: Option<LastMove>,
    /// Whether it is where it should be.
    pub judgement: Judgement,
}

impl RouteSurvey {
    /// What decisions look at, if it could be read and is there.
    #[must_use]
    pub fn control(&self) -> Option<&Control> {
        let state = self.state.as_ref().ok()?.as_ref();
        state.map(|state| &state.control)
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
    pace: Pace,
}

impl Surveyor {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new(ports: Ports) -> Arc<Self> {
        let pace = Pace::new(Arc::clone(&ports.clock));
        Arc::new(Self {
            ports,
            at_once: Semaphore::new(ROUTES_AT_ONCE),
            pace,
        })
    }

    /// Reads everything about `routes`, and how full the queue is.
    pub async fn survey(self: &Arc<Self>, routes: &[Route]) -> Survey {
        let at = self.ports.clock.wall();
        let (routes, queue) = tokio::join!(
            self.routes(routes),
            QueueSurvey::of(self.ports.queue.as_ref())
        );
        Survey { at, routes, queue }
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
        in_order
            .map(|(n, route)| read.remove(&n).unwrap_or_else(|| unread(route)))
            .collect()
    }

    /// A route that was moved between the read of its state and that of its group looks wrong for no reason: where
    /// one does and its chain has grown meanwhile, it is read once more.
    async fn route(&self, route: Route) -> RouteSurvey {
        let first = self.read(route).await;
        if first.judgement.standing != Standing::Wrong {
            return first;
        }
        let now = self.ports.ledger.peek(&first.route.name).await;
        let head = |state: &Option<RouteState>| state.as_ref().map(|state| state.chain);
        match (&first.state, now) {
            (Ok(before), Ok(now)) if head(before) != head(&now) => self.read(first.route).await,
            _ => first,
        }
    }

    async fn read(&self, route: Route) -> RouteSurvey {
        let newest = AuditQuery::Newest {
            route: route.name.clone(),
        };
        let (state, records, (groups, weights)) = tokio::join!(
            self.ports.ledger.peek(&route.name),
            self.ports.audit.page(&newest, RECORDS_READ, None),
            self.load_balancer(&route),
        );
        let records = records.map_err(Unread::from);
        let records = records.and_then(|page| page.records().map_err(Unread::from));
        let newest: Vec<_> = records
            .iter()
            .flatten()
            .map(|stored| &stored.record)
            .collect();
        let last_move = LastMove::among(&newest);
        let mut survey = RouteSurvey {
            state: state.map_err(Unread::from),
            groups,
            weights,
            records,
            last_move,
            ..RouteSurvey::unread(&route, self.ports.clock.wall())
        };
        survey.judgement = survey.judged();
        survey
    }

    async fn load_balancer(&self, route: &Route) -> (Vec<GroupSurvey>, Option<Part<Weights>>) {
        let weighted = match &route.strategy {
            Strategy::Swap => return (vec![self.group(None, &route.group).await], None),
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
            Unread::Other(
                "reading it came to no end; this should not happen: please report it".to_owned(),
            )
        };
        Self {
            route: route.clone(),
            at,
            state: Err(why()),
            groups: Vec::new(),
            weights: None,
            records: Err(why()),
            last_move: None,
            judgement: Judgement::new(Standing::Unknown, why().to_string()),
        }
    }

    fn judged(&self) -> Judgement {
        let Ok(state) = &self.state else {
            let why = "its state in the ledger could not be read";
            return Judgement::new(Standing::Unknown, why);
        };
        let control = state.as_ref().map(|state| &state.control);
        let scene;
        let shown = match (&self.route.strategy, &self.weights) {
            (Strategy::Swap, _) => self.own_group(),
            (Strategy::Weighted(weighted), Some(Ok(weights))) => {
                scene = self.scene(weighted, weights);
                Shown::Weighted(weighted, &scene)
            }
            (Strategy::Weighted(_), Some(Err(_)) | None) => Shown::Nothing,
        };
        judge(
            &self.route,
            control,
            shown,
            self.last_move.as_ref(),
            self.at,
        )
    }

    fn own_group(&self) -> Shown<'_> {
        let rows = self
            .groups
            .first()
            .and_then(|group| group.rows.as_ref().ok());
        rows.map_or(Shown::Nothing, |rows| Shown::Group(rows))
    }

    fn scene(&self, weighted: &Weighted, weights: &Weights) -> Scene {
        let instances = weighted.groups.keys().zip(&self.groups);
        let read = instances.filter_map(|(instance, group)| {
            let rows = group.rows.as_ref().ok()?;
            Some((instance.clone(), rows.clone()))
        });
        Scene {
            weights: weights.clone(),
            rows: read.collect(),
        }
    }
}
