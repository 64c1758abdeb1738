//! infra/rules.py: what cfn-lint lets pass in a template is a finding, and what is right is none.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What rules.py says of these templates, a line each; no lines when it finds nothing.
fn says(templates: &[&Path]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = Command::new(root.join(".venv/bin/python"))
        .arg(root.join("infra/rules.py"))
        .args(templates)
        .output()
        .expect("run `make venv` first");
    let out = String::from_utf8(said.stdout).unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    let expected = i32::from(!out.is_empty());
    assert_eq!(said.status.code(), Some(expected), "{out}{err}");
    out
}

/// The same of one template that has these resources.
fn finds(resources: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.yaml");
    std::fs::write(&path, format!("Resources:\n{resources}")).unwrap();
    says(&[&path])
}

/// A target group with this protocol and these attributes, one a line.
fn group(protocol: &str, attributes: &[&str]) -> String {
    let line = |key: &&str| format!("        - {{Key: {key}, Value: \"true\"}}\n");
    let lines: String = attributes.iter().map(line).collect();
    format!(
        "  Group:\n    Type: AWS::ElasticLoadBalancingV2::TargetGroup\n    Properties:\n      Protocol: {protocol}\n      \
         TargetGroupAttributes:\n{lines}"
    )
}

/// A listener that forwards to groups with these weights.
fn listener(weights: &[&str]) -> String {
    let line = |weight: &&str| format!("              - {{TargetGroupArn: !Ref Group, Weight: {weight}}}\n");
    let lines: String = weights.iter().map(line).collect();
    format!(
        "  Listener:\n    Type: AWS::ElasticLoadBalancingV2::Listener\n    Properties:\n      Protocol: TCP\n      \
         DefaultActions:\n        - Type: forward\n          ForwardConfig:\n            TargetGroups:\n{lines}"
    )
}

#[test]
fn the_templates_of_infra_have_no_finding() {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).join("infra");
    let entries = std::fs::read_dir(infra).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let is_template = |path: &&Path| path.extension().is_some_and(|kind| kind == "yaml");
    let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).filter(is_template).collect();
    assert!(paths.len() >= 6, "{paths:?}");
    assert_eq!(says(&paths), "");
}

