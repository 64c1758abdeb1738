#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12): an agent's answer without a newline at its end changes nothing, although the connection
# is closed right after it. The manual calls the line end optional ("optionally terminated by '\r' and/or '\n'").
# The server keeps its state, and the agent's column says that an incomplete line was ignored.
source "$(dirname "$0")/lib/debian.sh"
haproxy26
haproxy -v | sed -n 1p
python3 - <<'PY'
from relay import Agent, Greeter, HAProxy, eventually

db, agent = Greeter("db-1"), Agent(a="up\n")
proxy = HAProxy([f'server a 127.0.0.1:{db.port} agent-check agent-addr 127.0.0.1 agent-port {agent.port} agent-inter 100ms agent-send "a\\n"'])
agent.wait_for_answers("a", 3)
agent.say["a"] = "down"
agent.wait_for_answers("a", 10)
status = proxy.status("a")
print(f'after ten answers "down" without a newline: {status}, a client reaches {proxy.connect()}')
assert not status.startswith("DOWN"), status

agent.say["a"] = "down\n"
eventually(lambda: proxy.status("a").startswith("DOWN"), "a server that is down")
print(f'after "down" with a newline:                {proxy.status("a")}')
PY
