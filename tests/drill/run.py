#!/usr/bin/env python3
"""Real databases behind real relays, failed over: `run.py [options] PROGRAM` (`make drill`; docs/relay.md).

MariaDB sources with a replica behind every path, PostgreSQL with logical subscriptions, the worker on the AWS emulator, its
agent and HAProxy; loopback only. Every path is failed over at the same moments. Prints figures beside their targets and
ends with 1 if a target is missed. Figures are written to target/drill.json.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

PACKAGES = {"haproxy": "haproxy", "mariadbd": "mariadb-server", "mariadb": "mariadb-client", "pg_ctlcluster": "postgresql"}
OURS = ["event-application", "event-replication", "sql-application", "sql-replication"]
OTHERS = ["obvious", "resolvers", "tcp"]
FAULTS = ["ledger", "agent", "worker"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="the writerlink program")
    parser.add_argument("--flips", type=int, default=40, help="planned failovers, to and fro (default 40)")
    parser.add_argument("--unplanned", type=int, default=4, help="failovers with the event 8 s after the old writer's death")
    parser.add_argument("--gap", type=int, default=2, help="failovers with no writer for 20 s")
    parser.add_argument("--fault-seconds", type=float, default=60, help="how long the ledger, agent and worker are away")
    parser.add_argument("--faults", default=",".join(FAULTS), help="what is away for a while, of: %(default)s")
    parser.add_argument("--postgres", type=int, default=6, help="planned failovers of PostgreSQL")
    parser.add_argument("--paths", default=",".join(OURS + OTHERS), help="the paths of MariaDB, of: %(default)s")
    parser.add_argument("--figures", type=Path, default=Path("target/drill.json"))
    parser.add_argument("--install", action="store_true", help="install missing Debian packages (root)")
    bounded = "a few flips of our own paths, for `make test`; asserts counts, not seconds; skips without the packages"
    parser.add_argument("--bounded", action="store_true", help=bounded)
    parser.add_argument("--keep", action="store_true", help="keep the directory with data and logs")
    asked = parser.parse_args()
    if asked.bounded:
        asked.flips, asked.unplanned, asked.gap, asked.fault_seconds, asked.postgres = 4, 0, 0, 3, 0
        asked.paths, asked.faults = ",".join([*OURS, "tcp"]), "agent"
    asked.program, asked.paths = asked.program.resolve(), asked.paths.split(",")
    return asked


def find(program):
    os.environ["PATH"] += ":/usr/sbin:/usr/local/sbin"
    return shutil.which(program)


def packages_present(asked):
    """Installs what is missing if asked to. A bounded run is skipped without HAProxy and MariaDB."""
    needed = {p: n for p, n in PACKAGES.items() if asked.postgres or n != "postgresql"}
    missing = [name for program, name in needed.items() if not find(program)]
    if missing and asked.install:
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", *missing], check=True)
        missing = []
    if missing and asked.bounded:
        print(f"drill: SKIPPED: {', '.join(missing)} missing (Debian: apt-get install {' '.join(missing)})")
        sys.exit(0)
    if missing:
        sys.exit(f"drill: {', '.join(missing)} missing; run it with --install, as root")


def main():
    asked = arguments()
    # The calls of the worker and the agents pass a proxy on a thread of this process. With the default of 5 ms each of them
    # would wait for the threads that watch.
    sys.setswitchinterval(0.0005)
    packages_present(asked)
    import flips
    import postgres
    import report
    from net import Processes
    from steer import Steering

    directory = Path(tempfile.mkdtemp(prefix="drill-"))
    directory.chmod(0o755)
    # The databases run as users of their own, which may not write where TMPDIR points for us.
    scratch = directory / "tmp"
    scratch.mkdir()
    scratch.chmod(0o1777)
    os.environ["TMPDIR"] = str(scratch)
    try:
        with Processes(directory) as processes:
            print(f"drill: logs and data in {directory}", flush=True)
            mariadb = flips.Flips(processes, asked.paths)
            logical = postgres.Postgres(processes) if asked.postgres else None
            steering = Steering(processes, asked.program, mariadb.routes + (logical.routes if logical else []))
            mariadb.connect(steering)
            faults = {}
            for _ in range(asked.flips):
                mariadb.flip("planned")
            # The failover after an outage has no target, for two reasons. A receive that was open when its worker died goes
            # on in the emulator for 20 s, and may take the next event with it for 30 s. And a worker that could not reach
            # AWS pauses before its next receive, for up to RETRY_LONGEST (30 s).
            for what in filter(None, asked.faults.split(",")):
                faults[what] = mariadb.fault(what, asked.fault_seconds)
                mariadb.flip(f"after {what}")
            for _ in range(asked.unplanned):
                mariadb.flip("unplanned", 8)
            for _ in range(asked.gap):
                mariadb.flip("gap", 20)
            mariadb.compare()
            if logical:
                logical.connect(steering)
                for _ in range(asked.postgres):
                    logical.flip()
            result = report.Report(asked, steering, mariadb, faults, logical)
    finally:
        if not asked.keep:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(result.show())


if __name__ == "__main__":
    main()
