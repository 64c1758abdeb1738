#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12): with `agent-check` every server takes traffic from the start until its agent has said
# otherwise, and for ever where the agent does not answer. Guess: a server whose agent was never heard is not used.
source "$(dirname "$0")/lib/debian.sh"
haproxy26
haproxy -v | sed -n 1p
python3 - <<'PY'
from relay import Agent, Greeter, HAProxy, eventually

one, two = Greeter("db-1"), Greeter("db-2")
agent = Agent()
agent.die()
check = f"agent-check agent-addr 127.0.0.1 agent-port {agent.port} agent-inter 100ms"
proxy = HAProxy([f"server one 127.0.0.1:{one.port} {check}", f"server two 127.0.0.1:{two.port} {check}"])
tried = lambda: "L4CON" in proxy.command("show stat")
eventually(tried, "HAProxy has tried the agent in vain")
seen = sorted({proxy.connect() for _ in range(20)})
print(f"agent never reachable: {proxy.status('one')}, {proxy.status('two')}; clients reach {seen}")
assert seen == ["db-1", "db-2"], seen
PY
