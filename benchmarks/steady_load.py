"""A load at a given rate: requests come when they come, whether or not the last one was answered.

wrk, as most tools, sends the next request when the last one is answered, so a server that stops for
a second is asked nothing in it, and the second counts once. Here the moments of the requests are
drawn beforehand, as of people who don't know of each other, and what is measured is the time from
that moment to the end of the answer, the wait for a free connection included.

``benchmarks.workers`` starts it on a core of its own. Arguments: one of JSON, ``Steady``. Prints a
line of JSON.
"""

from __future__ import annotations

import gc
import json
import random
import re
import select
import socket
import sys
import time
from collections import deque
from math import ceil
from typing import NamedTuple

__all__ = ["Steady"]

LONGEST_ANSWER = 65536
REFRESHED = re.compile(rb'"refresh_token": ?"([^"]+)"')


class Steady(NamedTuple):
    """What is sent, how often, and for how long.

    Attributes:
        port: of the server, on this machine.
        head: the request up to its length.
        body: of the request; with tokens, the current one of a session is put behind it.
        rate: requests a second.
        seconds: how long.
        connections: over which they come.
        tokens: refresh tokens of sessions, of which each connection has its share.
    """

    port: int
    head: str
    body: str
    rate: float
    seconds: float
    connections: int
    tokens: list[str]


class Connection:
    """A connection, with one request under way at most, and its sessions.

    Attributes:
        due: the moment of the request that is under way.
    """

    def __init__(self, given: Steady, tokens: list[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", given.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._head, self._body = given.head.encode(), given.body.encode()
        self._tokens = deque(tokens)
        self._came = b""

    def fileno(self) -> int:
        """Give the number that ``select`` knows it by."""
        return self.socket.fileno()

    def send(self, due: float) -> None:
        """Send a request."""
        self.due = due
        body = self._body + (self._tokens[0] if self._tokens else b"")
        self.socket.sendall(b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body))

    def is_answered(self) -> bool:
        """Take what has come, and tell whether it is the whole answer."""
        came = self.socket.recv(LONGEST_ANSWER)
        if not came:
            raise SystemExit("the server has closed the connection")
        self._came += came
        head, end, body = self._came.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if not end or length is None or len(body) < int(length[1]):
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"the server has answered {head!r} {body!r}")
        self._came = b""
        if self._tokens:
            self._tokens[0] = REFRESHED.search(body)[1]
            self._tokens.rotate(-1)
        return True


def latencies(given: Steady) -> list[float]:
    """Send the requests, and give the seconds that each has taken."""
    encoded = [token.encode() for token in given.tokens]
    connections = [
        Connection(given, encoded[number :: given.connections])
        for number in range(given.connections)
    ]
    drawn, moment, moments = random.Random(7), 0.0, deque()
    while (moment := moment + drawn.expovariate(given.rate)) < given.seconds:
        moments.append(moment)
    count, taken, free = len(moments), [], deque(connections)
    gc.disable()
    start = time.perf_counter()
    while len(taken) < count:
        now = time.perf_counter() - start
        while moments and free and moments[0] <= now:
            free.popleft().send(moments.popleft())
        left = max(0.0, moments[0] - now) if moments and free else 1
        # Unlike epoll it waits for less than a millisecond.
        for one in select.select(connections, (), (), left)[0]:
            if one.is_answered():
                taken.append(time.perf_counter() - start - one.due)
                free.append(one)
    return taken


def main() -> None:
    """Send the load, and print what was found."""
    given = Steady(**json.loads(sys.argv[1]))
    taken = sorted(latencies(given))
    told = {
        "answers": len(taken),
        **{f"p{n}": 1000 * taken[ceil(len(taken) * n / 100) - 1] for n in (50, 99)},
        "slowest": 1000 * taken[-1],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
