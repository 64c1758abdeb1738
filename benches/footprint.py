"""What the program of the container costs: its size, its memory when idle, and how soon it is at work.

One line per figure. Everything it talks to is ministack on loopback; the time to the first ReceiveMessage is
taken by a proxy in front of it.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from proxy import Proxy
from rig import PATIENCE_S, Figure, binary_asked, environment, free_port, ministack, resident_kib, running

STARTS = 11  # An odd number, so that the median is one of them.
IDLE_S = 10

# What is aimed at.
SIZE_MAX_MB = 12
START_MAX_MS = 50
IDLE_MAX_MIB = 15

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


def start(binary, env):
    return running([binary, "run"], env, stderr=subprocess.DEVNULL)


def until_first_receive(binary, proxy, env):
    begun = time.monotonic()
    with start(binary, env):
        call = proxy.next_sent("ReceiveMessage", begun, PATIENCE_S)
        if call is None:
            sys.exit("no ReceiveMessage came; try `writerlink run` by hand")
        return (call.arrived - begun) * 1000


def measure(binary):
    with ministack() as port, tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "w.toml"
        config.write_text(CONFIG.format(port=free_port()))
        proxy = Proxy(port)
        env = environment(proxy.port, WRITERLINK_CONFIG=str(config))
        subprocess.run([binary, "setup"], env=env, check=True, stdout=subprocess.DEVNULL)
        starts = [until_first_receive(binary, proxy, env) for _ in range(STARTS)]
        with start(binary, env) as worker:
            time.sleep(IDLE_S)
            now, most = resident_kib(worker.pid), resident_kib(worker.pid, "VmHWM")
    size_mb = binary.stat().st_size / 1e6
    start_ms = statistics.median(starts)
    idle_mib = now / 1024
    return [
        Figure(
            "size of the program in the container",
            f"<= {SIZE_MAX_MB} MB",
            f"{size_mb:.1f} MB ({binary.stat().st_size} bytes)",
            size_mb <= SIZE_MAX_MB,
        ),
        Figure(
            "start to first ReceiveMessage",
            f"<= {START_MAX_MS} ms",
            f"median {start_ms:.1f} ms, {min(starts):.1f} to {max(starts):.1f} ms of {STARTS} starts",
            start_ms <= START_MAX_MS,
        ),
        Figure(
            f"resident memory after {IDLE_S} s idle",
            f"<= {IDLE_MAX_MIB} MiB",
            f"{idle_mib:.1f} MiB (peak {most / 1024:.1f} MiB)",
            idle_mib <= IDLE_MAX_MIB,
        ),
    ]


def main():
    binary = binary_asked()
    for figure in measure(binary):
        print(f"{figure.what}: {figure.figure}")


if __name__ == "__main__":
    main()
