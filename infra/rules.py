"""What cfn-lint and checkov let pass in a template; each line is a finding.

- Attributes of load balancers, target groups and listeners: the key has to be one that the service's own model names, for
  the kind of load balancer that the resource belongs to. CloudFormation takes any key, and the deployment fails at the end.
- Forward actions: weights by the model's own range, and no more target groups than a rule may have.
- Policies of roles that stand inside the role as resources of their own: all of a role's have 10,240 characters together.
- Policies of queues with more statements, or actions in one, than SQS takes: the deployment fails at the end.
- Principals and exceptions that may be empty, or a role that may not be there, and are not chosen by a condition.
- Names that are other names in another partition (aws-cn, aws-us-gov): ARNs, DNS suffixes, service principals, endpoint services.

usage: rules.py TEMPLATE...
"""

import difflib
import gzip
import json
import re
import sys
from pathlib import Path

import botocore
from cfnlint.decode import decode

KINDS = {"Application": "application", "Network": "network", "Gateway": "gateway"}

# Which load balancer a protocol belongs to (elbv2 model, ProtocolEnum).
PROTOCOLS = {
    "HTTP": "application",
    "HTTPS": "application",
    "TCP": "network",
    "TLS": "network",
    "UDP": "network",
    "TCP_UDP": "network",
    "QUIC": "network",
    "TCP_QUIC": "network",
    "GENEVE": "gateway",
}

# Where attributes stand in a resource, and the shape of the model whose text names their keys.
ATTRIBUTES = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("LoadBalancerAttributes", "LoadBalancerAttribute"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("TargetGroupAttributes", "TargetGroupAttribute"),
    "AWS::ElasticLoadBalancingV2::Listener": ("ListenerAttributes", "ListenerAttribute"),
}

# Where forward actions stand.
ACTIONS = {
    "AWS::ElasticLoadBalancingV2::Listener": "DefaultActions",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "Actions",
}

# "Each forward rule can have up to five target groups" (Application and Network Load Balancer guides, quotas).
GROUPS_MAX = 5

# Principals that have the same name in every partition; tried in aws-cn by others (terraform-aws-eks #2932 of 2024 for events,
# mapbox/cloudfriend #56 of 2019 for ecs-tasks). EC2's, EMR's and CloudWatch Logs' have the suffix of the partition.
SAME_EVERYWHERE = {"events.amazonaws.com", "ecs-tasks.amazonaws.com"}

SUFFIX = "amazonaws.com"

# SQS developer guide, "Policy quotas".
QUEUE_STATEMENTS_MAX = 20
QUEUE_ACTIONS_MAX = 7

# Where a policy names who is meant.
WHO = {"Principal", "aws:PrincipalArn"}


def model():
    """The newest description of the service that botocore has."""
    versions = sorted((Path(botocore.__file__).parent / "data" / "elbv2").glob("*/service-2.json.gz"))
    with gzip.open(versions[-1]) as file:
        return json.load(file)


def attribute_keys(shapes, shape):
    """Every key that the text of an attribute's shape names, with the kinds of load balancer that it is for.

    The text is a list of sentences ("... supported by only Network Load Balancers:"), each followed by its keys.
    """
    text = shapes[shape]["members"]["Key"]["documentation"]
    keys, kinds = {}, None
    for sentence, key in re.findall(r"<p>(The following [^<]*)</p>|<li> *<p> *<code>([\w.]+)</code> +[-\u2013] ", text):
        if sentence:
            named = {kind for word, kind in KINDS.items() if word in sentence}
            kinds = set(KINDS.values()) if "all load balancers" in sentence else named
        elif not kinds:
            sys.exit(f"infra: botocore's text of {shape} is worded otherwise: {key} stands under no sentence that is understood")
        else:
            keys[key] = kinds
    if len(keys) < 2:
        sys.exit(f"infra: botocore's text of {shape} is worded otherwise: it names {len(keys)} keys")
    return keys


def weight_range(shapes):
    """The range of a weight, by the model's text."""
    text = shapes["TargetGroupTuple"]["members"]["Weight"]["documentation"]
    found = re.search(r"range is (\d+) to (\d+)", text)
    return (int(found[1]), int(found[2])) if found else sys.exit(f"infra: no range of weights in {text!r}")


def branches(node):
    """The values that a property may have: itself, or what an Fn::If chooses between."""
    if isinstance(node, dict) and list(node) == ["Fn::If"]:
        return [value for branch in node["Fn::If"][1:] for value in branches(branch)]
    return [node]


