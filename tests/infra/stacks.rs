//! The templates, read or deployed by `stacks.py`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::policy::{Context, Decision, Policy};
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

/// What the templates come to with these parameters, by template and resource, nothing deployed.
pub(crate) fn resolved(parameters: &Value) -> Value {
    python(&["resolve"], &parameters.to_string())
}

/// The parameters that have no default, of the templates that every installation has.
pub(crate) fn parameters(account: &str) -> Value {
    let role = |name: &str| format!("arn:aws:iam::{account}:role/{name}");
    json!({
        "writerlink": {
            "Image": IMAGE,
            "VpcId": "vpc-12345678",
            "SubnetIds": "subnet-12345678,subnet-87654321",
            "DeploymentPrincipalArns": role(DEPLOYMENT),
            "BreakGlassPrincipalArn": role("security"),
        },
        "people": {"OperatorPrincipalArn": role("on-call")},
    })
}

/// The role that deploys.
pub(crate) const DEPLOYMENT: &str = "deployment";

/// What deploying the stacks came to.
pub(crate) struct Stacks(pub(crate) Value);

impl Stacks {
    /// Deploys the stacks of an installation without a running task, and those of the trial's first route, into the
    /// trial's account. The queue and the tables are then the templates' and not those of `writerlink setup`.
    pub(crate) fn deployed_for(trial: &Trial) -> Self {
        Self::deployed(trial, &json!({"TargetGroupArns": trial.groups[0]}))
    }

    /// The same with what the route may move.
    pub(crate) fn deployed(trial: &Trial, grants: &Value) -> Self {
        let account = trial.account().id();
        let mut parameters = parameters(account);
        parameters["grants"] = grants.clone();
        parameters["route"] = json!({"RouteName": ROUTE, "SourceArn": source_arn(trial)});
        let endpoint = Ministack::shared().endpoint();
        Self(python(&["deploy", &endpoint, account], &parameters.to_string()))
    }

    /// A role, by what it is for.
    pub(crate) fn role(&self, role: &str) -> Policy {
        Policy::of(&self.0["roles"][&role_name(role)])
    }

    /// Whether a role may, by its own policies and by the one of what it is asked on.
    pub(crate) fn may(&self, role: &str, action: &str, on: &str, context: &Context) -> bool {
        let account = self.0["account"].as_str().unwrap();
        let arn = format!("arn:aws:iam::{account}:role/{}", role_name(role));
        let mut context = context.clone();
        context.insert("aws:PrincipalArn", arn);
        let own = self.role(role);
        let decision = match self.policy_of(on) {
            Some(policy) => own.decide_with(&policy, action, on, &context),
            None => own.decide(action, on, &context),
        };
        decision == Decision::Allowed
    }

    /// The policy of a table or queue.
    fn policy_of(&self, arn: &str) -> Option<Policy> {
        let name = arn.rsplit(':').next()?;
        if let Some(table) = name.strip_prefix("table/writerlink-") {
            return self.0["tables"].get(table).map(Policy::of);
        }
        let text = self.0["queues"].get(name)?["Policy"].as_str()?;
        Some(Policy::of(&serde_json::from_str(text).unwrap()))
    }
}

/// The name of a role, by what it is for.
pub(crate) fn role_name(role: &str) -> String {
    format!("writerlink-{role}-us-east-1")
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
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "stacks.py {arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}
