//! What each role may do, against what the code asks for: nothing missing, nothing unused.

use std::collections::BTreeSet;
use std::process::Command;

use clap::CommandFactory as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use writerlink::cli::args::Args;

use crate::check::in_front;
use crate::policy::{Context, Decision, Policy, matches};
use crate::recorder::{Call, Recorder};
use crate::stacks::{ROUTE, Stacks};
use crate::trial::{Background, NEW, OLD, Said, Trial, completed, said};

/// Granted, and asked for by code that is still to come. A line goes when its code comes: the test fails on one that is
/// not needed any more.
const PENDING: &[(&str, &str, &str)] = &[];

/// Granted for what this test does not bring about, each with its reason.
const NOT_SEEN_HERE: &[(&str, &str, &str, &str)] = &[
    (
        "worker",
        "dynamodb:BatchGetItem",
        "*:table/writerlink-state",
        "the timer reads the states of five routes or more together, and here are fewer",
    ),
    ("operator", "sqs:ReceiveMessage", "*", "a person reads dead letters with the AWS CLI (docs/runbook.md)"),
    ("operator", "sqs:DeleteMessage", "*", "and deletes them once they are dealt with"),
];

/// Asked for to be refused: `check` sees by it that records cannot be changed.
const ASKED_TO_BE_REFUSED: &[(&str, &str, &str)] =
    &[("operator", "dynamodb:PartiQLUpdate", "*:table/writerlink-audit")];

/// Asked for, and allowed to everybody, even where a policy denies it (STS API reference, `GetCallerIdentity`).
const NEEDS_NO_PERMISSION: &[&str] = &["sts:GetCallerIdentity"];

/// What asking SQS and DynamoDB for encrypted things makes them ask KMS for, in the caller's name. It is never on
/// our wire.
const IMPLIED: &[(&str, &str)] = &[
    ("sqs:SendMessage", "kms:GenerateDataKey"),
    ("sqs:SendMessage", "kms:Decrypt"),
    ("sqs:ReceiveMessage", "kms:Decrypt"),
    ("dynamodb:GetItem", "kms:Decrypt"),
    ("dynamodb:Query", "kms:Decrypt"),
    ("dynamodb:PartiQLInsert", "kms:Decrypt"),
    ("dynamodb:PartiQLUpdate", "kms:Decrypt"),
];

/// The trial's commands, run through a recorder.
struct Recorded<'a> {
    trial: &'a Trial,
    recorder: Recorder,
}

impl<'a> Recorded<'a> {
    fn new(trial: &'a Trial) -> Self {
        let recorder = Recorder::start(trial.account());
        Self { trial, recorder }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.trial.command(line);
        command.env("AWS_ENDPOINT_URL", self.recorder.endpoint());
        command
    }

    fn says(&self, line: &str) -> Said {
        said(&mut self.command(line))
    }

    fn does(&self, line: &str) -> Said {
        let said = self.says(line);
        assert_eq!(said.code, 0, "{line}: {}{}", said.out, said.err);
        said
    }
}

/// The worker, from a failover to a dead letter, and its timer without any event.
async fn as_worker(trial: &Trial) -> BTreeSet<Call> {
    let recorded = Recorded::new(trial);
    trial.send(ROUTE, &completed(ROUTE, 2, 1)).await;
    trial.send(ROUTE, "no event at all").await;
    // The second route's group does not exist, so its attempt fails, and comes back until it is a dead letter.
    trial.send("lost", &completed("lost", 2, 1)).await;
    for other in [ASKS, WEIGHTED] {
        trial.send(other, &completed(other, 2, 1)).await;
    }
    let log = recorded.does("run --drain --log json");
    assert_eq!(trial.group_holds().await, [NEW], "{}", log.err);
    for outcome in ["Moved", "Failed"] {
        let with = |line: &Value| line["outcome"] == outcome;
        assert!(log.log().iter().any(with), "no {outcome}: {}", log.err);
    }
    let worker = Background::start(&mut recorded.command("run --log json"));
    // Of the route that asks RDS about a cluster that is not there.
    worker.wait_for("\"event\":\"drift-detected\"");
    let page = read_page(trial.health_port(), "/").await;
    let (_, link) = page.split_once("href=\"/transitions/").unwrap();
    let (id, _) = link.split_once('"').unwrap();
    read_page(trial.health_port(), &format!("/transitions/{id}")).await;
    worker.signal("-TERM");
    assert_eq!(worker.ends().0, Some(0));
    recorded.recorder.calls()
}