def elements(node):
    """The elements of a list, whatever is chosen between."""
    for value in branches(node):
        if isinstance(value, list):
            for element in value:
                yield from branches(element)


def literals(node, parameters):
    """The texts that a property may have, or nothing when that cannot be told."""
    texts = set()
    for value in branches(node):
        if isinstance(value, dict) and list(value) == ["Ref"]:
            if value["Ref"] == "AWS::NoValue":
                continue
            parameter = parameters.get(value["Ref"], {})
            values = parameter.get("AllowedValues", [])
        else:
            values = [value]
        if not values or not all(isinstance(value, str) for value in values):
            return set()
        texts.update(values)
    return texts


def kinds_of(resource, parameters):
    """The kinds of load balancer that a resource may belong to; all of them when that cannot be told."""
    properties = resource.get("Properties", {})
    if resource["Type"].endswith("::LoadBalancer"):
        return literals(properties.get("Type", "application"), parameters) or set(KINDS.values())
    protocols = literals(properties.get("Protocol", {}), parameters)
    return {PROTOCOLS[protocol] for protocol in protocols if protocol in PROTOCOLS} or set(KINDS.values())


def line_of(node, default):
    """The line of a node in its file, as far as the reader kept it."""
    mark = getattr(node, "start_mark", None)
    return mark.line + 1 if mark is not None else default


class Rules:
    """The rules, with what the model says."""

    def __init__(self):
        shapes = model()["shapes"]
        self.keys = {shape: attribute_keys(shapes, shape) for _, shape in ATTRIBUTES.values()}
        self.weights = weight_range(shapes)

    def findings(self, path):
        """The findings in one template, in the order of its lines."""
        template, faults = decode(str(path))
        if template is None:
            return [f"{path.name}: {fault}" for fault in faults]
        parameters = template.get("Parameters", {})
        found = []
        for name, resource in template.get("Resources", {}).items():
            at = line_of(name, 0)
            found += self.attributes(name, resource, parameters, at)
            found += self.forwards(name, resource, at)
            found += inline_policies(name, resource, at)
            found += queue_policies(name, resource, at)
        found += optional_principals(template, parameters)
        for section in ("Mappings", "Conditions", "Resources", "Outputs"):
            found += partition_names(template.get(section, {}), 0, ())
        return [f"{path.name}:{line}: {text}" for line, text in sorted(set(found))]

    def attributes(self, name, resource, parameters, at):
        """The keys that nothing knows, and those that are another load balancer's."""
        if resource["Type"] not in ATTRIBUTES:
            return
        where, shape = ATTRIBUTES[resource["Type"]]
        known, kinds = self.keys[shape], kinds_of(resource, parameters)
        for attribute in elements(resource.get("Properties", {}).get(where, [])):
            key = attribute.get("Key") if isinstance(attribute, dict) else None
            if not isinstance(key, str):
                continue
            line = line_of(key, at)
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                meant = f"; {near[0]} is meant?" if near else ""
                yield line, f"{name}: the service knows no attribute {key}{meant}"
            elif not known[key] & kinds:
                of, here = " and ".join(sorted(known[key])), " or ".join(sorted(kinds))
                yield line, f"{name}: attribute {key} is of {of} load balancers, and this belongs to one of kind {here}"

    def forwards(self, name, resource, at):
        """Weights out of range, and groups that are too many."""
        low, high = self.weights
        for action in elements(resource.get("Properties", {}).get(ACTIONS.get(resource["Type"]), [])):
            forward = action.get("ForwardConfig") if isinstance(action, dict) else None
            for config in branches(forward):
                groups = list(elements(config.get("TargetGroups", []))) if isinstance(config, dict) else []
                groups = [group for group in groups if isinstance(group, dict) and "TargetGroupArn" in group]
                if len(groups) > GROUPS_MAX:
                    yield line_of(groups[0], at), f"{name}: forwards to {len(groups)} target groups; at most {GROUPS_MAX} are taken"
                for group in groups:
                    weight = str(group.get("Weight", low))
                    if re.fullmatch(r"-?\d+", weight) and not low <= int(weight) <= high:
                        yield line_of(group, at), f"{name}: weight {weight} is out of the range {low} to {high}"


