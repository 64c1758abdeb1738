#!/usr/bin/env python3
"""The bug zoo: turns on one bug of src/planted.rs at a time and asks which tests catch it.

Prints a Markdown table (docs/correctness.md has it) and a final line of figures. A bug that nothing catches is
listed as open and makes the exit code 1: it is a gap in the tests. A suite that does not end in time counts as
catching it, since a run that never ends is what a person would notice.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

SEEDS = os.environ.get("SEEDS", "100")
SUITES = {
    "values": ["domain", "writerlink"],
    "ledger": ["ledger"],
    "scenario": ["scenarios", "timer", "lagging", "unresolved", "identity", "stopping"],
    "matrix": ["crash_points"],
    "simulation": ["simulation"],
}
# The tests of a suite that this is about: in the ledger's those that need no stand-in, in the matrix the single
# faults, since all pairs take minutes for each bug.
FILTERS = {"ledger": ["embedded"], "matrix": ["at_every_one_of_its_calls"], "simulation": ["every_seed"]}
TIMEOUT_S = 240


def bugs():
    """Those that the command line names, else all."""
    source = open("src/planted.rs", encoding="utf-8").read()
    known = re.findall(r"Self::(\w+),", source.split("pub const ALL")[1].split("];")[0])
    unknown = [name for name in sys.argv[1:] if name not in known]
    if unknown:
        sys.exit(f"src/planted.rs has no bug called {', '.join(unknown)}")
    return sys.argv[1:] or known


def binaries():
    command = ["cargo", "test", "--locked", "--features", "bug-zoo", "--no-run", "--message-format", "json"]
    for names in SUITES.values():
        for name in names:
            command += ["--lib"] if name == "writerlink" else ["--test", name]
    built = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for line in built.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["profile"]["test"]:
            found[message["target"]["name"]] = message["executable"]
    return found


def ask(found, suite, bug):
    """What a suite says about the bug: the word of its first binary that catches it."""
    said = (run(found[name], suite, bug) for name in SUITES[suite])
    return next((word for word in said if word), None)


def run(executable, suite, bug):
    """What one test binary says about the bug: None when it passes, else how it was caught."""
    environment = dict(os.environ, SEEDS=SEEDS, RUST_BACKTRACE="0", PROPTEST_DISABLE_FAILURE_PERSISTENCE="1")
    if bug:
        environment["BUG"] = bug
    try:
        done = subprocess.run(
            [executable, *FILTERS.get(suite, [])],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return "does not end"
    if done.returncode == 0:
        return None
    if suite == "simulation":
        seeds = re.search(r"(\d+) seeds failed: \[(\d+)", done.stdout)
        return f"seed {seeds[2]}, {seeds[1]} of {SEEDS}" if seeds else "yes"
    failed = re.findall(r"(\d+) failed;", done.stdout)
    return f"{failed[-1]} tests" if failed else "yes"


def main():
    found = binaries()
    healthy = {suite: ask(found, suite, None) for suite in SUITES}
    broken = [suite for suite, said in healthy.items() if said]
    if broken:
        sys.exit(f"without any bug these fail already: {', '.join(broken)}")
    print("| bug | " + " | ".join(SUITES) + " |")
    print("|---|" + "---|" * len(SUITES))
    caught = open_ = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for bug in bugs():
            jobs = [pool.submit(ask, found, suite, bug) for suite in SUITES]
            said = [job.result() for job in jobs]
            caught += any(said)
            open_ += not any(said)
            cells = [word or "" for word in said]
            print(f"| `{bug}`{'' if any(said) else ' **open**'} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nzoo: {caught + open_} bugs, {caught} caught, {open_} open, {SEEDS} seeds each")
    sys.exit(1 if open_ else 0)


if __name__ == "__main__":
    main()
