//! The caller of the check: identity, endpoints, clock and permissions.

use std::time::Duration;

use crate::preflight::finding::{Check, CheckFindings, Finding, Lines, Subject};
use writerlink_core::model::names::Location;
use writerlink_core::model::time::CLOCK_SKEW_MAX;
use writerlink_engine::ports::installation::{ClockReading, Facts, Right, RouteFacts, Seen, Unseen};
use writerlink_engine::ports::{CallError, ErrorKind};

const ENDPOINTS: Check =
    Check::aws("endpoints", "AWS SDKs and Tools Reference Guide, \"Service-specific endpoints\"");
const REGION: Check = Check::ours("Region");
const IDENTITY: Check = Check::aws("identity", "STS API reference, \"GetCallerIdentity\"");
const ACCOUNT: Check = Check::ours("account of the routes");
const CLOCK: Check = Check::ours("clock");

/// How far this clock may be from AWS's: half of the allowed difference of two workers' clocks, since one may
/// be fast and the other slow.
const SKEW_MAX: Duration = Duration::from_secs(CLOCK_SKEW_MAX.as_secs() / 2);

pub(super) fn judge(facts: &Facts, findings: &mut CheckFindings) {
    let mut lines = findings.about(Subject::Caller);
    endpoints(facts, &mut lines);
    region(facts, &mut lines);
    identity(facts, &mut lines);
    clock(&facts.identity.clock, &mut lines);
    for (right, seen) in &facts.rights {
        may(*right, seen, &mut lines);
    }
}

fn endpoints(facts: &Facts, lines: &mut Lines<'_>) {
    let endpoints = &facts.environment.endpoints;
    if endpoints.is_empty() {
        lines.pass(ENDPOINTS, "no variable replaces AWS's endpoints");
        return;
    }
    let set: Vec<String> = endpoints.iter().map(|(variable, url)| format!("{variable}={url}")).collect();
    lines.warn(
        ENDPOINTS,
        format!(
            "{}: these are not AWS's public endpoints, and the following lines are about them",
            set.join(", ")
        ),
        "unset the variable to check AWS; keep it for an AWS emulator or an interface endpoint of your own",
    );
}

/// Where something is, by its ARN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// `aws`, `aws-cn` …
    pub(super) partition: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn of(location: Location<'a>) -> Self {
        let Location { partition, account, region } = location;
        Self { partition, region, account }
    }
}

pub(super) fn place_of(arn: &str) -> Option<Place<'_>> {
    let mut parts = arn.split(':').skip(1);
    let partition = parts.next()?;
    let region = parts.nth(1)?;
    let account = parts.next()?;
    Some(Place { partition, region, account })
}

