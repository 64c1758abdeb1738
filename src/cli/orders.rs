//! `swap`, `pin`, `unpin`, `pause`, `resume`, `ack`, `freeze`, `unfreeze`: what a person orders.
//!
//! Nothing is decided here. An order goes the way of every other ground for a move, through the same lease,
//! rules and records; this shows beforehand what it would do, asks, carries it out, and tells.

mod adopt;
mod carry;
mod foresee;
mod tell;

use std::fmt::Display;
use std::io::{Read, Write};
use std::sync::Arc;

use crate::cli::args::{Freeze, Global, Lift, Output, Pause, PinArgs, Saying, Swap, Unfreeze};
use crate::cli::failure::{Exit, Failure};
pub(super) use crate::cli::orders::adopt::run as adopt;
use crate::cli::orders::carry::Crew;
use crate::cli::orders::foresee::{Foreseen, Outlook, foresee};
use crate::cli::plan::PlanRow;
use crate::cli::render::Listing;
use crate::cli::replay::worse;
use crate::cli::{Answers, Session, configured};
use crate::config::Config;
use writerlink_core::evidence::trigger::{CommandKind, OperatorCommand};
use writerlink_core::model::names::RouteName;
use writerlink_core::model::reason::Rule;
use writerlink_core::model::route::Route;

/// The longest answer that is read; it is one word.
const ANSWER_BYTES_MAX: usize = 64;

/// What is ordered.
pub(super) struct Wanted {
    /// About which route; about every configured one if absent.
    route: Option<RouteName>,
    act: CommandKind,
    overrides: Vec<Rule>,
    saying: Saying,
}

impl From<Swap> for Wanted {
    fn from(swap: Swap) -> Self {
        Self {
            route: Some(swap.route),
            act: CommandKind::Swap(swap.to),
            overrides: swap.overrides,
            saying: swap.saying,
        }
    }
}

impl From<PinArgs> for Wanted {
    fn from(pin: PinArgs) -> Self {
        let PinArgs { swap, within } = pin;
        let act = CommandKind::Pin { instance: swap.to.clone(), within };
        Self { act, ..swap.into() }
    }
}

impl From<Pause> for Wanted {
    fn from(pause: Pause) -> Self {
        let act = CommandKind::Pause { within: pause.within };
        Self::about(Some(pause.route), act, pause.saying)
    }
}

impl From<Freeze> for Wanted {
    fn from(freeze: Freeze) -> Self {
        let act = CommandKind::Freeze { within: freeze.within };
        Self::about(None, act, freeze.saying)
    }
}

impl From<Unfreeze> for Wanted {
    fn from(unfreeze: Unfreeze) -> Self {
        Self::about(None, CommandKind::Unfreeze, unfreeze.saying)
    }
}

impl Lift {
    pub(super) fn wanted(self, act: CommandKind) -> Wanted {
        Wanted::about(Some(self.route), act, self.saying)
    }
}

impl Wanted {
    fn about(route: Option<RouteName>, act: CommandKind, saying: Saying) -> Self {
        Self { route, act, overrides: Vec::new(), saying }
    }

    fn routes<'a>(&self, config: &'a Config) -> Result<Vec<&'a Route>, Failure> {
        match &self.route {
            Some(name) => Ok(vec![configured(config, name)?]),
            None => Ok(config.routes.iter().collect()),
        }
    }
}

/// Shows, asks, carries out, and tells.
pub(super) async fn run(wanted: Wanted, global: &Global, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let routes = wanted.routes(&config)?;
    let Wanted { act, overrides, saying, .. } = wanted;
    if !saying.yes && !saying.dry_run && session.answers == Answers::Nobody {
        return Err(nobody_to_ask(act.as_str()));
    }
    let by = session.connect.identity(&config).await?;
    let ports = session.connect.ports(&config).await?;
    let mut order = OperatorCommand { at: ports.clock.wall(), by, reason: saying.reason, act, overrides };
    if !saying.yes {
        let foreseen = foresee(&ports, &routes, &order).await?;
        let acts = foreseen.iter().any(|one| one.outlook == Outlook::Acts);
        if saying.dry_run || !acts {
            return show(&foreseen, &order, global.output, session);
        }
        table(&foreseen, Output::Table, session.err)?;
        confirm(&order, session)?;
        // It is given now, and not when the question was put.
        order.at = ports.clock.wall();
    }
    let process = session.connect.process()?;
    let crew = Crew::new(&config, &ports, process, saying.wait);
    let done = Arc::new(crew).carry_out(&routes, &order).await?;
    tell::all(&done, &order, global.output, session)
}

/// The plan as the result: nothing is to be confirmed.
fn show(
    foreseen: &[Foreseen<'_>],
    order: &OperatorCommand,
    output: Output,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    table(foreseen, output, session.out)?;
    let mut exit = Exit::Done;
    for one in foreseen {
        if let Outlook::Refused(verdict) = &one.outlook {
            let failure = tell::refused(one.route, order, verdict);
            exit = worse(exit, crate::cli::tell(&failure, session));
        }
    }
    Ok(exit)
}

fn table(foreseen: &[Foreseen<'_>], output: Output, out: &mut dyn Write) -> std::io::Result<()> {
    let rows: Vec<PlanRow> = foreseen.iter().flat_map(|one| one.rows.clone()).collect();
    Listing::of("plan", &rows).write(output, out)
}

/// Asks whether this is what the person wants.
fn confirm(order: &dyn Display, session: &mut Session<'_>) -> Result<(), Failure> {
    write!(session.err, "\n{order}\nDo this? [y/N] ")?;
    session.err.flush()?;
    let answer = line(session.input)?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::told(
        "nothing was ordered",
        "the plan was not confirmed",
        "answer y, or give the order with --yes",
        Exit::Error,
    ))
}

/// One line, byte by byte: what follows it is not ours to take.
fn line(input: &mut dyn Read) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < ANSWER_BYTES_MAX && input.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn nobody_to_ask(act: &str) -> Failure {
    Failure::told(
        format!("{act} was not ordered"),
        "there is no terminal on which to confirm the plan",
        "pass --yes to go ahead without asking, or --dry-run to see the plan",
        Exit::Usage,
    )
}
