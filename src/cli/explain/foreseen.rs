//! What each route would decide about an event now, question by question.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::Session;
use crate::cli::args::Output;
use crate::cli::failure::{Exit, Failure};
use crate::cli::plan::looking;
use crate::cli::render::{Listing, Look, Row, Tone, clean, json, pairs};
use crate::domain::decide::Decision;
use crate::domain::event::Evidence;
use crate::domain::route::Route;
use crate::domain::walk::Asked;
use crate::reconcile::{Preview, Reconciler};

/// What one route would decide, and why.
#[derive(Serialize)]
struct Explained {
    route: String,
    event_key: String,
    event_id: Option<String>,
    event_at: String,
    message: String,
    decision: &'static str,
    reason: Option<&'static str>,
    note: String,
    instance: Option<String>,
    target: Option<String>,
    /// Who holds the route, so that an attempt would have to come back.
    /// Whether it would stay unresolved.
    unresolved: bool,
    lease_owner: Option<String>,
    asked: Vec<Answered>,
}

/// A question and its answer.
#[derive(Serialize)]
struct Answered {
    n: usize,
    question: &'static str,
    answer: &'static str,
    compared: String,
}

/// A question in one flat row.
#[derive(Serialize)]
struct FlatRow<'a> {
    route: &'a str,
    event_key: &'a str,
    n: usize,
    question: &'static str,
    answer: &'static str,
    compared: &'a str,
    decision: &'static str,
    reason: Option<&'static str>,
}

impl Row for FlatRow<'_> {
    const COLUMNS: &'static [&'static str] = &["", "ANSWER", "QUESTION", "COMPARED"];
    const FIELDS: &'static [&'static str] = &[
        "route",
        "event_key",
        "n",
        "question",
        "answer",
        "compared",
        "decision",
        "reason",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{:>4}", self.n),
            self.answer.to_owned(),
            self.question.to_owned(),
            self.compared.to_owned(),
        ]
    }
}

/// Said of an event that would not be acted on.
const STAYS: &str = "unless newer evidence answers it, it stays part of the route's state until a swap, a pin or an ack";

/// Tells what every route that follows the event would decide.
pub(super) async fn run(
    followed: &[(&Route, Evidence)],
    reconciler: &Reconciler,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    for (route, evidence) in followed {
        let preview = reconciler.preview(route, evidence).await;
        let preview = preview.map_err(|error| looking(route, error))?;
        all.push(Explained::of(route, evidence, &preview));
    }
    write(&all, output, session)?;
    Ok(Exit::Done)
}

fn write(all: &[Explained], output: Output, session: &mut Session<'_>) -> io::Result<()> {
    let rows: Vec<FlatRow<'_>> = all.iter().flat_map(Explained::rows).collect();
    match output {
        Output::Table => {
            for (n, one) in all.iter().enumerate() {
                if n > 0 {
                    writeln!(session.out)?;
                }
                one.text(session.look, session.out)?;
            }
            Ok(())
        }
        Output::Json => {
            let all = Listing {
                name: "explained",
                rows: all,
                next: None,
            };
            json(&all, session.out)
        }
        Output::Jsonl | Output::Csv => {
            let rows = Listing {
                name: "asked",
                rows: &rows,
                next: None,
            };
            rows.write(output, session.out)
        }
    }
}

impl Explained {
    fn of(route: &Route, evidence: &Evidence, preview: &Preview) -> Self {
        let event = evidence.ground.event();
        let (decision, reason, note) = told(preview);
        let desired = match &preview.decision {
            Decision::Move(desired) | Decision::Hold(desired, _) => Some(desired),
            Decision::Ask(_) | Decision::Settle(_) => None,
        };
        let asked = (1..).zip(&preview.asked);
        Self {
            route: route.name.to_string(),
            event_key: evidence.key.to_string(),
            event_id: event.and_then(|event| event.id).map(|id| id.to_string()),
            event_at: evidence.ground.at().to_string(),
            message: evidence.ground.text(),
            decision,
            reason,
            note,
            instance: desired.map(|desired| desired.instance.to_string()),
            target: desired.map(|desired| desired.target.to_string()),
            unresolved: preview.decision.leaves_unresolved().is_some(),
            lease_owner: preview.held.as_ref().map(|(owner, _)| owner.to_string()),
            asked: asked.map(|(n, asked)| Answered::of(n, asked)).collect(),
        }
    }

    fn rows(&self) -> impl Iterator<Item = FlatRow<'_>> {
        self.asked.iter().map(|asked| FlatRow {
            route: &self.route,
            event_key: &self.event_key,
            n: asked.n,
            question: asked.question,
            answer: asked.answer,
            compared: &asked.compared,
            decision: self.decision,
            reason: self.reason,
        })
    }

    fn text(&self, look: Look, out: &mut dyn Write) -> io::Result<()> {
        let title = format!("route {}: {}", self.route, self.decision);
        writeln!(out, "{}", look.paint(Tone::Strong, &clean(&title)))?;
        let id = self.event_id.as_deref().unwrap_or("no id");
        let event = format!("{id} of {}: \"{}\"", self.event_at, self.message);
        pairs(
            &[
                ("  event".to_owned(), event),
                ("  key".to_owned(), self.event_key.clone()),
            ],
            out,
        )?;
        let rows: Vec<FlatRow<'_>> = self.rows().collect();
        let rows = Listing {
            name: "asked",
            rows: &rows,
            next: None,
        };
        writeln!(out)?;
        rows.write(Output::Table, out)?;
        writeln!(out)?;
        let mut end = vec![("  so".to_owned(), self.note.clone())];
        end.extend(
            self.unresolved
                .then(|| ("  then".to_owned(), STAYS.to_owned())),
        );
        end.extend(self.lease_owner.iter().map(|owner| {
            let text = format!("{owner} has the route in hand; an attempt would come back");
            ("  lease".to_owned(), text)
        }));
        pairs(&end, out)
    }
}

impl Answered {
    fn of(n: usize, asked: &Asked) -> Self {
        Self {
            n,
            question: asked.question.as_str(),
            answer: asked.answer.as_str(),
            compared: asked.compared.clone(),
        }
    }
}

/// The decision in a word, its reason, and what would be done.
fn told(preview: &Preview) -> (&'static str, Option<&'static str>, String) {
    let verdict = match &preview.decision {
        Decision::Settle(verdict) | Decision::Ask(verdict) => verdict.clone(),
        Decision::Hold(desired, brake) => brake.verdict(desired),
        Decision::Move(desired) => {
            let to = format!("{} at {}", desired.instance, desired.target);
            return if preview.is_in_place() {
                ("InPlace", None, format!("nothing is left to do for {to}"))
            } else {
                let calls = "`writerlink plan --event` shows the calls";
                ("Move", None, format!("it would move to {to}; {calls}"))
            };
        }
    };
    (
        verdict.outcome.as_str(),
        Some(verdict.reason.as_str()),
        verdict.note,
    )
}
