//! What IAM counts of the permission to move: how many routes one stack of grants.yaml takes, and one installation.

use serde_json::{Value, json};

use crate::stacks::{parameters, resolved, templates};

// IAM user guide, "IAM and STS quotas". White space is not counted.
const MANAGED_MAX: usize = 6_144;
const INLINE_MAX: usize = 10_240;
const ATTACHED: usize = 10;
const ATTACHED_ON_REQUEST: usize = 20;

// CloudFormation user guide, "Quotas".
const PARAMETER_MAX: usize = 4_096;

// SQS developer guide, "Policy quotas"; DynamoDB's resource policies have 20 KB, and a key policy 32.
const QUEUE_POLICY_MAX: usize = 8_192;
const TABLE_POLICY_MAX: usize = 20_480;
const KEY_POLICY_MAX: usize = 32_768;

// What infra/grants.yaml and docs/deploy.md say.
const SWAPS: usize = 49;
const SWAPS_WITH_SHORT_NAMES: usize = 62;
const WEIGHTED_OF_TWO: usize = 15;
const INSTALLATION: usize = 441;
const INSTALLATION_ON_REQUEST: usize = 931;

const ACCOUNT: &str = "123456789012";

/// The longest Region of the partition aws.
const REGION: &str = "ap-northeast-1";

/// The longest target group that there is, or one with this name and Region.
fn group(n: usize, name: &str, region: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:targetgroup/{name}{n:03}/73e2d6bc24d8a{n:03}")
}

fn longest(n: usize) -> String {
    group(n, &"n".repeat(29), REGION)
}

/// The lists that fill one parameter after the other.
fn filled(arns: &[String]) -> (String, String) {
    let fits = |first: usize| arns[..first].join(",").len() <= PARAMETER_MAX;
    let first = (0..=arns.len()).rev().find(|first| fits(*first)).unwrap();
    let (first, more) = arns.split_at(first);
    let more = more.join(",");
    assert!(more.len() <= PARAMETER_MAX, "{} characters", more.len());
    (first.join(","), more)
}

/// The characters of a policy as IAM counts them.
fn size(document: &Value) -> usize {
    let text = document.to_string();
    text.chars().filter(|c| !c.is_whitespace()).count()
}

fn grants(with: &Value) -> usize {
    let made = resolved(&json!({"grants": with}));
    size(&made["grants"]["MovePolicy"]["PolicyDocument"])
}

fn swaps(arns: &[String]) -> usize {
    let (first, more) = filled(arns);
    grants(&json!({"TargetGroupArns": first, "MoreTargetGroupArns": more}))
}

#[test]
fn one_stack_of_grants_takes_as_many_routes_as_it_says() {
    let of = |n: usize| (0..n).map(longest).collect::<Vec<_>>();
    assert!(swaps(&of(SWAPS)) <= MANAGED_MAX, "{}", swaps(&of(SWAPS)));
    assert!(swaps(&of(SWAPS + 1)) > MANAGED_MAX);
    // A name of twelve characters in us-east-1.
    let of = |n: usize| (0..n).map(|n| group(n, "orders-db", "us-east-1")).collect::<Vec<_>>();
    let short = SWAPS_WITH_SHORT_NAMES;
    assert!(swaps(&of(short)) <= MANAGED_MAX, "{}", swaps(&of(short)));
    assert!(swaps(&of(short + 1)) > MANAGED_MAX);
}

#[test]
fn one_stack_of_grants_takes_as_many_weighted_routes_as_it_says() {
    let listener = |n: usize| {
        let name = "n".repeat(29);
        format!(
            "arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/net/{name}{n:03}/73e2d6bc24d8a067/f2f7dc8efc522{n:03}"
        )
    };
    let of = |n: usize| {
        let listeners: Vec<String> = (0..n).map(listener).collect();
        let groups: Vec<String> = (0..2 * n).map(longest).collect();
        let (listeners, groups) = (listeners.join(","), groups.join(","));
        assert!(listeners.len() <= PARAMETER_MAX && groups.len() <= PARAMETER_MAX);
        grants(&json!({"ListenerArns": listeners, "InstanceGroupArns": groups}))
    };
    assert!(of(WEIGHTED_OF_TWO) <= MANAGED_MAX, "{}", of(WEIGHTED_OF_TWO));
    assert!(of(WEIGHTED_OF_TWO + 1) > MANAGED_MAX);
}

