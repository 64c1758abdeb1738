"""What an idle worker costs: memory, CPU and wake-ups, with one route and with a thousand, of several programs side by side.

usage: idle.py [PROGRAM ...]; each is held against the first. IDLE_ROUTES and IDLE_S say how many routes, and for how long.

Every route was moved once and is right, so a look reads its state and its group and finds nothing to do. All programs run at
the same time, each on a ministack of its own, so that whatever else the machine does meets them all.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from against_lambda import rds_event
from rig import binary_asked, cpu_ms, environment, free_port, ministack, resident_kib, running, table

ROUTES = [int(count) for count in os.environ.get("IDLE_ROUTES", "1,1000").split(",")]
IDLE_S = int(os.environ.get("IDLE_S", "60"))
WARM_S = 45  # A look at each route takes 50 s if there are a thousand of them, and the first ones begin at once.
PORT, FIRST, DESIRED_IP = 3306, "orders-0000", "10.0.2.10"

WORKER = """
[worker]
health_address = "127.0.0.1:{port}"
page_address = "off"
"""

ROUTE = """
[[route]]
name = "{name}"
source = "{name}"
target_group = "{group}"
[route.instances]
{name}-1 = "10.0.1.10"
{name}-2 = "{ip}"
"""


TABLE = "writerlink-state"


@dataclass
class Cost:
    """What a process has come to use, and used in a stretch of time."""

    resident_kib: int
    anonymous_kib: int
    cpu_percent: float  # Of one core.
    wakes: float  # A second: how often a thread of it stopped waiting.


class Installation:
    """Groups, queue and tables of a program whose routes were all moved by an event."""

    def __init__(self, port, program, routes, directory):
        self.program, self.directory = program, Path(directory)
        env = environment(port)
        session = boto3.Session(env["AWS_ACCESS_KEY_ID"], "secret", region_name=env["AWS_REGION"])
        once = Config(retries={"max_attempts": 0})
        self.elbv2, self.sqs, self.dynamodb = (
            session.client(name, endpoint_url=env["AWS_ENDPOINT_URL"], config=once) for name in ("elbv2", "sqs", "dynamodb")
        )
        self.port, names = port, [f"orders-{n:04}" for n in range(routes)]
        routes = [ROUTE.format(name=name, ip=DESIRED_IP, group=self.group(name)) for name in names]
        first = self.configured("one.toml", routes[:1])
        subprocess.run([program, "setup"], env=first, check=True, stdout=subprocess.DEVNULL)
        self.move_the_first(first)
        self.copy_state(names[1:])
        self.env = self.configured("all.toml", routes)

    def configured(self, name, routes):
        config = self.directory / name
        config.write_text(WORKER.format(port=free_port()) + "".join(routes))
        return environment(self.port, WRITERLINK_CONFIG=str(config))

    def group(self, name):
        settings = {"Protocol": "TCP", "Port": PORT, "VpcId": "vpc-1", "TargetType": "ip"}
        arn = self.elbv2.create_target_group(Name=name, **settings)["TargetGroups"][0]["TargetGroupArn"]
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": DESIRED_IP, "Port": PORT}])
        return arn

    def move_the_first(self, env):
        """By an event that names what the group holds, so that no move is followed afterwards."""
        body, _ = rds_event(f"{FIRST}-2", cluster=FIRST)
        url = self.sqs.get_queue_url(QueueName="writerlink.fifo")["QueueUrl"]
        self.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=FIRST)
        subprocess.run([self.program, "run", "--drain"], env=env, check=True, stderr=subprocess.DEVNULL)
        if self.state().get("desired_ip") != {"S": DESIRED_IP}:
            sys.exit(f"{self.program} did not take the event; try `run --drain` by hand")

    def state(self):
        key = {"pk": {"S": f"route#{FIRST}"}}
        return self.dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True).get("Item", {})

    def copy_state(self, names):
        """Moving a thousand routes would take minutes; their states differ in nothing but their names."""
        state = json.dumps(self.state())
        for name in names:
            self.dynamodb.put_item(TableName=TABLE, Item=json.loads(state.replace(FIRST, name)))


def wakes(pid):
    fields = (line for status in Path(f"/proc/{pid}/task").glob("*/status") for line in status.read_text().splitlines())
    return sum(int(line.split()[1]) for line in fields if line.startswith("voluntary_ctxt_switches:"))


def side_by_side(programs, routes):
    """What each program costs in the same minute."""
    with contextlib.ExitStack() as stack:
        pids = []
        for program in programs:
            port, directory = stack.enter_context(ministack()), stack.enter_context(tempfile.TemporaryDirectory())
            env = Installation(port, program, routes, directory).env
            worker = stack.enter_context(running([program, "run"], env, stderr=subprocess.DEVNULL))
            pids.append(worker.pid)
        time.sleep(WARM_S)
        begun, before = time.monotonic(), [(cpu_ms(pid), wakes(pid)) for pid in pids]
        time.sleep(IDLE_S)
        took, after = time.monotonic() - begun, [(cpu_ms(pid), wakes(pid)) for pid in pids]
        return [
            Cost(resident_kib(pid), resident_kib(pid, "RssAnon"), (cpu - cpu0) / took / 10, (woken - woken0) / took)
            for pid, (cpu0, woken0), (cpu, woken) in zip(pids, before, after)
        ]


def main():
    programs = [Path(program) for program in sys.argv[1:]] or [binary_asked()]
    rows = [("", "routes", "resident MiB", "of it anonymous", "CPU of a core", "wake-ups a second", "memory, CPU of the first's")]
    for routes in ROUTES:
        costs = side_by_side(programs, routes)
        for program, cost in zip(programs, costs):
            memory, cpu = cost.resident_kib / costs[0].resident_kib, cost.cpu_percent / costs[0].cpu_percent
            row = (program.name, str(routes), f"{cost.resident_kib / 1024:.1f}", f"{cost.anonymous_kib / 1024:.1f}")
            rows.append((*row, f"{cost.cpu_percent:.3f} %", f"{cost.wakes:.1f}", f"{memory:.2f}, {cpu:.2f}"))
    print(f"idle for {IDLE_S} s, all programs at the same time")
    table(rows)


if __name__ == "__main__":
    main()