/// What an ARN is of, without its account and Region: those have lines of their own.
pub(super) fn name_of(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

fn elsewhere(facts: &Facts, here: impl Fn(Place<'_>) -> bool) -> impl Iterator<Item = &RouteFacts> {
    let routes = facts.routes.iter();
    routes.filter(move |route| is_elsewhere(route, &here))
}

/// Whether a group of the route is not here.
pub(super) fn is_elsewhere(route: &RouteFacts, here: impl Fn(Place<'_>) -> bool) -> bool {
    let arns = route.groups.iter().map(|group| group.arn.as_str());
    arns.filter_map(place_of).any(|place| !here(place))
}

fn named<'f>(routes: impl Iterator<Item = &'f RouteFacts>) -> String {
    let names: Vec<&str> = routes.map(|route| route.route.name.as_str()).collect();
    names.join(", ")
}

fn region(facts: &Facts, lines: &mut Lines<'_>) {
    let Some(region) = facts.environment.region.as_deref() else {
        lines.skipped(REGION, "the embedded simulation has no Regions", None);
        return;
    };
    let others = named(elsewhere(facts, |place| place.region == region));
    lines.found(REGION, format!("calls go to {region}")).require(others.is_empty(), &format!("the target groups of {others} are in another Region, so these calls do not find them"), "set AWS_REGION to the Region of the target groups, or correct their ARNs; one worker serves one Region");
}

/// The only finding if calls would go to another Region than that of the target groups: nothing is read then.
#[must_use]
pub fn other_region(calls: &str, groups: &str) -> Vec<Finding> {
    let mut findings = CheckFindings::default();
    let why = format!("calls would go to {calls}, and the target groups are in {groups}: nothing was read");
    let fix = format!(
        "set AWS_REGION={groups}, or correct the ARNs in the configuration; one worker serves one Region"
    );
    findings.about(Subject::Caller).fail(REGION, why, fix);
    findings.all
}

fn identity(facts: &Facts, lines: &mut Lines<'_>) {
    let arn = match &facts.identity.arn {
        Ok(arn) => arn,
        Err(Unseen::Refused(error)) if error.kind == ErrorKind::Denied => {
            // The one call that no policy can deny, so it is the credentials.
            lines.fail(
                IDENTITY,
                error.to_string(),
                "use valid credentials: `aws sts get-caller-identity` has to succeed",
            );
            return;
        }
        // A subnet without an STS endpoint cannot reach STS alone. If the queue is unreachable too, nothing
        // is reachable.
        Err(Unseen::Refused(error)) if is_out_of_reach(error) && queue_is_too(facts) => {
            lines.fail(
                IDENTITY,
                format!("nothing answers: {error}"),
                "let this machine reach AWS's endpoints (network, name servers, AWS_ENDPOINT_URL, AWS_REGION): nothing else could be read",
            );
            return;
        }
        Err(unseen) => return lines.unseen(IDENTITY, unseen),
    };
    lines.pass(IDENTITY, arn.as_str());
    let account = place_of(arn).unwrap_or_default().account;
    let others = named(elsewhere(facts, |place| place.account == account));
    lines.found(ACCOUNT, format!("the caller belongs to {account}")).require(
        others.is_empty(),
        &format!("the target groups of {others} are in another account, so these calls do not find them"),
        "use credentials of the account of the target groups, or correct their ARNs",
    );
}

fn is_out_of_reach(error: &CallError) -> bool {
    error.kind == ErrorKind::Unreachable
}

/// Then its failure is explained by this one.
fn queue_is_too(facts: &Facts) -> bool {
    matches!(&facts.queue, Err(Unseen::Told(_)))
}

fn clock(clock: &Seen<ClockReading>, lines: &mut Lines<'_>) {
    let Some(reading) = lines.read(CLOCK, clock) else { return };
    let apart = apart(reading);
    let found = format!("{} from AWS's", shown(apart));
    if apart <= SKEW_MAX {
        lines.pass(CLOCK, found);
        return;
    }
    lines.warn(
        CLOCK,
        format!("{found}: taking over a lease requires clocks within {} of the true time", shown(SKEW_MAX)),
        "let this machine's clock follow a time server (on AWS: chrony with 169.254.169.123)",
    );
}

/// The least that the two clocks can be apart: `Date` has whole seconds, and was written at some time during
/// the call.
fn apart(reading: &ClockReading) -> Duration {
    let second = Duration::from_secs(1);
    let early = reading.before.since(reading.said.plus(second));
    let late = reading.said.since(reading.after);
    early.max(late)
}

fn shown(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

const READ_STATE: Check = Check::ours("may read the state");
const READ_AUDIT: Check = Check::ours("may read the audit");
const READ_BY_DAY: Check = Check::ours("may read the audit by day");
const READ_BY_EVENT: Check = Check::ours("may read the audit by event");
const UPDATE_STATE: Check = Check::ours("may take a lease");
const INSERT_STATE: Check = Check::ours("may enter an event");
const APPEND_AUDIT: Check = Check::ours("may append a record");
const CHANGE_AUDIT: Check = Check::aws(
    "may change no record",
    "DynamoDB developer guide, \"IAM security policies with PartiQL for DynamoDB\"",
);

/// The check of a right, and the action that it takes.
fn of_right(right: Right) -> (Check, &'static str) {
    match right {
        Right::ReadState => (READ_STATE, "dynamodb:GetItem on the state table"),
        Right::ReadAudit => (READ_AUDIT, "dynamodb:Query on the audit table"),
        Right::ReadAuditByDay => (READ_BY_DAY, "dynamodb:Query on the index by-day"),
        Right::ReadAuditByEvent => (READ_BY_EVENT, "dynamodb:Query on the index by-event"),
        Right::UpdateState => (UPDATE_STATE, "dynamodb:PartiQLUpdate on the state table"),
        Right::InsertState => (INSERT_STATE, "dynamodb:PartiQLInsert on the state table"),
        Right::AppendAudit => (APPEND_AUDIT, "dynamodb:PartiQLInsert on the audit table"),
        Right::ChangeAudit => (CHANGE_AUDIT, "dynamodb:PartiQLUpdate on the audit table"),
    }
}

fn may(right: Right, seen: &Seen<()>, lines: &mut Lines<'_>) {
    let (check, action) = of_right(right);
    let denied = matches!(seen, Err(Unseen::Refused(error)) if error.kind == ErrorKind::Denied);
    match (right, seen) {
        (Right::ChangeAudit, Ok(())) => lines.warn(
            check,
            format!("the caller has {action}: it could change records"),
            "take it away, or put the table policy AppendOnly of infra/writerlink.yaml on the audit table",
        ),
        (Right::ChangeAudit, Err(_)) if denied => lines.pass(check, "tried, and refused"),
        (_, Ok(())) => lines.pass(check, format!("has {action}")),
        (_, Err(Unseen::Refused(error))) if denied => lines.warn(
            check,
            format!("{error}; operators and the worker need {action}"),
            "run check with the operator's role; with a role that only reads, use --read-only",
        ),
        (_, Err(unseen)) => lines.unseen(check, unseen),
    }
}
