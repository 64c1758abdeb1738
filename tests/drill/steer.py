"""The seam to writerlink: its configuration, its worker, its agent, its haproxy.cfg, and the events it is sent."""

import json
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import boto3

from net import Proxy, admin, free_port, listening, start_haproxy, until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ACCOUNT, REGION = "123456789012", "us-east-1"
POLL_MS = 500
READ_MS = 100  # Twice as often as the default: docs/relay.md has what each costs a month.
GROUPS = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup"

WORKER = """
[worker]
health_address = "127.0.0.1:{health}"
"""
SQL = """
[sql]
user = "probe"
password_env = "DRILL_SQL_PASSWORD"
"""
RELAY = """
[relay]
agent_address = "127.0.0.1:{agent}"
alive_port = {alive}
admin_socket = "{socket}"
poll_interval_ms = {poll}
read_interval_ms = {read}
"""
# Nothing calls the group of a relay route, so the emulator need not know it.
ROUTE = """
[[route]]
name = "{name}"
source = "{name}"
port = {port}
discovery = "{discovery}"
{of_discovery}
flap_moves_max = 0
allowed_cidrs = ["127.0.0.0/8"]
target_group = "{group}"
strategy = "relay"
[route.relay]
listen = {listen}
profile = "{profile}"
[route.instances]
{name}-a = "{a}"
{name}-b = "{b}"
"""


@dataclass
class Route:
    name: str
    profile: str  # "application" or "replication"
    discovery: str  # "events" or "sql"
    engine: str  # "mysql" or "postgresql"
    instances: dict  # "a" and "b" -> (host, port); one port
    listen: int  # The relay's port.

    def instance(self, letter):
        return f"{self.name}-{letter}"


class Steering:
    """The emulator, the worker, the agent and the relay of these routes."""

    def __init__(self, processes, program, routes):
        self.processes, self.program, self.routes, self.starts = processes, program, routes, 0
        self.socket = processes.directory / "admin.sock"
        self.agent_port, self.alive_port = free_port(), free_port()
        self._emulator()
        self.config = self._write_config()
        self._command("setup")
        # Whatever the relay is to do follows from a first event, as after an installation.
        self.start_worker()
        self.start_agent()
        self.relay = start_haproxy(processes, "relay", self.haproxy_cfg())
        until(lambda: admin(self.socket, "show info"), "the relay starts")

    def _emulator(self):
        port, self.wire = free_port(), free_port()
        env = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
        self.processes.start("ministack", [Path(sys.executable).parent / "ministack"], env=env)
        until(lambda: listening("127.0.0.1", port), "ministack starts")
        # The worker and the agent reach AWS through this one, which can be closed.
        self.ledger = Proxy(("127.0.0.1", self.wire), ("127.0.0.1", port))
        session = boto3.Session(ACCOUNT, "secret", region_name=REGION)
        self.sqs = session.client("sqs", endpoint_url=f"http://127.0.0.1:{port}")

    def env(self):
        return {
            **os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.wire}", "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": REGION, "DRILL_SQL_PASSWORD": "probe",
            "WRITERLINK_CONFIG": str(self.config),
        }  # fmt: skip

    def _write_config(self):
        text = WORKER.format(health=free_port())
        if any(route.discovery == "sql" for route in self.routes):
            text += SQL
        text += RELAY.format(agent=self.agent_port, alive=self.alive_port, socket=self.socket, poll=POLL_MS, read=READ_MS)
        for route in self.routes:
            hosts = {letter: address[0] for letter, address in route.instances.items()}
            of_discovery = f'engine = "{route.engine}"' if route.discovery == "sql" else 'map_check = "off"'
            text += ROUTE.format(
                name=route.name, port=route.instances["a"][1], discovery=route.discovery, of_discovery=of_discovery,
                group=f"{GROUPS}/{route.name}/73e2d6bc24d8a067", listen=route.listen, profile=route.profile, **hosts,
            )
        path = self.processes.directory / "writerlink.toml"
        path.write_text(text)
        return path

    def _command(self, *words):
        ran = subprocess.run([self.program, *words], env=self.env(), capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit(f"writerlink {' '.join(words)}:\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    def haproxy_cfg(self):
        """The file that `writerlink relay config` writes, on loopback alone."""
        self._command("relay", "config", "--to", str(self.processes.directory))
        return (self.processes.directory / "haproxy.cfg").read_text().replace("bind :", "bind 127.0.0.1:")

    def start_worker(self):
        self.starts += 1
        name = f"worker-{self.starts}"
        self.worker = self.processes.start(name, [self.program, "run"], env=self.env())
        log = self.processes.directory / f"{name}.log"
        until(lambda: " started " in log.read_text(), "the worker starts")

    def start_agent(self):
        self.agent = self.processes.start("agent", [self.program, "relay"], env=self.env())
        until(lambda: listening("127.0.0.1", self.agent_port), "the agent starts")

    def send(self, letter, routes):
        """Puts `a failover to this instance is complete` into the queue, for all of these routes in one call."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entries = []
        for number, route in enumerate(routes):
            arn = f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:{route.name}"
            detail = {"SourceType": "CLUSTER", "SourceArn": arn, "Date": stamp, "SourceIdentifier": route.name}
            detail |= {"Message": f"Completed failover to DB instance: {route.instance(letter)}", "EventID": "RDS-EVENT-0071"}
            event = {"version": "0", "id": str(uuid.uuid4()), "detail-type": "RDS DB Cluster Event", "source": "aws.rds"}
            event |= {"account": ACCOUNT, "time": stamp, "region": REGION, "resources": [arn], "detail": detail}
            entries.append({"Id": str(number), "MessageBody": json.dumps(event), "MessageGroupId": route.name})
        queue = self.sqs.get_queue_url(QueueName="writerlink.fifo")["QueueUrl"]
        sent = self.sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        if sent.get("Failed"):
            raise RuntimeError(f"the queue refuses {sent['Failed']}")
