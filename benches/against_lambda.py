"""writerlink beside the Lambda that it replaces: the same ministack, the same delay on every call.

Three parties take turns, event by event: writerlink (its release binary, a receive waiting), the Lambda warm (one
process, called again and again) and the Lambda cold (a process for each event, counted from its start). Each has
a target group of its own. All times are the proxy's: from when the ReceiveMessage reply left, or the
handler was called, until the reply of RegisterTargets or DeregisterTargets left.

That is generous to the Lambda: AWS's own time from SNS to the handler, and for setting up its sandbox, is left out.
"""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import boto3
from botocore.config import Config

from proxy import Proxy
from rig import PATIENCE_S, Figure, binary_asked, cpu_ms, environment, free_port, ministack, resident_kib, running, table

DELAYS_MS = (0, 2, 5, 20)
# ministack copies the whole of a ledger's tables for every transaction, which DynamoDB does not: a ministack of its own for
# every ten events keeps that small.
ROUNDS, EVENTS = int(os.environ.get("ROUNDS", "5")), 10
UNCOUNTED = 3  # At the start of a round: connections are made, and ministack loads what it loads late.
NULL_CALLS = 100
PORT = 3306
ADDRESSES = {"orders-1": "10.0.1.10", "orders-2": "10.0.2.10"}

REGISTERED_TRIPS_MAX, REGISTERED_EXTRA_MS = 2.2, 3
SOONER_THAN_WARM, SOONER_THAN_COLD, COMPARED_AT_MS = 1.4, 20, 5

LAMBDA = [sys.executable, "-u", str(Path(__file__).with_name("swap_lambda.py"))]

CONFIG = """
[worker]
health_address = "127.0.0.1:{health_port}"
[[route]]
name = "orders"
source = "orders"
target_group = "{group}"
flap_moves_max = 0
[route.instances]
{instances}
"""


@dataclass
class Moment:
    """How long after the event something was done; what of that ministack took, and what a call was held up."""

    ms: float
    ministack_ms: float
    held_ms: float

    @classmethod
    def of(cls, moments):
        """The medians of many."""
        columns = zip(*((m.ms, m.ministack_ms, m.held_ms) for m in moments))
        return cls(*(statistics.median(column) for column in columns))

    @classmethod
    def after(cls, since, call, calls):
        """When this call was answered, after those that nobody could make sooner."""
        served, held = sum(c.served_ms for c in calls), statistics.mean(c.held_ms for c in calls)
        return cls((call.answered - since) * 1000, served, held)

    @property
    def less_ministack_ms(self):
        return self.ms - self.ministack_ms

    @property
    def trips(self):
        return self.less_ministack_ms / self.held_ms


@dataclass
class Party:
    """What was measured of one of the three."""

    name: str
    registered: list = field(default_factory=list)
    deregistered: list = field(default_factory=list)
    cpu_ms: list = field(default_factory=list)
    peak_kib: int = 0

    def note(self, proxy, since):
        """Takes down one event; it is over when both replies have left."""
        for name, moments in (("RegisterTargets", self.registered), ("DeregisterTargets", self.deregistered)):
            call = proxy.next_answered(name, since, PATIENCE_S)
            if call is None:
                sys.exit(f"{self.name}: no {name} came; see what its process says")
            if call.status != 200:
                sys.exit(f"{self.name}: {name} was answered with {call.status}: {call.body!r}")
            calls = one_after_another(proxy.between(since, call.answered))
            moments.append(Moment.after(since, call, calls))


def one_after_another(calls):
    """Of calls that overlap only the one that was answered last: nobody waited for the other."""
    chain = []
    for call in sorted(calls, key=lambda call: call.arrived):
        if chain and call.arrived < chain[-1].answered:
            chain[-1] = max(chain[-1], call, key=lambda call: call.answered)
        else:
            chain.append(call)
    return chain


