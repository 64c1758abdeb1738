"""What a client of a relay sees: sessions that are held, and new ones all the time."""

import contextlib
import threading
import time
from dataclasses import dataclass

import pymysql

from net import now

PAUSE_S = 0.05
ASK = "select @@server_id"
# A relay may hold a connection for 50 s.
PATIENCE_S = 65


@dataclass
class Try:
    """One new session: when it was begun and ready, and the server it reached, or None if it was refused."""

    begun: float
    ready: float
    server: int | None


def login(port):
    return pymysql.connect(
        host="127.0.0.1", port=port, user="app", password="app", connect_timeout=5, read_timeout=PATIENCE_S, autocommit=True
    )


def ask(connection):
    with connection.cursor() as cursor:
        cursor.execute(ASK)
        return cursor.fetchone()[0]


class Client:
    """Opens a new session through one port every 50 ms, on a thread of its own, and asks which server it is."""

    def __init__(self, port):
        self.port, self.tries = port, []
        threading.Thread(target=self._try, daemon=True).start()

    def _try(self):
        while True:
            begun, server = now(), None
            with contextlib.suppress(pymysql.err.MySQLError, OSError):
                connection = login(self.port)
                server = ask(connection)
                connection.close()
            self.tries.append(Try(begun, now(), server))
            time.sleep(PAUSE_S)

    def refused(self, since, to):
        return sum(t.server is None for t in self.tries if since <= t.begun <= to)

    def wrong(self, server, since):
        """Sessions with another server that were begun after the first session with this one was ready."""
        first = next((t.ready for t in self.tries if t.begun >= since and t.server == server), None)
        return None if first is None else sum(t.server not in (server, None) for t in self.tries if t.begun > first)


class Held:
    """Sessions that are kept open through one port."""

    def __init__(self, port, count=1):
        self.sessions = [login(port) for _ in range(count)]

    def alive(self, server=None):
        """How many of them still answer, and with this server if one is given. Asks each once."""
        count = 0
        for session in self.sessions:
            with contextlib.suppress(pymysql.err.MySQLError, OSError):
                session._read_timeout = 2
                count += ask(session) == server or server is None
        return count

    def close(self):
        for session in self.sessions:
            with contextlib.suppress(pymysql.err.MySQLError, OSError):
                session._force_close()
