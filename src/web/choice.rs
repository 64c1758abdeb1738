//! Which routes a page shows, and in which order: the gravest state first, over all routes.

use maud::{Markup, html};

use crate::web::board::Board;
use crate::web::query::{Listed, Query};

/// Which routes are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Their places in the configuration.
    pub(super) places: Vec<usize>,
    pub(super) query: Query,
    pages: usize,
    found: usize,
}

impl Choice {
    /// The routes of a page. Routes of one state stay in the order of the configuration.
    pub(super) fn of(board: &Board, listed: &[Listed], query: &Query, on_a_page: usize) -> Self {
        let fits = |place: &usize| {
            let named =
                board.routes.get(*place).is_some_and(|route| route.name.as_str().contains(&query.find));
            named && query.state.is_none_or(|state| listed.get(*place) == Some(&state))
        };
        let mut found: Vec<usize> = (0..listed.len()).filter(fits).collect();
        found.sort_by_key(|place| listed.get(*place).map(|listed| listed.rank()));
        let pages = found.len().div_ceil(on_a_page).max(1);
        let page = query.page.clamp(1, pages);
        let places = found.iter().copied().skip((page - 1) * on_a_page).take(on_a_page).collect();
        Self { places, query: Query { page, ..query.clone() }, pages, found: found.len() }
    }

    fn href(&self, page: usize) -> String {
        Query { page, ..self.query.clone() }.href("/")
    }
}

/// The form with the filters of the routes.
pub(super) fn chooser(choice: &Choice) -> Markup {
    let Choice { query, found, pages, .. } = choice;
    html! {
        form method="get" action="/" class="chooser" {
            label for="find" { "Names that contain" }
            input id="find" name="find" value=(query.find);
            label for="state" { "State" }
            (select("state", &Listed::IN_ORDER.map(Listed::as_str), query.state.map(Listed::as_str), Some("any")))
            @if query.stays { input type="hidden" name="refresh" value="off"; }
            button { "Show" }
            span.dim { (found) " routes, page " (query.page) " of " (pages) }
        }
    }
}

/// A list to choose from. `any` is the name of no choice.
pub(super) fn select(name: &str, values: &[&str], chosen: Option<&str>, any: Option<&str>) -> Markup {
    html! {
        select id=(name) name=(name) {
            @if let Some(any) = any { option value="" { (any) } }
            @for value in values {
                @if chosen == Some(value) {
                    option value=(value) selected="selected" { (value) }
                } @else {
                    option value=(value) { (value) }
                }
            }
        }
    }
}

/// Links to the next and previous page.
pub(super) fn leaf(choice: &Choice) -> Markup {
    let page = choice.query.page;
    html! {
        @if choice.pages > 1 {
            nav aria-label="Pages of routes" {
                @if page > 1 { a href=(choice.href(page - 1)) { "Previous" } }
                @if page < choice.pages { a href=(choice.href(page + 1)) { "Next" } }
            }
        }
    }
}
