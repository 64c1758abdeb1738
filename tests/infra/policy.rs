//! IAM's evaluation, as far as our policies use it: an explicit deny wins, then an allow, else no.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a request says of itself, by condition key.
pub(crate) type Context = BTreeMap<&'static str, String>;

/// Policies that are evaluated together: those of a role, or one of a resource.
pub(crate) struct Policy(Vec<Statement>);

/// One statement.
struct Statement {
    allows: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    condition: Value,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    Denied,
    NotMentioned,
}

impl Policy {
    /// Reads one document or a list of them.
    pub(crate) fn of(documents: &Value) -> Self {
        let documents = match documents {
            Value::Array(documents) => documents.clone(),
            one => vec![one.clone()],
        };
        let statements: Vec<Statement> = documents
            .iter()
            .flat_map(|document| {
                document["Statement"]
                    .as_array()
                    .expect("a list of statements")
            })
            .map(Statement::of)
            .collect();
        assert!(!statements.is_empty(), "a policy without a statement");
        Self(statements)
    }

    /// Decides on a request.
    pub(crate) fn decide(&self, action: &str, resource: &str, context: &Context) -> Decision {
        let mut decision = Decision::NotMentioned;
        for statement in &self.0 {
            if statement.is_about(action, resource) && holds(&statement.condition, context) {
                if !statement.allows {
                    return Decision::Denied;
                }
                decision = Decision::Allowed;
            }
        }
        decision
    }

    /// Every action with every resource that is allowed, as they are written.
    pub(crate) fn grants(&self) -> Vec<(String, String)> {
        let allowing = self.0.iter().filter(|statement| statement.allows);
        allowing
            .flat_map(|statement| {
                let each = |action: &String| {
                    let with = |resource: &String| (action.clone(), resource.clone());
                    statement.resources.iter().map(with).collect::<Vec<_>>()
                };
                statement.actions.iter().flat_map(each).collect::<Vec<_>>()
            })
            .collect()
    }
}

impl Statement {
    fn of(statement: &Value) -> Self {
        for absent in ["NotAction", "NotResource", "NotPrincipal"] {
            let what = &statement[absent];
            assert!(what.is_null(), "{absent} is not evaluated here: {what}");
        }
        Self {
            allows: match statement["Effect"].as_str() {
                Some("Allow") => true,
                Some("Deny") => false,
                other => panic!("an effect {other:?}"),
            },
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            condition: statement["Condition"].clone(),
        }
    }

    fn is_about(&self, action: &str, resource: &str) -> bool {
        self.actions.iter().any(|pattern| matches(pattern, action))
            && self
                .resources
                .iter()
                .any(|pattern| matches(pattern, resource))
    }
}

/// One text or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect(),
        other => panic!("neither a text nor a list: {other}"),
    }
}

/// Whether a pattern with `*` fits all of a text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

/// Whether every condition holds. A key that the request does not have makes a positive one false and a
/// negated one true, as IAM has it ("Null" and `IfExists` are not used).
fn holds(condition: &Value, context: &Context) -> bool {
    let Value::Object(operators) = condition else {
        return true;
    };
    operators.iter().all(|(operator, keys)| {
        let (negated, operator) = match operator.as_str() {
            "ArnNotEquals" => (true, "ArnEquals"),
            other => (false, other),
        };
        assert!(
            ["StringEquals", "ArnEquals", "ArnLike", "Bool"].contains(&operator),
            "{operator} is not evaluated here"
        );
        keys.as_object().unwrap().iter().all(|(key, wanted)| {
            let found = context.get(key.as_str());
            let fits = found.is_some_and(|found| texts(wanted).iter().any(|w| matches(w, found)));
            fits != negated
        })
    })
}

#[test]
fn an_explicit_deny_wins_and_what_nobody_mentions_is_not_allowed() {
    let policy = Policy::of(&serde_json::json!({"Statement": [
        {"Effect": "Allow", "Action": "s:*", "Resource": "arn:1:*"},
        {"Effect": "Deny", "Action": ["s:Put"], "Resource": "*",
         "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:me"}}},
    ]}));
    let nobody = Context::new();
    let me = Context::from([("aws:PrincipalArn", "arn:me".to_owned())]);
    assert_eq!(
        policy.decide("s:Get", "arn:1:x", &nobody),
        Decision::Allowed
    );
    assert_eq!(
        policy.decide("s:Get", "arn:2:x", &nobody),
        Decision::NotMentioned
    );
    assert_eq!(policy.decide("s:Put", "arn:1:x", &nobody), Decision::Denied);
    assert_eq!(policy.decide("s:Put", "arn:1:x", &me), Decision::Allowed);
}
