//! Whether a route's audit ends at the head of its state: after a restore or a foreign row it does not, and
//! the route is blocked.

use crate::preflight::finding::{Check, CheckFindings, Subject};
use writerlink_core::status::chain_end::{ChainEnd, Continuation};
use writerlink_engine::ports::installation::RouteFacts;

const END: Check = Check::ours("state and audit");

pub(super) fn judge(facts: &RouteFacts, findings: &mut CheckFindings) {
    let name = &facts.route.name;
    let mut lines = findings.about(Subject::Route(name.clone()));
    let end = match &facts.chain_end {
        Ok(Some(end)) => end,
        Ok(None) => {
            let why = "not compared: a record was written during every read";
            return lines.unknown(END, why, "run check again");
        }
        Err(unseen) => return lines.unseen(END, unseen),
    };
    let (Some(why), Some(fix)) = (end.difference(), end.remedy(name)) else {
        return lines.pass(END, "they end at the same record");
    };
    match end {
        ChainEnd::Matches => {}
        ChainEnd::RowsBeyond { rows, .. } => match rows {
            Continuation::Follows => lines.warn(END, why, fix),
            Continuation::BreaksAt(_) => lines.fail(END, why, fix),
            Continuation::NotRead => lines.unknown(END, why, fix),
        },
        ChainEnd::RowsMissing { .. } | ChainEnd::OtherRecord { .. } => lines.fail(END, why, fix),
    }
}
