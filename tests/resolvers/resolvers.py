"""The five resolvers of Debian, each in three forms, each alone: its own configuration, folder and port of loopback."""

import os
import subprocess
import sys
import time
from pathlib import Path

# What holds the program, and the program.
PACKAGES = {
    "unbound": ("unbound", "/usr/sbin/unbound"),
    "dnsmasq": ("dnsmasq-base", "/usr/sbin/dnsmasq"),
    "bind9": ("bind9", "/usr/sbin/named"),
    "knot-resolver": ("knot-resolver", "/usr/sbin/kresd"),
    "pdns-recursor": ("pdns-recursor", "/usr/sbin/pdns_recursor"),
}

DEFAULTS, KEPT, STALE, KEPT_LONGER = "defaults", "minimum TTL", "serve-stale", "minimum TTL 600"

# Lines of the configuration, by form. 90 is the most that bind takes.
FORMS = {
    "unbound": {
        DEFAULTS: "",
        KEPT: "cache-min-ttl: 300",
        STALE: "serve-expired: yes",
        KEPT_LONGER: "cache-min-ttl: 600",
    },
    "dnsmasq": {DEFAULTS: "", KEPT: "min-cache-ttl=300", STALE: "use-stale-cache"},
    "bind9": {DEFAULTS: "", KEPT: "min-cache-ttl 90;", STALE: "stale-cache-enable yes; stale-answer-enable yes;"},
    "knot-resolver": {DEFAULTS: "", KEPT: "cache.min_ttl(300)", STALE: "modules.load('serve_stale < cache')"},
    "pdns-recursor": {DEFAULTS: "", KEPT: "minimum-ttl-override=300", STALE: "serve-stale-extensions=1440"},
}


def unbound(home, port, upstream, lines):
    (home / "unbound.conf").write_text(
        f"""server:
  username: ""
  chroot: ""
  directory: "{home}"
  pidfile: "{home}/pid"
  use-syslog: no
  logfile: ""
  interface: 127.0.0.1
  port: {port}
  num-threads: 1
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  {lines}
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
"""
    )
    return ["-d", "-c", home / "unbound.conf"]


def dnsmasq(home, port, upstream, lines):
    (home / "dnsmasq.conf").write_text(
        f"""no-resolv
no-hosts
server=127.0.0.1#{upstream}
listen-address=127.0.0.1
bind-interfaces
port={port}
cache-size=1000
pid-file={home}/pid
user=root
{lines}
"""
    )
    return ["--keep-in-foreground", "--log-facility=-", f"--conf-file={home}/dnsmasq.conf"]


def bind9(home, port, upstream, lines):
    (home / "named.conf").write_text(
        f"""options {{
  directory "{home}"; pid-file "{home}/pid"; session-keyfile none; lock-file none;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; allow-query {{ 127.0.0.0/8; }}; dnssec-validation no;
  forward only; forwarders {{ 127.0.0.1 port {upstream}; }};
  {lines}
}};
controls {{ }};
"""
    )
    return ["-g", "-n", "1", "-c", home / "named.conf"]


def knot_resolver(home, port, upstream, lines):
    (home / "kresd.conf").write_text(
        f"""net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
trust_anchors.remove('.')
cache.open(10 * MB, 'lmdb://{home}')
{lines}
policy.add(policy.all(policy.FORWARD({{'127.0.0.1@{upstream}'}})))
"""
    )
    return ["-n", "-c", home / "kresd.conf", home]


def pdns_recursor(home, port, upstream, lines):
    (home / "recursor.conf").write_text(
        f"""socket-dir={home}
local-address=127.0.0.1
local-port={port}
allow-from=127.0.0.0/8
dont-query=
forward-zones-recurse=.=127.0.0.1:{upstream}
threads=1
daemon=no
security-poll-suffix=
hint-file=no
{lines}
"""
    )
    return [f"--config-dir={home}"]


WRITE = {
    "unbound": unbound,
    "dnsmasq": dnsmasq,
    "bind9": bind9,
    "knot-resolver": knot_resolver,
    "pdns-recursor": pdns_recursor,
}


def command(kind, form, home, port, upstream):
    """The command that runs a resolver in the foreground, whose configuration now lies in its folder."""
    home.mkdir(parents=True)
    _, program = PACKAGES[kind]
    return [program, *map(str, WRITE[kind](home, port, upstream, FORMS[kind][form]))]


def install(kinds):
    """Installs from Debian, by their exact names, what is missing of these. No service of theirs is left running."""
    missing = [package for package, program in map(PACKAGES.get, kinds) if not Path(program).exists()]
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit(f"resolvers are missing: apt-get install --no-install-recommends {' '.join(missing)}")
    before = running()
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    subprocess.run(apt, env=env, check=True, stdout=sys.stderr)
    for pid in running() - before:
        # Debian starts what it installs, unless it is told not to.
        os.kill(pid, 15)
    deadline = time.monotonic() + 10
    while left := running() - before:
        if time.monotonic() > deadline:
            sys.exit(f"Debian started services that come back ({left}): stop them with systemctl, and run this again")
        time.sleep(0.1)


def running():
    """The processes of such programs, by number, whoever started them."""
    programs = {program for _, program in PACKAGES.values()}
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "exe") in programs:
                found.add(int(folder.name))
        except OSError:
            pass  # It ended meanwhile, or is not ours to look at.
    return found


def version(kind):
    package, _ = PACKAGES[kind]
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True)
    return asked.stdout or "of unknown version"
