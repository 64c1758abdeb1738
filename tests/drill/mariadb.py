"""A pair of MariaDB servers and replicas of them, in directories of their own. No service of the system is used."""

import contextlib
import os
import shutil
import subprocess
import threading
import time

import pymysql

from net import now, until

USER = "mysql" if os.geteuid() == 0 else None
TABLE = "create table t.w (id int auto_increment primary key, source varchar(10), note varchar(40)) engine=innodb"
# SELECT is what reads a row; USAGE is all that `discovery = "sql"` needs.
ACCOUNTS = (
    "create user repl@'127.%' identified by 'repl'",
    "grant replication slave on *.* to repl@'127.%'",
    "create user app@'127.%' identified by 'app'",
    "grant select, insert on *.* to app@'127.%'",
    "create user probe@'127.%' identified by 'probe'",
)


class Server:
    """One mariadbd, with a session of root's by its Unix socket."""

    def __init__(self, processes, template, name, address, server_id):
        self.name, self.address = name, address
        home = processes.directory / name
        home.mkdir()
        subprocess.run(["cp", "-a", template, home / "data"], check=True)
        if USER:
            shutil.chown(home, "mysql")
        options = {
            "datadir": home / "data", "socket": home / "s.sock", "pid-file": home / "pid", "bind-address": address[0],
            "port": address[1], "server-id": server_id, "log-bin": "bin", "relay-log": "relay", "log-slave-updates": "ON",
            "innodb-buffer-pool-size": "32M", "innodb-flush-log-at-trx-commit": 0, "innodb-log-file-size": "8M",
            "performance-schema": "off", "skip-name-resolve": "ON", "gtid-domain-id": 0,
        }  # fmt: skip
        command = ["mariadbd", "--no-defaults", *(f"--{key}={value}" for key, value in options.items())]
        self.process, self.socket = processes.start(name, command, user=USER), str(home / "s.sock")

    def session(self):
        return pymysql.connect(unix_socket=self.socket, user="root", autocommit=True, cursorclass=pymysql.cursors.DictCursor)

    def prepare(self):
        def opened():
            with contextlib.suppress(pymysql.err.OperationalError):
                self.connection = self.session()
                return True

        until(opened, f"{self.name} starts")
        for statement in ("set sql_log_bin=0", *ACCOUNTS, "set sql_log_bin=1", "reset master"):
            self.run(statement)

    def run(self, statement, *values):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()

    def value(self, statement):
        return next(iter(self.run(statement)[0].values()))

    def replicate_from(self, address, retry_s=60):
        """By GTID. 60 s between two tries are MariaDB's default."""
        self.run("stop slave")
        self.run(
            "change master to master_host=%s, master_port=%s, master_user='repl', master_password='repl', "
            "master_use_gtid=slave_pos, master_connect_retry=%s",
            *address,
            retry_s,
        )
        self.run("start slave")

    def io_state(self):
        rows = self.run("show slave status")
        return f"IO={rows[0]['Slave_IO_Running']} {rows[0]['Last_IO_Error']}" if rows else "no replication"

    def insert(self, note):
        self.run("insert into t.w (source, note) values (%s, %s)", self.name, note)


class Arrivals:
    """Reads the rows of a replica as they arrive, on a session and a thread of its own."""

    # One look takes a millisecond of this process, which all paths share: more often would be measured too.
    PAUSE_S = 0.01

    def __init__(self, server):
        self.session, self.last, self.notes, self.times = server.session(), 0, [], {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while self.session.open:  # Not after the replica was ended: `wait` finds that nothing arrives any more.
            with contextlib.suppress(pymysql.err.MySQLError, OSError), self.session.cursor() as cursor:
                # A row that arrived after a later one is never read here: the comparison with the source finds it.
                cursor.execute("select id, note from t.w where id > %s order by id", (self.last,))
                for row in cursor.fetchall():
                    self.last = row["id"]
                    self.times[row["note"]] = now()
                    self.notes.append(row["note"])
            time.sleep(self.PAUSE_S)

    def wait(self, note, limit_s, done=lambda: False):
        """The moment at which a row arrived, or None after the limit, or when `done()`."""
        deadline = now() + limit_s
        while note not in self.times and now() < deadline and not done():
            time.sleep(self.PAUSE_S)
        return self.times.get(note)


class Fleet:
    """Sources a and b at these addresses, and replicas r1.. at one address each."""

    def __init__(self, processes, sources, replica_ports):
        template = processes.directory / "template"
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={template}", "--skip-test-db"]
        if USER:
            processes.directory.chmod(0o755)
        template.mkdir()
        if USER:
            shutil.chown(template, "mysql")
        as_user = {"user": USER, "group": USER, "extra_groups": []} if USER else {}
        install.append("--auth-root-authentication-method=normal")
        ran = subprocess.run(install, capture_output=True, text=True, **as_user)
        if ran.returncode != 0:
            raise RuntimeError(f"mariadb-install-db: {ran.stdout}{ran.stderr}")
        self.sources = {name: Server(processes, template, name, sources[name], 11 + n) for n, name in enumerate("ab")}
        self.replicas = [
            Server(processes, template, f"r{n + 1}", ("127.0.0.1", port), 21 + n) for n, port in enumerate(replica_ports)
        ]
        for server in [*self.sources.values(), *self.replicas]:
            server.prepare()
        a, b = self.sources["a"], self.sources["b"]
        a.replicate_from(b.address, retry_s=1)
        b.replicate_from(a.address, retry_s=1)
        for statement in ("create database t", TABLE):
            a.run(statement)
        a.insert("first")
        until(lambda: self.level(a, b), "b has what a has")
        b.run("set global read_only=1")

    @staticmethod
    def level(source, other):
        return source.value("select @@gtid_binlog_pos") == other.value("select @@gtid_current_pos")

    def fence(self, old, new):
        """The old source refuses writes, and the new one has all of its rows; neither is writable now."""
        old.run("set global read_only=1")
        new.run("select master_gtid_wait(%s, 10)", old.value("select @@gtid_binlog_pos"))
        # Else the rows of the new source reach the consumers by the old one's sessions.
        old.run("stop slave")
