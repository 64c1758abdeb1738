"""Writes the Terraform modules from the CloudFormation templates: variables, parameters and outputs are the template's own.

usage: generate.py [--check]

`--check` writes nothing and names each file that is not what it would write. The templates stay the one source.
"""

import json
import re
import sys
import textwrap
from pathlib import Path

from cfnlint.decode import decode

HERE = Path(__file__).resolve().parent
INFRA = HERE.parent

# The modules, by their templates.
MODULES = {
    "worker": "writerlink.yaml",
    "people": "people.yaml",
    "grants": "grants.yaml",
    "route": "route.yaml",
    "privatelink": "privatelink.yaml",
    "relay": "relay.yaml",
    "endpoints": "endpoints.yaml",
    "database-login": "database-login.yaml",
}

# Where the stack's own name has a default: the other templates find the worker's exports by it.
STACK_NAMES = {"worker": "writerlink"}

VERSIONS = """terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}
"""


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def quoted(text):
    """A string of HCL. JSON's escapes are HCL's; an interpolation begins otherwise."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def kind(parameter):
    """text, number, flag, list, or joined: a list that the template takes as one text."""
    declared = parameter["Type"]
    if declared == "Number":
        return "number"
    if declared.startswith("List<") or declared == "CommaDelimitedList":
        return "list"
    if [str(value) for value in parameter.get("AllowedValues", [])] == ["true", "false"]:
        return "flag"
    return "joined" if "separated by commas" in parameter.get("ConstraintDescription", "") else "text"


TYPES = {"text": "string", "number": "number", "flag": "bool", "list": "list(string)", "joined": "list(string)"}


def conditions(name, parameter):
    """What Terraform can check before CloudFormation does. A pattern that looks ahead is none of RE2's."""
    of, value = kind(parameter), f"var.{name}"
    pattern = parameter.get("AllowedPattern")
    if pattern and "(?" not in pattern:
        matches = f"can(regex({quoted(pattern)}, %s))"
        each = {"text": matches % value, "joined": matches % f'join(",", {value})'}
        yield each.get(of, f"alltrue([for one in {value} : {matches % 'one'}])")
    if "AllowedValues" in parameter and of != "flag":
        yield f"contains({json.dumps(list(parameter['AllowedValues']))}, {value})"
    if "MinValue" in parameter:
        yield f"{value} >= {parameter['MinValue']} && {value} <= {parameter['MaxValue']}"


def described(text):
    lines = textwrap.wrap(" ".join(text.split()).replace("${", "$${").replace("%{", "%%{"), 100)
    return "".join(f"    {line}\n" for line in lines)


def variable(key, parameter):
    name = snake(key)
    optional = "Default" in parameter
    says = parameter.get("Description", "")
    lines = f'variable "{name}" {{\n  type = {TYPES[kind(parameter)]}\n'
    lines += "  default = null\n" if optional else "  nullable = false\n"
    lines += f"  description = <<-EOT\n{described(says)}  EOT\n"
    for condition in conditions(name, parameter):
        message = parameter.get("ConstraintDescription") or f"{name} is none of the values that the template takes."
        message = f"{name}: {message}"
        condition = f"var.{name} == null ? true : {condition}" if optional else condition
        lines += f"\n  validation {{\n    condition = {condition}\n    error_message = {quoted(message)}\n  }}\n"
    return lines + "}\n"


def passed(key, parameter):
    """A parameter's value as CloudFormation takes it: text, and null for the template's default."""
    value = f"var.{snake(key)}"
    if kind(parameter) in ("list", "joined"):
        joined = f'join(",", {value})'
        return f"{value} == null ? null : {joined}" if "Default" in parameter else joined
    return value if kind(parameter) == "text" else f"tostring({value})"


