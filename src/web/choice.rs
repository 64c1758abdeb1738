//! Which routes a page shows, where there are more than fit on one.

use maud::{Markup, html};

use crate::domain::route::{ROUTE_NAME_LENGTH_MAX, Route};

/// What of the routes somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// From 1.
    page: usize,
    /// What the names contain.
    find: String,
}

impl Wanted {
    /// Reads `page=2&find=ord`. What a name of a route cannot contain is left out of `find`, so nothing in it has to be
    /// decoded.
    pub(super) fn of(query: &str) -> Self {
        let value = |wanted: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let mut found = pairs.filter(|(name, _)| *name == wanted);
            found.next().map_or("", |(_, value)| value)
        };
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let find = value("find").chars().filter(plain);
        let find: String = find.take(ROUTE_NAME_LENGTH_MAX).collect();
        Self { page: value("page").parse().unwrap_or(1), find: find.to_ascii_lowercase() }
    }
}

/// Which routes are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Their places in the configuration.
    pub(super) places: Vec<usize>,
    page: usize,
    pages: usize,
    found: usize,
    find: String,
}

impl Choice {
    pub(super) fn of(routes: &[Route], wanted: &Wanted, on_a_page: usize) -> Self {
        let fits = |route: &Route| route.name.as_str().contains(&wanted.find);
        let numbered = routes.iter().enumerate();
        let found: Vec<usize> = numbered.filter(|(_, route)| fits(route)).map(|(place, _)| place).collect();
        let pages = found.len().div_ceil(on_a_page).max(1);
        let page = wanted.page.clamp(1, pages);
        let shown = found.iter().skip((page - 1) * on_a_page).take(on_a_page);
        Self { places: shown.copied().collect(), page, pages, found: found.len(), find: wanted.find.clone() }
    }

    fn href(&self, page: usize) -> String {
        if self.find.is_empty() {
            return format!("/?page={page}");
        }
        format!("/?find={}&page={page}", self.find)
    }
}

/// A field for a part of the names, where there are more routes than one page has.
pub(super) fn chooser(choice: &Choice) -> Markup {
    let Choice { found, page, pages, find, .. } = choice;
    html! {
        @if *pages > 1 || !find.is_empty() {
            form method="get" action="/" class="chooser" {
                label for="find" { "Names that contain" }
                input id="find" name="find" value=(find);
                button { "Show" }
                span.dim { (found) " routes, page " (page) " of " (pages) }
            }
        }
    }
}

/// The way to the next page.
pub(super) fn leaf(choice: &Choice) -> Markup {
    html! {
        @if choice.pages > 1 {
            nav aria-label="Pages of routes" {
                @if choice.page > 1 { a href=(choice.href(choice.page - 1)) { "Previous" } }
                @if choice.page < choice.pages { a href=(choice.href(choice.page + 1)) { "Next" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_and_what_no_name_has_is_left_out() {
        let wanted = Wanted::of("find=Ord<script>&page=2");
        assert_eq!((wanted.page, wanted.find.as_str()), (2, "ordscript"));
        let nonsense = Wanted::of("page=-1&&=&find");
        assert_eq!((nonsense.page, nonsense.find.as_str()), (1, ""));
    }
}
