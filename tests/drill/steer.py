"""The seam to writerlink: its configuration, its worker, its agent, its haproxy.cfg, and the events it is sent.

A program without `writerlink relay` is drilled with strategy "swap" on the emulator, beside an agent that answers from a
file (agent.py). Then haproxy.cfg and the agent are not writerlink's own, and the figures say so.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
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
"""
ROUTE = """
[[route]]
name = "{name}"
source = "{name}"
port = {port}
discovery = "{discovery}"
{of_discovery}
flap_moves_max = 0
allowed_cidrs = ["127.0.0.0/8"]
{actuation}
[route.instances]
{name}-a = "{a}"
{name}-b = "{b}"
"""

GLOBAL = """global
  stats socket {socket} mode 600 level admin expose-fd listeners
  hard-stop-after 5s
.if version_atleast(3.1)
  tune.lua.bool-sample-conversion normal
.endif
  lua-load {lua}
defaults
  mode tcp
  option abortonclose
  timeout connect 2s
  timeout client 8h
  timeout server 8h
"""
AGENT_CHECK = "agent-check agent-addr 127.0.0.1 agent-port {agent} agent-inter {poll}ms on-marked-down shutdown-sessions"
# The check has to find a dead server within `calm`, so calm is more than inter times fall.
# Without a check a connection to a server that just died has to wait inside HAProxy: one refusal costs a replica 60 s.
RETRIES = "  retries 30\n  option redispatch 1\n"
PROFILES = {  # The Lua action, options of the backend, options of its servers.
    "application": ("hold {route} 50", RETRIES, ""),
    "replication": ("settle {route} 50 0.3", "", " check inter 100ms fall 2 rise 1"),
}


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


def has_relay(program):
    """Whether the program has an agent of its own."""
    return subprocess.run([program, "relay", "--help"], capture_output=True).returncode == 0


def has_sql(program):
    """Whether the program can ask the databases themselves: it accepts such a route."""
    group = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/orders/73e2d6bc24d8a067"
    route = ROUTE.format(
        name="orders", port=3306, discovery="sql", of_discovery="", a="127.0.0.21", b="127.0.0.22",
        actuation=f'target_group = "{group}"',
    )  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(SQL + route)
        file.flush()
        env = {**os.environ, "WRITERLINK_CONFIG": file.name, "DRILL_SQL_PASSWORD": "probe"}
        return subprocess.run([program, "config", "check"], env=env, capture_output=True).returncode == 0


class Steering:
    """The emulator, the worker, the agent and the relay of these routes."""

    def __init__(self, processes, program, routes):
        self.processes, self.program, self.routes, self.starts = processes, program, routes, 0
        self.own = has_relay(program)
        self.socket = processes.directory / "admin.sock"
        self.truth = processes.directory / "truth.json"
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
        self.sqs, self.elbv2 = (session.client(name, endpoint_url=f"http://127.0.0.1:{port}") for name in ("sqs", "elbv2"))

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
        if self.own:
            text += RELAY.format(agent=self.agent_port, alive=self.alive_port, socket=self.socket, poll=POLL_MS)
        self.groups = {}
        for route in self.routes:
            port = route.instances["a"][1]
            if self.own:
                actuation = f'strategy = "relay"\n[route.relay]\nlisten = {route.listen}\nprofile = "{route.profile}"'
            else:
                made = self.elbv2.create_target_group(Name=route.name, Protocol="TCP", Port=port, VpcId="vpc-1", TargetType="ip")
                self.groups[route.name] = made["TargetGroups"][0]["TargetGroupArn"]
                actuation = f'target_group = "{self.groups[route.name]}"\nserving_when = "registered"'
            hosts = {letter: address[0] for letter, address in route.instances.items()}
            of_discovery = f'engine = "{route.engine}"' if route.discovery == "sql" else 'map_check = "off"'
            text += ROUTE.format(
                name=route.name, port=port, discovery=route.discovery, of_discovery=of_discovery, actuation=actuation, **hosts
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
        """writerlink's own, on loopback alone; else ours."""
        if self.own:
            return self._command("relay", "config").replace("bind :", "bind 127.0.0.1:").replace("bind *:", "bind 127.0.0.1:")
        text = GLOBAL.format(socket=self.socket, lua=HERE / "hold.lua")
        for route in self.routes:
            action, options, check = PROFILES[route.profile]
            text += (
                f"frontend {route.name}_in\n  bind 127.0.0.1:{route.listen}\n  tcp-request inspect-delay 60s\n"
                f"  tcp-request content lua.{action.format(route=route.name)}\n"
                f"  tcp-request content reject unless {{ nbsrv({route.name}) eq 1 }}\n"
                f"  default_backend {route.name}\nbackend {route.name}\n{options}"
            )
            agent = AGENT_CHECK.format(agent=self.agent_port, poll=POLL_MS)
            for letter, (host, port) in route.instances.items():
                name = route.instance(letter)
                text += f'  server {name} {host}:{port} {agent} disabled agent-send "{route.name}/{name}\\n"{check}\n'
        return text

    def start_worker(self):
        self.starts += 1
        name = f"worker-{self.starts}"
        self.worker = self.processes.start(name, [self.program, "run"], env=self.env())
        log = self.processes.directory / f"{name}.log"
        until(lambda: " started " in log.read_text(), "the worker starts")

    def start_agent(self):
        if self.own:
            command = [self.program, "relay"]
        else:
            if not self.truth.exists():
                threading.Thread(target=self._follow, daemon=True).start()
            command = [sys.executable, HERE / "agent.py", self.agent_port, self.socket, self.truth]
        self.agent = self.processes.start("agent", command, env=self.env())
        until(lambda: listening("127.0.0.1", self.agent_port), "the agent starts")

    def _follow(self):
        """Writes what the worker has registered for the agent that answers from a file."""
        truth = {}
        hosts = {r.name: {address[0]: r.instance(letter) for letter, address in r.instances.items()} for r in self.routes}
        while True:
            for route, group in self.groups.items():
                rows = self.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
                there = [row["Target"]["Id"] for row in rows if row["TargetHealth"]["State"] != "draining"]
                if len(there) == 1 and truth.get(route) != hosts[route][there[0]]:
                    truth[route] = hosts[route][there[0]]
                    partial = self.truth.with_suffix(".partial")
                    partial.write_text(json.dumps(truth))
                    partial.rename(self.truth)
            time.sleep(0.01)

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