def variables(module, template):
    name = STACK_NAMES.get(module)
    own = 'variable "stack_name" {\n  type = string\n'
    own += f"  default = {quoted(name)}\n" if name else ""
    own += '  description = "The name of the CloudFormation stack."\n}\n\n'
    own += 'variable "notification_arns" {\n  type = list(string)\n  default = []\n'
    own += '  description = "SNS topics that CloudFormation sends the events of this stack to."\n}\n\n'
    own += 'variable "tags" {\n  type = map(string)\n  default = {}\n'
    own += '  description = "Tags of the stack, which CloudFormation gives to its resources too."\n}\n\n'
    return own + "\n".join(variable(key, one) for key, one in template["Parameters"].items())


def main_file(module, template):
    iam = any(one["Type"].startswith("AWS::IAM::") for one in template["Resources"].values())
    given = "".join(f"    {key} = {passed(key, one)}\n" for key, one in template["Parameters"].items())
    text = f"# Written by ../generate.py from ../../{MODULES[module]}. Change the template and run it again.\n\n{VERSIONS}\n"
    text += f"locals {{\n  # A parameter that is null is left out, and the template's default counts.\n  parameters = {{\n{given}  }}\n}}\n\n"
    text += 'resource "aws_cloudformation_stack" "this" {\n  # checkov:skip=CKV_AWS_124: the caller chooses who gets the events of a stack (notification_arns)\n  name = var.stack_name\n'
    text += f'  template_body = file("${{path.module}}/../../{MODULES[module]}")\n'
    text += "  parameters = { for key, value in local.parameters : key => value if value != null }\n"
    text += '  capabilities = ["CAPABILITY_NAMED_IAM"]\n' if iam else ""
    return text + "  notification_arns = var.notification_arns\n  tags = var.tags\n}\n"


def outputs(template):
    own = 'output "stack_name" {\n  value = aws_cloudformation_stack.this.name\n  description = "The name of the stack."\n}\n'
    for key, one in template.get("Outputs", {}).items():
        says = quoted(one.get("Description", f"{key} of the stack."))
        own += f'\noutput "{snake(key)}" {{\n  value = aws_cloudformation_stack.this.outputs["{key}"]\n  description = {says}\n}}\n'
    return own


def aligned(text):
    """The same with the equal signs of neighbouring lines below each other, as `terraform fmt` has them."""
    lines, start = text.split("\n"), 0
    found = [re.fullmatch(r"( *)(\w+) = (.*[^{\[])", line) for line in lines]
    while start < len(lines):
        end = start
        while end < len(lines) and found[end] and found[end][1] == found[start][1]:
            end += 1
        width = max((len(one[2]) for one in found[start:end]), default=0)
        for at in range(start, end):
            lines[at] = f"{found[at][1]}{found[at][2].ljust(width)} = {found[at][3]}"
        start = max(end, start + 1)
    return "\n".join(lines)


def files(infra=INFRA):
    """Every file of every module, by its path under this folder."""
    made = {}
    for module, name in MODULES.items():
        template, faults = decode(str(infra / name))
        if template is None:
            sys.exit(f"infra: {name} cannot be read: {faults}")
        made[f"{module}/main.tf"] = main_file(module, template)
        made[f"{module}/variables.tf"] = variables(module, template)
        made[f"{module}/outputs.tf"] = outputs(template)
    return {path: aligned(text) for path, text in made.items()}


def stale(here=HERE, infra=INFRA):
    """The files that are not what the templates come to."""
    made = files(infra)
    is_same = lambda path, text: (here / path).is_file() and (here / path).read_text() == text
    return [path for path, text in made.items() if not is_same(path, text)]


def main():
    if sys.argv[1:] == ["--check"]:
        wrong = stale()
        for path in wrong:
            print(f"infra/terraform/{path}: not what the template comes to; run infra/terraform/generate.py")
        sys.exit(bool(wrong))
    for path, text in files().items():
        (HERE / path).parent.mkdir(exist_ok=True)
        (HERE / path).write_text(text)


if __name__ == "__main__":
    main()
