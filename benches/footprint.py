"""What the release binary costs: its size, its memory when idle, and how soon it is at work.

One line per figure. Everything it talks to is ministack on loopback; the time to the first ReceiveMessage is
taken by a proxy in front of it, which looks at the request's header and passes everything on.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/release/writerlink"
MINISTACK = ROOT / ".venv/bin/ministack"

STARTS = 11  # An odd number, so that the median is one of them.
IDLE_S = 10
PATIENCE_S = 30

CONFIG = """
[worker]
health_address = "127.0.0.1:{port}"
[[route]]
source = "orders"
target_group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067"
[route.instances]
orders-1 = "10.0.1.10"
orders-2 = "10.0.2.10"
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Proxy:
    """Passes bytes on, and notes when `needle` first goes by."""

    def __init__(self, upstream, needle):
        self.upstream, self.needle = upstream, needle.lower()
        self.seen, self.seen_at = threading.Event(), None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.upstream))
            threading.Thread(target=self.pipe, args=(client, server), daemon=True).start()
            threading.Thread(target=self.pipe, args=(server, client), daemon=True).start()

    def pipe(self, source, sink):
        try:
            while data := source.recv(65536):
                if not self.seen.is_set() and self.needle in data.lower():
                    self.seen_at = time.monotonic()
                    self.seen.set()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # One side is gone; so is the other in a moment.

    def watch(self):
        self.seen.clear()


def environment(port, config):
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "WRITERLINK_CONFIG": str(config),
    }


def resident_kib(pid, field="VmRSS"):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"{field} of {pid} is not told")


def start(env):
    return subprocess.Popen([BINARY, "run"], env=env, stderr=subprocess.DEVNULL)


def until_first_receive(proxy, env):
    proxy.watch()
    begun = time.monotonic()
    worker = start(env)
    try:
        if not proxy.seen.wait(PATIENCE_S):
            sys.exit("no ReceiveMessage came; try `writerlink run` by hand")
        return (proxy.seen_at - begun) * 1000
    finally:
        worker.terminate()
        worker.wait()


def until_ready(port):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("ministack does not start")


def measure(port, config):
    proxy = Proxy(port, b"AmazonSQS.ReceiveMessage")
    env = environment(proxy.port, config)
    subprocess.run([BINARY, "setup"], env=env, check=True, stdout=subprocess.DEVNULL)
    print(f"binary size: {BINARY.stat().st_size / 1e6:.1f} MB ({BINARY.stat().st_size} bytes)")
    starts = [until_first_receive(proxy, env) for _ in range(STARTS)]
    print(
        f"start to first ReceiveMessage: median {statistics.median(starts):.1f} ms, "
        f"{min(starts):.1f} to {max(starts):.1f} ms of {STARTS} starts"
    )
    worker = start(env)
    try:
        time.sleep(IDLE_S)
        now, most = resident_kib(worker.pid), resident_kib(worker.pid, "VmHWM")
        print(f"resident memory after {IDLE_S} s idle: {now / 1024:.1f} MiB (peak {most / 1024:.1f} MiB)")
    finally:
        worker.terminate()
        worker.wait()


def main():
    port = free_port()
    env = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    ministack = subprocess.Popen([MINISTACK], env=env, **quiet)
    try:
        until_ready(port)
        with tempfile.TemporaryDirectory() as directory:
            config = Path(directory) / "w.toml"
            config.write_text(CONFIG.format(port=free_port()))
            measure(port, config)
    finally:
        ministack.kill()
        ministack.wait()


if __name__ == "__main__":
    main()
