"""Reads the templates of infra/, or deploys them on a stand-in, and says what came out of them, as JSON.

    stacks.py read
    stacks.py resolve < parameters.json
    stacks.py deploy ENDPOINT ACCOUNT < parameters.json

`read` gives every template in the long form of its intrinsic functions. `resolve` gives the resources of the templates that have
parameters ({"writerlink": {...}, "people": {...}, ...}), as CloudFormation would make them (resolve.py). `deploy` creates the stacks; what is
printed is read back from the stand-in: the outputs, and every policy as IAM would see it.
"""

import json
import sys
from pathlib import Path
from urllib.parse import unquote

import boto3
import cfnlint.decode
from resolve import resolved

INFRA = Path(__file__).resolve().parents[2] / "infra"
REGION = "us-east-1"

# Of the templates that are resolved without being deployed.
ACCOUNT = "123456789012"

# The stacks by their templates, in the order of deployment (docs/deploy.md).
STACKS = {
    "writerlink": "writerlink",
    "people": "writerlink-people",
    "grants": "writerlink-grants",
    "route": "writerlink-route",
    "trail-alarms": "writerlink-trail",
    "relay": "writerlink-relay",
    "database-login": "writerlink-login",
}


# What ministack 1.5.33 cannot make: it takes the number of tasks for a text, and the other two refer to the service.
LEFT_OUT = ["Service", "TooFewTasks", "Dashboard"]


def parsed(template):
    """A template, in the long form of its intrinsic functions."""
    text, findings = cfnlint.decode.decode(str(INFRA / template))
    assert not findings, findings
    return json.loads(json.dumps(text, default=str))


def body(name, parameters):
    """The template as it is in the repository, without what the stand-in cannot make."""
    template = parsed(f"{name}.yaml")
    # ministack splits no text inside a condition, so conditions come to it decided.
    decided = resolved(name, template, parameters, ACCOUNT, {})["conditions"]
    for condition, holds in decided.items():
        template["Conditions"][condition] = {"Fn::Equals": ["holds", "holds" if holds else "holds not"]}
    template.pop("Rules", None)
    for resource in LEFT_OUT:
        template["Resources"].pop(resource, None)
    return json.dumps(template)


def deploy(cloudformation, name, parameters):
    """Creates a stack, and waits until it stands."""
    stack = STACKS[name]
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=body(name, parameters),
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


def resolve(parameters, account):
    """The resources of the templates that there are parameters for, in the order in which they are deployed."""
    exports, found = {}, {}
    for name in STACKS:
        if name in parameters:
            stack = resolved(STACKS[name], parsed(f"{name}.yaml"), parameters[name], account, exports)
            exports.update(stack["exports"])
            found[name] = stack["resources"]
    return found


def main():
    if sys.argv[1:] == ["read"]:
        json.dump({path.name: parsed(path.name) for path in sorted(INFRA.glob("*.yaml"))}, sys.stdout)
        return
    if sys.argv[1:] == ["resolve"]:
        json.dump(resolve(json.load(sys.stdin), ACCOUNT), sys.stdout)
        return
    _, action, endpoint, account = sys.argv
    assert action == "deploy", __doc__
    parameters = json.load(sys.stdin)
    session = boto3.session.Session(aws_access_key_id=account, aws_secret_access_key="secret", region_name=REGION)
    client = lambda service: session.client(service, endpoint_url=endpoint)
    cloudformation, iam, sqs, events = client("cloudformation"), client("iam"), client("sqs"), client("events")
    outputs = {name: deploy(cloudformation, name, parameters[name]) for name in STACKS if name in parameters}
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
    # The policies of the tables, which ministack does not keep.
    made = resolve(parameters, account)["writerlink"]
    tables = {name: made[f"{name.title()}Table"]["ResourcePolicy"]["PolicyDocument"] for name in ("state", "audit")}
    said = {"account": account, "outputs": outputs, "roles": roles, "queues": queues, "rules": rules, "tables": tables}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
