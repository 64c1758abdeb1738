#!/usr/bin/env python3
"""Real resolvers in front of real workers: a failover is followed, and no stale answer takes it back.

usage: run.py PROGRAM [CASE ...]      (`make resolvers`; a case by the beginning of its name, such as "unbound")

Every case has a cluster, an account on one ministack, resolvers of its own, and workers that ask them (`[dns] resolver`). At
one moment every cluster fails over: its names change, and RDS-EVENT-0071 is sent, except where it is to be lost. Then the
target groups are watched for longer than any of the caches keeps what was. All cases run at the same time; nothing but
loopback is used. Ends with 1 if a route did not follow, or was moved back.
"""

import contextlib
import ctypes
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "benches"))

import resolvers  # noqa: E402
from authority import ZONE, Authority, address, ask, endpoint, found_at, instance  # noqa: E402
from resolvers import DEFAULTS, FORMS, KEPT, KEPT_LONGER, STALE  # noqa: E402
from rig import MINISTACK, environment, free_port, until_ready  # noqa: E402

# From the failover on. A minimum TTL of 300 s and an upstream that is away for 300 s are over by then, and a timer of 30 s
# has gone round four times more.
WATCHED_S = float(os.environ.get("WATCHED_S", "430"))
AWAY_S = 300
LOOK_S = 1

# Until every worker has read its resolver once: the timer of a new worker looks at its routes within its interval.
SETTLE_S = 15
READY_S = 60
END_S = 10

CONFIG = """
[dns]
resolver = [{resolver}]
[worker]
health_address = "127.0.0.1:{health}"
[[route]]
source = "{cluster}"
target_group = "{group}"
discovery = "dns"
endpoint = "{endpoint}"
allowed_cidrs = ["10.0.0.0/16"]
"""


@dataclass
class Case:
    """A cluster, who asks whom about it, and what became of its group."""

    name: str
    form: str
    workers: list  # For each of them its resolvers, in order, as (kind, form).
    event: bool = True
    cluster: str = ""
    account: str = ""
    env: dict = field(default_factory=dict)
    group: str = ""
    failed_over: float = 0
    seen: list = field(default_factory=list)  # (seconds after the failover, addresses), at each change.
    noticed: list = field(default_factory=list)  # Why the timer waited, as it was recorded.

    @property
    def asks(self):
        """Every resolver of the case, once."""
        return list(dict.fromkeys(resolver for servers in self.workers for resolver in servers))

    @property
    def is_stale(self):
        return any(form == STALE for _, form in self.asks)

    def followed_after(self):
        return next((at for at, held in self.seen if held == {address(2)}), None)

    def moves_back(self):
        """How often the new writer was alone in the group, and then the old one."""
        settled = [held for _, held in self.seen if len(held) == 1]
        return sum(a == {address(2)} and b == {address(1)} for a, b in zip(settled, settled[1:]))

    def seconds_wrong(self):
        """How long the group was without the new writer, after it had had it once."""
        since = self.followed_after()
        ends = [at for at, _ in self.seen[1:]] + [WATCHED_S]
        spans = ((end - at, held, at) for (at, held), end in zip(self.seen, ends))
        return sum(took for took, held, at in spans if since is not None and at > since and address(2) not in held)

    def is_right(self):
        return self.followed_after() is not None and self.moves_back() == 0 and self.seen[-1][1] == {address(2)}


def cases():
    all_of_them = [
        Case(kind, form_of(kind, form), [[(kind, form)]]) for kind in FORMS for form in (DEFAULTS, KEPT, STALE)
    ]
    fresh, stale = ("unbound", DEFAULTS), ("unbound", KEPT_LONGER)
    return [
        *all_of_them,
        Case("two workers", "unbound, minimum TTL 600; unbound, defaults", [[stale], [fresh]]),
        Case("two in a list", "unbound, defaults, before unbound, minimum TTL 600", [[fresh, stale]]),
        Case("two in a list", "unbound, minimum TTL 600, before unbound, defaults", [[stale, fresh]]),
        Case("event lost", "unbound, defaults", [[fresh]], event=False),
        Case("event lost", "two in a list, the first one fresh", [[fresh, stale]], event=False),
    ]


def form_of(kind, form):
    if form == KEPT:
        return "minimum TTL 90" if kind == "bind9" else "minimum TTL 300"
    return f"serve-stale, upstream away for {AWAY_S} s" if form == STALE else form


