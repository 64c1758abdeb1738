//! What pages are put together from.

use super::html::Html;
use super::moves::Tone;
use crate::domain::provenance::Provenance;
use crate::domain::time::Timestamp;
use crate::domain::transition::TransitionId;
use crate::text::span;

/// A page with what every page has: whose it is, above all. Two tabs of two installations look alike otherwise.
pub(super) fn page(from: Option<&Provenance>, title: &str, main: impl FnOnce(&mut Html)) -> String {
    let title = format!("{title} · writerlink");
    Html::document(&title, |page| {
        page.element("header", &[], |page| {
            page.text_element("a", &[("href", "/"), ("class", "brand")], "writerlink");
            if let Some(from) = from {
                page.text_element("strong", &[], from.installation.as_str());
                let config = format!("configuration {}", from.config);
                page.text_element("span", &[("class", "dim")], &config);
            }
            let version = concat!("version ", env!("CARGO_PKG_VERSION"), ", read only");
            page.text_element("span", &[("class", "dim")], version);
        });
        page.element("main", &[], main);
    })
}

pub(super) fn way_back(page: &mut Html) {
    page.element("p", &[], |page| {
        page.text_element("a", &[("href", "/")], "All routes");
    });
}

/// A section with its heading.
pub(super) fn section(page: &mut Html, title: &str, inner: impl FnOnce(&mut Html)) {
    page.element("section", &[], |page| {
        page.text_element("h2", &[], title);
        inner(page);
    });
}

/// An instant, and how long ago it is.
pub(super) fn time(page: &mut Html, at: Timestamp, now: Timestamp) {
    instant(page, at);
    page.text(" ");
    let ago =
        if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) };
    page.text_element("span", &[("class", "dim")], &ago);
}

/// An instant alone.
pub(super) fn instant(page: &mut Html, at: Timestamp) {
    let iso = at.to_string();
    page.text_element("time", &[("datetime", &iso)], &iso);
}

/// A word with its colour, and with a sign that says the same.
pub(super) fn badge(page: &mut Html, tone: Tone, word: &str) {
    let class = format!("badge {}", tone.class());
    page.element("span", &[("class", &class)], |page| {
        page.text_element("span", &[("aria-hidden", "true")], tone.sign());
        page.text(" ");
        page.text(word);
    });
}

/// A link to a transition.
pub(super) fn transition_link(page: &mut Html, id: TransitionId, inner: impl FnOnce(&mut Html)) {
    let href = format!("/transitions/{id}");
    page.element("a", &[("href", &href)], inner);
}

/// Something that is written letter by letter: an id, an address, a hash.
pub(super) fn code(page: &mut Html, text: &str) {
    page.text_element("code", &[], text);
}

pub(super) fn dim(page: &mut Html, text: &str) {
    page.text_element("span", &[("class", "dim")], text);
}

/// A block of its own within a cell.
pub(super) fn line(page: &mut Html, inner: impl FnOnce(&mut Html)) {
    page.element("div", &[], inner);
}

/// A row of a table that is being filled, from left to right.
pub(super) struct Row<'a> {
    page: &'a mut Html,
    heads: &'static [&'static str],
    filled: usize,
}

impl Row<'_> {
    /// The cell that the row is named by.
    pub(super) fn name(&mut self, inner: impl FnOnce(&mut Html)) {
        self.any("th", &[("scope", "row"), ("role", "rowheader")], inner);
    }

    pub(super) fn cell(&mut self, inner: impl FnOnce(&mut Html)) {
        self.any("td", &[("role", "cell")], inner);
    }

    fn any(&mut self, tag: &'static str, attributes: &[(&'static str, &str)], inner: impl FnOnce(&mut Html)) {
        // On a narrow screen each cell stands on a line of its own, and its heading beside it.
        let head = self.heads.get(self.filled).copied().unwrap_or_default();
        let mut attributes = attributes.to_vec();
        attributes.push(("data-head", head));
        self.page.element(tag, &attributes, |page| {
            page.element("div", &[], inner);
        });
        self.filled += 1;
    }
}

/// A table. The roles say again what the tags say, since a table whose cells are laid out as blocks is none for some
/// screen readers.
pub(super) fn table<T>(
    page: &mut Html,
    caption: &str,
    heads: &'static [&'static str],
    rows: &[T],
    mut fill: impl FnMut(&mut Row<'_>, &T),
) {
    let mut written = 0;
    page.element("table", &[("role", "table")], |page| {
        page.text_element("caption", &[], caption);
        page.element("thead", &[("role", "rowgroup")], |page| {
            page.element("tr", &[("role", "row")], |page| {
                for head in heads {
                    let attributes = [("scope", "col"), ("role", "columnheader")];
                    page.text_element("th", &attributes, head);
                }
            });
        });
        page.element("tbody", &[("role", "rowgroup")], |page| {
            for row in rows {
                if page.is_full() {
                    break;
                }
                written += 1;
                page.element("tr", &[("role", "row")], |page| {
                    let filled = 0;
                    fill(&mut Row { page, heads, filled }, row);
                });
            }
        });
    });
    left_out(page, rows.len() - written);
}

/// Says what did not fit.
pub(super) fn left_out(page: &mut Html, count: usize) {
    if count > 0 {
        let text = format!("{count} more do not fit on this page.");
        page.text_element("p", &[], &text);
    }
}

/// A list of names and what they stand for.
pub(super) fn facts(page: &mut Html, fill: impl FnOnce(&mut Html)) {
    page.element("dl", &[], fill);
}

pub(super) fn fact(page: &mut Html, name: &str, inner: impl FnOnce(&mut Html)) {
    page.element("div", &[], |page| {
        page.text_element("dt", &[], name);
        page.element("dd", &[], inner);
    });
}
