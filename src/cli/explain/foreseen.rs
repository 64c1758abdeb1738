//! What each route would decide about an event now, question by question.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::args::Output;
use crate::cli::failure::{Exit, Failure};
use crate::cli::plan::looking;
use crate::cli::render::{Listing, Look, Row, Tone, clean, json, pairs};
use crate::cli::{Session, intake, plan};
use crate::config::Config;
use writerlink_core::decision::checks::{CheckRecord, CheckResult};
use writerlink_core::decision::verdict::Decision;
use writerlink_core::evidence::event::RdsEvent;
use writerlink_core::evidence::identity::{Agreement, Compared, nearest, not_followed};
use writerlink_core::evidence::routing;
use writerlink_core::evidence::routing::Concern;
use writerlink_core::evidence::trigger::Evidence;
use writerlink_core::model::names::ArnPart;
use writerlink_core::model::route::Route;
use writerlink_engine::attempt::Preview;

/// What one route would decide, and why.
#[derive(Serialize)]
struct Explained {
    route: String,
    /// None on a route that does not follow the event: nothing is recorded there.
    event_key: Option<String>,
    event_id: Option<String>,
    event_at: String,
    message: String,
    /// Why the event concerns the route.
    concern: Option<&'static str>,
    decision: &'static str,
    reason: Option<&'static str>,
    note: String,
    instance: Option<String>,
    target: Option<String>,
    /// Whether it would stay unresolved.
    unresolved: bool,
    /// Who holds the route, so that an attempt would have to come back.
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
#[derive(Default, Serialize)]
struct FlatRow<'a> {
    route: &'a str,
    event_key: Option<&'a str>,
    n: usize,
    question: &'static str,
    answer: &'static str,
    compared: &'a str,
    decision: &'static str,
    reason: Option<&'static str>,
}

impl Row for FlatRow<'_> {
    fn cells(&self) -> Vec<(&'static str, String)> {
        vec![
            ("", format!("{:>4}", self.n)),
            ("ANSWER", self.answer.to_owned()),
            ("QUESTION", self.question.to_owned()),
            ("COMPARED", self.compared.to_owned()),
        ]
    }
}

/// Said of an event that would not be acted on.
const STAYS: &str =
    "unless newer evidence answers it, it stays part of the route's state until a swap, a pin or an ack";

/// Tells what every route that follows the events would decide; of an event that no route follows, what makes it
/// another database's than that of the routes which come nearest.
pub(super) async fn run(
    events: &[RdsEvent],
    config: &Config,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let (mut all, mut unfollowed, mut opened) = (Vec::new(), None, None);
    for event in events {
        let followers = intake::concerned(event, config);
        if followers.is_empty() {
            let near = nearest(&config.routes, event).into_iter();
            all.extend(near.map(|route| Explained::not_followed(route, event)));
            unfollowed.get_or_insert_with(|| intake::unconcerned(event, config));
            continue;
        }
        // Opened when it is needed: an event that no route follows is explained without any call.
        let dry_run = match &mut opened {
            Some(dry_run) => dry_run,
            none @ None => none.insert(plan::dry_run(config, session).await?),
        };
        for (route, evidence) in &followers {
            let preview = dry_run.preview(route, evidence).await;
            let preview = preview.map_err(|error| looking(route, error))?;
            all.push(Explained::of((route, event), evidence, &preview));
        }
    }
    write(&all, output, session)?;
    match unfollowed {
        Some(failure) => Err(failure),
        None => Ok(Exit::Done),
    }
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
            let all = Listing::of("explained", all);
            json(&all, session.out)
        }
        Output::Jsonl | Output::Csv => Listing::of("asked", &rows).write(output, session.out),
    }
}

impl Explained {
    fn of((route, event): (&Route, &RdsEvent), evidence: &Evidence, preview: &Preview) -> Self {
        let (decision, reason, note) = told(preview);
        let desired = match &preview.decision {
            Decision::Move(desired) | Decision::Hold(desired, _) => Some(desired),
            Decision::Ask(_) | Decision::Settle(_) => None,
        };
        let mut explained = Self {
            event_key: Some(evidence.key.to_string()),
            decision,
            reason,
            instance: desired.map(|desired| desired.instance.to_string()),
            target: desired.map(|desired| desired.target.to_string()),
            unresolved: preview.decision.leaves_unresolved().is_some(),
            lease_owner: preview.held.as_ref().map(|(owner, _)| owner.to_string()),
            ..Self::compared(route, event, note)
        };
        explained.asked.extend(preview.asked.iter().map(Answered::of));
        explained.numbered()
    }

