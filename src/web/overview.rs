//! `/`: the state of all routes, those first that a person has to see first, and the last day.

use maud::{Markup, html};

use crate::web::board::Known;
use crate::web::causes::Causes;
use crate::web::choice::{Choice, chooser, leaf};
use crate::web::parts::{Frame, ROOM, Room, badge, not_read, section, table, time};
use crate::web::query::{Listed, Query};
use crate::web::recent::{Recent, happened};
use crate::web::tone::Tone;
use crate::web::{cells, legend, parts};
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::ports::{Depth, NoRecords};
use writerlink_engine::survey::view::RouteView;
use writerlink_engine::survey::{Part, QueueSurvey, RouteSurvey};
use writerlink_engine::text::span;

/// How many bytes the routes may take before the last one is written; the rest is for the day.
const ROOM_OF_ROUTES: usize = 50_000;

/// Everything that the page shows.
pub(super) struct Overview<'a> {
    pub(super) routes: &'a [Route],
    pub(super) known: &'a Known,
    pub(super) choice: &'a Choice,
    pub(super) queue: &'a QueueSurvey,
    pub(super) queue_link: Option<Markup>,
    pub(super) recent: Result<&'a Recent, &'a NoRecords>,
    pub(super) now: Timestamp,
}

impl Overview<'_> {
    /// The page.
    pub(super) fn page(&self, frame: &Frame) -> String {
        let counts = Counts::of(&self.known.listed());
        let routes = self.routes(&mut Room(ROOM_OF_ROUTES));
        let mut room = Room(ROOM.saturating_sub(routes.0.len()));
        let main = html! {
            h1 { (badge(counts.tone(), &counts.headline())) }
            (counts.links(&self.choice.query))
            (self.causes().banners())
            (self.messages())
            (self.ages())
            (chooser(self.choice))
            (legend::states())
            (routes)
            (leaf(self.choice))
            @if let Ok(recent) = self.recent { (happened(&mut room, recent, self.now)) }
            @else { (section("Last 24 hours", &html! { p { (not_read()) } })) }
        };
        parts::page(frame, &format!("{} {}", counts.tone().sign(), counts.headline()), &main)
    }

    fn causes(&self) -> Causes {
        let mut causes = Causes::default();
        self.known.read().for_each(|survey| causes.add_route(survey));
        causes.add_queue(self.queue);
        if let Err(why) = self.recent {
            causes.add_records("records of the last 24 hours", why);
        }
        causes
    }

    /// The queue, and what is in its dead-letter queue.
    fn messages(&self) -> Markup {
        let QueueSurvey { depth, dead_letters } = self.queue;
        html! {
            p {
                (messages("Queue", depth)) " "
                @match dead_letters {
                    Ok(depth) if depth.visible + depth.in_flight > 0 => {},
                    dead_letters => (messages("Dead letters", dead_letters)),
                }
                @if let Some(link) = &self.queue_link { " " (link) }
            }
            @if let Ok(depth) = dead_letters { (letters(*depth)) }
        }
    }

    /// How old the readings are.
    fn ages(&self) -> Markup {
        let oldest = self.known.read().map(|survey| survey.at).min();
        html! {
            @if let Some(oldest) = oldest {
                p.dim {
                    @if self.known.read().any(|survey| survey.at > oldest) { "Oldest reading: " } @else { "Read at " }
                    (time(oldest, self.now)) "."
                }
            }
        }
    }

    fn routes(&self, room: &mut Room) -> Markup {
        let heads = ["Route", "State", "Desired", "Applied", "Actual", "Last move"];
        let caption = "Desired: newest evidence or pin. Applied: where writerlink moved the route last. Actual: \
                       what the load balancer has, or the relays";
        table(room, caption, heads, &self.choice.places, |place| {
            let name = self.routes.get(*place).map_or("", |route| route.name.as_str());
            let link = html! { a href={ "/routes/" (name) } { (name) } };
            if let Some(survey) = self.known.survey(*place) {
                return cells_of(survey, &link, self.now);
            }
            let state = badge(Tone::Unknown, Listed::NotYet.as_str());
            [link, state, not_read(), not_read(), not_read(), not_read()]
        })
    }
}

