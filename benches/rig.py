"""What the benchmarks share: ministack on a free port, a worker's environment, and what a process costs."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINISTACK = ROOT / ".venv/bin/ministack"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

PATIENCE_S = 30


@dataclass
class Figure:
    """One line of the last table: what was aimed at, what came out, and whether that is met."""

    what: str
    target: str
    figure: str
    met: bool | None = None  # Without a target there is nothing to meet.


def binary_asked():
    """The program that is measured: the one named on the command line, or the container's as `make` builds it."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/container/release/writerlink"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(port, **more):
    """Twelve digits of an access key are an account to ministack."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **more,
    }


def until_ready(port):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("ministack does not start; try .venv/bin/ministack by hand")


@contextlib.contextmanager
def ministack():
    """A ministack of our own, by its port; gone at the end, whatever happens."""
    port = free_port()
    env = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    process = subprocess.Popen([MINISTACK], env=env, **QUIET)
    try:
        until_ready(port)
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(command, env, **streams):
    """A process that is told to end at the end, and made to if it does not listen."""
    process = subprocess.Popen(command, env=env, **streams)
    try:
        yield process
    finally:
        process.terminate()
        # A worker lets its open receive end, for up to 20 s; a second signal ends it at once.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident_kib(pid, field="VmRSS"):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"{field} of {pid} is not told")


def cpu_ms(pid):
    """What the threads of a process have used so far. /proc/PID/stat counts in steps of 10 ms; this does not."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6


def table(rows, words=1):
    """Columns as wide as their widest; so many of words, to the left, then those of numbers, to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        sides = ["<"] * words + [">"] * (len(row) - words)
        cells = [f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths)]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
