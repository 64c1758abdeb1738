"""As much of DNS as the rig needs: questions for addresses, and answers that begin with an alias (RFC 1035)."""

import struct
from dataclasses import dataclass

A, CNAME, SOA, IN = 1, 5, 6, 1
NOERROR, NXDOMAIN = 0, 3

HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")

ANSWER, RECURSION_DESIRED, RECURSION_AVAILABLE = 0x8000, 0x0100, 0x0080
POINTER = 0xC0  # The rest of a name stands elsewhere in the message.


@dataclass(frozen=True)
class Record:
    """A resource record; `data` is an address or a name."""

    name: str
    kind: int
    ttl: int
    data: str


def question(name, number, kind=A):
    return HEADER.pack(number, RECURSION_DESIRED, 1, 0, 0, 0) + written(name) + struct.pack("!HH", kind, IN)


def asked(message):
    """The name, in lower case, and the type that a message asks for."""
    name, at = name_at(message, HEADER.size)
    (kind,) = struct.unpack_from("!H", message, at)
    return name.lower(), kind


def response(message, answers=(), code=NOERROR, authority=()):
    """The answer to a message. Its question is repeated to the letter: some resolvers mix upper and lower case on purpose."""
    number, _, *_ = HEADER.unpack_from(message)
    _, at = name_at(message, HEADER.size)
    flags = ANSWER | RECURSION_DESIRED | RECURSION_AVAILABLE | code
    head = HEADER.pack(number, flags, 1, len(answers), len(authority), 0)
    return head + message[HEADER.size : at + 4] + b"".join(map(record, (*answers, *authority)))


def answers(message):
    """The response code, and the records of an answer. Of other records than addresses only name, type and TTL are read."""
    _, flags, questions, answers, *_ = HEADER.unpack_from(message)
    at = HEADER.size
    for _ in range(questions):
        _, at = name_at(message, at)
        at += 4
    found = []
    for _ in range(answers):
        name, at = name_at(message, at)
        kind, _, ttl, length = RECORD.unpack_from(message, at)
        at += RECORD.size
        data = ".".join(map(str, message[at : at + length])) if kind == A else ""
        found.append(Record(name.lower(), kind, ttl, data))
        at += length
    return flags & 0x000F, found


def number_of(message):
    return HEADER.unpack_from(message)[0]


def record(of):
    if of.kind == A:
        data = bytes(map(int, of.data.split(".")))
    elif of.kind == CNAME:
        data = written(of.data)
    else:  # SOA: two names, and five numbers of which the last is for how long an absence is remembered.
        data = written(of.data) * 2 + struct.pack("!IIIII", 1, of.ttl, of.ttl, of.ttl, of.ttl)
    return written(of.name) + RECORD.pack(of.kind, IN, of.ttl, len(data)) + data


def written(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def name_at(message, at):
    """The name that stands there, and where what follows it begins."""
    labels, end, hops = [], None, 0
    while length := message[at]:
        if length >= POINTER:
            end = end or at + 2
            at = (length & ~POINTER) << 8 | message[at + 1]
            hops += 1
            if hops > len(message):
                raise ValueError("a name that leads in a circle")
            continue
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), end or at + 1
