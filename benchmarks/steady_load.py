"""A load at a given rate: requests come when they come, whether or not the last one was answered.

wrk, as most tools, sends the next request when the last one is answered, so a server that stops for
a second is asked nothing in it, and the second counts once. Here the moments of the requests are
drawn beforehand, as of people who don't know of each other, and what is measured is the time from
that moment to the end of the answer, the wait for a free connection included. How late the requests
were sent is told, too: what a machine with other work to do adds here, it adds to the answers.

``benchmarks.workers`` starts it on a core of its own. Arguments: one of JSON, ``Steady``. Prints a
line of JSON.
"""

from __future__ import annotations

import gc
import json
import random
import re
import select
import sys
import time
from collections import deque
from math import ceil
from typing import NamedTuple

from benchmarks.plain_http import PlainConnection

__all__ = ["Steady"]

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


class Asking:
    """A connection and its sessions.

    Attributes:
        due: the moment of the request that is under way.
    """

    def __init__(self, given: Steady, tokens: list[bytes]) -> None:
        self.due = 0.0
        self._connection = PlainConnection(given.port)
        self._head, self._body = given.head.encode(), given.body.encode()
        self._tokens = deque(tokens)

    def fileno(self) -> int:
        """Give the number that ``select`` knows it by."""
        return self._connection.fileno()

    def send(self, due: float) -> None:
        """Send a request."""
        self.due = due
        self._connection.send(self._head, self._body + (self._tokens[0] if self._tokens else b""))

    def is_answered(self) -> bool:
        """Take what has come, and tell whether it is the whole answer."""
        answer = self._connection.answer()
        if answer is None:
            return False
        if answer.status != 200:
            raise SystemExit(f"the server has answered {answer}")
        if self._tokens:
            self._tokens[0] = REFRESHED.search(answer.body)[1]
            self._tokens.rotate(-1)
        return True


def latencies(given: Steady) -> tuple[list[float], list[float]]:
    """Send the requests; give the seconds that each has taken, and how late each was sent."""
    encoded = [token.encode() for token in given.tokens]
    connections = [
        Asking(given, encoded[number :: given.connections]) for number in range(given.connections)
    ]
    drawn, moment, moments = random.Random(7), 0.0, deque()
    while (moment := moment + drawn.expovariate(given.rate)) < given.seconds:
        moments.append(moment)
    count, taken, late, free = len(moments), [], [], deque(connections)
    gc.disable()
    start = time.perf_counter()
    while len(taken) < count:
        now = time.perf_counter() - start
        while moments and free and moments[0] <= now:
            late.append(now - moments[0])
            free.popleft().send(moments.popleft())
        left = max(0.0, moments[0] - now) if moments and free else 1
        # Unlike epoll it waits for less than a millisecond.
        for one in select.select(connections, (), (), left)[0]:
            if one.is_answered():
                taken.append(time.perf_counter() - start - one.due)
                free.append(one)
    return taken, late


def percentile(of: list[float], number: int) -> float:
    """Give the milliseconds that so many per cent of some seconds are no more than."""
    return 1000 * sorted(of)[ceil(len(of) * number / 100) - 1]


def main() -> None:
    """Send the load, and print what was found."""
    taken, late = latencies(Steady(**json.loads(sys.argv[1])))
    told = {
        "answers": len(taken),
        "p50": percentile(taken, 50),
        "p99": percentile(taken, 99),
        "slowest": percentile(taken, 100),
        "sent late p99": percentile(late, 99),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
