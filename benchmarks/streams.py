"""How many revocation streams one worker feeds: ``python -m benchmarks.streams``.

A real server with one worker on the first core, and the readers on the second, all in one process
that does nothing with what it reads but look for the increment. In each round a session ends, and
each reader notes when it has the increment; the time runs from the answer to whoever ended the
session, which comes after the commit, and from the request.

"a stream" is the resident memory of the worker with all streams, less that before the first of
them, for each. "a delivery" is the processor time of the worker, from the request until the last
reader has the increment, for each reader.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from math import ceil

import httpx

from benchmarks import record
from benchmarks.token_servers import Contestant, start_carnet, streams_of
from carnet.server.settings import Settings

REQUEST = b"GET /revocations HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SNAPSHOT, INCREMENT = b"event: snapshot", b"event: increment"
# How many ask for their snapshots at a time: no more than wait in the listening socket.
AT_ONCE = 100
PATIENCE = 60


@dataclass
class Found:
    """The milliseconds from the answer until each reader had the increment, and what it cost.

    Attributes:
        each: of every reader in every round.
        last: of the last reader, in each round.
        requests: the same, from the request.
        spent: the processor's microseconds for each reader, in each round.
        megabytes: of the worker with all streams.
        kilobytes: of them, for each stream.
    """

    each: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    megabytes: float = 0
    kilobytes: float = 0


class Readers:
    """Streams that are held open.

    Args:
        port: of the server.
        count: how many.
    """

    def __init__(self, port: int, count: int) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        while len(self._sockets) < count:
            some = min(AT_ONCE, count - len(self._sockets))
            for _ in range(some):
                one = socket.create_connection(("127.0.0.1", port), PATIENCE)
                one.sendall(REQUEST)
                one.setblocking(False)
                self._sockets[one.fileno()] = one
                self._poll.register(one, select.EPOLLIN)
            self.wait_for(SNAPSHOT, some)

    def wait_for(self, event: bytes, count: int) -> list[float]:
        """Give the moments at which so many of the readers had an event."""
        moments: list[float] = []
        while len(moments) < count:
            ready = self._poll.poll(PATIENCE)
            if not ready:
                raise SystemExit(f"{count - len(moments)} readers have got nothing")
            for number, _ in ready:
                came = self._sockets[number].recv(65536)
                if not came:
                    raise SystemExit("a stream has ended")
                if event in came:
                    moments.append(time.perf_counter())
        return moments

    def close(self) -> None:
        """Close them."""
        for one in self._sockets.values():
            one.close()
        self._poll.close()


def measure(settings: Settings, count: int, rounds: int) -> Found:
    """Run a server, and give what was found with so many readers."""
    found = Found()
    with ExitStack() as stack:
        # One more, since what is made at the first time is no stream's.
        server = start_carnet(stack, settings, rounds + 2, limits=streams_of(count))
        client = stack.enter_context(
            httpx.Client(base_url=server.url, timeout=PATIENCE, trust_env=False)
        )
        end_session(client, access_token(client, server))
        before = server.resident_megabytes()
        readers = Readers(client.base_url.port or 80, count)
        stack.callback(readers.close)
        found.megabytes = server.resident_megabytes()
        found.kilobytes = (found.megabytes - before) * 1000 / count
        for _ in range(rounds):
            token = access_token(client, server)
            spent, asked = server.processor_seconds(), time.perf_counter()
            answered = end_session(client, token)
            moments = readers.wait_for(INCREMENT, count)
            found.spent.append((server.processor_seconds() - spent) / count * 1e6)
            found.each += [1000 * (moment - answered) for moment in moments]
            found.last.append(1000 * (max(moments) - answered))
            found.requests.append(1000 * (max(moments) - asked))
    return found


def access_token(client: httpx.Client, server: Contestant) -> str:
    """Give a token of the next session."""
    form = {"grant_type": "refresh_token", "client_id": server.app}
    form["refresh_token"] = server.refresh_tokens.pop()
    return client.post("/token", data=form).raise_for_status().json()["access_token"]


def end_session(client: httpx.Client, token: str) -> float:
    """End the session of a token, and give the moment of the answer."""
    answer = client.delete("/sessions/current", headers={"Authorization": f"Bearer {token}"})
    answered = time.perf_counter()
    answer.raise_for_status()
    return answered


def percentile(values: list[float], share: float) -> float:
    """Give the least value that so many of all do not exceed."""
    return sorted(values)[ceil(len(values) * share) - 1]


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--readers", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if max(given.readers) + 500 > most:
        raise SystemExit(f"{max(given.readers):,} streams need more files than the {most:,} here")
    with suppress(OSError):
        os.sched_setaffinity(0, {1})
    lines = [
        [
            *("streams", "p50 ms", "p99 ms", "last reader: p50 ms", "slowest ms"),
            *("from the request: p50 ms", "µs a delivery", "server MB", "kB a stream"),
        ]
    ]
    figures, series = {}, {}
    for count in given.readers:
        with tempfile.TemporaryDirectory(prefix="carnet-bench-") as data:
            settings = Settings(data=data, audiences=("orders",))
            found = measure(settings, count, given.rounds)
        row = {
            "p50 ms": statistics.median(found.each),
            "p99 ms": percentile(found.each, 0.99),
            "last p50 ms": statistics.median(found.last),
            "slowest ms": max(found.last),
            "from the request p50 ms": statistics.median(found.requests),
            "µs a delivery": min(found.spent),
            "MB": found.megabytes,
            "kB a stream": found.kilobytes,
        }
        figures[str(count)] = row
        series[f"{count} streams"] = record.less_is_better("ms", found.last)
        series[f"{count} streams: a delivery"] = record.less_is_better("µs", found.spent)
        lines.append([f"{count:,}", *(f"{value:.1f}" for value in row.values())])
        print(f"{count:,} streams: {row['last p50 ms']:.1f} ms", file=sys.stderr)
    table = record.markdown(lines)
    print(table)
    record.write(given.json, "streams", figures, series, {"streams": table})


if __name__ == "__main__":
    main()
