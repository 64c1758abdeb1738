"""Processes of our own, a switchable TCP proxy, a name server with one moving name, and HAProxy. Loopback only."""

import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
READY_S = 30


def now():
    return time.monotonic()


def until(ready, what, limit_s=READY_S, pause_s=0.02):
    """Waits until `ready()` is true. An OSError counts as not yet. Returns the moment."""
    deadline = now() + limit_s
    while now() < deadline:
        with contextlib.suppress(OSError):
            if ready():
                return now()
        time.sleep(pause_s)
    raise TimeoutError(f"{what}: not within {limit_s:.0f} s")


def listening(host, port):
    """Whether somebody accepts connections there."""
    socket.create_connection((host, port), 1).close()
    return True


def free_port(hosts=("127.0.0.1",)):
    """A TCP port that is free on every one of these addresses, outside of the range for outgoing connections."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in range(low - 1, 10000, -1):
        if port in free_port.given:
            continue
        try:
            for host in hosts:
                with socket.socket() as probe:
                    probe.bind((host, port))
        except OSError:
            continue
        free_port.given.add(port)
        return port
    raise RuntimeError("no free port")


free_port.given = set()


class Processes:
    """Everything that the drill starts. They are ended by their process ids, whatever happens."""

    def __init__(self, directory):
        self.directory, self.running = Path(directory), []

    def start(self, name, command, env=None, user=None, end=signal.SIGKILL):
        """Starts a process with its output in NAME.log. Its data are not kept, so SIGKILL may end it."""

        def end_with_parent():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, end)

        as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
        with open(self.directory / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=end_with_parent, **as_user,
            )  # fmt: skip
        process.end = end
        self.running.append(process)
        return process

    def stop(self, process):
        process.send_signal(process.end)
        process.wait()
        self.running.remove(process)

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.send_signal(process.end)
        for process in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Proxy:
    """Passes connections on to `target`. It can cut its sessions, and refuse new ones."""

    def __init__(self, address, target):
        self.address, self.target, self.pairs, self.listener = address, target, [], None
        self.accept()

    def accept(self):
        self.listener = socket.create_server(self.address, backlog=128)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def refuse(self):
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def switch(self, target):
        self.target = target
        self.cut()

    def _serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 5)
                server.settimeout(None)
            except OSError:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs = [pair for pair in self.pairs if pair[0].fileno() >= 0] + [(client, server)]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()  # The other direction closes the other end.


class NameServer:
    """Answers every A query with `address`, with a TTL of 0; every other query with no data."""

    def __init__(self, port, address):
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            end = query.index(b"\0", 12) + 5  # The name's end, type and class.
            is_a = query[end - 4 : end - 2] == b"\0\1"
            header = query[:2] + b"\x85\x80" + struct.pack(">4H", 1, int(is_a), 0, 0)
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(self.address) if is_a else b""
            self.socket.sendto(header + query[12:end] + answer, peer)


class AgentPort:
    """Answers HAProxy's agent checks by `answer(what agent-send sent)`; None closes without a byte."""

    def __init__(self, port, answer):
        self.answer, self.listener = answer, socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client):
        with contextlib.suppress(OSError), client:
            client.settimeout(1)
            reply = self.answer(client.recv(4096).decode("latin1").strip())
            if reply is not None:
                client.sendall(reply.encode() + b"\n")


def admin(path, command):
    """One command line to HAProxy's admin socket; what it answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(command.encode() + b"\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def start_haproxy(processes, name, text):
    """Checks a configuration, writes it as NAME.cfg and starts HAProxy with it. Returns the process."""
    path = processes.directory / f"{name}.cfg"
    path.write_text(text)
    checked = subprocess.run(["haproxy", "-c", "-f", path], capture_output=True, text=True)
    said = checked.stdout + checked.stderr
    if checked.returncode != 0 or "[WARNING]" in said:
        sys.exit(f"haproxy -c {path}:\n{said}")
    return processes.start(name, ["haproxy", "-db", "-f", path], env=os.environ)
