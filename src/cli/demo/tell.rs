//! The story as text, for a person who sees it for the first time.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use crate::cli::demo::scene::{Beat, Scene, Sighting, time_of_day};
use crate::cli::demo::stage::{ROUTE, Stage};
use crate::cli::demo::story::{Story, seconds};
use crate::cli::render::{Look, Tone, clean, millis, wrapped};
use writerlink_core::ledger::record::Step;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::{ObservedTarget, Target};
use writerlink_engine::attempt::{AttemptResult, Report};
use writerlink_sim::faults::{Effect, Fault};

/// Where the text of a scene begins: behind the name of whoever acts.
const TEXT_AT: usize = 13;

/// How wide a state is. The longest of this story is `draining`: every instance answers its checks.
const STATE_WIDTH: usize = 12;

/// How wide a target is: an IPv4 address and its port.
const TARGET_WIDTH: usize = 17;

/// What a worker does in every attempt.
const INTENT: &str = "ledger: lease, event and intent";
const RECONCILE_PASSES: &str = "looks at the group";

/// Where text goes, and how it may look.
struct Page<'a> {
    out: &'a mut dyn Write,
    look: Look,
}

/// Tells it from beginning to end.
pub(super) fn story(story: &Story, seed: u64, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { out, look };
    opening(&mut page, &story.stage, seed)?;
    let mut number = 0;
    for scene in &story.scenes {
        number += usize::from(scene.title.is_some());
        heading(&mut page, scene, number, &story.stage)?;
        for beat in &scene.beats {
            crate::cli::demo::tell::beat(&mut page, beat)?;
        }
        writeln!(page.out)?;
    }
    closing(&mut page, story)
}

fn opening(page: &mut Page<'_>, stage: &Stage, seed: u64) -> io::Result<()> {
    let title =
        format!("writerlink demo, seed {seed}: twenty minutes of one route, in the embedded simulation");
    writeln!(page.out, "{}\n", page.look.paint(Tone::Strong, &title))?;
    page.paragraph(
        0,
        &format!(
            "{ROUTE} is an Aurora cluster. A Network Load Balancer has to point at whichever of its \
             instances can write; its target group holds the first one. RDS tells of failovers, \
             EventBridge brings what it tells to an SQS FIFO queue, and worker-1 listens there. The worker, \
             its DynamoDB ledger and the message formats are the real ones. AWS around them is simulated, \
             the clock too: so this takes a moment and not twenty minutes."
        ),
    )?;
    writeln!(page.out)?;
    for (n, instance) in stage.cast.iter().enumerate() {
        let role = if n == 0 { "  writer" } else { "" };
        let (id, ip, zone) = (&instance.id, instance.ip, &instance.zone);
        writeln!(page.out, "   {id}  {ip}  {zone}{role}")?;
    }
    writeln!(page.out)
}

fn heading(page: &mut Page<'_>, scene: &Scene, number: usize, stage: &Stage) -> io::Result<()> {
    let Some(title) = scene.title else {
        let title = page.look.paint(Tone::Strong, "   Minutes pass");
        return writeln!(page.out, "{title}");
    };
    let time = time_of_day(stage.clock(scene.at));
    let title = page.look.paint(Tone::Strong, &format!("{number}. {title}"));
    writeln!(page.out, "{title}, {time} UTC")
}

fn beat(page: &mut Page<'_>, beat: &Beat) -> io::Result<()> {
    match beat {
        Beat::Said(who, text) => page.labelled(who, None, text),
        Beat::Attempt { worker, report, began } => attempt(page, worker, report, *began),
        Beat::LastCalls { worker, arrived, effects } => last_calls(page, worker, effects, *arrived),
        Beat::Group(readings) => group(page, readings),
    }
}

/// An attempt call by call, and how it ended. Times count from the message's arrival.
fn attempt(page: &mut Page<'_>, worker: &str, report: &Report, began: Duration) -> io::Result<()> {
    let mut steps: Vec<&Step> = report.steps.iter().collect();
    steps.sort_by_key(|step| step.start);
    for (n, step) in steps.iter().enumerate() {
        let label = if n == 0 { worker } else { "" };
        let text = match &step.error {
            Some(_) => "refused: Rate exceeded".to_owned(),
            None => what_it_does(&steps, n, report),
        };
        let (at, took) = (millis(began + step.start), millis(step.took));
        let name = &step.name;
        writeln!(page.out, "   {label:<10}{at:>+6} ms  {name:<21}{took:>3} ms  {text}")?;
    }
    let (head, tone) = headline(&report.ended);
    page.labelled("outcome", Some((tone, &head)), &ending(&report.ended))
}

