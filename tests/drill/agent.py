#!/usr/bin/env python3
"""An agent that answers from a file: `agent.py PORT ADMIN_SOCKET FILE`. For programs without `writerlink relay`.

FILE is a JSON object, route -> the instance that is the writer. A change is pushed over HAProxy's admin socket; HAProxy's
own polls stay the truth. A route that the file does not name is closed without a byte, so its servers keep their state.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

from net import AgentPort, admin

READ_S = 0.01


class FileAgent:
    def __init__(self, port, socket_path, path):
        self.socket_path, self.path, self.writers, self.servers = socket_path, Path(path), {}, {}
        self.port = AgentPort(port, self.answer)

    def answer(self, asked):
        route, _, instance = asked.partition("/")
        if route not in self.writers:
            return None
        self.servers.setdefault(route, set()).add(instance)
        return "up ready" if self.writers[route] == instance else "down maint"

    def push(self, route):
        """First every other server down, then the writer up: two are never usable."""
        writer = self.writers[route]
        commands = [
            f"set server {route}/{server} agent down; set server {route}/{server} state maint"
            for server in self.servers.get(route, set()) - {writer}
        ]
        commands.append(f"set server {route}/{writer} state ready; set server {route}/{writer} agent up")
        with contextlib.suppress(OSError):
            admin(self.socket_path, "; ".join(commands))

    def follow(self):
        """Reads the file for ever."""
        while True:
            with contextlib.suppress(OSError, ValueError):
                read = json.loads(self.path.read_text())
                changed = [route for route in read if read[route] != self.writers.get(route)]
                self.writers = read
                for route in changed:
                    self.push(route)
            time.sleep(READ_S)


if __name__ == "__main__":
    FileAgent(int(sys.argv[1]), sys.argv[2], sys.argv[3]).follow()
