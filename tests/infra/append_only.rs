//! Who may write, change and take away what an installation is made of, whatever an identity's own policy allows.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::policy::{Context, Decision, Policy};
use crate::stacks::{ROUTE, Stacks, parameters, resolved, role_name, templates};
use crate::trial::Trial;

const ACCOUNT: &str = "123456789012";

/// Every principal that there is something to say about. The administrator stands for whoever may do everything.
const ROLES: [&str; 5] = ["worker", "reader", "operator", "execution", "break-glass"];
const OTHERS: [&str; 3] = ["deployment", "root", "administrator"];

/// A resource with its policy, the actions that are guarded, and who is not denied them.
type Guarded = (&'static str, &'static [&'static str], &'static [&'static str]);

const GUARDED: &[Guarded] = &[
    // PutItem and BatchWriteItem can overwrite a row.
    (
        "AuditTable",
        &[
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:PartiQLUpdate",
            "dynamodb:PartiQLDelete",
            "dynamodb:DeleteTable",
        ],
        &["break-glass"],
    ),
    // INSERT fails on a key that exists.
    ("AuditTable", &["dynamodb:PartiQLInsert"], &["worker", "operator", "break-glass"]),
    ("AuditTable", SETTINGS, DEPLOYERS),
    ("StateTable", &["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"], &["worker", "operator"]),
    // By PutItem only a relay's report can be written (`only_reports_of_relays_can_be_put`).
    ("StateTable", &["dynamodb:PutItem"], &[]),
    (
        "StateTable",
        &[
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:PartiQLDelete",
            "dynamodb:DeleteTable",
        ],
        &["break-glass"],
    ),
    ("StateTable", SETTINGS, DEPLOYERS),
    ("Queue", ATTRIBUTES, DEPLOYERS),
    ("DeadLetterQueue", ATTRIBUTES, DEPLOYERS),
    ("RuleDeadLetterQueue", ATTRIBUTES, DEPLOYERS),
    ("Key", &["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy"], DEPLOYERS),
];

/// What changes a table or takes its protection away. A TTL deletes rows by itself; without backups nothing brings them back.
const SETTINGS: &[&str] = &[
    "dynamodb:UpdateTable",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTimeToLive",
    "dynamodb:PutResourcePolicy",
    "dynamodb:DeleteResourcePolicy",
];

/// The same of a queue.
const ATTRIBUTES: &[&str] = &[
    "sqs:PurgeQueue",
    "sqs:DeleteQueue",
    "sqs:SetQueueAttributes",
    "sqs:AddPermission",
    "sqs:RemovePermission",
];

/// The root user is the way back when the deployment's role is gone.
const DEPLOYERS: &[&str] = &["deployment", "root"];

/// What guarded resources stay open for: a policy that denied everything would pass the table above.
const OPEN: &[(&str, &str)] = &[
    ("AuditTable", "dynamodb:Query"),
    ("AuditTable", "dynamodb:GetItem"),
    ("AuditTable", "dynamodb:RestoreTableToPointInTime"),
    ("StateTable", "dynamodb:GetItem"),
    ("StateTable", "dynamodb:DescribeTable"),
    ("Queue", "sqs:GetQueueAttributes"),
    ("DeadLetterQueue", "sqs:ReceiveMessage"),
    ("Key", "kms:Decrypt"),
    ("Key", "kms:EnableKey"),
    ("Key", "kms:CancelKeyDeletion"),
];

/// Everything that an installation with one route is made of.
fn installation(mut with: Value) -> Value {
    with["grants"] = json!({"TargetGroupArns": format!("arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:targetgroup/orders/73e2d6bc24d8a067")});
    with["route"] = json!({"RouteName": "orders", "SourceArn": format!("arn:aws:rds:us-east-1:{ACCOUNT}:cluster:orders")});
    resolved(&with)
}

/// The policy of a resource, and the ARN that its statements are about.
fn guard(made: &Value, resource: &str) -> (Policy, String) {
    let document = match resource {
        "RuleDeadLetterQueue" => &made["route"]["RuleDeadLetterQueuePolicy"]["PolicyDocument"],
        "Key" => &made["writerlink"]["Key"]["KeyPolicy"],
        "Queue" | "DeadLetterQueue" => &made["writerlink"][format!("{resource}Policy")]["PolicyDocument"],
        table => &made["writerlink"][table]["ResourcePolicy"]["PolicyDocument"],
    };
    let arn = match resource {
        "AuditTable" => format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/writerlink-audit"),
        "StateTable" => format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/writerlink-state"),
        "Queue" => format!("arn:aws:sqs:us-east-1:{ACCOUNT}:writerlink.fifo"),
        "DeadLetterQueue" => format!("arn:aws:sqs:us-east-1:{ACCOUNT}:writerlink-dlq.fifo"),
        "RuleDeadLetterQueue" => {
            format!("arn:aws:sqs:us-east-1:{ACCOUNT}:writerlink-orders-rule-dlq")
        }
        key => format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}"),
    };
    (Policy::of(document), arn)
}

/// The request of a principal of the account.
fn request_of(who: &str) -> Context {
    let name = match who {
        "root" => "root".to_owned(),
        role if ROLES.contains(&role) => format!("role/{}", role_name(role)),
        other => format!("role/{other}"),
    };
    Context::from([
        ("aws:PrincipalArn", format!("arn:aws:iam::{ACCOUNT}:{name}")),
        ("aws:PrincipalIsAWSService", "false".to_owned()),
        ("aws:SecureTransport", "true".to_owned()),
        ("aws:RequestedRegion", "us-east-1".to_owned()),
        ("dynamodb:LeadingKeys", "route#orders".to_owned()),
    ])
}

/// Who may, of those who have every permission of their own.
fn not_denied(made: &Value, resource: &str, action: &str) -> BTreeSet<&'static str> {
    let (policy, arn) = guard(made, resource);
    let own = Policy::of(&json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}));
    let may = |who: &&str| own.decide_with(&policy, action, &arn, &request_of(who)) == Decision::Allowed;
    ROLES.into_iter().chain(OTHERS).filter(may).collect()
}

