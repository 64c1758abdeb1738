"""Checks the GitHub workflows; each line is a finding.

actionlint is not used: its package on PyPI fetches the program from GitHub while it is installed, and CI's machine may not reach
that. So these are the rules that matter here: an action is pinned by a commit and says its version, permissions are written
out, a job has a time limit, `needs` names jobs, a `make` target exists, and no text of an event gets into a shell.

usage: workflows.py FILE...
"""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$")


def job_faults(name, job, jobs, targets):
    """What is wrong with one job."""
    for key in ("runs-on", "timeout-minutes", "steps"):
        if key not in job:
            yield f"job {name} has no {key}"
    needs = job.get("needs", [])
    for other in [needs] if isinstance(needs, str) else needs:
        if other not in jobs:
            yield f"job {name} needs {other}, which is no job"
    for step in job.get("steps", []):
        if ("run" in step) == ("uses" in step):
            yield f"job {name}: a step has one of run and uses"
        script = step.get("run", "")
        if "${{" in script:
            yield f"job {name}: an expression inside a script; give it by env and quote the variable"
        for target in re.findall(r"^make (\w+)", script, re.M):
            if target not in targets:
                yield f"job {name}: the Makefile has no target {target}"


def findings(path):
    """Every finding in one workflow."""
    text = path.read_text()
    found = [f"{number}: {line.strip()}: pin it by its commit, and say the version: OWNER/NAME@40 digits # v1.2.3"
             for number, line in enumerate(text.splitlines(), 1)
             if re.match(r"\s*(- )?uses:", line) and not PINNED.search(line)]
    try:
        workflow = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"{path.name}: not YAML: {' '.join(str(error).split())}"]
    # YAML 1.1, which this reader speaks, has `on` for true.
    for key, spelled in ((True, "on"), ("permissions", "permissions"), ("jobs", "jobs")):
        if key not in workflow:
            found.append(f"has no {spelled}")
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    jobs = workflow.get("jobs") or {}
    found += [fault for name, job in jobs.items() for fault in job_faults(name, job, jobs, targets)]
    return [f"{path.name}: {line}" for line in found]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    found = [line for path in sys.argv[1:] for line in findings(Path(path))]
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
