//! The pages for people, and their reads.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use maud::Markup;

use crate::web::board::Board;
use crate::web::choice::Choice;
use crate::web::day::LOOK_BACK;
use crate::web::history::History;
use crate::web::moves::moves;
use crate::web::overview::Overview;
use crate::web::parts::{Frame, ICON_PATH, Reload, STYLE_PATH, shown};
use crate::web::query::Query;
use crate::web::recent::{RECENT_RECORDS_MAX, Recent, since};
use crate::web::route::{RECORDS_ON_A_PAGE, RoutePage};
use crate::web::shared::{CachePolicy, REFRESHED_EVERY, Shared};
use crate::web::transition::SCAN_MAX;
use crate::web::{chart, console, history, parts, route, transition};
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::route::Route;
use writerlink_engine::audit_query;
use writerlink_engine::ports::{AuditQuery, AuditReader, Clock, NoRecords, Ports, Queue, StoredRecord};
use writerlink_engine::survey::{QueueSurvey, RouteSurvey, Surveyor};
use writerlink_engine::telemetry::event::{EventSink, WorkerEvent};

/// Paging through a thousand routes reads at most one page a second; within a page the survey limits its own
/// calls.
const PACE: CachePolicy = CachePolicy { keep: REFRESHED_EVERY, gap: Duration::from_secs(1) };

const STYLE: &str = include_str!("style.css");

const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\">\
<path d=\"M2 8h8M7 4l4 4-4 4\" fill=\"none\" stroke=\"#2a6f97\" stroke-width=\"2\"/>\
<circle cx=\"13\" cy=\"8\" r=\"2\" fill=\"#2a6f97\"/></svg>\n";

/// Thirty days cost up to a hundred queries, and hardly change.
const PACE_OF_HISTORY: CachePolicy =
    CachePolicy { keep: Duration::from_mins(1), gap: Duration::from_secs(5) };

/// How many routes a page has: with the longest names there are, it stays below
/// [`crate::web::PAGE_BYTES_MAX`].
pub(super) const ROUTES_ON_A_PAGE: usize = 25;

/// Shown if a read panicked.
const NO_END: &str = "a read did not finish; this should not happen: please report it";

type Read<T> = Result<T, NoRecords>;

/// Whose page it is, where it is one of a worker.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The installation and its configuration.
    pub provenance: Provenance,
    /// The queue's name or URL.
    pub queue: String,
}

/// One page of a route's records: the route's place, and the newest record of the page.
type RecordsOf = (usize, Option<u64>);

/// The page, and what it reads.
pub struct Site {
    installed: Option<Installed>,
    clock: Arc<dyn Clock>,
    audit: Arc<dyn AuditReader>,
    surveyor: Arc<Surveyor>,
    board: Arc<Board>,
    queue: Arc<dyn Queue>,
    queues: Shared<(), QueueSurvey>,
    surveys: Shared<usize, RouteSurvey>,
    recent: Shared<(), Read<Recent>>,
    history: Shared<(), Read<History>>,
    records: Shared<RecordsOf, Read<Vec<StoredRecord>>>,
    transitions: Shared<TransitionId, Read<Vec<StoredRecord>>>,
}

impl Site {
    /// A page of these routes. Its header names the installation, if there is one.
    #[must_use]
    pub fn new(ports: &Ports, routes: Arc<[Route]>, installed: Option<Installed>) -> Arc<Self> {
        let clock = || Arc::clone(&ports.clock);
        let surveyor = Surveyor::new(ports.clone());
        Arc::new(Self {
            installed,
            board: Board::new(routes, Arc::clone(&surveyor), clock()),
            clock: clock(),
            audit: Arc::clone(&ports.audit),
            surveyor,
            queue: Arc::clone(&ports.queue),
            queues: Shared::new(clock(), PACE),
            surveys: Shared::new(clock(), PACE),
            recent: Shared::new(clock(), PACE),
            history: Shared::new(clock(), PACE_OF_HISTORY),
            records: Shared::new(clock(), PACE),
            transitions: Shared::new(clock(), PACE),
        })
    }