#[test]
fn a_guarded_call_is_left_to_those_whom_it_is_for() {
    let made = installation(parameters(ACCOUNT));
    let everybody: BTreeSet<&str> = ROLES.into_iter().chain(OTHERS).collect();
    let mut wrong = Vec::new();
    let mut expect = |resource: &str, action: &str, who: BTreeSet<&str>| {
        let found = not_denied(&made, resource, action);
        if found != who {
            wrong.push(format!("{action} on {resource}: {found:?} may, not {who:?}"));
        }
    };
    for (resource, actions, who) in GUARDED {
        for action in *actions {
            expect(resource, action, who.iter().copied().collect());
        }
    }
    for (resource, action) in OPEN {
        expect(resource, action, everybody.clone());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_reports_of_relays_can_be_put() {
    let made = installation(parameters(ACCOUNT));
    let (policy, arn) = guard(&made, "StateTable");
    let own = Policy::of(&json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}));
    let put = |key: &str| {
        let mut request = request_of("worker");
        request.insert("dynamodb:LeadingKeys", key.to_owned());
        own.decide_with(&policy, "dynamodb:PutItem", &arn, &request)
    };
    assert_eq!(put("relay#07"), Decision::Allowed);
    assert_eq!(put("route#orders"), Decision::Denied);
    assert_eq!(put("event#1"), Decision::Denied);
}

