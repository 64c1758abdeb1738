//! `demo`: a route's life in the embedded simulation, on a clock of its own: minutes there, a moment here.
//!
//! The worker, the ledger and the wire formats are the real ones; only AWS around them is simulated. The
//! same seed gives the same bytes.

mod scene;
mod serve;
mod stage;
mod story;
mod tell;

use std::sync::Arc;
use std::thread;

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::cli::args::{Demo, List, Output};
use crate::cli::audit::{list, verify};
use crate::cli::demo::scene::StepRow;
use crate::cli::demo::stage::broken;
use crate::cli::demo::story::Story;
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{JSON_VERSION, Listing, Tone, json, jsonl};
use crate::cli::{ReadPorts, Session};
use writerlink_aws::dynamodb::DynamoLedger;
use writerlink_core::model::target::ObservedTarget;

/// How many seeds the clock chooses from: short enough to be typed again.
const SEEDS: u64 = 1000;

/// More than the story has records.
const RECORDS_MAX: u32 = 1000;

/// What a program reads.
#[derive(Serialize)]
struct Summary<'a> {
    version: u32,
    seed: u64,
    steps: &'a [StepRow],
    targets: Vec<TargetView>,
    audit_records: u64,
    audit_verified: bool,
}

#[derive(Serialize)]
struct TargetView {
    id: String,
    port: u16,
    state: String,
}

impl TargetView {
    fn of(row: &ObservedTarget) -> Self {
        Self { id: row.target.ip.to_string(), port: row.target.port, state: row.health.as_str().to_owned() }
    }
}

/// Plays the story and tells it.
pub(super) async fn run(wanted: &Demo, output: Output, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let by_the_clock = || u64::try_from(session.now.as_millis()).unwrap_or_default() % SEEDS;
    let seed = wanted.seed.unwrap_or_else(by_the_clock);
    let listener = wanted.serve.map(serve::listen).transpose()?;
    let (story, time) = on_a_clock_of_its_own(seed)?;
    let books = books(&story);
    let verdict = verify::verify(&books, &story.stage.route.name).await?;
    match output {
        Output::Table => text(&story, (seed, &books, &verdict), session).await?,
        Output::Json => json(&summary(&story, seed, &verdict), session.out)?,
        Output::Jsonl => jsonl(&[summary(&story, seed, &verdict)], session.out)?,
        Output::Csv => {
            let rows = &story.steps;
            let (name, next) = ("steps", None);
            Listing { name, rows, next }.write(output, session.out)?;
        }
    }
    let judged = judge(&story, seed, &verdict)?;
    match listener {
        Some(listener) => serve::until_stopped((story, time), listener, session).await,
        None => Ok(judged),
    }
}

/// The runtime whose clock is the world's. One runtime must not be dropped where another one runs, so it is let go of in
/// the background; nothing in it is under way by then.
struct Time(Option<Runtime>);

impl Drop for Time {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The story needs tokio's clock paused, and the command runs on a runtime whose clock is not; so it gets
/// a runtime, and with it a thread, of its own. Nothing in it waits for real: it is over in a moment. The runtime is
/// the world's time, so it is handed back with it.
fn on_a_clock_of_its_own(seed: u64) -> Result<(Story, Time), Failure> {
    let play = move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        // What its processes log is told by the story.
        let _silent = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
        let story = runtime.block_on(Story::play(seed))?;
        Ok((story, Time(Some(runtime))))
    };
    let thread = thread::Builder::new().name("demo".to_owned()).spawn(play)?;
    let panicked = |_| broken("a part of it panicked; see above");
    thread.join().map_err(panicked)?
}

/// What was recorded, read from outside of the world: its time has stopped.
fn books(story: &Story) -> ReadPorts {
    let dynamo = &story.stage.fleet.dynamo;
    let ledger = DynamoLedger::new(dynamo.client_outside(), dynamo.tables().clone());
    let ledger = Arc::new(ledger);
    ReadPorts { audit: Arc::clone(&ledger) as _, ledger }
}

fn summary<'a>(story: &'a Story, seed: u64, verdict: &verify::Verdict) -> Summary<'a> {
    Summary {
        version: JSON_VERSION,
        seed,
        steps: &story.steps,
        targets: story.at_the_end.iter().map(TargetView::of).collect(),
        audit_records: verdict.records,
        audit_verified: verdict.intact,
    }
}

async fn text(
    story: &Story,
    (seed, books, verdict): (u64, &ReadPorts, &verify::Verdict),
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    let look = session.look;
    tell::story(story, seed, look, session.out)?;
    let title = "The audit records, newest first (as `writerlink audit list` shows them)";
    writeln!(session.out, "{}\n", look.paint(Tone::Strong, title))?;
    list::run(books.audit.as_ref(), &everything(story), Output::Table, session).await?;
    if verdict.intact {
        let (records, head) = (verdict.records, &verdict.head_hash);
        let verified = look.paint(Tone::Good, "audit verified");
        writeln!(session.out, "\n{verified}: {records} records, head {head}")?;
    }
    let next = seed.wrapping_add(1);
    writeln!(
        session.out,
        "\nNext: `writerlink demo --seed {next}` plays it another way; `writerlink config check --config\n\
         writerlink.example.toml` shows what a route of yours needs; `writerlink --help` has the rest."
    )?;
    Ok(())
}

fn everything(story: &Story) -> List {
    List {
        route: Some(story.stage.route.name.clone()),
        since: None,
        until: None,
        outcome: None,
        cause: None,
        instance: None,
        limit: RECORDS_MAX,
        cursor: None,
    }
}

/// Whether everything that was promised held.
fn judge(story: &Story, seed: u64, verdict: &verify::Verdict) -> Result<Exit, Failure> {
    let mut why = story.stage.watch().violations.clone();
    let exit = match &verdict.fault {
        Some(fault) => {
            why.push(format!("the audit chain is broken: {fault}"));
            Exit::Unverified
        }
        None => Exit::Error,
    };
    if why.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Failure::told(
        format!("the demo with seed {seed} did not go as promised"),
        why.join("; "),
        "this should not happen: please report it, with the seed",
        exit,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Look;

    async fn verdict(story: &Story) -> verify::Verdict {
        verify::verify(&books(story), &story.stage.route.name).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn colours_add_nothing_but_colours() {
        let story = Story::play(7).await.unwrap();
        let told = |look| {
            let mut out = Vec::new();
            tell::story(&story, 7, look, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (plain, mut coloured) = (told(Look::Plain), told(Look::Colour));
        assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
        for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m"] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, plain);
    }

    #[tokio::test(start_paused = true)]
    async fn a_promise_that_is_not_kept_fails_the_demo_and_names_the_seed() {
        let story = Story::play(7).await.unwrap();
        let verdict = verdict(&story).await;
        assert_eq!(judge(&story, 7, &verdict).unwrap(), Exit::Done);
        let violation = "the group was empty after DeregisterTargets of worker-1";
        story.stage.watch().violations.push(violation.to_owned());
        let failure = judge(&story, 7, &verdict).unwrap_err();
        assert_eq!(failure.exit(), Exit::Error);
        let told = failure.to_string();
        assert!(told.contains("seed 7") && told.contains(violation), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_demo_fails_with_audit_verifys_code_if_a_chain_does_not_verify() {
        let story = Story::play(7).await.unwrap();
        let mut verdict = verdict(&story).await;
        verdict.fault = Some("record 3 is missing".to_owned());
        let failure = judge(&story, 7, &verdict).unwrap_err();
        assert_eq!(failure.exit(), Exit::Unverified);
        assert!(failure.to_string().contains("record 3 is missing"));
    }
}
