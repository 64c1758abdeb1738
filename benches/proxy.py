"""Stands between a client and ministack, makes every call take longer, and keeps the time.

A thread for each connection, and `time.sleep`, which is true to 0.1 ms; asyncio rounds its timers up to whole
milliseconds. The whole delay lies on the way to ministack: a call is over when its reply goes back.
"""

import http.client
import re
import select
import socket
import threading
import time
from dataclasses import dataclass, field

NAMES = re.compile(rb"(?:^|&)Action=(\w+)")


@dataclass
class Call:
    """One call as it went by, in seconds of the monotonic clock, which all processes of a machine share."""

    name: str
    arrived: float
    sent: float = 0.0  # To ministack, after the delay.
    answered: float = 0.0  # By ministack, on its way back to the client.
    status: int = 0
    body: bytes = field(default=b"", repr=False)

    @property
    def held_ms(self):
        """What it was held up here."""
        return (self.sent - self.arrived) * 1000

    @property
    def served_ms(self):
        """What ministack took for it."""
        return (self.answered - self.sent) * 1000


class Proxy:
    def __init__(self, upstream):
        self.upstream, self.delay_s = upstream, 0.0
        self.calls, self.changed = [], threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        upstream = self.connect()
        try:
            with client, client.makefile("rb") as requests:
                while request := read_request(requests):
                    if is_closed(upstream):
                        upstream.close()
                        upstream = self.connect()
                    self.pass_on(request, client, upstream)
        except OSError:
            pass  # One side is gone, and nobody is left who waits for the other.
        finally:
            upstream.close()

    def connect(self):
        upstream = socket.create_connection(("127.0.0.1", self.upstream))
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return upstream

    def pass_on(self, request, client, upstream):
        name, text = request
        call = Call(name, time.monotonic())
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        if self.delay_s:
            time.sleep(self.delay_s)
        call.sent = time.monotonic()
        upstream.sendall(text)
        status, reply = read_reply(upstream)
        # Before the client can have it: what it does next must not seem to come earlier.
        answered = time.monotonic()
        client.sendall(reply)
        with self.changed:
            call.answered, call.status, call.body = answered, status, reply
            self.changed.notify_all()

    def next_sent(self, name, after, patience_s):
        """The first call of this name that came after this moment, answered or not; none in time, none."""
        return self.wait(lambda call: call.name == name and call.arrived >= after, patience_s)

    def next_answered(self, name, after, patience_s, says=b""):
        """The first such call whose answer left after this moment, and says this."""

        def fits(call):
            return call.name == name and call.answered >= after and says in call.body

        return self.wait(fits, patience_s)

    def wait(self, fits, patience_s):
        def first():
            return next((call for call in self.calls if fits(call)), None)

        with self.changed:
            self.changed.wait_for(first, patience_s)
            return first()

    def between(self, since, until):
        """The calls that came and were answered in this time."""
        with self.changed:
            calls = list(self.calls)
        return [c for c in calls if c.answered and since <= c.arrived and c.answered <= until]

    def forget(self):
        """Drops what is over, so that looking through the rest stays cheap."""
        with self.changed:
            self.calls = [call for call in self.calls if not call.answered]


def is_closed(upstream):
    """Whether ministack has hung up meanwhile, as it does on connections that are idle for some seconds."""
    return bool(select.select([upstream], [], [], 0)[0])


def read_request(stream):
    """A request's name and its bytes, or nothing at the end of the connection."""
    head = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        head.append(line)
    if not head:
        return None
    headers = [line.split(b":", 1) for line in head[1:]]
    headers = {key.strip().lower(): value.strip() for key, value in headers}
    body = stream.read(int(headers.get(b"content-length", 0)))
    target = headers.get(b"x-amz-target", b"").rpartition(b".")[2]
    if not target and (found := NAMES.search(body)):
        target = found[1]
    return target.decode(), b"".join(head) + b"\r\n" + body


def read_reply(upstream):
    """A reply's status and its bytes, made of what http.client understood of it."""
    reply = http.client.HTTPResponse(upstream)
    reply.begin()
    body = reply.read()
    head = [f"HTTP/1.1 {reply.status} {reply.reason}"]
    # The body is whole now, whatever it came in.
    hop = ("transfer-encoding", "content-length", "connection")
    head += [f"{key}: {value}" for key, value in reply.getheaders() if key.lower() not in hop]
    head += [f"content-length: {len(body)}", "", ""]
    return reply.status, "\r\n".join(head).encode() + body