#[test]
fn an_attribute_that_the_service_does_not_know_is_found() {
    let misspelled = group(
        "TCP",
        &[
            "deregistration_delay.timeout_seconds",
            "deregistration_delay.connection_termination.enable",
            "no.such.thing",
        ],
    );
    insta::assert_snapshot!(finds(&misspelled), @r#"
    t.yaml:8: Group: the service knows no attribute deregistration_delay.connection_termination.enable; deregistration_delay.connection_termination.enabled is meant?
    t.yaml:9: Group: the service knows no attribute no.such.thing
    "#);
}

#[test]
fn an_attribute_of_another_kind_of_load_balancer_is_found() {
    let of_each = [
        "stickiness.enabled",
        "slow_start.duration_seconds",
        "preserve_client_ip.enabled",
        "target_failover.on_unhealthy",
    ];
    insta::assert_snapshot!(finds(&group("TCP", &of_each)), @r#"
    t.yaml:8: Group: attribute slow_start.duration_seconds is of application load balancers, and this belongs to one of kind network
    t.yaml:10: Group: attribute target_failover.on_unhealthy is of gateway load balancers, and this belongs to one of kind network
    "#);
    insta::assert_snapshot!(finds(&group("HTTPS", &of_each)), @r#"
    t.yaml:9: Group: attribute preserve_client_ip.enabled is of network load balancers, and this belongs to one of kind application
    t.yaml:10: Group: attribute target_failover.on_unhealthy is of gateway load balancers, and this belongs to one of kind application
    "#);
    let balancer = "  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties:
      Type: network
      LoadBalancerAttributes:
        - !If [Far, {Key: routing.http2.enabled, Value: 'true'}, !Ref AWS::NoValue]
        - {Key: load_balancing.cross_zone.enabled, Value: 'true'}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      Protocol: TCP
      ListenerAttributes:
        - {Key: tcp.idle_timeout.seconds, Value: '350'}
        - {Key: routing.http.response.server.enabled, Value: 'false'}
";
    insta::assert_snapshot!(finds(balancer), @r#"
    t.yaml:7: Balancer: attribute routing.http2.enabled is of application load balancers, and this belongs to one of kind network
    t.yaml:15: Listener: attribute routing.http.response.server.enabled is of application load balancers, and this belongs to one of kind network
    "#);
}

#[test]
fn a_weight_that_no_group_can_have_and_a_sixth_group_are_found() {
    assert_eq!(finds(&listener(&["0", "999", "1", "500", "2"])), "");
    insta::assert_snapshot!(finds(&listener(&["1000", "-1", "1", "0", "0", "0"])), @r#"
    t.yaml:10: Listener: forwards to 6 target groups; at most 5 are taken
    t.yaml:10: Listener: weight 1000 is out of the range 0 to 999
    t.yaml:11: Listener: weight -1 is out of the range 0 to 999
    "#);
    let rule = listener(&["1000"])
        .replace("ElasticLoadBalancingV2::Listener\n", "ElasticLoadBalancingV2::ListenerRule\n")
        .replace("DefaultActions", "Actions");
    assert!(finds(&rule).contains("weight 1000 is out of the range"));
}

#[test]
fn a_name_that_is_another_one_in_another_partition_is_found() {
    let role = |principal: &str, resource: &str| {
        format!(
            "  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n        Statement:\n          \
             - Principal: {{Service: {principal}}}\n            Resource: {resource}\n"
        )
    };
    let anywhere = "!Sub \"arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:q\"";
    for principal in [
        "events.amazonaws.com",
        "[ecs-tasks.amazonaws.com]",
        "!Sub \"logs.${AWS::Region}.${AWS::URLSuffix}\"",
    ] {
        assert_eq!(finds(&role(principal, anywhere)), "", "{principal}");
    }
    insta::assert_snapshot!(
        finds(&role("!Sub \"logs.${AWS::Region}.amazonaws.com\"", "arn:aws:sqs:us-east-1:1:q")), @r#"
    t.yaml:7: logs.${AWS::Region}.amazonaws.com: aws-cn has another suffix; write logs.${AWS::Region}.${AWS::URLSuffix}, or find out what the name is there
    t.yaml:8: arn:aws:sqs:us-east-1:1:q: an ARN of one partition; write arn:${AWS::Partition}:
    "#);
    insta::assert_snapshot!(finds(&role("ec2.amazonaws.com", anywhere)), @r#"
    t.yaml:7: ec2.amazonaws.com: aws-cn has another suffix; write ec2.${AWS::URLSuffix}, or find out what the name is there
    "#);
}

#[test]
fn a_name_beside_its_spelling_in_china_is_right_everywhere() {
    let condition = |value: &str| {
        format!(
            "  Key:\n    Type: AWS::KMS::Key\n    Properties:\n      KeyPolicy: {{kms:ViaService: {value}}}\n"
        )
    };
    let one = "!Sub \"sqs.${AWS::Region}.amazonaws.com\"";
    assert!(finds(&condition(one)).contains("another suffix"));
    let both = format!("[{one}, !Sub \"sqs.${{AWS::Region}}.${{AWS::URLSuffix}}\"]");
    assert_eq!(finds(&condition(&both)), "");
    let service = "!Sub \"com.amazonaws.vpce.${AWS::Region}.s\"";
    assert!(finds(&condition(service)).contains("begin with cn."));
    let chosen = format!("!If [InChina, !Sub \"cn.com.amazonaws.vpce.${{AWS::Region}}.s\", {service}]");
    assert_eq!(finds(&condition(&chosen)), "");
}

#[test]
fn a_policy_that_counts_inside_its_role_is_found() {
    let policy = |kind: &str| {
        finds(&format!("  Move:\n    Type: AWS::IAM::{kind}\n    Properties: {{Roles: [worker]}}\n"))
    };
    assert_eq!(policy("ManagedPolicy"), "");
    assert!(policy("Policy").contains("10,240 characters in all"));
}

#[test]
fn a_queue_policy_that_sqs_refuses_is_found() {
    let policy = |actions: usize, statements: usize| {
        let actions = (0..actions).map(|n| format!("sqs:A{n}"));
        let actions = actions.collect::<Vec<_>>().join(", ");
        let statement = format!("          - {{Effect: Deny, Action: [{actions}]}}\n");
        finds(&format!(
            "  Policy:\n    Type: AWS::SQS::QueuePolicy\n    Properties:\n      PolicyDocument:\n        Statement:\n{}",
            statement.repeat(statements)
        ))
    };
    assert_eq!(policy(7, 20), "");
    assert!(policy(8, 1).contains("8 actions in a statement; SQS takes at most 7"));
    assert!(policy(1, 21).contains("21 statements; SQS takes at most 20"));
}

#[test]
fn a_principal_that_may_be_nobody_is_found_unless_a_condition_chooses_it() {
    let policy = |statement: &str| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.yaml");
        let template = format!(
            "Parameters:\n  Glass: {{Type: String, Default: \"\"}}\n  Owner: {{Type: String}}\nResources:\n  Role:\n    \
             Type: AWS::IAM::Role\n    Condition: HasGlass\n    Properties: {{RoleName: !Sub \"${{Name}}-glass\", Trust: {{Principal: !Ref Glass}}}}\n  \
             Table:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      Policy: {statement}\n"
        );
        std::fs::write(&path, template).unwrap();
        says(&[&path])
    };
    let except = |arn: &str| policy(&format!("{{Condition: {{ArnNotEquals: {{aws:PrincipalArn: {arn}}}}}}}"));
    let role = "!Sub \"arn:${AWS::Partition}:iam::1:role/${Name}-glass\"";
    assert!(except("!Ref Glass").contains("Glass names who is meant and may be empty"));
    assert!(except(&format!("[!Ref Owner, {role}]")).contains("need not be there"));
    assert!(policy("{Principal: {AWS: !Ref Glass}}").contains("may be empty"));
    assert_eq!(except("!Ref Owner"), "");
    assert_eq!(except("!If [HasGlass, !Ref Glass, !Ref AWS::NoValue]"), "");
    let chosen = format!("[!Ref Owner, !If [HasGlass, {role}, !Ref AWS::NoValue]]");
    assert_eq!(except(&chosen), "");
}