    fn not_followed(route: &Route, event: &RdsEvent) -> Self {
        let note = not_followed(std::slice::from_ref(route), event).to_string();
        Self::compared(route, event, note).numbered()
    }

    /// What is known once the event was held against what the route follows.
    fn compared(route: &Route, event: &RdsEvent, note: String) -> Self {
        let concern = routing::concern(route, event);
        // What an event only names is of another kind and name than the event itself.
        let told = |compared: &&Compared<'_>| {
            concern != Some(Concern::NamedInText) || !matches!(compared.part, ArnPart::Kind | ArnPart::Name)
        };
        let comparison = route.compare(event);
        Self {
            route: route.name.to_string(),
            event_key: None,
            event_id: event.id.map(|id| id.to_string()),
            event_at: event.at.to_string(),
            message: event.message.clone(),
            concern: concern.map(Concern::as_str),
            decision: "NotFollowed",
            reason: None,
            note,
            instance: None,
            target: None,
            unresolved: false,
            lease_owner: None,
            asked: comparison.0.iter().filter(told).map(Answered::part).collect(),
        }
    }

    fn numbered(mut self) -> Self {
        for (n, asked) in (1..).zip(&mut self.asked) {
            asked.n = n;
        }
        self
    }

    fn rows(&self) -> impl Iterator<Item = FlatRow<'_>> {
        self.asked.iter().map(|asked| FlatRow {
            route: &self.route,
            event_key: self.event_key.as_deref(),
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
        let mut about = vec![("  event".to_owned(), event)];
        if self.concern == Some(Concern::NamedInText.as_str()) {
            let why = "its text names the route's source, which is a reason to ask and no evidence";
            about.push(("  concern".to_owned(), why.to_owned()));
        }
        let key = self.event_key.iter();
        about.extend(key.map(|key| ("  key".to_owned(), key.clone())));
        pairs(&about, out)?;
        let rows: Vec<FlatRow<'_>> = self.rows().collect();
        let rows = Listing::of("asked", &rows);
        writeln!(out)?;
        rows.write(Output::Table, out)?;
        writeln!(out)?;
        let mut end = vec![("  so".to_owned(), self.note.clone())];
        end.extend(self.unresolved.then(|| ("  then".to_owned(), STAYS.to_owned())));
        end.extend(self.lease_owner.iter().map(|owner| {
            let text = format!("{owner} has the route in hand; an attempt would come back");
            ("  lease".to_owned(), text)
        }));
        pairs(&end, out)
    }
}

impl Answered {
    fn of(asked: &CheckRecord) -> Self {
        Self {
            n: 0,
            question: asked.question.as_str(),
            answer: asked.answer.as_str(),
            compared: asked.compared.clone(),
        }
    }

    /// Whether the event is about the database that the route follows, one part of it.
    fn part(compared: &Compared<'_>) -> Self {
        let answer = match compared.agreement() {
            Agreement::Same | Agreement::NotSaid | Agreement::Any => CheckResult::Pass,
            Agreement::Differs => CheckResult::Stop,
        };
        Self {
            n: 0,
            question: match compared.part {
                ArnPart::Kind => "same-kind",
                ArnPart::Name => "same-name",
                ArnPart::Partition => "same-partition",
                ArnPart::Account => "same-account",
                ArnPart::Region => "same-region",
            },
            answer: answer.as_str(),
            compared: compared.to_string(),
        }
    }
}

/// The decision in a word, its reason, and what would be done.
fn told(preview: &Preview) -> (&'static str, Option<&'static str>, String) {
    let verdict = match &preview.decision {
        Decision::Settle(verdict) | Decision::Ask(verdict) => verdict.clone(),
        Decision::Hold(desired, blocked) => blocked.verdict(desired),
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
    (verdict.outcome.as_str(), Some(verdict.reason.as_str()), verdict.note)
}
