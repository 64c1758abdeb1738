"""How long an event waits that comes while one of two workers stops: SIGTERM to the first, the event, the group.

Both are the program itself against ministack, each run in an account of its own, some runs side by side. The events come
between 0 and 19 s after the signal, while the first worker's receive is open; ministack gives them to either receive,
as SQS does. The time runs from the reply to SendMessage until the group holds the new writer.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

from rig import PATIENCE_S, binary_asked, environment, free_port, ministack

RUNS, SIDE_BY_SIDE = int(os.environ.get("RUNS", "20")), 4
LAST_EVENT_S = 18.7  # The receive that is open at the signal ends a moment later. No multiple of ministack's tenths.
POLLING_S = 0.5  # A worker that said it has started has its first receive open by then.
LIMIT_S = 1.0
PORT = 3306
OLD, NEW = "10.0.1.10", "10.0.2.10"

CONFIG = """
[worker]
health_address = "127.0.0.1:{health_port}"
[[route]]
source = "orders"
target_group = "{group}"
[route.instances]
orders-1 = "{old}"
orders-2 = "{new}"
"""


class Run:
    def __init__(self, binary, port, number, directory):
        self.binary, self.account, self.directory = binary, f"{number + 1:012d}", Path(directory)
        self.env = environment(port, AWS_ACCESS_KEY_ID=self.account)
        session = boto3.Session(self.account, "secret", region_name=self.env["AWS_REGION"])
        self.elbv2, self.sqs = (session.client(name, endpoint_url=self.env["AWS_ENDPOINT_URL"]) for name in ("elbv2", "sqs"))
        made = self.elbv2.create_target_group(Name="orders", Protocol="TCP", Port=PORT, VpcId="vpc-1", TargetType="ip")
        self.group = made["TargetGroups"][0]["TargetGroupArn"]
        self.elbv2.register_targets(TargetGroupArn=self.group, Targets=[{"Id": OLD, "Port": PORT}])
        subprocess.run([binary, "setup"], env=self.config(), check=True, stdout=subprocess.DEVNULL)

    def config(self):
        """The environment of one more process, with a port of its own."""
        port = free_port()
        path = self.directory / f"{port}.toml"
        path.write_text(CONFIG.format(health_port=port, group=self.group, old=OLD, new=NEW))
        return {**self.env, "WRITERLINK_CONFIG": str(path)}

    def worker(self):
        process = subprocess.Popen([self.binary, "run"], env=self.config(), stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if " started " in line:
                time.sleep(POLLING_S)
                return process
        sys.exit("a worker does not start; try `writerlink run` by hand")

    def send(self):
        arn = f"arn:aws:rds:us-east-1:{self.account}:cluster:orders"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        detail = {"SourceType": "CLUSTER", "SourceArn": arn, "Date": now, "SourceIdentifier": "orders"}
        detail |= {"Message": "Completed failover to DB instance: orders-2", "EventID": "RDS-EVENT-0071"}
        event = {"version": "0", "id": "1", "detail-type": "RDS DB Cluster Event", "source": "aws.rds", "detail": detail}
        event |= {"account": self.account, "time": now, "region": "us-east-1", "resources": [arn]}
        queue = self.sqs.get_queue_url(QueueName="writerlink.fifo")["QueueUrl"]
        self.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(event), MessageGroupId="orders")

    def until_moved(self):
        begun = time.monotonic()
        while time.monotonic() < begun + 2 * PATIENCE_S:
            rows = self.elbv2.describe_target_health(TargetGroupArn=self.group)["TargetHealthDescriptions"]
            if any(row["Target"]["Id"] == NEW for row in rows):
                return time.monotonic() - begun
            time.sleep(0.01)
        sys.exit("the event was never carried out")


def one(binary, port, number):
    """How long the event waited, how long the stop took, and whether the stopping worker carried it out."""
    event_after = number * LAST_EVENT_S / max(RUNS - 1, 1)
    with tempfile.TemporaryDirectory() as directory:
        run = Run(binary, port, number, directory)
        second, first = run.worker(), run.worker()
        try:
            signalled = time.monotonic()
            first.send_signal(signal.SIGTERM)
            time.sleep(event_after)
            run.send()
            waited = run.until_moved()
            told = first.communicate(timeout=PATIENCE_S)[1]
            took = time.monotonic() - signalled
        finally:
            second.kill()
            second.communicate()
        if first.returncode != 0:
            sys.exit(f"the first worker ended with {first.returncode}:\n{told}")
    return event_after, waited, took, " attempt " in told


def main():
    binary = binary_asked()
    with ministack() as port, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        runs = list(pool.map(lambda number: one(binary, port, number), range(RUNS)))
    for event_after, waited, took, by_first in runs:
        who = "the stopping one" if by_first else "the other one"
        print(f"  event {event_after:4.1f} s after the signal: {waited * 1000:5.0f} ms, by {who}; stopped after {took:4.1f} s")
    waits = [waited for _, waited, _, _ in runs]
    timely, by_first = sum(waited <= LIMIT_S for waited in waits), sum(run[3] for run in runs)
    print(
        f"stop: {timely} of {RUNS} events carried out within {LIMIT_S:.0f} s while a worker stopped "
        f"(most {max(waits) * 1000:.0f} ms), {by_first} of them by that worker"
    )
    sys.exit(timely < RUNS)


if __name__ == "__main__":
    main()
