"""The MariaDB part: a pair of sources, one replica behind every path, and failovers in two sequences."""

import math
import random
import threading
import time

from mariadb import Arrivals, Fleet
from net import AgentPort, NameServer, Proxy, free_port, now, start_haproxy, until
from steer import POLL_MS, Route
from watch import Client, Held

LIMIT_S = 75  # A replica that was refused once tries again after 60 s.
SERVERS = {"a": 11, "b": 12}
# Connections of HAProxy's `resolvers` path are never cut, so its replica stays where it was: not waited for.
NEVER_CUT = "resolvers"

OTHERS = """global
  stats socket {socket} mode 600 level admin
defaults
  mode tcp
  timeout connect 2s
  timeout client 8h
  timeout server 8h
resolvers names
  nameserver one 127.0.0.1:{dns}
  timeout resolve 500ms
  timeout retry 500ms
  hold valid 500ms
frontend obvious_in
  bind 127.0.0.1:{obvious}
  default_backend obvious
backend obvious
  default-server check inter {poll}ms agent-check agent-addr 127.0.0.1 agent-port {agent} agent-inter {poll}ms
  default-server on-marked-down shutdown-sessions
  server a {a}:{port} agent-send "a\\n"
  server b {b}:{port} agent-send "b\\n"
frontend resolvers_in
  bind 127.0.0.1:{resolvers}
  default_backend resolvers
backend resolvers
  server writer writer.drill.test:{port} resolvers names resolve-prefer ipv4 init-addr none
"""


def routes(paths, port):
    """The relay's routes of these paths: DISCOVERY-PROFILE."""
    names = [path for path in paths if "-" in path]
    hosts = {"a": ("127.0.0.21", port), "b": ("127.0.0.22", port)}
    return [
        Route(name, name.split("-")[1], "sql" if name.startswith("sql") else "events", "mysql", hosts, free_port())
        for name in names
    ]