class Account:
    """What the three share: groups, queue and tables on one ministack, and a proxy for each kind."""

    def __init__(self, port, binary, directory):
        self.binary = binary
        self.worker_proxy, self.lambda_proxy = Proxy(port), Proxy(port)
        env = environment(port)
        session = boto3.Session(env["AWS_ACCESS_KEY_ID"], "secret", region_name=env["AWS_REGION"])
        once = Config(retries={"max_attempts": 0})
        self.elbv2, self.sqs, self.sts = (
            session.client(name, endpoint_url=env["AWS_ENDPOINT_URL"], config=once)
            for name in ("elbv2", "sqs", "sts")
        )
        through = f"http://127.0.0.1:{self.lambda_proxy.port}"
        self.null = session.client("sts", endpoint_url=through, config=once)
        config, self.log = Path(directory) / "w.toml", Path(directory) / "log"
        instances = "\n".join(f'{name} = "{ip}"' for name, ip in ADDRESSES.items())
        config.write_text(CONFIG.format(health_port=free_port(), group=self.group("orders"), instances=instances))
        self.worker_env = environment(self.worker_proxy.port, WRITERLINK_CONFIG=str(config))
        subprocess.run([binary, "setup"], env=self.worker_env, check=True, stdout=subprocess.DEVNULL)
        self.queue = self.sqs.get_queue_url(QueueName="writerlink.fifo")["QueueUrl"]

    def group(self, name):
        settings = {"Protocol": "TCP", "Port": PORT, "VpcId": "vpc-1", "TargetType": "ip"}
        made = self.elbv2.create_target_group(Name=name, **settings)
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": ADDRESSES["orders-1"], "Port": PORT}])
        return arn

    def lambda_env(self, group):
        # A Lambda's environment has the paths of its runtime; nothing else of ours goes in.
        more = {"TARGET_GROUP_ARN": group, "IP_DICT": json.dumps(ADDRESSES), "PATH": os.environ["PATH"]}
        return environment(self.lambda_proxy.port, **more)

    def slow_down(self, delay_ms):
        for proxy in (self.worker_proxy, self.lambda_proxy):
            proxy.delay_s = delay_ms / 1000
            proxy.forget()

    def null_call_ms(self):
        """What a call costs here that asks for next to nothing: the delay, and ministack's own time."""
        trips = []
        for _ in range(NULL_CALLS):
            begun = time.monotonic()
            self.null.get_caller_identity()
            call = self.lambda_proxy.next_answered("GetCallerIdentity", begun, PATIENCE_S)
            trips.append((call.answered - call.arrived) * 1000)
        return statistics.median(trips)


def rds_event(instance, cluster="orders"):
    """A failover to this instance as RDS says it: body of a queue's message, and event of a Lambda."""
    at = datetime.now(timezone.utc)
    message = f"Started cross AZ failover to DB instance: {instance}"
    arn = f"arn:aws:rds:us-east-1:123456789012:cluster:{cluster}"
    date = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    detail = {"EventCategories": ["failover"], "SourceType": "CLUSTER", "SourceArn": arn, "Date": date}
    detail |= {"Message": message, "SourceIdentifier": cluster, "EventID": "RDS-EVENT-0073"}
    bus = {"version": "0", "id": f"bench-{at.timestamp()}", "detail-type": "RDS DB Cluster Event", "source": "aws.rds"}
    bus |= {"account": "123456789012", "time": date[:19] + "Z", "region": "us-east-1", "resources": [arn], "detail": detail}
    link = "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html#RDS-EVENT-0073"
    sns = {"Event Source": "db-cluster", "Event Time": date[:23].replace("T", " "), "Source ID": cluster}
    sns |= {"Source ARN": arn, "Event ID": link, "Event Message": message}
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Type": "Notification", "Message": json.dumps(sns)}}
    return json.dumps(bus), json.dumps({"Records": [record]})


