"""What a request costs without the HTTP server: ``python -m benchmarks.requests``.

The processor time of client credentials, refresh and introspection, asked in this process, on
SQLite: that of all threads, since a commit is made by another. Beside it stands the floor of
``floor.py``, asked in the same way. Sixteen requests are under way at a time, so that commits are
shared as they are under load. The least of the rounds counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import uvloop

from benchmarks import floor, record
from benchmarks.token_servers import prepare
from carnet.server.app import build_app
from carnet.server.service import open_service
from carnet.server.settings import Settings
from carnet.server.store import open_store

LOADS = tuple(floor.PATHS)
AT_ONCE = 16
REQUESTS = 400

Ask = Callable[[str], Awaitable[dict]]


def asking(app, path: str, user: tuple[str, str] | None) -> Ask:
    """Give what asks an ASGI application with a body, and gives its answer."""
    head = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ]
    if user:
        head.append((b"authorization", b"Basic " + b64encode(":".join(user).encode())))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }

    async def ask(body: str) -> dict:
        answer = {}

        async def receive():
            return {"type": "http.request", "body": body.encode(), "more_body": False}

        async def send(message):
            answer.update(message)

        await app({**scope, "headers": [*head], "state": {}}, receive, send)
        if answer["status"] != 200:
            raise SystemExit(f"{path} answered {answer['status']}: {answer['body'][:200]}")
        return answer

    return ask


async def spent(asked: Iterable[Callable[[], Awaitable[object]]]) -> float:
    """Give the processor's microseconds for each of some requests."""
    waiting = iter(list(asked))
    count = 0

    async def some() -> None:
        nonlocal count
        for each in waiting:
            count += 1
            await each()

    start = time.process_time()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return (time.process_time() - start) / count * 1e6


class Refreshing:
    """Sessions, each refreshed in its turn with its current token."""

    def __init__(self, ask: Ask, client: str, tokens: list[str]) -> None:
        self._ask = ask
        self._form = f"grant_type=refresh_token&client_id={client}&refresh_token="
        self._tokens = tokens
        self._turn = 0

    async def __call__(self) -> None:
        place = self._turn = (self._turn + 1) % len(self._tokens)
        answer = await self._ask(self._form + self._tokens[place])
        self._tokens[place] = json.loads(answer["body"])["refresh_token"]


async def measure(folder: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Give the microseconds of each round, for each load and for its floor."""
    settings = Settings(data=str(folder / "carnet"), audiences=("orders",))
    made = await prepare(settings, REQUESTS)
    beside = Settings(data=str(folder / "floor"), audiences=("orders",))
    await prepare(beside, REQUESTS)
    store = await open_store(beside.folder / "carnet.db")
    async with open_service(settings) as service:
        app = build_app(service)
        token = asking(app, "/token", None)
        refresh = Refreshing(token, made["app"], made["tokens"])
        as_job = asking(app, "/token", made["job"])
        as_service = asking(app, "/introspection", made["service"])
        form = {
            "grant_type": "refresh_token",
            "client_id": made["app"],
            "refresh_token": made["tokens"].pop(),
        }
        first = json.loads((await token(urlencode(form)))["body"])["access_token"]
        introspected = urlencode({"token": first})
        ours = {
            "client credentials": lambda: as_job("grant_type=client_credentials"),
            "refresh": refresh,
            "introspection": lambda: as_service(introspected),
        }
        answers = {load: await one() for load, one in ours.items() if load != "refresh"}
        answers["refresh"] = await token(f"{refresh._form}{made['tokens'].pop()}")
        bare = floor.bare_app(store, await store.read(floor.SESSIONS), answers)
        least = {
            load: partial(asking(bare, path, None), introspected)
            for load, path in floor.PATHS.items()
        }
        # What reading an answer costs here is no part of the difference.
        least["refresh"] = Refreshing(
            asking(bare, floor.PATHS["refresh"], None), made["app"], [*made["tokens"]]
        )
        contestants = {(load, "Carnet"): ours[load] for load in LOADS}
        contestants |= {(load, "floor"): least[load] for load in LOADS}
        found: dict[str, dict[str, list[float]]] = {
            load: {"Carnet": [], "floor": []} for load in LOADS
        }
        turns = list(contestants)
        for _ in range(rounds + 1):
            random.shuffle(turns)
            for load, who in turns:
                found[load][who].append(await spent([contestants[load, who]] * REQUESTS))
    await store.close()
    # In the first round everything is asked for the first time.
    return {load: {who: of[1:] for who, of in one.items()} for load, one in found.items()}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.requests", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="carnet-bench-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found = runner.run(measure(Path(folder), given.rounds))
    lines = [["load", "Carnet µs", "floor µs", "× floor", "more µs"]]
    figures = {}
    for load, of in found.items():
        times, least = min(of["Carnet"]), min(of["floor"])
        pairs = zip(of["Carnet"], of["floor"], strict=True)
        ratio = median(one / other for one, other in pairs)
        lines.append([load, f"{times:.1f}", f"{least:.1f}", f"{ratio:.2f}", f"{times - least:.1f}"])
        figures[load] = {"Carnet µs": times, "floor µs": least, "x floor": ratio}
    series = {
        f"{load}, {who}": record.less_is_better("µs", values)
        for load, of in found.items()
        for who, values in of.items()
    }
    table = record.markdown(lines)
    print(table)
    record.write(given.json, "requests", figures, series, {"requests": table})


if __name__ == "__main__":
    main()