/// What the nth step is for, in this attempt.
fn what_it_does(steps: &[&Step], nth: usize, report: &Report) -> String {
    let name = steps[nth].name.as_str();
    let is_same = |step: &&Step| step.name == name;
    let desired = report.desired.as_ref().map(|(_, target)| *target);
    match name {
        // The first one was a guess: that nobody knows the event. It costs no more than asking first.
        "Begin" if steps[nth + 1..].iter().any(is_same) => "ledger: knows this event".to_owned(),
        "Begin" => match &report.ended {
            AttemptResult::Duplicate(_) => "ledger: knows this event".to_owned(),
            AttemptResult::Settled(_) if desired.is_none() => "ledger: the event and its outcome".to_owned(),
            _ if report.resumed => "ledger: takes the half-done move over".to_owned(),
            // A relay route: nothing is called, so intent and outcome are one.
            AttemptResult::Settled(_) if steps.len() == 1 => {
                "ledger: the move, in one transaction".to_owned()
            }
            _ => INTENT.to_owned(),
        },
        "RegisterTargets" => desired.map_or_else(String::new, |target| format!("{target} joins")),
        "DeregisterTargets" => {
            let leaves = |row: &&ObservedTarget| row.is_registered() && Some(row.target) != desired;
            let leaving: Vec<String> =
                report.before.iter().filter(leaves).map(|row| format!("{} leaves", row.target)).collect();
            leaving.join(", ")
        }
        "DescribeTargetHealth" if steps[..nth].iter().any(is_same) => "as it should be".to_owned(),
        "DescribeTargetHealth" => RECONCILE_PASSES.to_owned(),
        "Finish" if matches!(report.ended, AttemptResult::Deferred(..) | AttemptResult::Waits(..)) => {
            "ledger: not settled yet; the lease is free".to_owned()
        }
        "Finish" => "ledger: the outcome, and the lease is free".to_owned(),
        _ => String::new(),
    }
}

fn headline(ended: &AttemptResult) -> (String, Tone) {
    let reason = match ended {
        AttemptResult::Settled(verdict)
        | AttemptResult::Deferred(verdict, _)
        | AttemptResult::Nothing(verdict) => Some(verdict.reason),
        AttemptResult::Waits(..) => Some(Reason::AwaitsQuota),
        AttemptResult::Duplicate(_)
        | AttemptResult::Paced(_)
        | AttemptResult::Busy(..)
        | AttemptResult::Unavailable(..)
        | AttemptResult::LeaseLost { .. } => None,
    };
    let tone = match ended.outcome() {
        Some(Outcome::Moved | Outcome::AlreadyThere) => Tone::Good,
        Some(_) => Tone::Strong,
        None => Tone::Bad,
    };
    let reason = reason.map(|reason| format!(" ({reason})"));
    let head = format!("{}{}", ended.as_str(), reason.unwrap_or_default());
    (head, tone)
}

fn ending(ended: &AttemptResult) -> String {
    let note = ended.note();
    match ended {
        AttemptResult::Deferred(_, pause) => format!("{note}; again in {} s", seconds(*pause)),
        AttemptResult::Settled(_)
        | AttemptResult::Duplicate(_)
        | AttemptResult::Nothing(_)
        | AttemptResult::Paced(_)
        | AttemptResult::Waits(..)
        | AttemptResult::Busy(..)
        | AttemptResult::Unavailable(..)
        | AttemptResult::LeaseLost { .. } => note,
    }
}

/// The calls of a worker that told nothing any more, as the services saw them.
fn last_calls(page: &mut Page<'_>, worker: &str, effects: &[Effect], arrived: Duration) -> io::Result<()> {
    let calls = effects.iter().filter_map(|effect| {
        let (name, text) = match (effect.call, effect.fault) {
            ("ReceiveMessage", _) => return None,
            (call, Fault::DiesBefore) => {
                let killed = page.look.paint(Tone::Bad, "killed before it is sent");
                (call, killed)
            }
            ("ExecuteTransaction", _) => ("Begin", INTENT.to_owned()),
            (call @ "RegisterTargets", _) => {
                // The journal names the group too; the target stands last.
                let target = effect.detail.rsplit(' ').next().unwrap_or_default();
                (call, format!("{target} joins"))
            }
            (call @ "DescribeTargetHealth", _) => (call, RECONCILE_PASSES.to_owned()),
            (call, _) => (call, String::new()),
        };
        let at = millis(effect.at.saturating_sub(arrived));
        Some(format!("{at:>+6} ms  {name:<21}        {text}"))
    });
    for (n, line) in calls.enumerate() {
        let label = if n == 0 { worker } else { "" };
        writeln!(page.out, "   {label:<10}{}", line.trim_end())?;
    }
    Ok(())
}