/// What the worker shows at a path, all of which it could read.
async fn read_page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    page
}

/// Whoever asks: every command that reads.
fn as_reader(trial: &Trial) -> BTreeSet<Call> {
    let recorded = Recorded::new(trial);
    recorded.does("plan aurora-source");
    let failover = trial.sample_path("aurora-failover-started.eventbridge");
    recorded.does(&format!("plan --event {failover}"));
    recorded.does(&format!("explain {failover}"));
    recorded.does("status");
    for other in [ASKS, WEIGHTED] {
        let event = trial.file_with(&completed(other, 2, 5));
        // RDS and the load balancer know nothing of them; what counts is that they are asked.
        recorded.says(&format!("plan --event {event}"));
    }
    recorded.does("audit list");
    let list = recorded.does("audit list --route aurora-source --output json").json();
    let key = list["records"][0]["event_key"].as_str().unwrap();
    recorded.does(&format!("audit show {key}"));
    recorded.does(&format!("explain {key}"));
    recorded.does("audit show aurora-source/1");
    recorded.does("audit list --route aurora-source --until 1s");
    recorded.does("audit verify");
    recorded.does("audit verify aurora-source --from 2");
    recorded.does("audit export --all --since 1h");
    let tail = Background::start(&mut recorded.command("audit tail --since 1h"));
    tail.wait_for("following");
    tail.signal("-INT");
    assert_eq!(tail.ends().0, Some(0));
    // With routes whose groups are not there it ends with 1; what counts is what is asked.
    recorded.says("check --read-only");
    recorded.recorder.calls()
}

/// Whoever acts by hand.
fn as_operator(trial: &Trial) -> BTreeSet<Call> {
    let recorded = Recorded::new(trial);
    let back = trial.file_with(&completed(ROUTE, 1, 2));
    recorded.does(&format!("replay {back}"));
    for order in [
        "swap aurora-source --to aurora-source-instance-2",
        "pin aurora-source --to aurora-source-instance-1",
        "unpin aurora-source",
        "pause aurora-source",
        "resume aurora-source",
        "ack aurora-source",
        "freeze",
        "unfreeze",
        "adopt aurora-source",
    ] {
        recorded.does(&format!("{order} --reason drill --yes"));
    }
    recorded.says("check");
    let mut calls = recorded.recorder.calls();
    calls.extend(as_reader(trial));
    calls
}

/// A route that asks RDS for every address.
const ASKS: &str = "asks";

/// A route that moves the weights of a listener.
const WEIGHTED: &str = "weighted";

/// A trial on the templates' own queue and tables, with a second route whose group is not there, one that asks RDS, and
/// one that is weighted.
async fn trial_on_the_stacks() -> (Trial, Stacks) {
    let trial = Trial::bare(&[ROUTE, "lost"]).await;
    let stacks = Stacks::deployed_for(&trial);
    trial.without_group(1).await;
    // Whoever checks looks at the load balancer too.
    in_front(&trial).await;
    trial.with_setting("max_attempts = 2");
    let of_elb = |what: &str| {
        let account = trial.account().id();
        format!("arn:aws:elasticloadbalancing:us-east-1:{account}:{what}")
    };
    let group = |name: &str| of_elb(&format!("targetgroup/{name}/73e2d6bc24d8a067"));
    trial.with_table(&format!(
        "[reconcile]\ninterval_seconds = 5\n\
         [[route]]\nsource = \"{ASKS}\"\ndiscovery = \"rds\"\ntarget_group = \"{}\"\nallowed_cidrs = [\"10.0.0.0/8\"]\n\
         [[route]]\nsource = \"{WEIGHTED}\"\nstrategy = \"weighted\"\nlistener = \"{}\"\n\
         [route.target_groups]\n{WEIGHTED}-instance-1 = \"{}\"\n{WEIGHTED}-instance-2 = \"{}\"\n\
         [route.instances]\n{WEIGHTED}-instance-1 = \"{OLD}\"\n{WEIGHTED}-instance-2 = \"{NEW}\"\n",
        group(ASKS),
        of_elb("listener/net/weighted/50dc6c495c0c9188/f2f7dc8efc522ab2"),
        group("weighted-1"),
        group("weighted-2"),
    ));
    (trial, stacks)
}

