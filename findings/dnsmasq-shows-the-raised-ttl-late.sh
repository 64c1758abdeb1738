#!/usr/bin/env bash
# dnsmasq 2.90 (Debian 12): with min-cache-ttl=300 the first answer shows the TTL of the upstream, and only what comes from
# the cache shows the raised one.
#
# What one would expect: an answer may be used for as long as its TTL says, so whoever asks first and keeps it for the 5 s
# that it shows asks again after that and hears what is true by then. What happens: the answer says 5 s, and dnsmasq goes on
# giving it for 300 s. A check that asks once cannot see that names are kept. Ask twice.
#
# Runs dnsmasq alone on loopback, in a folder of its own, behind a name server of this script. Ends with 1 if it behaves
# otherwise.
set -euo pipefail
PACKAGE=dnsmasq-base VERSION=2.90-4~deb12u2
if [ "$(dpkg-query -W -f '${Version}' "$PACKAGE" 2>/dev/null)" != "$VERSION" ]; then
  apt-get install --yes --no-install-recommends "$PACKAGE=$VERSION" >&2
fi
HOME_OF_IT=$(mktemp -d)
trap 'rm -rf "$HOME_OF_IT"' EXIT
cd "$(dirname "$0")/.."
PYTHONPATH=tests/resolvers:benches python3 - "$HOME_OF_IT/dnsmasq" <<'PYTHON'
import subprocess
import sys
import time
from pathlib import Path

import resolvers
from authority import Authority, ask, endpoint
from rig import free_port

authority, port = Authority(), free_port()
authority.add("orders")
command = resolvers.command("dnsmasq", resolvers.KEPT, Path(sys.argv[1]), port, authority.port)
dnsmasq = subprocess.Popen(command, stderr=subprocess.DEVNULL)
try:
    deadline = time.monotonic() + 30
    while not ask(port, "us-east-1.rds.amazonaws.com", 0.2):
        if time.monotonic() > deadline:
            sys.exit("dnsmasq does not answer")
    upstream, first, second = (
        [record.ttl for record in ask(at, endpoint("orders"))[1]] for at in (authority.port, port, port)
    )
finally:
    dnsmasq.kill()
    dnsmasq.wait()
print(f"dnsmasq 2.90-4~deb12u2 with min-cache-ttl=300; TTLs of the alias and of the address")
print(f"the upstream says:                     {upstream}")
print(f"dnsmasq's first answer (forwarded):    {first}")
print(f"dnsmasq's second answer (its cache):   {second}")
if first != [5, 5] or not all(290 < ttl <= 300 for ttl in second):
    sys.exit("it behaves otherwise now")
PYTHON