#[test]
fn without_a_break_glass_principal_there_is_no_exception_at_all() {
    let mut without = parameters(ACCOUNT);
    without["writerlink"]["BreakGlassPrincipalArn"] = json!("");
    let made = installation(without);
    assert!(made["writerlink"].get("BreakGlassRole").is_none());
    let text = made.to_string();
    assert!(!text.contains("break-glass"), "{text}");
    for (resource, actions, who) in GUARDED {
        for action in *actions {
            let mut who: BTreeSet<&str> = who.iter().copied().collect();
            who.remove("break-glass");
            assert_eq!(not_denied(&made, resource, action), who, "{action} on {resource}");
        }
    }
}

/// An empty or wildcard exception would be one for nobody or for everybody.
#[test]
fn every_exception_is_the_whole_arn_of_a_principal() {
    for glass in ["", "arn:aws:iam::123456789012:user/security"] {
        let mut with = parameters(ACCOUNT);
        with["writerlink"]["BreakGlassPrincipalArn"] = json!(glass);
        let mut found = 0;
        each_of(&installation(with), "aws:PrincipalArn", &mut |value| {
            let one = value.is_string().then(|| vec![value.clone()]);
            let list = value.as_array().cloned().or(one).unwrap();
            assert!(!list.is_empty());
            for arn in list {
                let arn = arn.as_str().unwrap();
                let of_account = format!("arn:aws:iam::{ACCOUNT}:");
                assert!(arn.starts_with(&of_account) && !arn.contains('*'), "{arn:?}");
                found += 1;
            }
        });
        assert!(found > 15, "{found}");
    }
}

/// Calls with each value under a key, wherever it stands.
fn each_of(node: &Value, key: &str, call: &mut impl FnMut(&Value)) {
    match node {
        Value::Object(map) => {
            for (name, value) in map {
                if name == key {
                    call(value);
                }
                each_of(value, key, call);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| each_of(value, key, call)),
        _ => {}
    }
}

/// Credentials of a role carry no MFA into the next one, so for a role the condition would lock everybody out.
#[test]
fn a_user_takes_a_role_of_people_with_mfa_alone_and_a_role_without() {
    for (kind, mfa) in [("user", true), ("role", false)] {
        let mut with = parameters(ACCOUNT);
        let principal = format!("arn:aws:iam::{ACCOUNT}:{kind}/path/alice");
        with["writerlink"]["BreakGlassPrincipalArn"] = json!(principal);
        with["people"]["OperatorPrincipalArn"] = json!(principal);
        let made = resolved(&with);
        for role in [&made["writerlink"]["BreakGlassRole"], &made["people"]["OperatorRole"]] {
            let statement = &role["AssumeRolePolicyDocument"]["Statement"][0];
            assert_eq!(statement["Principal"]["AWS"], principal);
            let asked = statement["Condition"]["Bool"]["aws:MultiFactorAuthPresent"] == "true";
            assert_eq!(asked, mfa, "{kind}: {role}");
        }
    }
}

/// KMS takes no policy from whom it would lock out, so one role cannot follow another in a single step.
#[test]
fn two_roles_may_deploy_while_one_follows_the_other() {
    let mut with = parameters(ACCOUNT);
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    with["writerlink"]["DeploymentPrincipalArns"] =
        json!(format!("{},{}", role("deployment"), role("administrator")));
    let made = installation(with);
    let both = BTreeSet::from(["deployment", "administrator", "root"]);
    for (resource, actions, _) in GUARDED.iter().filter(|(_, _, who)| *who == DEPLOYERS) {
        for action in *actions {
            let found = not_denied(&made, resource, action);
            assert_eq!(found, both, "{action} on {resource}");
        }
    }
}

#[test]
fn who_deploys_and_who_operates_has_to_be_said() {
    let templates = templates();
    for (template, parameter) in
        [("writerlink.yaml", "DeploymentPrincipalArns"), ("people.yaml", "OperatorPrincipalArn")]
    {
        let parameter = &templates[template]["Parameters"][parameter];
        assert!(parameter["Default"].is_null(), "{parameter}");
        let pattern = parameter["AllowedPattern"].as_str().unwrap();
        assert!(!pattern.contains(")?$"), "{pattern} takes nothing");
    }
}

#[test]
fn the_operator_clears_the_dead_letters_of_a_rule_and_no_other_role_does() {
    let made = installation(parameters(ACCOUNT));
    let (policy, arn) = guard(&made, "RuleDeadLetterQueue");
    for role in ROLES {
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage"] {
            let decision = policy.decide(action, &arn, &request_of(role));
            let allowed = decision == Decision::Allowed;
            assert_eq!(allowed, role == "operator", "{role} {action}: {decision:?}");
        }
    }
}

