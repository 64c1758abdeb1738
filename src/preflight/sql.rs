//! The instances that a route asks itself: whether each can be asked, and whether its user may do too much.

use crate::preflight::finding::{Check, Lines};
use writerlink_core::evidence::sql::ProbeAnswer;
use writerlink_engine::ports::installation::{RouteFacts, SqlFacts};

const SQL: Check = Check::ours("sql");

pub(super) fn instances(facts: &RouteFacts, lines: &mut Lines<'_>) {
    let instances = match &facts.sql {
        None => return,
        Some(Err(unseen)) => return lines.unseen(SQL, unseen),
        Some(Ok(instances)) => instances,
    };
    for instance in instances {
        answer(instance, lines);
    }
    if let Some(first) = instances.iter().find(|instance| !instance.encrypted) {
        lines.warn(
            SQL,
            format!("the connections of {} are not encrypted", first.user),
            "write ca_file under [sql]: RDS offers its authorities as global-bundle.pem",
        );
    }
}

fn answer(SqlFacts { member, answer, user, excess, .. }: &SqlFacts, lines: &mut Lines<'_>) {
    match answer {
        ProbeAnswer::Failed(why) => lines.fail(
            SQL,
            format!("{member} could not be asked as {user}: {why}"),
            "let the worker's security group reach the instance at the route's port, and create the user as \
             docs/discovery-sql.md shows",
        ),
        ProbeAnswer::Writable | ProbeAnswer::ReadOnly => {
            lines.pass(SQL, format!("{member} {answer}, by its own word"));
        }
    }
    match excess {
        Ok(excess) if excess.is_empty() => {}
        Ok(excess) => lines.warn(
            SQL,
            format!("{user} may do more at {member} than log in: {}", excess.join("; ")),
            "revoke it: the question needs no privilege (MySQL: USAGE; PostgreSQL: LOGIN)",
        ),
        Err(why) => lines.warn(
            SQL,
            format!("what {user} may do at {member} is not known: {why}"),
            "run check again; the user needs no privilege but to log in",
        ),
    }
}
