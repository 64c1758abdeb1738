"""A name server that all resolvers forward to. It answers as a VPC's resolver does for Aurora: an alias and its address, TTL 5.

Each case has a cluster of its own, so that one can fail over, or its names can stop being answered, without the others.
"""

import itertools
import re
import socket
import socketserver
import struct
import threading
from dataclasses import dataclass

import message

ZONE = "c1a2.us-east-1.rds.amazonaws.com"
TTL_S = 5  # What Aurora's own names have.
ABSENT_S = 900  # For how long Route 53 lets an absence be remembered.

CLUSTER = re.compile(rf"^([a-z0-9-]+)\.cluster-{re.escape(ZONE)}$")
INSTANCE = re.compile(rf"^([a-z0-9-]+)-([0-9])\.{re.escape(ZONE)}$")


def endpoint(cluster):
    return f"{cluster}.cluster-{ZONE}"


def instance(cluster, number):
    return f"{cluster}-{number}"


def address(number):
    return f"10.0.{number}.10"


@dataclass
class Cluster:
    """What is true of a cluster, and whether anybody hears of it."""

    writer: int = 1
    silent: bool = False
    instances: int = 9  # Those that exist, from the first one on.


class Authority:
    """Answers on UDP and TCP of one port of loopback, until it is closed."""

    def __init__(self):
        self.clusters, self.lock = {}, threading.Lock()
        self.udp = Udp(("127.0.0.1", 0), Datagram)
        self.port = self.udp.server_address[1]
        self.tcp = Tcp(("127.0.0.1", self.port), Stream)
        for server in (self.udp, self.tcp):
            server.authority = self
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def add(self, cluster):
        with self.lock:
            self.clusters[cluster] = Cluster()

    def set(self, cluster, **state):
        with self.lock:
            for name, value in state.items():
                setattr(self.clusters[cluster], name, value)

    def close(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()

    def answer(self, asking):
        """The answer to a message, or nothing where there is to be silence."""
        name, kind = message.asked(asking)
        absent = message.Record(ZONE, message.SOA, ABSENT_S, ZONE)
        with self.lock:
            for pattern in (CLUSTER, INSTANCE):
                found = pattern.match(name)
                cluster = found and self.clusters.get(found[1])
                if cluster:
                    if cluster.silent:
                        return None
                    number = cluster.writer if pattern is CLUSTER else int(found[2])
                    if number > cluster.instances:
                        return message.response(asking, code=message.NXDOMAIN, authority=(absent,))
                    records = alias(name, found[1], number) if pattern is CLUSTER else at_home(name, number)
                    # An alias is an answer to every question; an address to the question for one.
                    records = [r for r in records if r.kind in (message.CNAME, kind)]
                    return message.response(asking, records, authority=() if records else (absent,))
        # What names hang from exists, and has nothing; everything else does not exist.
        branch = not name or ZONE.endswith(f".{name}") or name in (ZONE, f"cluster-{ZONE}")
        code = message.NOERROR if branch else message.NXDOMAIN
        return message.response(asking, code=code, authority=(absent,))


def alias(name, cluster, writer):
    target = f"{instance(cluster, writer)}.{ZONE}"
    return [message.Record(name, message.CNAME, TTL_S, target), *at_home(target, writer)]


def at_home(name, number):
    return [message.Record(name, message.A, TTL_S, address(number))]


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        asking, reply_on = self.request
        answer = self.server.authority.answer(asking)
        if answer:
            reply_on.sendto(answer, self.client_address)


class Stream(socketserver.BaseRequestHandler):
    def handle(self):
        with self.request.makefile("rb") as stream:
            while head := stream.read(2):
                (length,) = struct.unpack("!H", head)
                answer = self.server.authority.answer(stream.read(length))
                if answer:
                    self.request.sendall(struct.pack("!H", len(answer)) + answer)


class Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


class Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True


NUMBERS = itertools.count(1)


def found_at(port, name, within_s=5):
    """The addresses that it gives for a name."""
    _, records = ask(port, name, within_s) or (None, [])
    return [record.data for record in records if record.kind == message.A]


def ask(port, name, within_s=5):
    """What the server at this port of loopback says of a name: the response code and the records; nothing in time, nothing."""
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.settimeout(within_s)
        asking.connect(("127.0.0.1", port))
        number = next(NUMBERS) & 0xFFFF
        try:
            asking.send(message.question(name, number))
            while True:
                answer = asking.recv(4096)
                if message.number_of(answer) == number:
                    return message.answers(answer)
        except OSError:
            return None