#[tokio::test]
async fn no_role_but_the_break_glass_one_can_change_a_row_of_the_audit() {
    let trial = Trial::bare(&[ROUTE]).await;
    let stacks = Stacks::deployed_for(&trial);
    let account = trial.account().id();
    let table = |name: &str| format!("arn:aws:dynamodb:us-east-1:{account}:table/writerlink-{name}");
    let may = |role: &str, action: &str, on: &str| {
        let context = Context::from([("aws:RequestedRegion", "us-east-1".to_owned())]);
        stacks.may(role, action, &table(on), &context)
    };
    for (resource, actions, _) in GUARDED {
        let on = match *resource {
            "AuditTable" => "audit",
            "StateTable" => "state",
            _ => continue,
        };
        for action in *actions {
            for role in ROLES {
                let wanted = match (role, *action) {
                    ("worker" | "operator", "dynamodb:PartiQLUpdate") => on == "state",
                    // The break-glass exception is real, or the rest would prove only that nobody can do anything.
                    ("worker" | "operator", "dynamodb:PartiQLInsert")
                    | ("break-glass", "dynamodb:UpdateItem" | "dynamodb:DeleteItem") => true,
                    _ => false,
                };
                assert_eq!(may(role, action, on), wanted, "{role}: {action} on {on}");
            }
        }
    }
}

#[tokio::test]
async fn only_this_accounts_rules_fill_the_queue_and_only_the_worker_empties_it() {
    let trial = Trial::bare(&[ROUTE]).await;
    let stacks = Stacks::deployed_for(&trial);
    let account = trial.account().id();
    let attributes = &stacks.0["queues"]["writerlink.fifo"];
    let policy = serde_json::from_str(attributes["Policy"].as_str().unwrap()).unwrap();
    let (policy, queue) = (Policy::of(&policy), attributes["QueueArn"].as_str().unwrap());
    let service = |rule: &str, of: &str| {
        Context::from([
            ("aws:PrincipalIsAWSService", "true".to_owned()),
            ("aws:SecureTransport", "true".to_owned()),
            ("aws:SourceAccount", of.to_owned()),
            ("aws:SourceArn", format!("arn:aws:events:us-east-1:{of}:rule/{rule}")),
        ])
    };
    let role = |name: &str, tls: &str| {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        Context::from([
            ("aws:PrincipalIsAWSService", "false".to_owned()),
            ("aws:SecureTransport", tls.to_owned()),
            ("aws:PrincipalArn", arn),
        ])
    };
    let send = |context: &Context| policy.decide("sqs:SendMessage", queue, context);
    let receive = |context: &Context| policy.decide("sqs:ReceiveMessage", queue, context);
    assert_eq!(send(&service("writerlink-orders", account)), Decision::Allowed);
    assert_eq!(send(&service("other", account)), Decision::NotMentioned);
    assert_eq!(send(&service("writerlink-orders", "999999999999")), Decision::NotMentioned);
    let worker = "writerlink-worker-us-east-1";
    assert_eq!(send(&role(worker, "true")), Decision::Denied);
    assert_eq!(send(&role("administrator", "true")), Decision::Denied);
    assert_eq!(receive(&role("administrator", "true")), Decision::Denied);
    assert_eq!(receive(&role(worker, "false")), Decision::Denied);
    assert_eq!(receive(&role(worker, "true")), Decision::NotMentioned, "its own role allows it");
}
