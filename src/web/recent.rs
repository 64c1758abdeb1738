//! The last day, below the routes.

use super::bars;
use super::day;
use super::html::Html;
use super::moves::{Move, moves};
use super::parts::{self, badge, dim, line, section, table, transition_link};
use super::site::{RECENT_RECORDS_MAX, Recent};
use crate::domain::time::Timestamp;
use crate::text::span;

/// How many transitions the list of the newest ones has.
const MOVES_SHOWN: usize = 25;

/// What happened, drawn and listed.
pub(super) fn happened(page: &mut Html, recent: &Recent, now: Timestamp) {
    let moves = moves(&recent.records);
    section(page, "Last 24 hours", |page| {
        if moves.is_empty() {
            page.text_element("p", &[], "Nothing was recorded.");
            return;
        }
        if recent.cut_short {
            let text = format!(
                "There is more than the newest {RECENT_RECORDS_MAX} records that are shown here; \
                 `writerlink audit list --since 24h` has all of it."
            );
            page.text_element("p", &[], &text);
        }
        day::day(page, &moves, now);
    });
    if !moves.is_empty() {
        section(page, "Newest transitions", |page| newest(page, &moves, now));
    }
}

fn newest(page: &mut Html, moves: &[Move], now: Timestamp) {
    let shown = &moves[..moves.len().min(MOVES_SHOWN)];
    let scale = day::scale(shown);
    let caption = format!("Of all routes; a bar is {} wide and begins with the evidence", span(scale));
    legend(page);
    let heads = &["Began", "Route", "Outcome", "Cause", "To", "From evidence to effect"];
    table(page, &caption, heads, shown, |row, moved| {
        row.name(|page| {
            transition_link(page, moved.transition, |page| {
                parts::instant(page, moved.began);
            });
            line(page, |page| {
                dim(page, &format!("{} ago", span(now.since(moved.began))));
            });
        });
        row.cell(|page| page.text(moved.route.as_str()));
        row.cell(|page| outcome(page, moved));
        row.cell(|page| page.text(moved.cause.as_str()));
        row.cell(|page| {
            let instance = moved.instance.as_ref();
            page.text(instance.map_or("-", |instance| instance.as_str()));
        });
        row.cell(|page| {
            bars::bar(page, scale, &bars::of_move(moved));
            line(page, |page| dim(page, &moved.in_words()));
        });
    });
}

fn outcome(page: &mut Html, moved: &Move) {
    badge(page, moved.tone(), moved.word());
    if let Some(reason) = moved.reason {
        line(page, |page| dim(page, reason.as_str()));
    }
}

/// What the parts of a bar stand for.
pub(super) fn legend(page: &mut Html) {
    let text = "Bars: thin line in the middle, until the evidence was heard; block, calls made; band, until the new \
                target serves; line at the bottom, until the old one is gone.";
    page.text_element("p", &[("class", "dim")], text);
}
