"""Checks the Grafana dashboard against the metrics that the program publishes; each line is a finding.

The names are read from the source that declares them. In Prometheus a counter ends in `_total`, and a time is a histogram in
seconds (crates/engine/src/telemetry/prometheus.rs). A misspelled name draws an empty panel, which looks as if all were well.

usage: grafana.py [FILE]
"""

import difflib
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DASHBOARD = HERE / "grafana.json"
METRICS = HERE.parent / "crates/engine/src/telemetry/measure/metrics.rs"

# What a histogram's series are told apart by, and what Prometheus itself adds.
OF_PROMETHEUS = {"le", "instance", "job"}
LABELS = {"Nothing": set(), "Route": {"route"}, "RouteAndOutcome": {"route", "outcome"}}


def published():
    """Each name with its labels."""
    declared = re.findall(r'= (Counter|Gauge|Time) "(\w+)" by (\w+);', METRICS.read_text())
    if len(declared) < 30:
        sys.exit(f"infra: {METRICS.name} is written otherwise: {len(declared)} metrics are read there")
    names = {}
    for kind, name, by in declared:
        labels = LABELS[by] | OF_PROMETHEUS | {"installation"}
        stem = f"writerlink_{name.removesuffix('_ms')}_seconds"
        spelled = {"Counter": [f"writerlink_{name}_total"], "Gauge": [f"writerlink_{name}"]}
        for one in spelled.get(kind, [f"{stem}_{part}" for part in ("bucket", "sum", "count")]):
            names[one] = labels
    return names


def expressions(node, place):
    """Every query below a node, with the panel it belongs to."""
    if isinstance(node, dict):
        place = node.get("title") or node.get("name") or place
        for key, value in node.items():
            if key in ("expr", "query", "definition") and isinstance(value, str):
                yield place, value
            yield from expressions(value, place)
    elif isinstance(node, list):
        for one in node:
            yield from expressions(one, place)


def query_faults(query, names):
    """The names that nothing publishes, and labels that the metric does not have."""
    used = set(re.findall(r"\bwriterlink_\w+", query))
    for name in sorted(used - set(names)):
        close = difflib.get_close_matches(name, names, 1)
        yield f"nothing publishes {name}" + (f"; {close[0]} is meant?" if close else "")
    asked = [label for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(",")]
    asked += re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", query)
    for name in sorted(used & set(names)):
        for label in sorted({label.strip() for label in asked} - names[name]):
            yield f"{name} has no label {label}"


def findings(path=DASHBOARD):
    """Every finding in a dashboard."""
    try:
        dashboard = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        return [f"{path.name}: not JSON: {error}"]
    names, found = published(), []
    queries = list(expressions(dashboard, "dashboard"))
    for place, query in queries:
        found += [f"{place}: {fault}" for fault in query_faults(query, names)]
    if not any("writerlink_" in query for _, query in queries):
        found.append("no query asks for a metric of writerlink")
    ids = [panel.get("id") for panel in dashboard.get("panels", [])]
    found += [f"panel id {one} is used twice" for one in sorted({one for one in ids if ids.count(one) > 1})]
    return [f"{path.name}: {line}" for line in found]


def main():
    path = Path(sys.argv[1]) if sys.argv[1:] else DASHBOARD
    found = findings(path)
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