class Worker:
    def __init__(self, account, process, party):
        self.account, self.process, self.party = account, process, party

    def take(self, instance):
        proxy = self.account.worker_proxy
        body, _ = rds_event(instance)
        # A receive is waiting: one came that has not been answered.
        if proxy.wait(lambda call: call.name == "ReceiveMessage" and not call.answered, PATIENCE_S) is None:
            self.give_up("does not ask for messages")
        sent, used = time.monotonic(), cpu_ms(self.process.pid)
        self.account.sqs.send_message(QueueUrl=self.account.queue, MessageBody=body, MessageGroupId="orders")
        received = proxy.next_answered("ReceiveMessage", sent, PATIENCE_S, says=b"RDS-EVENT-0073")
        if received is None:
            self.give_up("did not get the event")
        # The audit is part of the work: the event is over when its message is deleted.
        if proxy.next_answered("DeleteMessage", received.answered, PATIENCE_S) is None:
            self.give_up("did not settle the event")
        self.party.note(proxy, received.answered)
        self.party.cpu_ms.append(cpu_ms(self.process.pid) - used)
        self.party.peak_kib = resident_kib(self.process.pid, "VmHWM")
        proxy.forget()


    def give_up(self, why):
        sys.exit(f"writerlink {why}; its last words:\n" + "".join(self.account.log.read_text().splitlines(True)[-20:]))


class Warm:
    def __init__(self, account, process, party):
        self.account, self.process, self.party = account, process, party

    def take(self, instance):
        _, event = rds_event(instance)
        used = cpu_ms(self.process.pid)
        self.process.stdin.write(event + "\n")
        self.process.stdin.flush()
        called = float(self.process.stdout.readline())
        self.party.note(self.account.lambda_proxy, called)
        self.party.cpu_ms.append(cpu_ms(self.process.pid) - used)
        self.party.peak_kib = resident_kib(self.process.pid, "VmHWM")
        self.account.lambda_proxy.forget()


class Cold:
    def __init__(self, account, env, party):
        self.account, self.env, self.party = account, env, party

    def take(self, instance):
        _, event = rds_event(instance)
        begun = time.monotonic()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*LAMBDA, "once"], env=self.env, **pipes)
        process.stdin.write(event)
        process.stdin.close()
        peak_kib = int(process.stdout.read() or 0)
        process.stdout.close()
        # What it has used is told to whoever waits for its end, and to nobody else.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"the cold Lambda ended with {process.returncode}")
        self.party.note(self.account.lambda_proxy, begun)
        self.party.cpu_ms.append((used.ru_utime + used.ru_stime) * 1000)
        self.party.peak_kib = max(self.party.peak_kib, peak_kib)
        self.account.lambda_proxy.forget()


@contextlib.contextmanager
def three_takers(account, parties):
    """The three, ready."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    warm_env, cold_env = (account.lambda_env(account.group(kind)) for kind in ("warm", "cold"))
    ours, warm, cold = parties
    command = [account.binary, "run"]
    with open(account.log, "w") as log, running(command, account.worker_env, stderr=log) as worker:
        with running(LAMBDA, warm_env, **pipes) as process:
            yield Worker(account, worker, ours), Warm(account, process, warm), Cold(account, cold_env, cold)


def one_round(binary, delay_ms, parties):
    """Event by event, each of which moves each one's group to the other instance."""
    with ministack() as port, tempfile.TemporaryDirectory() as directory:
        account = Account(port, binary, directory)
        uncounted = [Party(party.name) for party in parties]
        # All groups hold orders-1 at first.
        instances = itertools.cycle(("orders-2", "orders-1"))
        with three_takers(account, uncounted) as takers:
            account.slow_down(delay_ms)
            for event in range(UNCOUNTED + EVENTS):
                instance = next(instances)
                for taker, party in zip(takers, parties):
                    if event == UNCOUNTED:
                        taker.party = party
                    taker.take(instance)
            null_ms = account.null_call_ms()
            account.slow_down(0)
        verify_audit(account)
        return null_ms


