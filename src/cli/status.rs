//! `status`: where routes point, and whether that is right. Reads alone.

mod detail;
mod flat;
mod from;
mod table;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::cli::args::{Global, Output, Status as Wanted};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Look, json, jsonl};
use crate::cli::{Connect, Session, configured};
use crate::config::Config;
use writerlink_core::model::provenance::Provenance;
use writerlink_core::model::route::Route;
use writerlink_core::status::health::RouteHealth;
use writerlink_engine::ports::{CallError, Clock, Ports, Queue};
use writerlink_engine::survey::view::SurveyView;
use writerlink_engine::survey::{QueueSurvey, Survey, Surveyor, Unread};

/// Shows what is wanted, once or again and again.
pub(super) async fn run(
    wanted: &Wanted,
    global: &Global,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let mut reader = Reader {
        routes: routes(wanted, &config)?,
        ports: session.connect.ports(&config).await?,
        config: &config,
        connect: session.connect,
        queue: None,
        surveyor: None,
    };
    let style = Style { detailed: wanted.routes.len() == 1, reader: &config.provenance };
    let Some(seconds) = wanted.watch else {
        let survey = reader.survey().await;
        show(&survey, style, global.output, session)?;
        return Ok(ends(&survey, wanted, session));
    };
    if global.output == Output::Csv {
        return Err(no_csv());
    }
    let watching = Watching {
        every: Duration::from_secs(seconds),
        stops: session.connect.process()?.stops,
        redraws: session.look.is_terminal() && global.output == Output::Table,
    };
    match watching.go_on(&mut reader, style, session).await? {
        Some(survey) => Ok(ends(&survey, wanted, session)),
        None => Ok(Exit::Done),
    }
}

/// The named routes, else all of them.
fn routes(wanted: &Wanted, config: &Config) -> Result<Vec<Route>, Failure> {
    if wanted.routes.is_empty() {
        return Ok(config.routes.clone());
    }
    let named = wanted.routes.iter();
    named.map(|name| configured(config, name).cloned()).collect()
}

/// How a survey is shown.
#[derive(Clone, Copy)]
struct Style<'a> {
    /// To people: everything about each route, and not a line for each.
    detailed: bool,
    /// Under which configuration it was made.
    reader: &'a Provenance,
}

/// Whoever reads, as often as wanted.
struct Reader<'a> {
    routes: Vec<Route>,
    ports: Ports,
    config: &'a Config,
    connect: &'a dyn Connect,
    /// Opened when it is first read, and again until it could be: it must not keep anybody from the routes.
    queue: Option<Arc<dyn Queue>>,
    /// Kept from survey to survey, with what it has spent of the load balancer's rate.
    surveyor: Option<Arc<Surveyor>>,
}

impl Reader<'_> {
    async fn survey(&mut self) -> Survey {
        let at = self.ports.clock.wall();
        let new = || Surveyor::new(self.ports.clone());
        let surveyor = Arc::clone(self.surveyor.get_or_insert_with(new));
        let opening = open(self.connect, self.config, &mut self.queue);
        let (routes, queue) = tokio::join!(surveyor.routes(&self.routes), opening);
        Survey { at, routes, queue }
    }
}

async fn open(connect: &dyn Connect, config: &Config, opened: &mut Option<Arc<dyn Queue>>) -> QueueSurvey {
    let queue = match opened {
        Some(queue) => Arc::clone(queue),
        None => match connect.queue(config).await {
            Ok(queue) => Arc::clone(opened.insert(queue.port)),
            Err(failure) => return QueueSurvey::unread(&unread(failure)),
        },
    };
    QueueSurvey::of(queue.as_ref()).await
}

fn unread(failure: Failure) -> Unread {
    match failure {
        Failure::Call { source, .. } => Unread::Call(source),
        Failure::Told { what, why, .. } => Unread::Other(format!("{what}: {why}")),
        other @ (Failure::Output(_)
        | Failure::Config(_)
        | Failure::Telemetry(_)
        | Failure::OtherRegion { .. }) => Unread::Other(other.to_string()),
    }
}

/// A survey that is repeated until somebody asks to stop.
struct Watching {
    every: Duration,
    stops: watch::Receiver<u32>,
    redraws: bool,
}

