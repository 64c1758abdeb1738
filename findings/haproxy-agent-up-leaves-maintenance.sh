#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12): a server that starts `disabled` stays in maintenance although its agent answers "up".
# Only "up ready" opens it. The other side of that: "up ready" also ends the maintenance that an operator ordered on
# the stats socket, within one poll. Guess: "up" means up, and an operator's word outranks an agent's.
source "$(dirname "$0")/lib/debian.sh"
haproxy26
haproxy -v | sed -n 1p
python3 - <<'PY'
from relay import Agent, Greeter, HAProxy, eventually

db, agent = Greeter("db-1"), Agent(a="up\n")
proxy = HAProxy([f'server a 127.0.0.1:{db.port} disabled agent-check agent-addr 127.0.0.1 agent-port {agent.port} agent-inter 100ms agent-send "a\\n"'])
agent.wait_for_answers("a", 10)
status = proxy.status("a")
print(f'after ten answers "up":       {status}')
assert status == "MAINT", status
assert proxy.connect() == "", "no server is open"

agent.say["a"] = "up ready\n"
eventually(lambda: proxy.status("a") != "MAINT", 'a server that is open after "up ready"')
print(f'after "up ready":             {proxy.status("a")}, a client reaches {proxy.connect()}')

agent.say["a"] = "up\n"
agent.wait_for_answers("a", 3)
proxy.command("set server be/a state maint")
agent.wait_for_answers("a", 10)
status = proxy.status("a")
print(f'operator: maint, agent "up":  {status}')
assert status == "MAINT", status
agent.say["a"] = "up ready\n"
eventually(lambda: proxy.status("a") != "MAINT", "the operator's maintenance undone")
print(f'the same, agent "up ready":   {proxy.status("a")}: the operator\'s maintenance is undone')
PY