def ends_with_us():
    """The kernel ends the child with the thread that started it, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextlib.contextmanager
def processes():
    """The processes that are started meanwhile. In the end all are asked to end, and made to if they do not."""
    started = []
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        deadline = time.monotonic() + END_S
        for process in started:
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def say(text):
    print(text, file=sys.stderr, flush=True)


def until(is_so, what, within_s=READY_S):
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {within_s:g} s")
        time.sleep(0.1)


class Rig:
    """Everything that runs, and what it is about."""

    def __init__(self, stack, program, folder, chosen):
        self.program, self.folder, self.cases = program, folder, chosen
        self.authority = Authority()
        stack.callback(self.authority.close)
        self.started = stack.enter_context(processes())
        self.aws = free_port()
        env = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.aws)}
        self.start([MINISTACK], folder / "ministack.log", env)
        until_ready(self.aws)

    def start(self, command, log, env=None):
        with open(log, "ab") as output:
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            process = subprocess.Popen(command, env=env, start_new_session=True, preexec_fn=ends_with_us, **streams)
        self.started.append(process)

    def client(self, case, service):
        return boto3.client(
            service,
            endpoint_url=case.env["AWS_ENDPOINT_URL"],
            region_name=case.env["AWS_REGION"],
            aws_access_key_id=case.account,
            aws_secret_access_key="secret",
        )

    def set_up(self):
        """Accounts, groups that hold the old writer, and resolvers that have been asked once."""
        for number, case in enumerate(self.cases):
            case.cluster, case.account = f"case{number}", f"{900_000_000_000 + number}"
            case.env = environment(self.aws, AWS_ACCESS_KEY_ID=case.account, AWS_EC2_METADATA_DISABLED="true")
            self.authority.add(case.cluster)
            elbv2 = self.client(case, "elbv2")
            made = elbv2.create_target_group(
                Name=case.cluster, Protocol="TCP", Port=3306, VpcId="vpc-1", TargetType="ip"
            )
            case.group = made["TargetGroups"][0]["TargetGroupArn"]
            old = {"Id": address(1), "Port": 3306}
            elbv2.register_targets(TargetGroupArn=case.group, Targets=[old])
            self.prepare(case, {resolver: self.resolver(case, resolver) for resolver in case.asks})

    def resolver(self, case, resolver):
        """Starts a resolver; the port at which it answers."""
        kind, form = resolver
        home = self.folder / case.cluster / f"{kind}-{form}".replace(" ", "-")
        port = free_port()
        self.start(resolvers.command(kind, form, home, port, self.authority.port), home / "log")
        # By another name, so that what the case is about is not in its cache yet.
        until(lambda: ask(port, ZONE, 1), f"{kind}, {form}: see {home}/log")
        return port

    def prepare(self, case, ports):
        """The configuration of each worker, and what `setup` makes of the first."""
        elsewhere = self.folder / case.cluster
        for number, servers in enumerate(case.workers):
            text = CONFIG.format(
                resolver=", ".join(f'"127.0.0.1:{ports[server]}"' for server in servers),
                health=free_port(),
                cluster=case.cluster,
                group=case.group,
                endpoint=endpoint(case.cluster),
            )
            (elsewhere / f"{number}.toml").write_text(text)
        self.says(case, "setup")
        for port in ports.values():
            # Now, so that a minimum TTL lasts for as long after the failover as it can. And the coming writer too, as a
            # failover before would have left it there: that its own name cannot be looked up is another story.
            for name, number in ((endpoint(case.cluster), 1), (f"{instance(case.cluster, 2)}.{ZONE}", 2)):
                until(lambda: found_at(port, name) == [address(number)], f"{case.name}, {case.form}: {name}")

    def command(self, case, number, *words):
        env = {**case.env, "WRITERLINK_CONFIG": str(self.folder / case.cluster / f"{number}.toml")}
        return [self.program, *words], {**env, "PATH": os.environ["PATH"]}

    def says(self, case, *words):
        command, env = self.command(case, 0, *words)
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def start_workers(self):
        logs = []
        for case in self.cases:
            for number in range(len(case.workers)):
                command, env = self.command(case, number, "run", "--log", "json")
                logs.append(self.folder / case.cluster / f"{number}.log")
                self.start(command, logs[-1], env)
        for log in logs:
            until(lambda: b'"started"' in log.read_bytes(), f"a worker does not start; see {log}")
        time.sleep(SETTLE_S)

    def fail_over(self):
        for case in self.cases:
            case.failed_over = time.monotonic()
            self.authority.set(case.cluster, writer=2, silent=case.is_stale)
            if case.event:
                self.tell(case)

    def tell(self, case):
        """RDS-EVENT-0071, as EventBridge puts it into the queue."""
        now = datetime.datetime.now(datetime.timezone.utc)
        arn = f"arn:aws:rds:us-east-1:{case.account}:cluster:{case.cluster}"
        detail = {
            "EventCategories": ["failover"],
            "SourceType": "CLUSTER",
            "SourceArn": arn,
            "Date": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "Message": f"Completed failover to DB instance: {instance(case.cluster, 2)}",
            "SourceIdentifier": case.cluster,
            "EventID": "RDS-EVENT-0071",
        }
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "RDS DB Cluster Event",
            "source": "aws.rds",
            "account": case.account,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [arn],
            "detail": detail,
        }
        sqs = self.client(case, "sqs")
        url = sqs.get_queue_url(QueueName="writerlink.fifo")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event), MessageGroupId=case.cluster)

    def watch(self):
        """Looks at every group, again and again, and notes each change."""
        since, away = self.cases[0].failed_over, True
        clients = [self.client(case, "elbv2") for case in self.cases]
        while (now := time.monotonic() - since) < WATCHED_S:
            for process in self.started:
                if process.poll() is not None:
                    sys.exit(f"{' '.join(map(str, process.args))} ended by itself, with {process.returncode}")
            if away and now >= AWAY_S:
                away = False
                for case in self.cases:
                    self.authority.set(case.cluster, silent=False)
            for case, elbv2 in zip(self.cases, clients):
                rows = elbv2.describe_target_health(TargetGroupArn=case.group)["TargetHealthDescriptions"]
                held = {row["Target"]["Id"] for row in rows}
                if not case.seen or case.seen[-1][1] != held:
                    at = time.monotonic() - case.failed_over
                    case.seen.append((at, held))
                    say(f"+{at:6.1f} s  {case.name}, {case.form}: {', '.join(sorted(held))}")
            time.sleep(max(0, LOOK_S - (time.monotonic() - since - now)))

    def read_the_audit(self):
        for case in self.cases:
            lines = self.says(case, "audit", "list", "--route", case.cluster, "--output", "jsonl").splitlines()
            records = [json.loads(line) for line in lines]
            noticed = (record["reason"] for record in reversed(records) if record["kind"] == "noticed")
            # That the sources agree at last is recorded too, and is no contradiction.
            noticed = (reason for reason in noticed if reason != "SourcesAgree")
            case.noticed = list(dict.fromkeys(noticed))


def markdown(chosen):
    yield "| resolver | form | followed after s | moves back | seconds wrong | contradiction recorded |"
    yield "|---|---|---|---|---|---|"
    for case in chosen:
        followed = case.followed_after()
        cells = (
            case.name,
            case.form,
            "never" if followed is None else f"{followed:.1f}",
            f"{case.moves_back()}" if case.moves_back() == 0 else f"**{case.moves_back()}**",
            f"{case.seconds_wrong():.0f}",
            f"yes ({', '.join(case.noticed)})" if case.noticed else "no",
        )
        yield f"| {' | '.join(cells)} |"


def stop(*_):
    sys.exit("stopped")


def main(program, *wanted):
    for asked_to_end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(asked_to_end, stop)
    chosen = [case for case in cases() if not wanted or any(case.name.startswith(name) for name in wanted)]
    if not chosen:
        sys.exit(f"there is no such case; there are: {', '.join(dict.fromkeys(case.name for case in cases()))}")
    kinds = sorted({kind for case in chosen for kind, _ in case.asks})
    resolvers.install(kinds)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="resolvers-")))
        rig = Rig(stack, str(Path(program).resolve()), folder, chosen)
        say(f"{len(chosen)} cases; logs are in {folder} while this runs")
        rig.set_up()
        rig.start_workers()
        rig.fail_over()
        rig.watch()
        rig.read_the_audit()
    print("\n".join(markdown(chosen)))
    versions = ", ".join(f"{kind} {resolvers.version(kind)}" for kind in kinds)
    print(f"\nWatched for {WATCHED_S:.0f} s after the failover. {versions}.")
    wrong = [f"{case.name}, {case.form}" for case in chosen if not case.is_right()]
    if wrong:
        sys.exit(f"not followed, or moved back: {'; '.join(wrong)}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