impl Watching {
    /// Shows survey after survey; gives the last one that was shown.
    async fn go_on(
        mut self,
        reader: &mut Reader<'_>,
        style: Style<'_>,
        session: &mut Session<'_>,
    ) -> Result<Option<Survey>, Failure> {
        let clock = Arc::clone(&reader.ports.clock);
        let mut last = None;
        loop {
            // Nothing is written, so a survey may be left in the middle.
            let survey = tokio::select! {
                biased;
                () = asked_to_stop(&mut self.stops) => return Ok(last),
                survey = reader.survey() => survey,
            };
            self.draw(&survey, style, session)?;
            last = Some(survey);
            if !self.pause(clock.as_ref()).await {
                return Ok(last);
            }
        }
    }

    /// Waits for the next survey; `false` when nobody wants one.
    async fn pause(&mut self, clock: &dyn Clock) -> bool {
        tokio::select! {
            biased;
            () = asked_to_stop(&mut self.stops) => false,
            () = clock.sleep(self.every) => true,
        }
    }

    fn draw(&self, survey: &Survey, style: Style<'_>, session: &mut Session<'_>) -> io::Result<()> {
        if !self.redraws {
            jsonl(&[SurveyView::of(survey, style.reader)], session.out)?;
            return session.out.flush();
        }
        let mut text = Vec::new();
        let heading = format!("{}, every {} s; Ctrl-C ends", survey.at, self.every.as_secs());
        writeln!(text, "{heading}\n")?;
        people(survey, style, session.look, &mut text)?;
        session.out.write_all(&redrawn(&text))?;
        session.out.flush()
    }
}

/// Returns when somebody asks to stop from now on; never, where nobody can.
async fn asked_to_stop(stops: &mut watch::Receiver<u32>) {
    if stops.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The text drawn over what stands on the terminal: from its first line, clearing the rest of each line and all that
/// is below, so that nothing flickers (ECMA-48: CUP, EL, ED).
fn redrawn(text: &[u8]) -> Vec<u8> {
    let mut drawn = b"\x1b[H".to_vec();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (line, end) = match line.split_last() {
            Some((b'\n', line)) => (line, &b"\x1b[K\n"[..]),
            _ => (line, &b"\x1b[K"[..]),
        };
        drawn.extend(line);
        drawn.extend(end);
    }
    drawn.extend(b"\x1b[J");
    drawn
}

fn show(survey: &Survey, style: Style<'_>, output: Output, session: &mut Session<'_>) -> io::Result<()> {
    match output {
        Output::Table => people(survey, style, session.look, session.out),
        Output::Json => json(&SurveyView::of(survey, style.reader), session.out),
        Output::Jsonl => jsonl(&SurveyView::of(survey, style.reader).routes, session.out),
        Output::Csv => flat::write(survey, session.out),
    }
}

fn people(survey: &Survey, style: Style<'_>, look: Look, out: &mut dyn Write) -> io::Result<()> {
    from::write(survey, style.reader, out)?;
    writeln!(out)?;
    if style.detailed {
        let mut routes = survey.routes.iter();
        routes.try_for_each(|route| detail::write(route, look, out))?;
    } else {
        table::write(survey, look, out)?;
    }
    table::queue(&survey.queue, out)
}

/// How the process ends by what was shown last.
fn ends(survey: &Survey, wanted: &Wanted, session: &mut Session<'_>) -> Exit {
    if let Some(failure) = nothing_read(survey) {
        return crate::cli::tell(&failure, session);
    }
    let not_in_sync = [RouteHealth::Converging, RouteHealth::OutOfSync, RouteHealth::Unknown];
    match wanted.detailed_exitcode {
        true if survey.any_in(&not_in_sync) => Exit::NotInSync,
        true if survey.any_in(&[RouteHealth::Held]) => Exit::Held,
        _ => Exit::Done,
    }
}

/// Where the state of no route could be read the question was not answered.
fn nothing_read(survey: &Survey) -> Option<Failure> {
    let mut errors = survey.routes.iter().map(|route| route.state.as_ref().err());
    let first = errors.next()??;
    if !errors.all(|error| error.is_some()) {
        return None;
    }
    let doing = "reading the routes' states";
    Some(match first {
        Unread::Call(error) => Failure::call(doing, CallError::clone(error)),
        Unread::Other(why) => Failure::told(format!("{doing} failed"), why.clone(), "ask again", Exit::Error),
    })
}

fn no_csv() -> Failure {
    Failure::told(
        "--watch does not go with --output csv",
        "it writes one document after another, and csv is one table",
        "take --output jsonl, or leave --watch out",
        Exit::Usage,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_redrawn_leaves_nothing_of_what_stood_there() {
        let drawn = String::from_utf8(redrawn(b"a\nb\n")).unwrap();
        assert_eq!(drawn, "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
    }
}