def measure(binary):
    """All delays; what is aimed at, and what came of it."""
    figures = []
    for delay_ms in DELAYS_MS:
        parties = [Party("writerlink"), Party("Lambda, warm"), Party("Lambda, cold")]
        nulls = [one_round(binary, delay_ms, parties) for _ in range(ROUNDS)]
        tell(delay_ms, statistics.median(nulls), parties)
        figures += held_against_targets(delay_ms, parties)
    audits = len(DELAYS_MS) * ROUNDS
    figures.append(Figure("audits written meanwhile", "all verify", f"{audits} of {audits} verify", True))
    return figures


def tell(delay_ms, null_ms, parties):
    print(f"\n{delay_ms} ms added to every call; {ROUNDS * EVENTS} events each, medians; a call that asks for nothing: {null_ms:.1f} ms")
    ours = Moment.of(parties[0].registered).ms
    rows = [("", "registered ms", "p90", "ministack's", "trips", "x ours", "deregistered ms", "trips", "CPU ms", "peak MiB")]
    for party in parties:
        registered, deregistered = Moment.of(party.registered), Moment.of(party.deregistered)
        p90 = statistics.quantiles((m.ms for m in party.registered), n=10)[-1]
        row = [party.name, f"{registered.ms:.1f}", f"{p90:.1f}", f"{registered.ministack_ms:.1f}"]
        # Without a delay there is nothing to count trips by.
        trips = [f"{m.trips:.2f}" if delay_ms else "-" for m in (registered, deregistered)]
        row += [trips[0], f"{registered.ms / ours:.2f}", f"{deregistered.ms:.1f}", trips[1]]
        row += [f"{statistics.median(party.cpu_ms):.1f}", f"{party.peak_kib / 1024:.1f}"]
        rows.append(row)
    table(rows)


def held_against_targets(delay_ms, parties):
    ours, warm, cold = (Moment.of(party.registered) for party in parties)
    most = REGISTERED_TRIPS_MAX * ours.held_ms + REGISTERED_EXTRA_MS
    target = f"<= {REGISTERED_TRIPS_MAX} round trips + {REGISTERED_EXTRA_MS} ms = {most:.1f} ms"
    figure = f"{ours.less_ministack_ms:.1f} ms, and {ours.ministack_ms:.1f} ms in ministack"
    figures = [Figure(f"event to registered, {delay_ms} ms a call", target, figure, ours.less_ministack_ms <= most)]
    if delay_ms == COMPARED_AT_MS:
        for name, theirs, least in (("warm", warm, SOONER_THAN_WARM), ("cold", cold, SOONER_THAN_COLD)):
            what = f"sooner than the {name} Lambda, {delay_ms} ms a call"
            ratio, without = theirs.ms / ours.ms, theirs.less_ministack_ms / ours.less_ministack_ms
            figure = f"{ratio:.2f} x, and {without:.2f} x without ministack's time"
            figures.append(Figure(what, f">= {least} x", figure, ratio >= least))
    return figures


def verify_audit(account):
    """The whole audit was written all along: two records for each event, and the chain verifies."""
    asked = [account.binary, "audit", "verify", "--output", "json"]
    said = subprocess.run(asked, env=account.worker_env, capture_output=True, text=True)
    if said.returncode:
        sys.exit(f"the audit does not verify: {said.stdout}{said.stderr}")
    records = sum(route["records"] for route in json.loads(said.stdout)["routes"])
    if records < 2 * (UNCOUNTED + EVENTS):
        sys.exit(f"the audit has {records} records of {UNCOUNTED + EVENTS} events; each event has two")


def main():
    binary = binary_asked()
    for figure in measure(binary):
        print(f"{figure.what}: {figure.figure} ({figure.target}): {'met' if figure.met else 'missed'}")


if __name__ == "__main__":
    main()