fn context() -> Context {
    Context::from([
        ("aws:RequestedRegion", "us-east-1".to_owned()),
        ("kms:ViaService", "sqs.us-east-1.amazonaws.com".to_owned()),
        ("aws:PrincipalIsAWSService", "false".to_owned()),
        ("aws:SecureTransport", "true".to_owned()),
    ])
}

#[tokio::test]
async fn every_role_has_what_the_code_asks_for_and_nothing_that_it_does_not() {
    let (trial, stacks) = trial_on_the_stacks().await;
    let lost = trial.groups[1].clone();
    let worker = as_worker(&trial).await;
    // The lost group has no stack, so no permission either; that it is asked for is what the test arranged.
    let worker = worker.into_iter().filter(|(_, on)| *on != lost).collect();
    let reader = as_reader(&trial);
    let operator = as_operator(&trial);
    assert_eq!(trial.group_holds().await, [OLD]);
    let mut wrong = Vec::new();
    for (role, calls) in [("worker", worker), ("reader", reader), ("operator", operator)] {
        wrong.extend(missing(role, &stacks, &calls));
        wrong.extend(unused(role, &stacks.role(role), &calls));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a role asks for and may not, by its own policies and by those of tables and queues.
fn missing(role: &str, stacks: &Stacks, calls: &BTreeSet<Call>) -> Vec<String> {
    let to_be_refused = |action: &str, on: &str| {
        let is =
            |(who, what, place): &&(&str, &str, &str)| *who == role && *what == action && matches(place, on);
        ASKED_TO_BE_REFUSED.iter().any(|asked| is(&asked))
    };
    let denied = |(action, on): &&Call| {
        let free = NEEDS_NO_PERMISSION.contains(&action.as_str());
        let allowed = stacks.may(role, action, on, &context());
        allowed == to_be_refused(action, on) && !free
    };
    let say = |(action, on): &Call| {
        let may = if to_be_refused(action, on) { "may" } else { "may not" };
        format!("{role} asks for {action} on {on} and {may}")
    };
    let mut wrong: Vec<String> = calls.iter().filter(denied).map(say).collect();
    let policy = stacks.role(role);
    for (asked, implied) in IMPLIED {
        let asked_for = calls.iter().any(|(action, _)| action == asked);
        let granted = policy.grants().iter().any(|(action, _)| action == implied);
        if asked_for && !granted {
            wrong.push(format!("{role} asks for {asked}, which needs {implied}"));
        }
    }
    wrong
}

fn unused(role: &str, policy: &Policy, calls: &BTreeSet<Call>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (action, on) in policy.grants() {
        let used = calls.iter().any(|(a, o)| matches(&action, a) && matches(&on, o));
        let excused = excuses(role).any(|(a, o)| a == action && matches(o, &on));
        if used && excused {
            wrong.push(format!("{role}: {action} on {on} is asked for now; take it off its list"));
        }
        if !used && !excused && !is_implied(role, &action, calls) {
            wrong.push(format!("{role} may {action} on {on}, and nothing asks for it"));
        }
    }
    wrong
}

/// What the lists excuse of a role. The operator has what the reader has.
fn excuses(role: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is = move |of: &str| of == role || (role == "operator" && of == "reader");
    let pending = PENDING.iter().map(|(role, action, on)| (*role, *action, *on));
    let others = NOT_SEEN_HERE.iter().map(|(role, action, on, _)| (*role, *action, *on));
    pending.chain(others).filter(move |(role, ..)| is(role)).map(|(_, action, on)| (action, on))
}

fn is_implied(role: &str, action: &str, calls: &BTreeSet<Call>) -> bool {
    // The dead letters that an operator reads by hand are encrypted.
    let by_hand = role == "operator" && action == "kms:Decrypt";
    let by_call = |(asked, implied): &(&str, &str)| {
        *implied == action && calls.iter().any(|(action, _)| action == asked)
    };
    by_hand || IMPLIED.iter().any(by_call)
}

#[tokio::test]
async fn no_line_of_the_lists_outlives_its_permission() {
    let trial = Trial::bare(&[ROUTE]).await;
    let stacks = Stacks::deployed_for(&trial);
    for role in ["worker", "reader", "operator"] {
        let grants = stacks.role(role).grants();
        for (action, on) in excuses(role) {
            let granted = grants.iter().any(|(a, o)| a == action && matches(on, o));
            assert!(granted, "{role} has no {action} on {on} any more");
        }
    }
}

/// A command that is run by none of the functions above would make the comparison say less than it seems to.
#[test]
fn every_command_is_run_by_somebody_or_asks_aws_for_nothing() {
    let run = [
        "run",
        "plan",
        "status",
        "explain",
        "check",
        "audit list",
        "audit show",
        "audit verify",
        "audit export",
        "audit tail",
        "replay",
        "swap",
        "pin",
        "unpin",
        "pause",
        "resume",
        "ack",
        "freeze",
        "unfreeze",
        "adopt",
        "setup",
    ];
    let ask_nothing =
        ["demo", "config check", "config init", "healthcheck", "man", "completions", "relay config"];
    let known: BTreeSet<String> = run.into_iter().chain(ask_nothing).map(str::to_owned).collect();
    let mut there = BTreeSet::new();
    for command in Args::command().get_subcommands() {
        let name = command.get_name();
        let below: Vec<String> =
            command.get_subcommands().map(|below| format!("{name} {}", below.get_name())).collect();
        there.extend(if below.is_empty() { vec![name.to_owned()] } else { below });
    }
    assert_eq!(there, known);
}

#[tokio::test]
async fn a_weighted_route_may_modify_its_listener_and_never_deregister() {
    let trial = Trial::bare(&[ROUTE, "other"]).await;
    let account = trial.account().id();
    let listener = format!(
        "arn:aws:elasticloadbalancing:us-east-1:{account}:listener/net/orders/50dc6c495c0c9188/f2f7dc8efc522ab2"
    );
    let group = |n: u32| {
        format!("arn:aws:elasticloadbalancing:us-east-1:{account}:targetgroup/orders-{n}/73e2d6bc24d8a067")
    };
    let groups = format!("{},{}", group(1), group(2));
    let grants = json!({"ListenerArns": listener, "InstanceGroupArns": groups});
    let stacks = Stacks::deployed(&trial, &grants);
    for role in ["worker", "operator"] {
        let may = |action: &str, on: &str| {
            let action = format!("elasticloadbalancing:{action}");
            stacks.role(role).decide(&action, on, &context()) == Decision::Allowed
        };
        assert!(may("ModifyListener", &listener), "{role}");
        assert!(!may("ModifyListener", &format!("{listener}0")), "{role}");
        for n in 1..=2 {
            assert!(may("RegisterTargets", &group(n)), "{role}");
            assert!(!may("DeregisterTargets", &group(n)), "{role}");
        }
        assert!(!may("RegisterTargets", &group(3)), "{role}");
    }
}

/// `setup` is for a trial account and for nobody's role; docs/try.md names what it needs.
#[tokio::test]
async fn setup_asks_for_what_try_md_says_and_no_more() {
    let trial = Trial::bare(&[ROUTE]).await;
    let recorded = Recorded::new(&trial);
    recorded.does("setup");
    recorded.does("setup");
    let asked: BTreeSet<String> = recorded.recorder.calls().into_iter().map(|(a, _)| a).collect();
    let documented: BTreeSet<String> = [
        "dynamodb:CreateTable",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:UpdateTimeToLive",
        "sqs:CreateQueue",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(asked, documented);
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/try.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, of_setup) = page.split_once("For a trial `writerlink setup`").unwrap();
    let of_setup = of_setup.split("\n\n").next().unwrap();
    for action in documented {
        let (_, operation) = action.split_once(':').unwrap();
        assert!(of_setup.contains(operation), "docs/try.md: {action}");
    }
}
