"""Assembles the image's file tree and shows that the program works in it: uid 65532, read-only root, no capabilities.

    rootfs.py BINARY

A container engine is not needed, root is: the tree is bind-mounted read-only in a mount namespace of its own and entered by
chroot. What is in it is what distroless/cc brings that the program uses (the C library, libgcc, CA certificates, the user
`nonroot`) and the program. `demo` needs a program with the feature `embedded`, which the image's has not; it stands for the
rest of the program in an otherwise equal tree.

The files of the tree are of this machine, not of the base image: it shows that nothing else is needed, not that the
versions fit. `ldd` and the comment in the Dockerfile about Debian's version are about that.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "target/rootfs"
MINISTACK = Path(sys.executable).parent / "ministack"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NONROOT = 65532

# What HAProxy and the agent of a relay share (infra/relay.yaml).
SHARED = "run/haproxy"
VOLUME = ROOT / "target/rootfs-volume"
PATIENCE_S = 60

# Mounts are private to the namespace, so nothing has to be taken down. The bounding set keeps what chroot itself needs to get
# there; the program, which is not root, has none of it, and cannot gain any.
ENTER = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro,nosuid,nodev "$1"
mount --bind "$2" "$1/%s"
tree=$1; shift 2
cd /
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid --inh-caps=-all chroot --userspec=%d:%d --groups= "$tree" "$@"
""" % (SHARED, NONROOT, NONROOT)

# A relay's configuration asks AWS nothing, so its load balancer need not be there.
RELAY_CONFIG = """
[[route]]
source = "orders"
strategy = "relay"
target_group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067"
relay.listen = 13306
[route.instances]
orders-1 = "10.0.1.10"
orders-2 = "10.0.2.10"
"""

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


def needed(binary):
    """The shared libraries of a program, and its loader, where it will look for them."""
    listed = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    if "not found" in listed:
        sys.exit(f"rootfs: a library is missing:\n{listed}")
    for line in listed.splitlines():
        paths = [word for word in line.replace("=>", " ").split() if word.startswith("/")]
        yield from paths[:1] if "=>" not in line else paths[-1:]


def assemble(binary):
    shutil.rmtree(TREE, ignore_errors=True)
    for directory in ["etc/ssl/certs", "home/nonroot", "tmp"]:
        (TREE / directory).mkdir(parents=True)
    shutil.copy(binary, TREE / "writerlink")
    (TREE / "writerlink").chmod(0o555)
    for path in needed(binary):
        copy = TREE / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, TREE / "etc/ssl/certs")
    (TREE / "etc/passwd").write_text(f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n")
    (TREE / "etc/group").write_text(f"root:x:0:\nnonroot:x:{NONROOT}:\n")
    (TREE / SHARED).mkdir(parents=True)
    (TREE / SHARED).chmod(0o700)
    os.chown(TREE / SHARED, NONROOT, NONROOT)
    make_volume()


def make_volume():
    """An empty volume with owner and mode of the image's folder, as ECS makes it for a path that VOLUME names."""
    shutil.rmtree(VOLUME, ignore_errors=True)
    VOLUME.mkdir()
    of_image = (TREE / SHARED).stat()
    VOLUME.chmod(of_image.st_mode & 0o777)
    os.chown(VOLUME, of_image.st_uid, of_image.st_gid)


def inside(*arguments, env=None):
    """The program in the tree, started as ECS would: with its own variables and none of ours."""
    entered = ["unshare", "--mount", "--", "/bin/sh", "-c", ENTER, "sh", TREE, VOLUME, "/writerlink", *arguments]
    return subprocess.Popen(
        entered, env={"PATH": os.environ["PATH"], **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )


def says(expected, *arguments, env=None):
    process = inside(*arguments, env=env)
    out, err = process.communicate(timeout=PATIENCE_S)
    if process.returncode != expected:
        sys.exit(f"rootfs: {' '.join(arguments)} ended with {process.returncode}, not {expected}:\n{out}{err}")
    return out, err


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, is_so):
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            sys.exit(f"rootfs: {what} did not come about in {PATIENCE_S} s")
        time.sleep(0.1)


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def status_of(process):
    """What Linux says of the program itself: unshare, sh, setpriv and chroot have all become it."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def work(env):
    """`run`, asked by `healthcheck`, and told to stop."""
    says(0, "setup", env=env)
    worker = inside("run", "--log", "json", env=env)
    try:
        asked = lambda: inside("healthcheck", env=env)
        wait_until("a healthy worker", lambda: worker.poll() is None and asked().wait() == 0)
        status = status_of(worker)
        assert status["Uid"].split() == [str(NONROOT)] * 4, status["Uid"]
        for held in ["CapInh", "CapPrm", "CapEff", "CapAmb"]:
            assert int(status[held], 16) == 0, (held, status[held])
        assert status["NoNewPrivs"] == "1"
        mounts = Path(f"/proc/{worker.pid}/mountinfo").read_text().splitlines()
        [root] = [line.split()[5] for line in mounts if line.split()[4] == "/"]
        assert "ro" in root.split(","), root
        answer = json.loads(says(0, "healthcheck", "--output", "json", env=env)[0])
        assert answer["health"][0]["status"] == "ok", answer
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=PATIENCE_S)
        assert worker.returncode == 0, log
    finally:
        worker.kill()
    out, err = says(1, "healthcheck", env=env)
    assert "unwell" in out and "fix:" in err, (out, err)


def relay():
    """`relay config` writes into the shared folder as the image's user, and into no folder of root's."""
    env = {"WRITERLINK_CONFIG_TEXT": RELAY_CONFIG, "AWS_REGION": "us-east-1"}
    says(0, "relay", "config", "--to", f"/{SHARED}", env=env)
    written = [path for path in VOLUME.rglob("*") if path.is_file()]
    assert VOLUME / "haproxy.cfg" in written, written
    assert all(path.stat().st_uid == NONROOT for path in written), written
    os.chown(VOLUME, 0, 0)
    says(1, "relay", "config", "--to", f"/{SHARED}", env=env)
    make_volume()
    return len(written)


def main():
    if os.geteuid() != 0:
        sys.exit("rootfs: a chroot as another user needs root; run it as root, or in a virtual machine")
    assemble(Path(sys.argv[1]).resolve())
    shared = relay()
    story, _ = says(0, "demo")
    port, aws = free_port(), free_port()
    env = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws}",
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "WRITERLINK_CONFIG_TEXT": CONFIG.format(port=port),
    }
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    variables = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(aws)}
    standin = subprocess.Popen([MINISTACK], env=variables, **quiet)
    try:
        wait_until("ministack", lambda: accepts(aws))
        work(env)
    finally:
        standin.kill()
        standin.wait()
    files = [path for path in TREE.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(
        f"rootfs: ok. {len(files)} files, {size / 1e6:.1f} MB; as uid {NONROOT} with no capability on a read-only root: demo told "
        f"{len(story.splitlines())} lines, run was healthy and ended on SIGTERM, healthcheck said 0 and then 1, "
        f"relay config wrote {shared} files to /{SHARED} and none when it belonged to root"
    )


if __name__ == "__main__":
    main()
