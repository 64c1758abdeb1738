"""Renders the CDK example and holds it against the templates; each line is a finding.

usage: render.py [APP]

It needs node and aws-cdk-lib (186 MB), which `make cdk` installs in target/cdk. Without them nothing is checked, and `missing` says
why.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cfnlint.decode import decode

HERE = Path(__file__).resolve().parent
INFRA = HERE.parent
MODULES = INFRA.parent / "target/cdk/node_modules"

# The stacks of the example, by their templates.
STACKS = {"writerlink": "writerlink", "writerlink-people": "people", "writerlink-grants": "grants", "writerlink-orders": "route"}


def missing():
    """Why the example cannot be rendered here, if it cannot."""
    if not shutil.which("node"):
        return "node is missing (Debian: apt-get install nodejs npm)"
    if not (MODULES / "aws-cdk-lib").is_dir():
        return "aws-cdk-lib is not installed; `make cdk` installs it and checks"
    return None


def findings(app=HERE / "app.js"):
    """What is wrong with the rendered stacks."""
    env = {**os.environ, "NODE_PATH": str(MODULES), "CDK_DISABLE_VERSION_CHECK": "1"}
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(["node", app, folder], capture_output=True, text=True, check=False, env=env)
        if said.returncode != 0:
            lines = [line for line in said.stderr.splitlines() if "Error" in line]
            return [f"cdk: {app.name} fails: {lines[0] if lines else said.stderr[-300:]}"]
        return [line for stack, name in STACKS.items() for line in differences(Path(folder), stack, name)]


def differences(folder, stack, name):
    """What the rendered stack lacks, or has more, than the template."""
    path = folder / f"{stack}.template.json"
    if not path.is_file():
        return [f"cdk: stack {stack} was not rendered"]
    rendered = json.loads(path.read_text())
    template, _ = decode(str(INFRA / f"{name}.yaml"))
    both = [{key: one["Type"] for key, one in of["Resources"].items()} for of in (rendered, template)]
    found = [f"cdk: {stack}: {key} of {name}.yaml is not rendered" for key in sorted(set(both[1]) - set(both[0]))]
    open_ = [key for key, one in rendered.get("Parameters", {}).items() if "Default" not in one]
    return found + [f"cdk: {stack}: parameter {key} has no value" for key in sorted(open_)]


def main():
    why = missing()
    if why:
        sys.exit(f"cdk: NOT CHECKED: {why}")
    found = findings(Path(sys.argv[1]).resolve() if sys.argv[1:] else HERE / "app.js")
    for line in found:
        print(line)
    print("cdk: FAILED" if found else f"cdk: ok. {len(STACKS)} stacks rendered with every resource of their templates")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
