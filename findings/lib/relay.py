"""What the findings about HAProxy share: databases that only greet, an agent that says what it is told to, HAProxy."""

import atexit
import os
import socket
import subprocess
import threading
import time


def _listener():
    server = socket.create_server(("127.0.0.1", 0))
    return server, server.getsockname()[1]


class Greeter:
    """A server that sends its name to whoever connects, and closes."""

    def __init__(self, name):
        self._server, self.port = _listener()
        self._name = name.encode()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            peer, _ = self._server.accept()
            with peer:
                peer.sendall(self._name)


class Agent:
    """Answers each connection of HAProxy's agent-check with `say[NAME]`; NAME is what HAProxy sends."""

    def __init__(self, **say):
        self.say = say
        self.asked = {name: 0 for name in say}
        self._server, self.port = _listener()
        self._alive = True
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while self._alive:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(2)
                name = peer.recv(100).decode().strip()
                peer.sendall(self.say.get(name, "").encode())
                self.asked[name] = self.asked.get(name, 0) + 1

    def wait_for_answers(self, name, count):
        """Returns once HAProxy has had `count` more answers for that server."""
        until = self.asked.get(name, 0) + count
        eventually(lambda: self.asked.get(name, 0) >= until, f"HAProxy asks the agent about {name}")

    def die(self):
        self._alive = False
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


def eventually(holds, what, seconds=15):
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            raise SystemExit(f"not seen in {seconds} s: {what}")
        time.sleep(0.02)


class HAProxy:
    """HAProxy with one frontend and one backend `be`, whose server lines are given."""

    def __init__(self, servers, top="", defaults="", name="haproxy", frontend=""):
        work = os.environ["WORK"]
        _spare, self.port = _listener()
        _spare.close()
        self.socket = f"{work}/{name}.sock"
        config = f"{work}/{name}.cfg"
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""global
  stats socket {self.socket} mode 600 level admin
  {top}
defaults
  mode tcp
  timeout connect 1s
  timeout client 1m
  timeout server 1m
  {defaults}
frontend fe
  bind 127.0.0.1:{self.port}
  {frontend}
  default_backend be
backend be
""" + "".join(f"  {line}\n" for line in servers))
        self._process = subprocess.Popen(["haproxy", "-db", "-q", "-f", config], stderr=subprocess.DEVNULL)
        atexit.register(self.stop)
        eventually(self._listens, "HAProxy listens")

    def _listens(self):
        if self._process.poll() is not None:
            raise SystemExit(f"HAProxy ended with {self._process.returncode}")
        return os.path.exists(self.socket) and bool(self.command("show info"))

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def command(self, text):
        try:
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(self.socket)
                peer.sendall(text.encode() + b"\n")
                answer = b""
                while part := peer.recv(65536):
                    answer += part
                return answer.decode()
        except OSError:
            return ""

    def status(self, server):
        """The `status` column of `show stat` for a server."""
        rows = [line.split(",") for line in self.command("show stat").splitlines()]
        column = rows[0].index("status")
        return next(row[column] for row in rows if row[:2] == ["be", server])

    def connect(self):
        """The name that the server behind HAProxy greets with; empty where HAProxy closes instead."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as peer:
            return peer.recv(100).decode()