/// Without the first list the second would be left out silently; without any there would be no statement.
#[test]
fn grants_that_would_grant_less_than_they_say_are_refused() {
    let template = templates()["grants.yaml"].clone();
    let assertions = &template["Rules"]["Something"]["Assertions"];
    let set = |name: &str| json!({"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]});
    let unset = |name: &str| json!({"Fn::Equals": [{"Ref": name}, ""]});
    assert_eq!(assertions[0]["Assert"], json!({"Fn::Or": [set("TargetGroupArns"), set("ListenerArns")]}));
    assert_eq!(
        assertions[1]["Assert"],
        json!({"Fn::Or": [set("TargetGroupArns"), unset("MoreTargetGroupArns")]})
    );
}

#[test]
fn an_installation_takes_as_many_routes_as_its_roles_have_attachments() {
    let mut all = parameters(ACCOUNT);
    all["grants"] = json!({"TargetGroupArns": longest(0)});
    all["route"] = json!({"RouteName": "orders", "SourceArn": format!("arn:aws:rds:us-east-1:{ACCOUNT}:cluster:orders")});
    let made = resolved(&all);
    let resources = |template: &str| made[template].as_object().unwrap().clone();
    let attached_to = |template: &str, role: &str| {
        let of_role = |resource: &&Value| {
            let roles = resource["Roles"].as_array().into_iter().flatten();
            resource["PolicyDocument"].is_object() && roles.into_iter().any(|name| name == role)
        };
        resources(template).values().filter(of_role).count()
    };
    for (role, others) in [("worker", 0), ("operator", 1)] {
        let name = format!("writerlink-{role}-us-east-1");
        let always = attached_to("writerlink", &name) + attached_to("people", &name);
        assert_eq!(always, others, "{role}");
        assert_eq!(attached_to("grants", &name), 1, "{role}");
        assert_eq!(attached_to("route", &name), 0, "{role}: a policy a route is nine routes");
    }
    assert_eq!((ATTACHED - 1) * SWAPS, INSTALLATION);
    assert_eq!((ATTACHED_ON_REQUEST - 1) * SWAPS, INSTALLATION_ON_REQUEST);
    let said = ["infra/grants.yaml", "docs/deploy.md"].map(|file| std::fs::read_to_string(file).unwrap());
    for text in said {
        for number in [SWAPS, INSTALLATION] {
            assert!(text.contains(&number.to_string()), "{number}");
        }
    }
}

#[test]
fn every_policy_is_within_what_its_service_takes() {
    let made = resolved(&parameters(ACCOUNT));
    for template in ["writerlink", "people"] {
        for (name, resource) in made[template].as_object().unwrap() {
            let inside = resource["Policies"].as_array().into_iter().flatten();
            let inside: usize = inside.map(|policy| size(&policy["PolicyDocument"])).sum();
            assert!(inside <= INLINE_MAX, "{name}: {inside}");
            // Here white space counts; CloudFormation sends none.
            let whole = |document: &Value| document.to_string().len();
            let of_table = whole(&resource["ResourcePolicy"]["PolicyDocument"]);
            assert!(of_table <= TABLE_POLICY_MAX, "{name}: {of_table}");
            let of_key = whole(&resource["KeyPolicy"]);
            assert!(of_key <= KEY_POLICY_MAX, "{name}: {of_key}");
            if resource["Queues"].is_array() {
                let of_queue = whole(&resource["PolicyDocument"]);
                assert!(of_queue <= QUEUE_POLICY_MAX, "{name}: {of_queue}");
            }
        }
    }
}

#[test]
fn with_gateway_endpoints_the_tasks_reach_their_prefix_lists_on_443() {
    let reached = |s3: &str, dynamodb: &str| {
        let mut with = parameters(ACCOUNT);
        with["writerlink"]["EgressCidr"] = json!("10.0.0.0/16");
        with["writerlink"]["S3PrefixListId"] = json!(s3);
        with["writerlink"]["DynamoDbPrefixListId"] = json!(dynamodb);
        let made = resolved(&with);
        let mut to = Vec::new();
        let mut add = |rule: &Value| {
            assert_eq!(rule["IpProtocol"], "tcp");
            assert_eq!((&rule["FromPort"], &rule["ToPort"]), (&json!(443), &json!(443)));
            let place = [&rule["CidrIp"], &rule["DestinationPrefixListId"]];
            to.extend(place.into_iter().filter_map(Value::as_str).map(str::to_owned));
        };
        for (name, resource) in made["writerlink"].as_object().unwrap() {
            let inside = resource["SecurityGroupEgress"].as_array();
            inside.into_iter().flatten().for_each(&mut add);
            if name.ends_with("Egress") {
                assert_eq!(resource["GroupId"], "SecurityGroup", "{name}");
                add(resource);
            }
        }
        to.sort();
        to
    };
    assert_eq!(reached("", ""), ["10.0.0.0/16"]);
    assert_eq!(reached("pl-63a5400a", "pl-02cd2c6b"), ["10.0.0.0/16", "pl-02cd2c6b", "pl-63a5400a"]);
    assert_eq!(
        reached("", "pl-02cd2c6b0123456789".get(..20).unwrap()),
        ["10.0.0.0/16", "pl-02cd2c6b012345678"]
    );
}

#[test]
fn only_the_worker_gets_the_database_logins_and_only_those() {
    let users = [
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKL01234/writerlink",
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-12ABC34DEFG5HIJ6KLMNOP78QR/writerlink",
    ];
    let mut all = parameters(ACCOUNT);
    all["database-login"] = json!({"DatabaseUserArns": users.join(",")});
    let policy = &resolved(&all)["database-login"]["LoginPolicy"];
    assert_eq!(policy["Roles"], json!(["writerlink-worker-us-east-1"]));
    let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
    assert_eq!(*statements, [json!({"Effect": "Allow", "Action": "rds-db:connect", "Resource": users})]);
}