def inline_policies(name, resource, at):
    """Policies that are added to a role from outside and count with what stands inside it."""
    if resource["Type"] == "AWS::IAM::Policy":
        yield at, f"{name}: counts with the policies inside its role, 10,240 characters in all; write AWS::IAM::ManagedPolicy"


def queue_policies(name, resource, at):
    """Policies of queues that SQS refuses."""
    if resource["Type"] != "AWS::SQS::QueuePolicy":
        return
    statements = list(elements(resource["Properties"]["PolicyDocument"].get("Statement", [])))
    if len(statements) > QUEUE_STATEMENTS_MAX:
        yield at, f"{name}: {len(statements)} statements; SQS takes at most {QUEUE_STATEMENTS_MAX}"
    for statement in statements:
        actions = statement.get("Action", [])
        if isinstance(actions, list) and len(actions) > QUEUE_ACTIONS_MAX:
            yield line_of(statement, at), f"{name}: {len(actions)} actions in a statement; SQS takes at most {QUEUE_ACTIONS_MAX}"


def optional_principals(template, parameters):
    """Principals that may be nobody: an empty ARN is refused or means nobody, and a role that is missing can be made by somebody else."""
    resources = template.get("Resources", {})
    empty = {name for name, parameter in parameters.items() if parameter.get("Default") == ""}
    roles = [one for one in resources.values() if one["Type"] == "AWS::IAM::Role" and "Condition" in one]
    named = [text for one in roles for text in own_texts(one.get("Properties", {}).get("RoleName"))]
    for name, resource in resources.items():
        if "Condition" not in resource:
            yield from principals_in(name, resource.get("Properties", {}), empty, named, False, line_of(name, 0))


def principals_in(name, node, empty, named, asked, line):
    """The same below a node. What stands in an Fn::If is chosen."""
    line = line_of(node, line)
    if isinstance(node, list):
        for one in node:
            yield from principals_in(name, one, empty, named, asked, line)
    if not isinstance(node, dict) or "Fn::If" in node:
        return
    if asked and node.get("Ref") in empty:
        yield line, f"{name}: {node['Ref']} names who is meant and may be empty; choose by a condition with Fn::If"
    for text in own_texts(node) if asked and "Fn::Sub" in node else []:
        if any(text.endswith(f"/{role}") for role in named):
            yield line, f"{name}: {text} is of a role that need not be there; choose by its condition with Fn::If"
    for key, value in node.items():
        yield from principals_in(name, value, empty, named, asked or key in WHO, line_of(key, line))


def partition_names(node, line, siblings):
    """Names that are right in one partition alone. A name beside its other spelling in a list is none of them."""
    line = line_of(node, line)
    if isinstance(node, dict):
        for key, value in node.items():
            below = line_of(key, line)
            if key == "Service":
                values = value if isinstance(value, list) else [value]
                others = [one for one in values if not (isinstance(one, str) and one in SAME_EVERYWHERE)]
                yield from partition_names(others, below, siblings)
            else:
                # What stands in a list beside an Fn::Sub is beside its text, too.
                yield from partition_names(value, below, siblings if key == "Fn::Sub" else ())
    elif isinstance(node, list):
        texts = tuple(text for element in node for text in own_texts(element))
        for element in node:
            yield from partition_names(element, line, texts)
    elif isinstance(node, str):
        yield from wrong_elsewhere(node, line, siblings)


def own_texts(node):
    """The text of a string, or of an Fn::Sub of one."""
    if isinstance(node, dict) and list(node) == ["Fn::Sub"]:
        node = node["Fn::Sub"]
    return [node] if isinstance(node, str) else []


def wrong_elsewhere(text, line, siblings):
    """Why a text is right in one partition alone, if it is."""
    if "arn:aws:" in text:
        yield line, f"{text}: an ARN of one partition; write arn:${{AWS::Partition}}:"
    if re.search(rf"\.{re.escape(SUFFIX)}(?![\w.])", text):
        other = text.replace(f".{SUFFIX}", ".${AWS::URLSuffix}")
        if other not in siblings:
            yield line, f"{text}: aws-cn has another suffix; write {other}, or find out what the name is there"
    if text.startswith("com.amazonaws.") and f"cn.{text}" not in siblings:
        yield line, f"{text}: endpoint services of aws-cn begin with cn.; choose by AWS::Partition"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    rules = Rules()
    found = [line for path in sys.argv[1:] for line in rules.findings(Path(path))]
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
