#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12): an agent that answers "50%" for a server of the default weight takes it out of service.
# The default weight is 1, and half of it is rounded to 0: new clients are closed at once, and the status does not say DOWN.
source "$(dirname "$0")/lib/debian.sh"
haproxy26
haproxy -v | sed -n 1p
python3 - <<'PY'
from relay import Agent, Greeter, HAProxy


def half_of(weight):
    db, agent = Greeter("db-1"), Agent(a="50%\n")
    check = f'agent-check agent-addr 127.0.0.1 agent-port {agent.port} agent-inter 100ms agent-send "a\\n"'
    proxy = HAProxy([f"server a 127.0.0.1:{db.port} {weight} {check}"], name=f"w{len(weight)}")
    agent.wait_for_answers("a", 5)
    return proxy.status("a"), proxy.connect()


status, reached = half_of("")
print(f'default weight, agent says "50%": {status}, a client gets {reached or "nothing: it is closed"}')
assert not status.startswith("DOWN") and reached == "", (status, reached)
status, reached = half_of("weight 100")
print(f'weight 100, agent says "50%":     {status}, a client gets {reached}')
assert reached == "db-1", (status, reached)
PY
