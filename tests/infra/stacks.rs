//! The templates, read or deployed by `stacks.py`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::policy::Policy;
use crate::support::ministack::Ministack;
use crate::trial::Trial;

/// The route of the deployed stack, whose source is the first one of the trial.
pub(crate) const ROUTE: &str = "aurora-source";

/// The image is never pulled; what counts is that the parameter's pattern takes it.
const IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/writerlink@sha256:\
                     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Every template of infra/ by its file name, in the long form of its intrinsic functions.
pub(crate) fn templates() -> Value {
    python(&["read"], "")
}

/// What deploying the two stacks came to.
pub(crate) struct Stacks(pub(crate) Value);

impl Stacks {
    /// Deploys the worker's stack without a running task, and the stack of the trial's first route, into the
    /// trial's account. The queue and the tables are then the templates' and not those of `writerlink setup`.
    pub(crate) fn deployed_for(trial: &Trial) -> Self {
        Self::deployed(trial, &trial.groups[0], "")
    }

    /// The same with a route that moves this, and whose instances have groups of their own, by their ARNs.
    pub(crate) fn deployed(trial: &Trial, moves_arn: &str, instance_groups: &str) -> Self {
        let account = trial.account().id();
        let parameters = json!({
            "writerlink": {
                "Image": IMAGE,
                "VpcId": "vpc-12345678",
                "SubnetIds": "subnet-12345678,subnet-87654321",
                "BreakGlassPrincipalArn": format!("arn:aws:iam::{account}:role/security"),
            },
            "route": {
                "RouteName": ROUTE,
                "SourceArn": source_arn(trial),
                "MovesArn": moves_arn,
                "InstanceGroupArns": instance_groups,
            },
        });
        let endpoint = Ministack::shared().endpoint();
        Self(python(
            &["deploy", &endpoint, account],
            &parameters.to_string(),
        ))
    }

    /// A role of the worker's stack, by what it is for.
    pub(crate) fn role(&self, role: &str) -> Policy {
        let name = format!("writerlink-{role}-us-east-1");
        Policy::of(&self.0["roles"][&name])
    }
}

/// What the route's rule lets through.
pub(crate) fn source_arn(trial: &Trial) -> String {
    let account = trial.account().id();
    format!("arn:aws:rds:us-east-1:{account}:cluster:{ROUTE}")
}

fn python(arguments: &[&str], input: &str) -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut child = Command::new(format!("{root}/.venv/bin/python"))
        .arg(format!("{root}/tests/infra/stacks.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run `make venv` first");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "stacks.py {arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).unwrap()
}
