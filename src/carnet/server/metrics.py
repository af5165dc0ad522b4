"""The figures for Prometheus, and the middleware that counts the requests."""

from __future__ import annotations

import asyncio
import os
import time
from functools import cache
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "BACKGROUND_FAILURES",
    "BACKGROUND_SUCCESS",
    "BREACHED_LOOKUPS",
    "CLIENT_DOCUMENTS",
    "CONTENT_TYPE_LATEST",
    "DATABASE_CONNECTIONS",
    "DATABASE_IN_USE",
    "DATABASE_WAITING",
    "KEY_FETCHES",
    "LOGOUT_NOTICES",
    "MAILS",
    "MAILS_WAITING",
    "OWN_FIGURES",
    "READERS",
    "REFRESHES",
    "REVOCATION_LAG",
    "REVOCATION_SEQ",
    "SIGN_INS",
    "UNREADABLE_ROWS",
    "CountRequests",
    "count",
    "exposition",
]

SIGN_INS = Counter("carnet_sign_ins_total", "Sign-ins, by outcome.", ["outcome"])
REFRESHES = Counter("carnet_refreshes_total", "Refreshes, by outcome.", ["outcome"])
READERS = Gauge(
    "carnet_revocation_readers",
    "Open revocation streams.",
    multiprocess_mode="livesum",
)
# Of several workers, the one that is furthest behind counts.
REVOCATION_SEQ = Gauge(
    "carnet_revocation_seq",
    "The newest revocation that the streams know of.",
    multiprocess_mode="livemin",
)
REVOCATION_LAG = Gauge(
    "carnet_revocation_reader_lag",
    "Revocations that the stream's slowest reader has not taken yet.",
    multiprocess_mode="livemax",
)
DATABASE_CONNECTIONS = Gauge(
    "carnet_database_connections", "Connections to the database.", multiprocess_mode="livesum"
)
DATABASE_IN_USE = Gauge(
    "carnet_database_connections_in_use",
    "Connections to the database that are doing something.",
    multiprocess_mode="livesum",
)
DATABASE_WAITING = Gauge(
    "carnet_database_waiting",
    "Pieces of work that wait for a connection to the database.",
    multiprocess_mode="livesum",
)
# Of several workers, the one that has succeeded longest ago counts.
BACKGROUND_SUCCESS = Gauge(
    "carnet_background_last_success_timestamp_seconds",
    "When a task that runs by itself last succeeded, by task; 0 is never.",
    ["task"],
    multiprocess_mode="livemin",
)
BACKGROUND_FAILURES = Counter(
    "carnet_background_failures_total", "Failed runs of what runs by itself, by task.", ["task"]
)
LOGOUT_NOTICES = Counter(
    "carnet_logout_notices_total",
    "Sign-out notices to clients, by outcome: told, failed, given_up.",
    ["outcome"],
)
MAILS = Counter(
    "carnet_mails_total",
    "Mails, by outcome: sent, postponed, refused, given_up, unreadable, no_room.",
    ["outcome"],
)
MAILS_WAITING = Gauge(
    "carnet_mails_waiting", "Mails that wait to be sent.", multiprocess_mode="livemax"
)
CLIENT_DOCUMENTS = Counter(
    "carnet_client_documents_total",
    "Documents of clients that were fetched, by outcome: read, unchanged, refused.",
    ["outcome"],
)
KEY_FETCHES = Counter(
    "carnet_key_fetches_total",
    "Fetches of the keys that clients and trusted issuers publish, by outcome: read, failed.",
    ["outcome"],
)
BREACHED_LOOKUPS = Counter(
    "carnet_breached_password_lookups_total",
    "New passwords that a service of leaks was asked about, by outcome: found, clear, failed.",
    ["outcome"],
)
UNREADABLE_ROWS = Gauge(
    "carnet_unreadable_rows",
    "Rows of the database that can't be read and are left out, by kind.",
    ["kind"],
    multiprocess_mode="livemax",
)
REQUESTS = Counter("carnet_requests_total", "Requests, by endpoint and status.", ["at", "status"])
SECONDS = Histogram(
    "carnet_request_seconds",
    "Seconds until the answer begins, by endpoint.",
    ["at"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

OWN_FIGURES: Final = (
    *(SIGN_INS, REFRESHES, READERS, REVOCATION_SEQ, REVOCATION_LAG),
    *(DATABASE_CONNECTIONS, DATABASE_IN_USE, DATABASE_WAITING),
    *(BACKGROUND_SUCCESS, BACKGROUND_FAILURES, LOGOUT_NOTICES, UNREADABLE_ROWS),
    *(CLIENT_DOCUMENTS, KEY_FETCHES, MAILS, MAILS_WAITING, BREACHED_LOOKUPS),
)
"""Those that are no figures of every HTTP server."""


class CountRequests:
    """ASGI middleware: counts each request and the time until its answer begins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                endpoint = scope.get("endpoint")
                name = getattr(endpoint, "__name__", "nothing")
                count(name, message["status"], time.perf_counter() - start)
            await send(message)

        await self._app(scope, receive, counting)


SCHEDULED_EVERY: Final = 256
# The requests that were answered since the event loop has last turned.
_answered: list[tuple[str, int, float]] = []


def count(name: str, status: int, seconds: float) -> None:
    """Count a request at an endpoint, answered after some seconds.

    Those of one turn of the event loop are counted together, at the next: between the other work of
    a request it takes three times as long (the line "client credentials" of the benchmark
    ``requests``).
    """
    # Once a turn would do, but a loop can be closed before its next turn.
    if len(_answered) % SCHEDULED_EVERY == 0:
        asyncio.get_running_loop().call_soon(_count_answered)
    _answered.append((name, status, seconds))


def _count_answered() -> None:
    for name, status, seconds in _answered:
        requests, duration = _figures(name, status)
        requests.inc()
        duration.observe(seconds)
    _answered.clear()


# Bounded by the endpoints and the statuses that there are.
@cache
def _figures(name: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(name, status), SECONDS.labels(name)


def exposition() -> bytes:
    """Give the figures of this process, or of all workers where there are several."""
    _count_answered()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # has no types
    return generate_latest(registry)
