#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12): `show servers state` is what a reload hands to the next process, and it does not carry
# that an agent took a server down. Where the agent is away at the reload and the server has a health check, both
# servers of a pair take traffic again. Maintenance, which the agent orders with "maint", is carried.
source "$(dirname "$0")/lib/debian.sh"
haproxy26
haproxy -v | sed -n 1p
python3 - <<'PY'
import os
import time

from relay import Agent, Greeter, HAProxy, eventually


def after_restart(word):
    """The status of a server that its agent closed with `word`, in the next process, the agent being away."""
    writer, reader = Greeter("writer"), Greeter("reader")
    agent = Agent(w="up\n", r=f"{word}\n")
    check = f"check inter 100ms agent-check agent-addr 127.0.0.1 agent-port {agent.port} agent-inter 100ms"
    servers = [
        f'server w 127.0.0.1:{writer.port} {check} agent-send "w\\n"',
        f'server r 127.0.0.1:{reader.port} {check} agent-send "r\\n"',
    ]
    state = f"{os.environ['WORK']}/{word}.state"
    top = f"server-state-file {state}"
    defaults = "load-server-state-from-file global"
    first = HAProxy(servers, top, defaults, f"first-{word}")
    eventually(lambda: not first.status("r").startswith("UP"), "the reader closed by its agent")
    before = first.status("r")
    with open(state, "w", encoding="utf-8") as file:
        file.write(first.command("show servers state"))
    agent.die()
    first.stop()
    second = HAProxy(servers, top, defaults, f"second-{word}")
    eventually(lambda: second.status("w").startswith("UP"), "the writer up again")
    # Long enough for a health check to lift a server: 20 of its intervals.
    seen, limit = set(), time.monotonic() + 2
    while time.monotonic() < limit:
        seen.add(second.connect())
        time.sleep(0.02)
    return before, second.status("r"), seen


before, after, seen = after_restart("down")
print(f'agent said "down":  {before} before the restart, {after} after it, clients reach {sorted(seen)}')
assert after.startswith("UP") and seen == {"reader", "writer"}, (after, seen)
before, after, seen = after_restart("maint")
print(f'agent said "maint": {before} before the restart, {after} after it, clients reach {sorted(seen)}')
assert after == "MAINT" and seen == {"writer"}, (after, seen)
PY
