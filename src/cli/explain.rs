//! `explain`: why an event moved a route, or did not. Reads alone.
//!
//! Of an event that was recorded the audit tells; of one in a file the domain's own walk, question by question.

mod foreseen;
mod recorded;

use crate::cli::args::{ExplainInput, Global};
use crate::cli::failure::{Exit, Failure};
use crate::cli::{Session, intake};
use writerlink_engine::wire::Parsed;

/// Explains what is named.
pub(super) async fn run(
    subject: &ExplainInput,
    global: &Global,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let id = match subject {
        ExplainInput::Recorded(id) => id,
        ExplainInput::File(file) => {
            let events = match intake::read(file, session)? {
                Parsed::Events(events) | Parsed::Drill(events) => events,
                Parsed::Ignored(why) => {
                    session.remark(&format!("no route would move: {why}"))?;
                    Vec::new()
                }
            };
            return foreseen::run(&events, &config, global.output, session).await;
        }
    };
    let books = session.connect.books(&config).await?;
    recorded::run(id, &books, global.output, session).await
}
