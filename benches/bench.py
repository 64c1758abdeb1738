"""All that is measured from outside the program, and the last table of `make bench`: what was aimed at, and what came out.

The benchmarks in Rust, which ran before, have left their figures in the file named by FIGURES (`support::hold`).
A benchmark and no test: it ends with 0 when it ran, whatever came out.
"""

import json
import os
from pathlib import Path

import against_lambda
import footprint
from rig import Figure, binary_asked, table


def machine():
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return f"{os.cpu_count()} cores of {model}; load, our own builds included: {os.getloadavg()[0]:.1f}"


def from_the_benchmarks_before():
    gathered = os.environ.get("FIGURES")
    lines = Path(gathered).read_text().splitlines() if gathered else []
    return [Figure(**json.loads(line)) for line in lines]


def main():
    binary = binary_asked()
    print(machine())
    figures = against_lambda.measure(binary) + footprint.measure(binary) + from_the_benchmarks_before()
    rows = [("what", "aimed at", "came out", "")]
    for figure in figures:
        verdict = {True: "met", False: "missed", None: ""}[figure.met]
        rows.append((figure.what, figure.target, figure.figure, verdict))
    print()
    table(rows, words=len(rows[0]))


if __name__ == "__main__":
    main()
