//! `check`: the preflight of a whole installation.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::cli::args::{CheckArgs as Asked, Global, Output};
use crate::cli::failure::{Exit, Failure};
use crate::cli::render::{Listing, Look, Row, Tone, clean, folded, wrapped};
use crate::cli::{Session, configured};
use crate::config::Config;
use crate::preflight;
use crate::preflight::{CheckStatus, Finding, Wanted, Writes};
use writerlink_core::model::route::Route;
use writerlink_engine::ports::NO_CREDENTIALS;

/// One line, for programs.
#[derive(Default, Serialize)]
struct FindingRow {
    subject: String,
    verdict: &'static str,
    what: &'static str,
    why: String,
    remedy: Option<String>,
    source: Option<&'static str>,
}

impl FindingRow {
    fn of(finding: &Finding) -> Self {
        Self {
            subject: finding.subject.to_string(),
            verdict: finding.verdict.as_str(),
            what: finding.check.what,
            why: finding.why.clone(),
            remedy: finding.remedy.clone(),
            source: finding.check.source,
        }
    }
}

impl Row for FindingRow {}

/// Looks at everything, and says what is wrong with it.
pub(super) async fn run(asked: &Asked, global: &Global, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let config = session.config(global)?;
    let routes = match &asked.route {
        Some(name) => vec![configured(&config, name)?],
        None => config.routes.iter().collect(),
    };
    let findings = match findings(asked, (&config, &routes), session).await {
        // What is seen in another Region says nothing about the routes: this is all there is to tell.
        Err(Failure::OtherRegion { calls, groups }) => preflight::other_region(&calls, &groups),
        findings => findings?,
    };
    match global.output {
        Output::Table => Page::new(session.out, session.look).tell(&findings, asked.verbose)?,
        output @ (Output::Json | Output::Jsonl | Output::Csv) => {
            let rows: Vec<_> = findings.iter().map(FindingRow::of).collect();
            Listing::of("findings", &rows).write(output, session.out)?;
        }
    }
    Ok(exit(&findings, asked))
}

async fn findings(
    asked: &Asked,
    (config, routes): (&Config, &[&Route]),
    session: &Session<'_>,
) -> Result<Vec<Finding>, Failure> {
    let ports = session.connect.ports(config).await?;
    let installation = session.connect.installation(config).await?;
    let wanted =
        Wanted { config, routes, writes: if asked.read_only { Writes::Left } else { Writes::Tried } };
    let facts = preflight::gather(installation.as_ref(), &ports, wanted).await;
    // Without credentials every other line would say the same.
    if let Err(writerlink_engine::ports::installation::Unseen::Refused(error)) = &facts.identity.arn
        && error.code == NO_CREDENTIALS
    {
        return Err(Failure::call("asking who you are", error.clone()));
    }
    Ok(preflight::judge(&facts, config))
}

fn exit(findings: &[Finding], asked: &Asked) -> Exit {
    let bad = |verdict| match verdict {
        CheckStatus::Fail => true,
        CheckStatus::Warn | CheckStatus::Unknown => asked.strict,
        CheckStatus::Pass | CheckStatus::Skipped => false,
    };
    if findings.iter().any(|finding| bad(finding.verdict)) { Exit::Error } else { Exit::Done }
}

/// Where the verdict, what was checked, and what was found begin.
const VERDICT_AT: usize = 2;
const WHAT_AT: usize = 11;
const WHY_AT: usize = 40;

/// Where the words below a finding begin, behind their label.
const TOLD_AT: usize = 11;

/// The table, and below it what is to be done.
struct Page<'a> {
    out: &'a mut dyn Write,
    look: Look,
}

impl<'a> Page<'a> {
    fn new(out: &'a mut dyn Write, look: Look) -> Self {
        Self { out, look }
    }

    /// The problems with their fixes, the gravest first; what cannot be checked from here; and how many there are. All the
    /// lines in between if they are asked for.
    fn tell(&mut self, findings: &[Finding], verbose: bool) -> io::Result<()> {
        for verdict in [CheckStatus::Fail, CheckStatus::Warn, CheckStatus::Unknown, CheckStatus::Skipped] {
            let of = findings.iter().filter(|finding| finding.verdict == verdict);
            of.filter(|finding| finding.remedy.is_some()).try_for_each(|finding| self.remedy(finding))?;
        }
        if verbose {
            self.lines(findings)?;
        }
        let hint = if verbose { "" } else { " (--verbose shows every line)" };
        writeln!(self.out, "{}{hint}", count(findings))
    }

    fn lines(&mut self, findings: &[Finding]) -> io::Result<()> {
        let mut before = None;
        for finding in findings {
            if before != Some(&finding.subject) {
                let heading = clean(&finding.subject.to_string());
                writeln!(self.out, "{}", self.look.paint(Tone::Strong, &heading))?;
                before = Some(&finding.subject);
            }
            self.line(finding)?;
        }
        writeln!(self.out)
    }

    fn line(&mut self, finding: &Finding) -> io::Result<()> {
        let verdict = self.painted(finding.verdict);
        let space = WHAT_AT - VERDICT_AT - finding.verdict.as_str().len();
        let what = format!("{:width$}", finding.check.what, width = WHY_AT - WHAT_AT);
        let why = folded(&clean(&finding.why), WHY_AT);
        for (n, why) in why.iter().enumerate() {
            if n == 0 {
                writeln!(self.out, "{:VERDICT_AT$}{verdict}{:space$}{what}{why}", "", "")?;
            } else {
                writeln!(self.out, "{:WHY_AT$}{why}", "")?;
            }
        }
        Ok(())
    }

    fn painted(&self, verdict: CheckStatus) -> String {
        let text = verdict.as_str();
        match verdict {
            CheckStatus::Pass => self.look.paint(Tone::Good, text),
            CheckStatus::Fail => self.look.paint(Tone::Bad, text),
            CheckStatus::Warn | CheckStatus::Unknown => self.look.paint(Tone::Strong, text),
            CheckStatus::Skipped => text.to_owned(),
        }
    }

    fn remedy(&mut self, finding: &Finding) -> io::Result<()> {
        let title = format!("{}: {}", finding.subject, finding.check.what);
        writeln!(self.out, "{} {}", self.painted(finding.verdict), clean(&title))?;
        self.told("why", &finding.why)?;
        if let Some(remedy) = &finding.remedy {
            self.told("fix", remedy)?;
        }
        if let Some(source) = finding.check.source {
            self.told("source", source)?;
        }
        writeln!(self.out)
    }

    fn told(&mut self, label: &str, text: &str) -> io::Result<()> {
        for (n, line) in wrapped(&clean(text), TOLD_AT).iter().enumerate() {
            let label = match n {
                0 => format!("  {label}:"),
                _ => String::new(),
            };
            writeln!(self.out, "{label:TOLD_AT$}{line}")?;
        }
        Ok(())
    }
}

/// `1 fail, 2 warn, 30 pass`.
fn count(findings: &[Finding]) -> String {
    let mut counted = String::new();
    for verdict in CheckStatus::ALL {
        let of = findings.iter().filter(|finding| finding.verdict == verdict);
        let number = of.count();
        if number > 0 {
            let comma = if counted.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            if write!(counted, "{comma}{number} {}", verdict.as_str()).is_err() {
                break;
            }
        }
    }
    counted
}
