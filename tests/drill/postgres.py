"""The PostgreSQL part: a primary and its standby, and a logical subscription behind each profile of the relay."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from net import free_port, now, until
from steer import Route

USER = "postgres" if os.geteuid() == 0 else None
END = 3  # SIGQUIT: at once, with all of its processes.
PROFILES = ("application", "replication")
LIMIT_S = 60
# A subscription's worker that started less than 5 s ago waits that long (wal_retrieve_retry_interval).
CALM_S = 7

CONF = """
port = {port}
listen_addresses = '{host}'
unix_socket_directories = ''
wal_level = logical
shared_buffers = 32MB
fsync = off
wal_receiver_status_interval = 1s
"""
HBA = "local all all trust\nhost all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n"


def binaries():
    """The newest PostgreSQL's programs, where Debian has them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not found:
        raise FileNotFoundError("no /usr/lib/postgresql/*/bin/postgres")
    return found[-1].parent


class Server:
    """One postgres at an address of its own."""

    def __init__(self, processes, name, address):
        self.processes, self.name, self.address, self.data = processes, name, address, processes.directory / "pg" / name
        self.bin = binaries()

    def _as_user(self, *command):
        as_user = {"user": USER, "group": USER, "extra_groups": []} if USER else {}
        ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, **as_user)
        if ran.returncode != 0:
            raise RuntimeError(f"{command[0]}: {ran.stdout}{ran.stderr}")
        return ran.stdout.strip()

    def create(self):
        self._as_user(self.bin / "initdb", "-D", self.data, "-A", "trust", "-E", "UTF8", "-U", "postgres", "--no-sync")
        self._start()

    def copy(self, source):
        """Becomes the standby of `source`, with nothing of what it was."""
        shutil.rmtree(self.data, ignore_errors=True)
        host, port = source.address
        copy = ["-h", host, "-p", port, "-U", "postgres", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        self._as_user(self.bin / "pg_basebackup", *copy)
        self._start()

    def _start(self):
        host, port = self.address
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(CONF.format(host=host, port=port))
        (self.data / "pg_hba.conf").write_text(HBA)
        command = [self.bin / "postgres", "-D", self.data]
        self.process = self.processes.start(self.name, command, user=USER, end=END)
        until(lambda: self.run("select 1", check=False) == "1", f"{self.name} starts")

    def stop(self):
        self.processes.stop(self.process)

    def run(self, statement, check=True):
        host, port = self.address
        command = ["psql", "-XAtq", "-h", host, "-p", str(port), "-U", "postgres", "-d", "postgres", "-c", statement]
        ran = subprocess.run(command, capture_output=True, text=True)
        if check and ran.returncode != 0:
            raise RuntimeError(f"{self.name}: {statement}: {ran.stderr}")
        return ran.stdout.strip()


class Postgres:
    def __init__(self, processes):
        home = processes.directory / "pg"
        home.mkdir()
        if USER:
            shutil.chown(home, USER)
        port = free_port(("127.0.0.31", "127.0.0.32"))
        addresses = {"a": ("127.0.0.31", port), "b": ("127.0.0.32", port)}
        self.servers = {letter: Server(processes, f"pg-{letter}", address) for letter, address in addresses.items()}
        # One consumer each: a server starts one subscription's worker in 5 s, so two of them would wait for each other.
        self.consumers = {p: Server(processes, f"pg-consumer-{p}", ("127.0.0.1", free_port())) for p in PROFILES}
        self.routes = [
            Route(f"pg-{profile}", profile, "events", "postgresql", addresses, free_port()) for profile in PROFILES
        ]
        self.figures, self.lost, self.number, self.writer = {}, 0, 0, "a"
        a = self.servers["a"]
        a.create()
        a.run("create table t (id int primary key, note text)")
        a.run("create publication p for table t")
        self.servers["b"].copy(a)
        for consumer in self.consumers.values():
            consumer.create()

    def connect(self, steering):
        """The subscriptions reach the primary through the relay alone."""
        self.steering = steering
        steering.send("a", self.routes)
        for route in self.routes:
            until(lambda r=route: self._served_by(r) == "127.0.0.31", f"{route.name} serves", LIMIT_S)
            consumer = self.consumers[route.profile]
            consumer.run("create table t (id int primary key, note text)")
            source = f"host=127.0.0.1 port={route.listen} dbname=postgres user=postgres"
            consumer.run(f"create subscription {route.profile} connection '{source}' publication p")
        self._insert("first")
        for route in self.routes:
            until(lambda r=route: self._has(r, "first"), f"{route.name}: the first row", LIMIT_S)

    @staticmethod
    def _served_by(route):
        url = f"host=127.0.0.1 port={route.listen} user=postgres dbname=postgres"
        return subprocess.run(["psql", "-XAtqc", "select inet_server_addr()", url], capture_output=True, text=True).stdout.strip()

    def _insert(self, note):
        self.number += 1
        self.servers[self.writer].run(f"insert into t values ({self.number}, '{note}')")

    def _has(self, route, note):
        return self.consumers[route.profile].run(f"select 1 from t where note = '{note}'") == "1"

    def flip(self):
        """A planned failover: rows, promotion, slots before the first write, event; then the old primary is copied anew."""
        time.sleep(CALM_S)
        letter = "b" if self.writer == "a" else "a"
        old, new = self.servers[self.writer], self.servers[letter]
        self._insert(f"before-{letter}-{self.number}")
        written = old.run("select pg_current_wal_lsn()")
        until(lambda: new.run(f"select pg_last_wal_replay_lsn() >= '{written}'") == "t", f"{new.name} has all rows")
        new.run("select pg_promote()")
        for route in self.routes:
            new.run(f"select pg_create_logical_replication_slot('{route.profile}', 'pgoutput')")
        self.writer = letter
        note = f"after-{letter}-{self.number}"
        self._insert(note)
        begun = now()
        self.steering.send(letter, self.routes)
        waiting = list(self.routes)
        while waiting and now() - begun < LIMIT_S:
            for route in list(waiting):
                if self._has(route, note):
                    self.figures.setdefault(route.name, []).append(now() - begun)
                    waiting.remove(route)
        if waiting:
            raise TimeoutError(f"{waiting[0].name}: no row within {LIMIT_S} s")
        expected = new.run("select string_agg(note, ' ' order by id) from t")
        for route in self.routes:
            got = self.consumers[route.profile].run("select string_agg(note, ' ' order by id) from t")
            self.lost += len(set(expected.split()) - set(got.split()))
        old.stop()
        old.copy(new)
        shown = "  ".join(f"{name} {values[-1]:.3f}" for name, values in self.figures.items())
        print(f"  PostgreSQL planned to {letter}: {shown}", flush=True)
