"""Writes schema.json: the arguments of the AWS provider's resources that the modules and examples use.

    schema.py VERSION

They come from the bindings that HashiCorp generates from the provider's schema (npm package @cdktf/provider-aws; VERSION such
as 21.22.1, which is provider 6.25.0). The package has 37 MB, too much for each run of `make infra`, so what the check needs
is kept here. A resource that is not in it is a finding: add it to RESOURCES and run this again.
"""

import io
import json
import re
import sys
import tarfile
import urllib.request
from pathlib import Path

PACKAGE = "https://registry.npmjs.org/@cdktf/provider-aws/-/provider-aws-{}.tgz"
RESOURCES = ["aws_cloudformation_stack", "aws_lb_listener"]

FIELD = re.compile(r"docs/resources/\w+#(\w+) [^}]*\}.*?readonly \w+(\??): ([^;]+);", re.S)


def interfaces(text):
    """The arguments of each interface, by the interface's name."""
    for name, body in re.findall(r"export interface (\w+)[^{]*\{\n(.*?)\n\}", text, re.S):
        fields = {}
        for comment in body.split("/**")[1:]:
            found = FIELD.search(comment)
            if found:
                fields[found[1]] = {"required": not found[2], "type": found[3]}
        yield name, fields


def resolved(name, known):
    """An interface's arguments, with the blocks below them."""
    fields = {}
    for key, field in known[name].items():
        inner = next((one for one in re.findall(r"\w+", field["type"]) if one in known), None)
        fields[key] = {"required": field["required"]}
        if inner:
            fields[key]["block"] = resolved(inner, known)
    return fields


def main():
    [version] = sys.argv[1:]
    with urllib.request.urlopen(PACKAGE.format(version)) as answer:
        package = tarfile.open(fileobj=io.BytesIO(answer.read()))
    schema = {}
    for resource in RESOURCES:
        short = resource.removeprefix("aws_").replace("_", "-")
        text = package.extractfile(f"package/lib/{short}/index.d.ts").read().decode()
        known = dict(interfaces(text))
        [config] = [name for name in known if name.endswith("Config")]
        schema[resource] = resolved(config, known)
    about = package.extractfile("package/package.json").read().decode()
    provider = re.search(r'"name": "registry.terraform.io/hashicorp/aws",\s*"version": "([^"]+)"', about)[1]
    written = {"package": f"@cdktf/provider-aws {version}", "provider": provider, "resources": schema}
    path = Path(__file__).resolve().parent / "schema.json"
    path.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
