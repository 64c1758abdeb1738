//! The pages for people, and their reads.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use crate::web::choice::Choice;
use crate::web::day::LOOK_BACK;
use crate::web::parts::{ICON_PATH, STYLE_PATH, shown};
use crate::web::recent::{RECENT_RECORDS_MAX, Recent};
use crate::web::shared::{CachePolicy, REFRESHED_EVERY, Shared};
use crate::web::transition::SCAN_MAX;
use crate::web::{overview, parts, transition};
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::audit_query;
use writerlink_engine::audit_query::PAGE_RECORDS;
use writerlink_engine::ports::{AuditQuery, AuditReader, Clock, NoRecords, Ports, StoredRecord};
use writerlink_engine::survey::{Survey, Surveyor};

/// Paging through a thousand routes reads at most one page a second; within a page the survey limits its own
/// calls.
const PACE: CachePolicy = CachePolicy { keep: REFRESHED_EVERY, gap: Duration::from_secs(1) };

const STYLE: &str = include_str!("style.css");

const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\">\
<path d=\"M2 8h8M7 4l4 4-4 4\" fill=\"none\" stroke=\"#2a6f97\" stroke-width=\"2\"/>\
<circle cx=\"13\" cy=\"8\" r=\"2\" fill=\"#2a6f97\"/></svg>\n";

/// How many routes a page has: with the longest names there are, it stays below
/// [`crate::web::PAGE_BYTES_MAX`].
pub(super) const ROUTES_ON_A_PAGE: usize = 25;

/// Shown if a read panicked.
const NO_END: &str = "a read did not finish; this should not happen: please report it";

type Read<T> = Result<T, NoRecords>;

/// The page, and what it reads.
pub struct Site {
    provenance: Option<Provenance>,
    routes: Arc<[Route]>,
    clock: Arc<dyn Clock>,
    audit: Arc<dyn AuditReader>,
    surveyor: Arc<Surveyor>,
    surveys: Shared<Vec<usize>, Survey>,
    recent: Shared<(), Read<Recent>>,
    transitions: Shared<TransitionId, Read<Vec<StoredRecord>>>,
}

impl Site {
    /// A page of these routes. Its header names the installation, if there is one.
    #[must_use]
    pub fn new(ports: &Ports, routes: Arc<[Route]>, provenance: Option<Provenance>) -> Arc<Self> {
        let clock = || Arc::clone(&ports.clock);
        Arc::new(Self {
            provenance,
            routes,
            clock: clock(),
            audit: Arc::clone(&ports.audit),
            surveyor: Surveyor::new(ports.clone()),
            surveys: Shared::new(clock(), PACE),
            recent: Shared::new(clock(), PACE),
            transitions: Shared::new(clock(), PACE),
        })
    }

    /// The paths that are answered.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", get(routes_now))
            .route("/transitions/{id}", get(one_transition))
            .route(STYLE_PATH, get(([("content-type", "text/css; charset=utf-8")], STYLE)))
            .route(ICON_PATH, get(([("content-type", "image/svg+xml")], ICON)))
            .with_state(Arc::clone(self))
    }

    /// The routes with these places in the configuration.
    async fn survey(&self, places: Vec<usize>) -> Option<Arc<Survey>> {
        let wanted = places.iter().filter_map(|place| self.routes.get(*place));
        let routes: Vec<Route> = wanted.cloned().collect();
        let surveyor = Arc::clone(&self.surveyor);
        let read = async move { surveyor.survey(&routes).await };
        self.surveys.get(places, read).await
    }

    async fn recent(&self) -> Option<Arc<Read<Recent>>> {
        let (audit, now) = (Arc::clone(&self.audit), self.clock.wall());
        let read = async move { recent(audit.as_ref(), now).await };
        self.recent.get((), read).await
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

/// The newest records of the last day: of today, and of yesterday if today has too few.
async fn recent(audit: &dyn AuditReader, now: Timestamp) -> Read<Recent> {
    let since = now.minus(LOOK_BACK);
    let young = |stored: &StoredRecord| stored.record.entry.at >= since;
    let mut records = Vec::new();
    for day in [now.day(), since.day()] {
        let query = AuditQuery::Day { day };
        let mut cursor = None;
        loop {
            let mut page = audit.page(&query, PAGE_RECORDS, cursor.as_deref()).await?;
            cursor = page.next.take();
            let read = page.records()?;
            let reaches_back = !read.iter().all(young);
            records.extend(read.into_iter().filter(young));
            if records.len() >= RECENT_RECORDS_MAX {
                return Ok(Recent { records, cut_short: true });
            }
            if cursor.is_none() || reaches_back {
                break;
            }
        }
    }
    Ok(Recent { records, cut_short: false })
}

async fn routes_now(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let from = site.provenance.as_ref();
    let choice = Choice::of(&site.routes, query.as_deref().unwrap_or_default(), ROUTES_ON_A_PAGE);
    let (survey, recent) = tokio::join!(site.survey(choice.places.clone()), site.recent());
    let (Some(survey), Some(recent)) = (survey, recent) else {
        return unreadable(from, NO_END);
    };
    let page = overview::page(from, &survey, recent.as_ref().as_ref(), &choice, site.clock.wall());
    shown(StatusCode::OK, page)
}

async fn one_transition(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Response {
    let from = site.provenance.as_ref();
    let Some(id) = TransitionId::parse(&id) else {
        return shown(StatusCode::NOT_FOUND, transition::no_id(from, &id));
    };
    match site.event_of(id).await.as_deref() {
        Some(Ok(records)) => match transition::page(from, records, id, site.clock.wall()) {
            Some(page) => shown(StatusCode::OK, page),
            None => shown(StatusCode::NOT_FOUND, transition::not_found(from, id)),
        },
        Some(Err(error)) => unreadable(from, &error.to_string()),
        None => unreadable(from, NO_END),
    }
}

fn unreadable(from: Option<&Provenance>, why: &str) -> Response {
    let page = parts::notice(from, "Not read", "This could not be read", why);
    shown(StatusCode::SERVICE_UNAVAILABLE, page)
}
