//! Building blocks of the pages. `maud` escapes every value that stands in them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::web::query::Query;
use crate::web::shared::REFRESHED_EVERY;
use crate::web::tone::Tone;
use writerlink_core::model::ids::TransitionId;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::text::{clean, span};

pub(super) const STYLE_PATH: &str = "/style.css";
pub(super) const ICON_PATH: &str = "/icon.svg";

/// How many bytes a page has for its optional parts. Texts from outside are unbounded, so the page is
/// bounded. The rest of [`crate::web::PAGE_BYTES_MAX`] is for the parts that are always there, and for the
/// last optional part.
pub(super) const ROOM: usize = 80_000;

/// How many bytes are left for optional parts.
#[derive(Debug)]
pub(super) struct Room(pub(super) usize);

impl Room {
    pub(super) fn is_full(&self) -> bool {
        self.0 == 0
    }

    /// Takes the room that this needs on the page, with invisible characters escaped.
    pub(super) fn counted(&mut self, markup: Markup) -> Markup {
        self.0 = self.0.saturating_sub(clean(&markup.0).len());
        markup
    }
}

/// What every page has around its content: where it is from, and whether it reloads.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) from: Option<Provenance>,
    /// Account and Region.
    pub(super) place: Option<(String, String)>,
    pub(super) reload: Reload,
}

impl Frame {
    /// Of a page of no installation.
    pub(super) fn bare() -> Self {
        Self { from: None, place: None, reload: Reload::Never }
    }
}

/// Whether a page reloads by itself, and the address at which it does the opposite.
#[derive(Clone, Debug)]
pub(super) enum Reload {
    Never,
    On { off: String },
    Off { on: String },
}

impl Reload {
    /// As the viewer wants it.
    pub(super) fn of(query: &Query, path: &str) -> Self {
        let other = Query { stays: !query.stays, ..query.clone() }.href(path);
        if query.stays { Self::Off { on: other } } else { Self::On { off: other } }
    }
}

/// The header. It names the installation: tabs of two installations would look alike otherwise.
fn header(frame: &Frame) -> Markup {
    let seconds = REFRESHED_EVERY.as_secs();
    html! {
        header {
            a href="/" class="brand" { "writerlink" }
            @if let Some(from) = &frame.from { strong { (from.installation.as_str()) } }
            @if let Some((account, region)) = &frame.place {
                span { "account " (account) } span { (region) }
            }
            nav aria-label="Pages" { a href="/" { "Routes" } a href="/transitions" { "Transitions" } }
            @if let Some(from) = &frame.from { span.dim { "configuration " (from.config.as_str()) } }
            span.dim { "version " (env!("CARGO_PKG_VERSION")) ", read only" }
            span.dim { "times are UTC" }
            @match &frame.reload {
                Reload::Never => {}
                Reload::On { off } => { span.dim { "reloads every " (seconds) " s: " a href=(off) { "stop" } } }
                Reload::Off { on } => {
                    span.dim { "does not reload: " a href=(on) { "reload every " (seconds) " s" } }
                }
            }
        }
    }
}

/// A whole page.
pub(super) fn page(frame: &Frame, title: &str, main: &Markup) -> String {
    let document = html! {
        html lang="en" {
            head {
                meta charset="utf-8";
                @if let Reload::On { .. } = frame.reload {
                    meta http-equiv="refresh" content=(REFRESHED_EVERY.as_secs());
                }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · writerlink" }
                link rel="stylesheet" href=(STYLE_PATH);
                link rel="icon" href=(ICON_PATH);
            }
            body {
                (header(frame))
                main { (main) }
            }
        }
    };
    // The program's own markup has visible characters alone, so this changes only what comes from outside.
    format!("{}\n{}\n", DOCTYPE.0, clean(&document.0))
}

/// The response with this page.
pub(super) fn shown(status: StatusCode, page: String) -> Response {
    (status, [("content-type", "text/html; charset=utf-8")], page).into_response()
}

/// A page with a message.
pub(super) fn notice(frame: &Frame, title: &str, heading: &str, text: &str) -> String {
    let main = html! {
        h1 { (heading) }
        @if !text.is_empty() { p { (text) } }
        (way_back())
    };
    page(frame, title, &main)
}

pub(super) fn way_back() -> Markup {
    html! { p { a href="/" { "All routes" } } }
}

/// A section with its heading.
pub(super) fn section(title: &str, inner: &Markup) -> Markup {
    html! { section { h2 { (title) } (inner) } }
}

/// An instant, and how long ago it is.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        (instant(at)) " "
        span.dim {
            @if at > now { "in " (span(at.since(now))) } @else { (span(now.since(at))) " ago" }
        }
    }
}

/// An instant alone, in UTC, as the header says once.
pub(super) fn instant(at: Timestamp) -> Markup {
    let iso = at.to_string();
    let shown = iso.trim_end_matches('Z').replacen('T', " ", 1);
    html! { time datetime=(iso) { (shown) } }
}

/// Marks a value that could not be read, so that no default looks like a fact.
pub(super) fn not_read() -> Markup {
    html! { span.unread { "not read" } }
}

/// A word with its tone's colour and sign.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    html! {
        span class={ "badge " (tone.as_ref()) } { span aria-hidden="true" { (tone.sign()) } " " (word) }
    }
}

/// A link to a transition.
pub(super) fn transition_link(id: TransitionId, inner: &Markup) -> Markup {
    html! { a href={ "/transitions/" (maud::display(id)) } { (inner) } }
}

/// A link to a route.
pub(super) fn route_link(route: &RouteName) -> Markup {
    html! { a href={ "/routes/" (route.as_str()) } { (route.as_str()) } }
}

/// A table with as many rows as there is room for; the first cell names the row.
///
/// The roles repeat the tags: some screen readers ignore a table whose cells are laid out as blocks. On a
/// narrow screen each cell is a line of its own, with its heading beside it.
pub(super) fn table<T, const N: usize>(
    room: &mut Room,
    caption: &str,
    heads: [&str; N],
    rows: &[T],
    cells: impl Fn(&T) -> [Markup; N],
) -> Markup {
    let written = |row: &T| {
        html! {
            tr role="row" {
                @for (n, (head, cell)) in heads.iter().zip(cells(row)).enumerate() {
                    @if n == 0 {
                        th scope="row" role="rowheader" data-head=(head) { div { (cell) } }
                    } @else {
                        td role="cell" data-head=(head) { div { (cell) } }
                    }
                }
            }
        }
    };
    let fits = |row| if room.is_full() { None } else { Some(room.counted(written(row))) };
    let shown: Vec<Markup> = rows.iter().map_while(fits).collect();
    let left_out = rows.len() - shown.len();
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" { @for head in heads { th scope="col" role="columnheader" { (head) } } }
            }
            tbody role="rowgroup" { @for row in shown { (row) } }
        }
        @if left_out > 0 { p { (left_out) " more do not fit on this page." } }
    }
}

/// An entry of a list of names and values.
pub(super) fn fact(name: &str, inner: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (inner) } } }
}

/// The first characters of a text, and `mark` where it has more.
pub(super) fn cut(text: &str, chars_max: usize, mark: &str) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}{mark}", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