class Flips:
    """Everything between the sources and the replicas, and what the flips have shown."""

    def __init__(self, processes, paths):
        self.processes, self.paths, self.writer, self.number = processes, paths, "a", 0
        self.port = free_port(("127.0.0.11", "127.0.0.12", "127.0.0.21", "127.0.0.22"))
        self.routes = routes(paths, self.port)
        self.figures = {}  # (sequence, path) -> seconds
        self.since_death = []  # Seconds from the old writer's death to the first row, of our paths.
        self.seen = {}  # Path -> [sessions with the wrong server after the switch, old sessions that outlived it].
        self.lost = 0
        self.direct = {"a": ("127.0.0.11", self.port), "b": ("127.0.0.12", self.port)}
        self.fleet = Fleet(processes, self.direct, [free_port() for _ in paths])
        self.notes = ["first"]
        # What stands before the sources can refuse, and cut what there is: a host that dies.
        self.fronts = {letter: Proxy((f"127.0.0.2{n}", self.port), self.direct[letter]) for n, letter in ((1, "a"), (2, "b"))}
        self.ports = {route.name: route.listen for route in self.routes}

    def connect(self, steering):
        """Starts the other paths, and the replicas behind all of them."""
        self.steering = steering
        self._start_others()
        ours = [route for route in self.routes if route.discovery == "events"]
        steering.send("a", ours)
        self.arrivals = {}
        # Those of HAProxy's other configurations show that the counts can be more than 0.
        watched = [path for path in self.paths if path != "tcp"]
        self.clients = {path: Client(self.ports[path]) for path in watched}
        for route in self.routes:
            until(lambda r=route: any(t.server == SERVERS["a"] for t in self.clients[r.name].tries), f"{route.name} serves", 60)
        for path, replica in zip(self.paths, self.fleet.replicas):
            replica.replicate_from(("127.0.0.1", self.ports[path]))
            self.arrivals[path] = Arrivals(replica)
        for path, replica in zip(self.paths, self.fleet.replicas):
            if self.arrivals[path].wait("first", LIMIT_S) is None:
                raise TimeoutError(f"{path}: the first row does not arrive: {replica.io_state()}")

    def _start_others(self):
        others = [path for path in self.paths if "-" not in path]
        self.ports |= {path: free_port() for path in others}
        self.agent_says = "a"
        agent = free_port()
        AgentPort(agent, lambda asked: "up" if asked == self.agent_says else "down")
        dns = free_port()
        self.names = NameServer(dns, "127.0.0.21")
        if {"obvious", "resolvers"} & set(others):
            ports = {name: self.ports.get(name) or free_port() for name in ("obvious", "resolvers")}
            text = OTHERS.format(
                socket=self.processes.directory / "others.sock", dns=dns, agent=agent, poll=POLL_MS, port=self.port,
                a="127.0.0.21", b="127.0.0.22", **ports,
            )  # fmt: skip
            start_haproxy(self.processes, "others", text)
        if "tcp" in others:
            self.tcp = Proxy(("127.0.0.1", self.ports["tcp"]), ("127.0.0.21", self.port))

    def _announce(self, letter):
        """Everybody who can learn the new writer learns it now. Returns the moment before."""
        begun = now()
        self.agent_says = letter
        host = self.steering_host(letter)
        self.names.address = host
        if "tcp" in self.paths:
            self.tcp.switch((host, self.port))
        self.steering.send(letter, [route for route in self.routes if route.discovery == "events"])
        return begun

    @staticmethod
    def steering_host(letter):
        return {"a": "127.0.0.21", "b": "127.0.0.22"}[letter]

    def insert(self, source, kind):
        note = f"{kind}-{self.number}"
        source.insert(note)
        self.notes.append(note)
        return note

    def flip(self, sequence, delay_s=None):
        """One failover. `delay_s`: the old writer dies at once, and a new one is writable after so many seconds."""
        time.sleep(2 + random.random())
        self.number += 1
        letter = "b" if self.writer == "a" else "a"
        old, new = self.fleet.sources[self.writer], self.fleet.sources[letter]
        self.insert(old, "before")
        held = {path: Held(self.ports[path]) for path in self.clients}
        self.fleet.fence(old, new)
        if delay_s is not None:
            self.fronts[self.writer].refuse()
            self.fronts[self.writer].cut()
            died = now()
            time.sleep(delay_s)
        promoted = now()
        new.run("set global read_only=0")
        note = self.insert(new, "after")
        announced = self._announce(letter)
        seconds = self._arrivals(sequence, note, promoted, announced)
        if delay_s is not None:
            self.since_death += [self.arrivals[r.name].times.get(note, math.inf) - died for r in self.routes]
        self._repair(old, new, note)
        for path in self.clients:
            wrong = self._wrong(path, SERVERS[letter], announced)
            uncut = held[path].alive(server=SERVERS[self.writer])
            held[path].close()
            tally = self.seen.setdefault(path, [0, 0])
            tally[0], tally[1] = tally[0] + wrong, tally[1] + uncut
        self.writer = letter
        shown = "  ".join(f"{path} {'-' if math.isinf(s) else f'{s:.3f}'}" for path, s in seconds.items())
        print(f"  {sequence} {self.number} to {letter}: {shown}", flush=True)

    def _wrong(self, path, server, since):
        """A client of a relay that holds it for a while may still be on its way: it is waited for."""
        client = self.clients[path]
        until(lambda: client.wrong(server, since) is not None, f"a session of {path} with the new writer", LIMIT_S)
        return client.wrong(server, since)

    def _arrivals(self, sequence, note, promoted, announced):
        seconds, waiting = {}, set(self.paths) - {NEVER_CUT}

        def one(path):
            done = (lambda: not waiting) if path == NEVER_CUT else (lambda: False)
            arrived = self.arrivals[path].wait(note, LIMIT_S, done)
            begun = promoted if path.startswith("sql") else announced
            seconds[path] = math.inf if arrived is None else arrived - begun
            waiting.discard(path)

        threads = [threading.Thread(target=one, args=(path,)) for path in self.paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for path in self.paths:
            self.figures.setdefault((sequence, path), []).append(seconds[path])
        return {path: seconds[path] for path in self.paths}

    def _repair(self, old, new, note):
        """The old source follows the new one, and every replica that was left behind is connected anew."""
        front = self.fronts[self.writer]
        if front.listener is None:
            front.accept()
        old.run("start slave")
        until(lambda: self.fleet.level(new, old), f"{old.name} follows", LIMIT_S)
        for path, replica in zip(self.paths, self.fleet.replicas):
            if note not in self.arrivals[path].times or path == NEVER_CUT:
                replica.run("stop slave")
                replica.run("start slave")
            if self.arrivals[path].wait(note, LIMIT_S) is None:
                raise TimeoutError(f"{path} was left behind for good: {replica.io_state()}")

    def compare(self):
        """Rows that a replica behind one of our paths lacks, or got out of sequence, against its sources."""
        source = self.fleet.sources[self.writer]
        expected = [row["note"] for row in source.run("select note from t.w order by id")]
        if expected != self.notes:
            raise RuntimeError("the source itself lacks rows that were inserted")
        for route in self.routes:
            got = self.arrivals[route.name].notes
            missing = sum(note not in got for note in expected)
            moved = sum(x != y for x, y in zip(got, [note for note in expected if note in got]))
            if missing or moved:
                print(f"    {route.name}: {missing} rows missing, {moved} out of sequence", flush=True)
            self.lost += missing + moved

    def fault(self, what, seconds):
        """Sessions cut and connections refused while the ledger is away, or the agent or the worker is dead."""
        steering = self.steering
        held = {route.name: Held(route.listen, 3) for route in self.routes}
        begun = now()
        if what == "ledger":
            steering.ledger.refuse()
            steering.ledger.cut()
        else:
            self.processes.stop(getattr(steering, what))
        time.sleep(seconds)
        ended = now()
        if what == "ledger":
            steering.ledger.accept()
        else:
            getattr(steering, f"start_{what}")()
        cut = sum(3 - sessions.alive() for sessions in held.values())
        ours = [self.clients[name] for name in held]
        refused = sum(client.refused(begun, ended) for client in ours)
        served = sum(t.server is not None for c in ours for t in c.tries if begun <= t.begun <= ended)
        for sessions in held.values():
            sessions.close()
        print(f"  {what} away for {seconds:.0f} s: {cut} sessions cut, {refused} refused, {served} new ones served", flush=True)
        return cut, refused, served
