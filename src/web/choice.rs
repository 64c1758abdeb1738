//! Which routes a page shows, where there are more than fit on one.

use maud::{Markup, html};

use writerlink_core::model::names::ROUTE_NAME_LENGTH_MAX;
use writerlink_core::model::route::Route;

/// Which routes are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Their places in the configuration.
    pub(super) places: Vec<usize>,
    /// From 1.
    page: usize,
    pages: usize,
    found: usize,
    /// A part of the names.
    find: String,
}

impl Choice {
    /// From a query such as `page=2&find=ord`. Characters that a route name cannot contain are removed from
    /// `find`, so nothing has to be decoded.
    pub(super) fn of(routes: &[Route], query: &str, on_a_page: usize) -> Self {
        let value = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == wanted).map_or("", |(_, value)| value)
        };
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let find: String = value("find").chars().filter(plain).take(ROUTE_NAME_LENGTH_MAX).collect();
        let find = find.to_ascii_lowercase();
        let numbered = routes.iter().enumerate();
        let fitting = numbered.filter(|(_, route)| route.name.as_str().contains(&find));
        let found: Vec<usize> = fitting.map(|(place, _)| place).collect();
        let pages = found.len().div_ceil(on_a_page).max(1);
        let page = value("page").parse().unwrap_or(1).clamp(1, pages);
        let places = found.iter().copied().skip((page - 1) * on_a_page).take(on_a_page).collect();
        Self { places, page, pages, found: found.len(), find }
    }

    fn href(&self, page: usize) -> String {
        match self.find.as_str() {
            "" => format!("/?page={page}"),
            find => format!("/?find={find}&page={page}"),
        }
    }
}

/// A search field, if there are more routes than fit on a page.
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

/// Links to the next and previous page.
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
    fn a_query_is_read_without_characters_that_no_name_has() {
        assert_eq!(Choice::of(&[], "find=Ord<script>&page=2", 1).find, "ordscript");
        let nonsense = Choice::of(&[], "page=-1&&=&find", 1);
        assert_eq!((nonsense.page, nonsense.find.as_str()), (1, ""));
    }
}