fn cells_of(survey: &RouteSurvey, link: &Markup, now: Timestamp) -> [Markup; 6] {
    let view = RouteView::of(survey);
    let age = now.since(survey.at);
    let name = html! {
        (link)
        @if view.strategy != "swap" { div { span.dim { (view.strategy) } } }
        @if age >= OLD { div { span.dim { "read " (span(age)) " ago" } } }
    };
    [
        name,
        cells::state(survey, &view),
        cells::desired(survey, now),
        cells::applied(survey, now),
        cells::actual(&view),
        cells::last_move(survey, now),
    ]
}

/// The age from which a row says how old it is.
const OLD: std::time::Duration = std::time::Duration::from_secs(30);

/// How many routes are in each state.
struct Counts {
    all: usize,
    /// In the order of the list.
    by_state: Vec<(Listed, usize)>,
}

impl Counts {
    fn of(listed: &[Listed]) -> Self {
        let count = |state: Listed| (state, listed.iter().filter(|one| **one == state).count());
        Self { all: listed.len(), by_state: Listed::IN_ORDER.map(count).into() }
    }

    /// The state that a person has to see first, if a route is in it.
    fn gravest(&self) -> (Listed, usize) {
        let found = self.by_state.iter().find(|(_, count)| *count > 0);
        found.copied().unwrap_or((Listed::NotYet, 0))
    }

    /// Green only if all routes are in sync.
    fn tone(&self) -> Tone {
        tone(self.gravest().0)
    }

    fn headline(&self) -> String {
        let (state, count) = self.gravest();
        let all = self.all;
        let verb = if count == 1 { "is" } else { "are" };
        let what = match state {
            Listed::Read(RouteHealth::OutOfSync) => "out of sync",
            Listed::Read(RouteHealth::Unknown) => "in an unknown state",
            Listed::Read(RouteHealth::Held) => "held",
            Listed::Read(RouteHealth::Converging) => "converging",
            Listed::NotYet => "not read yet",
            Listed::Read(RouteHealth::InSync) => "in sync",
        };
        let routes = if all == 1 { "route" } else { "routes" };
        if count == all && all > 1 {
            format!("All {all} routes are {what}")
        } else {
            format!("{count} of {all} {routes} {verb} {what}")
        }
    }

    /// The counts, each a filter of the list.
    fn links(&self, query: &Query) -> Markup {
        let href = |state| Query { state, page: 1, ..query.clone() }.href("/");
        html! {
            p class="summary" {
                @for (state, count) in self.by_state.iter().filter(|(_, count)| *count > 0) {
                    a href=(href(Some(*state))) {
                        (badge(tone(*state), &format!("{count} {}", state.as_str())))
                    }
                    " "
                }
                @if query.state.is_some() { a href=(href(None)) { "all " (self.all) " routes" } }
            }
        }
    }
}

/// The tone of a state.
fn tone(state: Listed) -> Tone {
    match state {
        Listed::Read(health) => Tone::of_route(health),
        Listed::NotYet => Tone::Unknown,
    }
}

fn messages(name: &str, depth: &Part<Depth>) -> Markup {
    html! {
        @match depth {
            Ok(Depth { visible, in_flight }) => {
                (name) ": " (visible) " waiting, " (in_flight) " in flight."
            }
            Err(_) => { (name) ": " (not_read()) "." }
        }
    }
}

/// What to do about dead letters, if there are any.
fn letters(Depth { visible, in_flight }: Depth) -> Markup {
    let count = visible + in_flight;
    html! {
        @if count > 0 {
            div class="banner" {
                p {
                    (badge(Tone::Warning, &format!("Dead letters: {count}")))
                    " An event could not be read, was rejected, or failed in every attempt."
                }
                p {
                    "To do: find the cause with " code { "writerlink audit list --since 1d --outcome Rejected" }
                    " and " code { "--outcome Failed" } ", fix it, hand the event in again with "
                    code { "writerlink replay FILE" } ", and delete the message. Do not redrive it: a processed \
                    event that comes again is a duplicate. See docs/runbook.md, Dead letter queue not empty."
                }
            }
        }
    }
}
