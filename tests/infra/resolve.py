"""A template of infra/ with its parameters, conditions and functions resolved: what CloudFormation would make of it."""

import re

REGION = "us-east-1"
PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::URLSuffix": "amazonaws.com"}

# How the ARN of a resource is made, of those whose ARN stands in a policy.
ARNS = {
    "AWS::SQS::Queue": ("sqs", REGION, "{QueueName}"),
    "AWS::DynamoDB::Table": ("dynamodb", REGION, "table/{TableName}"),
    "AWS::IAM::Role": ("iam", "", "role/{RoleName}"),
    "AWS::Events::Rule": ("events", REGION, "rule/{Name}"),
    "AWS::KMS::Key": ("kms", REGION, "key/1234abcd-12ab-34cd-56ef-1234567890ab"),
}

# What Ref gives of a resource, where that is a name.
NAMES = {"AWS::IAM::Role": "RoleName", "AWS::ECS::Cluster": "ClusterName", "AWS::Logs::LogGroup": "LogGroupName"}

NO_VALUE = object()


class Resolver:
    """One template with its parameters."""

    def __init__(self, stack, template, parameters, account, exports):
        self.template, self.account, self.exports = template, account, exports
        declared = template["Parameters"]
        unknown = set(parameters) - set(declared)
        assert not unknown, f"{stack} has no parameters {unknown}"
        self.values = {**PSEUDO, "AWS::AccountId": account, "AWS::StackName": stack}
        for name, parameter in declared.items():
            value = parameters[name] if name in parameters else parameter["Default"]
            pattern = parameter.get("AllowedPattern")
            lists = parameter["Type"].startswith("List<") or parameter["Type"] == "CommaDelimitedList"
            for one in value.split(",") if lists else [str(value)]:
                assert pattern is None or re.search(pattern, one), f"{name}: {one!r} is not {pattern}"
            self.values[name] = value.split(",") if lists else value

    def holds(self, condition):
        """Whether a condition holds, by its name or as it is written."""
        if isinstance(condition, str):
            return self.holds(self.template["Conditions"][condition])
        [(function, of)] = condition.items()
        if function == "Condition":
            return self.holds(of)
        if function == "Fn::Equals":
            return self.value(of[0]) == self.value(of[1])
        if function == "Fn::Not":
            return not self.holds(of[0])
        of = [self.holds(one) for one in of]
        return {"Fn::And": all, "Fn::Or": any}[function](of)

    def arn(self, name):
        """The ARN of a resource, or its name as a placeholder."""
        resource = self.template["Resources"][name]
        if resource["Type"] not in ARNS:
            return f"{name}.Arn"
        service, region, form = ARNS[resource["Type"]]
        properties = resource.get("Properties", {})
        # CloudFormation makes a name of the logical one where a template gives none.
        names = {key: self.value(properties.get(key, name)) for key in re.findall(r"{(\w+)}", form)}
        return f"arn:aws:{service}:{region}:{self.account}:{form.format(**names)}"

    def reference(self, name):
        """What Ref gives."""
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.values:
            return self.values[name]
        resource = self.template["Resources"][name]
        key = NAMES.get(resource["Type"])
        return self.value(resource.get("Properties", {}).get(key, name)) if key else name

    def attribute(self, path):
        """What Fn::GetAtt gives."""
        name, attribute = path.split(".", 1) if isinstance(path, str) else path
        return self.arn(name) if attribute == "Arn" else f"{name}.{attribute}"

    def substituted(self, of):
        """What Fn::Sub gives."""
        text, more = (of, {}) if isinstance(of, str) else of
        more = {key: self.value(value) for key, value in more.items()}

        def variable(found):
            name = found[1]
            if name in more:
                return more[name]
            return str(self.attribute(name) if "." in name else self.reference(name))

        return re.sub(r"\$\{([^}]+)\}", variable, text)

    def value(self, node):
        """A node with everything below it resolved."""
        if isinstance(node, list):
            values = [self.value(one) for one in node]
            return [value for value in values if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(function, of)] = node.items()
            if function == "Ref":
                return self.reference(of)
            if function == "Fn::If":
                return self.value(of[1] if self.holds(of[0]) else of[2])
            if function == "Fn::Sub":
                return self.substituted(of)
            if function == "Fn::GetAtt":
                return self.attribute(of)
            if function == "Fn::Join":
                return of[0].join(self.value(of[1]))
            if function == "Fn::Split":
                return self.value(of[1]).split(of[0])
            if function == "Fn::Select":
                return self.value(of[1])[int(of[0])]
            if function == "Fn::ImportValue":
                return self.exports.get(self.value(of), self.value(of))
            assert not function.startswith("Fn::"), f"{function} is not resolved here"
        values = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}


def resolved(stack, template, parameters, account, exports):
    """The properties of the resources that there would be, the conditions, and the exports."""
    resolver = Resolver(stack, template, parameters, account, exports)
    conditions = {name: resolver.holds(name) for name in template.get("Conditions", {})}
    there = {name: one for name, one in template["Resources"].items() if conditions.get(one.get("Condition"), True)}
    outputs = template.get("Outputs", {}).values()
    return {
        "conditions": conditions,
        "resources": {name: resolver.value(one.get("Properties", {})) for name, one in there.items()},
        "exports": {resolver.value(one["Export"]["Name"]): resolver.value(one["Value"]) for one in outputs if "Export" in one},
    }
