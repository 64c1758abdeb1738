"""Reads the templates of infra/, or deploys them on a stand-in, and says what came out of them, as JSON.

    stacks.py read
    stacks.py deploy ENDPOINT ACCOUNT < parameters.json

`read` gives every template in the long form of its intrinsic functions. The parameters are those of the two stacks: {"writerlink": {...}, "route": {...}}. What is printed is read back from the
stand-in: the outputs of the stacks, and every policy with its intrinsic functions resolved, as IAM would see it.
"""

import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import boto3
import cfnlint.decode

INFRA = Path(__file__).resolve().parents[2] / "infra"
REGION = "us-east-1"


# What ministack 1.5.33 cannot make: it takes the number of tasks for a text, and the other two refer to the service.
LEFT_OUT = ["Service", "TooFewTasks", "Dashboard"]


def parsed(template):
    """A template, in the long form of its intrinsic functions."""
    text, findings = cfnlint.decode.decode(str(INFRA / template))
    assert not findings, findings
    return json.loads(json.dumps(text, default=str))


def body(template, parameters):
    """The template as it is in the repository, without what the stand-in cannot make."""
    template = parsed(template)
    if "Swaps" in template["Conditions"]:
        # ministack splits no text inside a condition, so the split is made here.
        equals = template["Conditions"]["Swaps"]["Fn::Equals"]
        assert equals[1] == "targetgroup", equals
        equals[0] = parameters["MovesArn"].split(":")[5].split("/")[0]
    for resource in LEFT_OUT:
        template["Resources"].pop(resource, None)
    return json.dumps(template)


def deploy(cloudformation, stack, template, parameters):
    """Creates a stack, and waits until it stands."""
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=body(template, parameters),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def document(policy):
    return policy if isinstance(policy, dict) else json.loads(unquote(policy))


def policies_of(iam, role):
    """Every policy of a role: those that stand inside it, and those attached to it."""
    found = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        found.append(document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]))
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found.append(document(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]))
    return found


def substituted(node, values):
    """A part of a template with the variables of its Fn::Sub filled in."""
    if isinstance(node, dict):
        if list(node) == ["Fn::Sub"]:
            return re.sub(r"\$\{([^}]+)\}", lambda name: values[name[1]], node["Fn::Sub"])
        return {key: substituted(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [substituted(value, values) for value in node]
    return node


def audit_policy(account):
    """The policy of the audit table, which ministack does not keep."""
    policy = parsed("writerlink.yaml")["Resources"]["AuditTable"]["Properties"]["ResourcePolicy"]["PolicyDocument"]
    names = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": account, "Name": "writerlink"}
    return substituted(policy, names)


def main():
    if sys.argv[1:] == ["read"]:
        json.dump({path.name: parsed(path.name) for path in sorted(INFRA.glob("*.yaml"))}, sys.stdout)
        return
    _, action, endpoint, account = sys.argv
    assert action == "deploy", __doc__
    parameters = json.load(sys.stdin)
    session = boto3.session.Session(aws_access_key_id=account, aws_secret_access_key="secret", region_name=REGION)
    client = lambda service: session.client(service, endpoint_url=endpoint)
    cloudformation, iam, sqs, events = client("cloudformation"), client("iam"), client("sqs"), client("events")
    outputs = {
        "writerlink": deploy(cloudformation, "writerlink", "writerlink.yaml", parameters["writerlink"]),
        "route": deploy(cloudformation, "writerlink-route", "route.yaml", parameters["route"]),
    }
    roles = {role["RoleName"]: policies_of(iam, role["RoleName"]) for role in iam.list_roles()["Roles"]}
    queues = {}
    for url in sqs.list_queues().get("QueueUrls", []):
        queues[url.rsplit("/", 1)[1]] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    rules = {}
    for rule in events.list_rules()["Rules"]:
        rules[rule["Name"]] = {
            "pattern": json.loads(rule["EventPattern"]),
            "targets": events.list_targets_by_rule(Rule=rule["Name"])["Targets"],
        }
    said = {"outputs": outputs, "roles": roles, "queues": queues, "rules": rules, "audit_policy": audit_policy(account)}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