    /// The paths that are answered.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", get(routes_now))
            .route("/routes/{name}", get(one_route))
            .route("/transitions", get(transitions))
            .route("/transitions/{id}", get(one_transition))
            .route(STYLE_PATH, get(([("content-type", "text/css; charset=utf-8")], STYLE)))
            .route(ICON_PATH, get(([("content-type", "image/svg+xml")], ICON)))
            .with_state(Arc::clone(self))
    }

    /// What is around a page.
    fn frame(&self, reload: Reload) -> Frame {
        let location = self.board.routes.first().map(|route| route.group.arn.location());
        let place = location.map(|at| (at.account.to_owned(), at.region.to_owned()));
        let from = self.installed.as_ref().map(|installed| installed.provenance.clone());
        Frame { place: place.filter(|_| from.is_some()), from, reload }
    }

    /// A link to the queue in the AWS console.
    fn queue_link(&self) -> Option<Markup> {
        let first = self.board.routes.first()?;
        console::queue(&first.group.arn, &self.installed.as_ref()?.queue)
    }

    async fn queue(&self) -> Option<Arc<QueueSurvey>> {
        let queue = Arc::clone(&self.queue);
        self.queues.get((), async move { QueueSurvey::of(queue.as_ref()).await }).await
    }

    /// The route with this place in the configuration.
    async fn survey(&self, place: usize, route: Route) -> Option<Arc<RouteSurvey>> {
        let surveyor = Arc::clone(&self.surveyor);
        self.surveys.get(place, async move { surveyor.one(route).await }).await
    }

    /// A page of the route's records, newest first.
    async fn records_of(
        &self,
        place: usize,
        route: &Route,
        from: Option<u64>,
    ) -> Option<Arc<Read<Vec<StoredRecord>>>> {
        let name = route.name.clone();
        let query = match from {
            Some(seq) => AuditQuery::NewestFrom { route: name, seq },
            None => AuditQuery::Newest { route: name },
        };
        let audit = Arc::clone(&self.audit);
        let read = async move { Ok(audit.page(&query, RECORDS_ON_A_PAGE, None).await?.records()?) };
        self.records.get((place, from), read).await
    }

    async fn recent(&self) -> Option<Arc<Read<Recent>>> {
        let (audit, now) = (Arc::clone(&self.audit), self.clock.wall());
        let read = async move {
            let (records, cut_short) = since(audit.as_ref(), now, LOOK_BACK, RECENT_RECORDS_MAX).await?;
            Ok(Recent { records, cut_short })
        };
        self.recent.get((), read).await
    }

    /// The transitions of the last thirty days.
    async fn history(&self) -> Option<Arc<Read<History>>> {
        let (audit, now) = (Arc::clone(&self.audit), self.clock.wall());
        let read = async move {
            let (records, cut_short) =
                since(audit.as_ref(), now, chart::LOOK_BACK, history::RECORDS_MAX).await?;
            Ok(History { at: now, moves: moves(&records), cut_short })
        };
        self.history.get((), read).await
    }

    /// Every record of the transition's event. A record that the timeline has is not searched again.
    async fn event_of(&self, id: TransitionId) -> Option<Arc<Read<Vec<StoredRecord>>>> {
        let recent = self.recent().await?;
        let known = recent.as_ref().as_ref().ok().and_then(|recent| {
            let of_it = |stored: &&StoredRecord| stored.record.entry.transition == id;
            recent.records.iter().find(of_it).cloned()
        });
        let audit = Arc::clone(&self.audit);
        let read = async move {
            let one = match known {
                None => audit_query::any_of(audit.as_ref(), id, SCAN_MAX).await?,
                known => known,
            };
            match one {
                Some(one) => audit_query::whole_event_of(audit.as_ref(), one).await,
                None => Ok(Vec::new()),
            }
        };
        self.transitions.get(id, read).await
    }
}

async fn routes_now(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let query = Query::of(query.as_deref().unwrap_or_default());
    let (known, queue, recent) = tokio::join!(site.board.known(), site.queue(), site.recent());
    let choice = Choice::of(&site.board, &known.listed(), &query, ROUTES_ON_A_PAGE);
    let frame = site.frame(Reload::of(&choice.query, "/"));
    let (Some(queue), Some(recent)) = (queue, recent) else {
        return unreadable(&frame, NO_END);
    };
    site.board.view(&choice.places);
    let page = Overview {
        routes: &site.board.routes,
        known: &known,
        choice: &choice,
        queue: &queue,
        queue_link: site.queue_link(),
        recent: recent.as_ref().as_ref(),
        now: site.clock.wall(),
    };
    shown(StatusCode::OK, page.page(&frame))
}

async fn one_route(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Query::of(query.as_deref().unwrap_or_default());
    let place = site.board.place(&name);
    let Some((place, route)) = place.and_then(|place| Some((place, site.board.routes.get(place)?))) else {
        return shown(StatusCode::NOT_FOUND, route::not_found(&site.frame(Reload::Never), &name));
    };
    let frame = site.frame(Reload::of(&query, &route::path(&route.name)));
    let reads = tokio::join!(site.survey(place, route.clone()), site.records_of(place, route, query.from));
    let (Some(survey), Some(records)) = reads else {
        return unreadable(&frame, NO_END);
    };
    let page = RoutePage {
        survey: &survey,
        records: records.as_ref().as_ref().map(Vec::as_slice),
        query: &query,
        installed: site.installed.is_some(),
        now: site.clock.wall(),
    };
    shown(StatusCode::OK, page.page(&frame))
}

async fn transitions(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let query = Query::of(query.as_deref().unwrap_or_default());
    let frame = site.frame(Reload::of(&query, "/transitions"));
    match site.history().await {
        Some(history) => {
            let history = history.as_ref().as_ref();
            shown(StatusCode::OK, history::page(&frame, history, &query, site.clock.wall()))
        }
        None => unreadable(&frame, NO_END),
    }
}

async fn one_transition(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Response {
    let frame = &site.frame(Reload::Never);
    let Some(id) = TransitionId::parse(&id) else {
        return shown(StatusCode::NOT_FOUND, transition::no_id(frame, &id));
    };
    match site.event_of(id).await.as_deref() {
        Some(Ok(records)) => match transition::page(frame, records, id, site.clock.wall()) {
            Some(page) => shown(StatusCode::OK, page),
            None => shown(StatusCode::NOT_FOUND, transition::not_found(frame, id)),
        },
        Some(Err(error)) => unreadable(frame, &error.to_string()),
        None => unreadable(frame, NO_END),
    }
}

fn unreadable(frame: &Frame, why: &str) -> Response {
    let page = parts::notice(frame, "Not read", "This could not be read", why);
    shown(StatusCode::SERVICE_UNAVAILABLE, page)
}

impl EventSink for Site {
    fn record(&self, happening: &WorkerEvent<'_>) {
        self.board.record(happening);
    }
}
