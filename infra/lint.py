"""Checks the templates with cfn-lint and with rules of ours (rules.py), the Terraform modules with terraform/check.py, the GitHub
workflows with workflows.py, the dashboard with grafana.py and the CDK example with cdk/render.py, and templates, Dockerfile and
modules with checkov. Any finding fails.

A check of checkov that does not fit is skipped where it does not fit, with its reason beside it; a skip without a
reason fails too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from rules import Rules

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "terraform"), str(HERE / "cdk")]
import check as terraform
import grafana
import render
import workflows

BIN = Path(sys.executable).parent
TEMPLATES = sorted(HERE.glob("*.yaml"))
FRAMEWORKS = ["cloudformation", "dockerfile", "terraform"]

# What `aws cloudformation deploy` sends without a bucket (CloudFormation user guide, "Quotas": template body in a request).
TEMPLATE_BYTES_MAX = 51_200


def cfn_lint():
    """The findings, as cfn-lint words them. Warnings and remarks count."""
    asked = [BIN / "cfn-lint", "--include-checks", "I", "--", *TEMPLATES]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    return "" if said.returncode == 0 else (said.stdout + said.stderr).strip()


def checkov():
    """The results of every check, by framework. Nothing is downloaded and nothing sent."""
    asked = [BIN / "checkov", "--skip-download", "--soft-fail", "--output", "json"]
    asked += ["--framework", *FRAMEWORKS, "--directory", HERE]
    env = {**os.environ, "LOG_LEVEL": "ERROR"}
    said = subprocess.run(asked, capture_output=True, text=True, check=True, env=env)
    reports = json.loads(said.stdout)
    reports = reports if isinstance(reports, list) else [reports]
    found = {report["check_type"] for report in reports if "check_type" in report}
    if found != set(FRAMEWORKS):
        sys.exit(f"infra: checkov looked at {sorted(found)}, not at {FRAMEWORKS}:\n{said.stdout[:2000]}{said.stderr}")
    return reports


def other_checks():
    """The findings in what is no template, and how many each check has."""
    modules, looked = terraform.findings()
    found = {f"{looked} Terraform folders: check.py": [f"terraform/{line}" for line in modules]}
    flows = workflows.WORKFLOWS
    found[f"{len(flows)} workflows: workflows.py"] = [line for path in flows for line in workflows.findings(path)]
    found["grafana.py"] = grafana.findings()
    why = render.missing()
    if why:
        print(f"infra: NOT CHECKED: the CDK example (infra/cdk): {why}")
    else:
        found["CDK example: render.py"] = render.findings()
    return [line for lines in found.values() for line in lines], ", ".join(f"{name} {len(lines)}" for name, lines in found.items())


def main():
    findings = cfn_lint()
    if findings:
        print(findings)
    sizes = [(path, path.stat().st_size) for path in TEMPLATES]
    faults = [f"{path.name}: {size} bytes, more than {TEMPLATE_BYTES_MAX}" for path, size in sizes if size > TEMPLATE_BYTES_MAX]
    rules = Rules()
    own = [line for path in TEMPLATES for line in rules.findings(path)]
    faults += own
    others, counted = other_checks()
    faults += others
    passed, skips = 0, []
    for report in checkov():
        results = report["results"]
        if report["summary"]["parsing_errors"]:
            faults.append(f"{report['check_type']}: {report['summary']['parsing_errors']} files could not be parsed")
        for check in results["failed_checks"]:
            place = f"infra{check['file_path']}:{check['file_line_range'][0]}"
            faults.append(f"{place}: {check['check_id']} {check['check_name']} ({check['resource']})")
        for check in results["skipped_checks"]:
            reason = (check["check_result"].get("suppress_comment") or "").strip()
            skips.append(f"{check['check_id']} of {check['resource']}: {reason}")
            if not reason or reason == "No comment provided":
                faults.append(f"{check['check_id']} of {check['resource']} is skipped without a reason")
        passed += report["summary"]["passed"]
    for line in faults:
        print(line)
    for line in skips:
        print(f"skipped {line}")
    verdict = "FAILED" if findings or faults else "ok"
    print(
        f"infra: {verdict}. {len(TEMPLATES)} templates: cfn-lint {'has findings' if findings else '0 findings'}, rules.py {len(own)}; "
        f"{counted}; "
        f"all of infra/: checkov {passed} passed, {len(faults) - len(own) - len(others)} failed, {len(skips)} skipped with their reasons"
    )
    sys.exit(verdict != "ok")


if __name__ == "__main__":
    main()
