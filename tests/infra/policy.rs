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
    principal: Value,
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
            .flat_map(|document| document["Statement"].as_array().expect("a list of statements"))
            .map(Statement::of)
            .collect();
        assert!(!statements.is_empty(), "a policy without a statement");
        Self(statements)
    }

    /// Decides on a request.
    pub(crate) fn decide(&self, action: &str, resource: &str, context: &Context) -> Decision {
        let mut decision = Decision::NotMentioned;
        for statement in &self.0 {
            if statement.is_about(action, resource)
                && statement.is_of(context)
                && holds(&statement.condition, context)
            {
                if !statement.allows {
                    return Decision::Denied;
                }
                decision = Decision::Allowed;
            }
        }
        decision
    }

    /// Decides with the policy of the resource: within an account either may allow, and either may deny.
    pub(crate) fn decide_with(
        &self,
        of_resource: &Self,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Decision {
        let both = [self, of_resource].map(|policy| policy.decide(action, resource, context));
        let of_any = |decision| both.contains(&decision).then_some(decision);
        of_any(Decision::Denied).or_else(|| of_any(Decision::Allowed)).unwrap_or(Decision::NotMentioned)
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
            principal: statement["Principal"].clone(),
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            condition: statement["Condition"].clone(),
        }
    }

    /// Whether it is of the caller. A policy of an identity names nobody. The ARN of an account's root hands the decision to IAM,
    /// and names the root user.
    fn is_of(&self, context: &Context) -> bool {
        let says = |key: &str, wanted: &str| context.get(key).is_some_and(|found| found == wanted);
        match &self.principal {
            Value::Null => true,
            Value::String(anybody) => anybody == "*",
            Value::Object(kinds) => kinds.iter().any(|(kind, who)| match kind.as_str() {
                "AWS" => texts(who).iter().any(|arn| says("aws:PrincipalArn", arn)),
                "Service" => says("aws:PrincipalIsAWSService", "true"),
                other => panic!("a principal of kind {other}"),
            }),
            other => panic!("a principal {other}"),
        }
    }

    fn is_about(&self, action: &str, resource: &str) -> bool {
        self.actions.iter().any(|pattern| matches(pattern, action))
            && self.resources.iter().any(|pattern| matches(pattern, resource))
    }
}

/// One text or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
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
        // One value at most is in a context here, so both qualifiers of sets come to the same, but for an absent key:
        // ForAllValues is true then, ForAnyValue false (IAM User Guide, "Multivalued context keys").
        let (absent, operator) = match operator.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(true), rest),
            Some(("ForAnyValue", rest)) => (Some(false), rest),
            _ => (None, operator.as_str()),
        };
        let (negated, operator) = match operator {
            "ArnNotEquals" => (true, "ArnEquals"),
            "StringNotLike" => (true, "StringLike"),
            other => (false, other),
        };
        assert!(
            ["StringEquals", "StringLike", "ArnEquals", "ArnLike", "Bool"].contains(&operator),
            "{operator} is not evaluated here"
        );
        keys.as_object().unwrap().iter().all(|(key, wanted)| {
            let found = context.get(key.as_str());
            if let (Some(absent), None) = (absent, found) {
                return absent;
            }
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
    assert_eq!(policy.decide("s:Get", "arn:1:x", &nobody), Decision::Allowed);
    assert_eq!(policy.decide("s:Get", "arn:2:x", &nobody), Decision::NotMentioned);
    assert_eq!(policy.decide("s:Put", "arn:1:x", &nobody), Decision::Denied);
    assert_eq!(policy.decide("s:Put", "arn:1:x", &me), Decision::Allowed);
}

#[test]
fn a_statement_is_of_whom_it_names_and_either_policy_may_allow_or_deny() {
    let of_queue = Policy::of(&serde_json::json!({"Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ["arn:me"]}, "Action": "s:Get", "Resource": "q"},
        {"Effect": "Deny", "Principal": "*", "Action": "s:Put", "Resource": "q"},
    ]}));
    let own = Policy::of(
        &serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "s:Put", "Resource": "*"}]}),
    );
    let who = |arn: &str| Context::from([("aws:PrincipalArn", arn.to_owned())]);
    let decided = |action: &str, arn: &str| own.decide_with(&of_queue, action, "q", &who(arn));
    assert_eq!(decided("s:Get", "arn:me"), Decision::Allowed);
    assert_eq!(decided("s:Get", "arn:you"), Decision::NotMentioned);
    assert_eq!(decided("s:Put", "arn:me"), Decision::Denied);
}
