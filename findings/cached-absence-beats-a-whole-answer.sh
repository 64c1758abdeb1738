#!/usr/bin/env bash
# unbound 1.17, bind 9.18, pdns-recursor 4.8 and knot-resolver 5.6 (Debian 12) answer NXDOMAIN for a name that exists, while
# the upstream answers it whole: an alias, and the address that it leads to.
#
# The upstream's answer has both records (as a VPC's resolver answers an Aurora cluster's endpoint). These four take the alias
# from it and look the target up by themselves, in their own cache. Where somebody asked for the target before it existed,
# they remember its absence for as long as the zone says (here 900 s, as Route 53 does), and give that for the alias as
# well, although the answer that they have just got tells the address. dnsmasq 2.90 passes the answer on.
#
# So `dig db-3…` a minute too early makes db-3's cluster endpoint disappear for a quarter of an hour, from the moment at
# which db-3 becomes the writer.
#
# Runs each resolver alone on loopback, in a folder of its own, behind a name server of this script. Ends with 1 if one
# behaves otherwise.
set -euo pipefail
for PINNED in unbound=1.17.1-2+deb12u4 bind9=1:9.18.49-1~deb12u3 pdns-recursor=4.8.8-1+deb12u1 \
    knot-resolver=5.6.0-1+deb12u1 dnsmasq-base=2.90-4~deb12u2; do
  if [ "$(dpkg-query -W -f '${Version}' "${PINNED%%=*}" 2>/dev/null)" != "${PINNED#*=}" ]; then
    apt-get install --yes --no-install-recommends "$PINNED" >&2
  fi
done
HOME_OF_IT=$(mktemp -d)
trap 'rm -rf "$HOME_OF_IT"' EXIT
cd "$(dirname "$0")/.."
PYTHONPATH=tests/resolvers:benches python3 - "$HOME_OF_IT" <<'PYTHON'
import subprocess
import sys
import time
from pathlib import Path

import resolvers
from authority import ZONE, Authority, ask, endpoint
from rig import free_port

PASSES_IT_ON = "dnsmasq"
CODES = {0: "NOERROR", 3: "NXDOMAIN"}

authority, wrong = Authority(), []
for kind in resolvers.FORMS:
    cluster, port = kind.replace("-", ""), free_port()
    authority.add(cluster)
    authority.set(cluster, instances=2)
    command = resolvers.command(kind, resolvers.DEFAULTS, Path(sys.argv[1]) / kind, port, authority.port)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not ask(port, ZONE, 0.2):
            if time.monotonic() > deadline:
                sys.exit(f"{kind} does not answer")
        early, _ = ask(port, f"{cluster}-3.{ZONE}")
        # Now the third instance exists, and is the writer.
        authority.set(cluster, instances=3, writer=3)
        upstream, there = ask(authority.port, endpoint(cluster))
        code, here = ask(port, endpoint(cluster))
    finally:
        process.kill()
        process.wait()
    address = [record.data for record in here if record.data]
    print(
        f"{kind:14} {resolvers.version(kind):22} target, asked too early: {CODES[early]}; "
        f"the endpoint then: {CODES[code]} {address}; upstream: {CODES[upstream]} {[r.data for r in there if r.data]}"
    )
    expected = (0, ["10.0.3.10"]) if kind == PASSES_IT_ON else (3, [])
    if (early, upstream, (code, address)) != (3, 0, expected):
        wrong.append(kind)
if wrong:
    sys.exit(f"it is otherwise now: {', '.join(wrong)}")
PYTHON