/// The group at several times, side by side; or once, if nothing changed.
fn group(page: &mut Page<'_>, readings: &[Sighting]) -> io::Result<()> {
    let targets: BTreeSet<Target> =
        readings.iter().flat_map(|reading| reading.rows.iter().map(|row| row.target)).collect();
    let states = |reading: &Sighting| -> Vec<String> {
        targets.iter().map(|target| state(*target, &reading.rows)).collect()
    };
    let columns: Vec<Vec<String>> = readings.iter().map(states).collect();
    if columns.iter().all(|column| Some(column) == columns.first()) {
        let rows = columns.first().map(Vec::as_slice).unwrap_or_default();
        let rows = targets.iter().zip(rows);
        let now: Vec<String> = rows.map(|(target, state)| format!("{target} {state}")).collect();
        return page.labelled("group", None, &format!("as before: {}", now.join(", ")));
    }
    let mut heading = format!("   {:<10}{:<TARGET_WIDTH$}", "group", "");
    for reading in readings {
        heading.push_str(&cell(reading.when));
    }
    writeln!(page.out, "{}", heading.trim_end())?;
    for (n, target) in targets.iter().enumerate() {
        let mut line = format!("{:TEXT_AT$}{:<TARGET_WIDTH$}", "", target.to_string());
        for column in &columns {
            line.push_str(&cell(column.get(n).map(String::as_str).unwrap_or_default()));
        }
        writeln!(page.out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn cell(text: &str) -> String {
    format!("{text:<STATE_WIDTH$}")
}

/// A target's state as the load balancer names it; a dash when it is not in the group.
fn state(target: Target, rows: &[ObservedTarget]) -> String {
    let row = rows.iter().find(|row| row.target == target);
    row.map_or_else(|| "-".to_owned(), |row| row.health.as_str().to_owned())
}

fn closing(page: &mut Page<'_>, story: &Story) -> io::Result<()> {
    let watch = story.stage.watch();
    let (head, tone) =
        if watch.violations.is_empty() { ("Held throughout", Tone::Good) } else { ("NOT HELD", Tone::Bad) };
    let letters = story.stage.fleet.world.dead_letters.messages().len();
    let text = format!(
        "after each of {} calls, the group had a target that was not draining. At the end it holds the \
         writer alone, and no message is left but {letters} in the dead-letter queue, for a person.",
        watch.effects
    );
    let head = format!("{head}:");
    let line = format!("{head} {text}");
    for line in wrapped(&line, 0) {
        writeln!(page.out, "{}", page.with_head(&line, tone, &head))?;
    }
    for violation in &watch.violations {
        page.paragraph(3, violation)?;
    }
    writeln!(page.out)
}

impl Page<'_> {
    /// What somebody did or said, behind the name.
    fn labelled(&mut self, label: &str, head: Option<(Tone, &str)>, text: &str) -> io::Result<()> {
        let plain = match head {
            Some((_, head)) => format!("{head}: {text}"),
            None => text.to_owned(),
        };
        for (n, line) in wrapped(&clean(&plain), TEXT_AT).iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            let line = match head {
                Some((tone, head)) if n == 0 => self.with_head(line, tone, head),
                _ => line.clone(),
            };
            writeln!(self.out, "   {label:<10}{line}")?;
        }
        Ok(())
    }

    fn paragraph(&mut self, indent: usize, text: &str) -> io::Result<()> {
        for line in wrapped(&clean(text), indent) {
            writeln!(self.out, "{:indent$}{line}", "")?;
        }
        Ok(())
    }

    /// The line with its beginning in a tone; the line was filled as it is without one.
    fn with_head(&self, line: &str, tone: Tone, head: &str) -> String {
        match line.strip_prefix(head) {
            Some(rest) => format!("{}{rest}", self.look.paint(tone, head)),
            None => line.to_owned(),
        }
    }
}
