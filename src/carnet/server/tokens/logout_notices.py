"""Telling clients that a session of theirs has ended (OpenID Connect Back-Channel Logout 1.0).

What is still to be told stands with the session in the database, so that a restart loses nothing,
and any of several processes may tell it. Each notice is handled by itself: whatever goes wrong with
one, its client is tried again, at growing distances, for a day, and the notice is given up then. A
client that has just failed is left alone for as long, with all its notices, so that one which
answers slowly or not at all does not hold up those of the others. Administrators see which clients
can't be told, since when and why.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from carnet.errors import CarnetError
from carnet.server.clients.registry import Registry
from carnet.server.clock import SECOND, Clock
from carnet.server.deadline import within
from carnet.server.metrics import LOGOUT_NOTICES
from carnet.server.store import Store
from carnet.server.store import statements as sql
from carnet.server.tokens.id_tokens import IdTokens

if TYPE_CHECKING:
    import httpx

__all__ = ["LogoutFailure", "LogoutNotices"]

BATCH: Final = 20
TIMEOUT_SECONDS: Final = 5.0
LEASE: Final = 60 * SECOND
FIRST_RETRY: Final = 2 * SECOND
LONGEST_RETRY: Final = 3600 * SECOND
GIVEN_UP_AFTER: Final = 86_400 * SECOND

_log = structlog.get_logger()


class LogoutFailure(NamedTuple):
    """A client that can't be told.

    Attributes:
        client_id: which one.
        since: when it failed first, in microseconds since 1970.
        failed_at: when it failed last.
        cause: why, in words.
    """

    client_id: str
    since: int
    failed_at: int
    cause: str


class _Notice(NamedTuple):
    """A session that has ended, and whom to tell."""

    session_id: str
    subject: str
    client_id: str
    address: str
    ended_at: int


class LogoutNotices:
    """Tells clients that sessions of theirs have ended.

    Args:
        store: where the notices that are still to be sent are kept.
        registry: the clients.
        id_tokens: makes the logout tokens.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, registry: Registry, id_tokens: IdTokens, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._id_tokens = id_tokens
        self._clock = clock
        self._http: httpx.AsyncClient | None = None
        # Until when a client that has failed is left alone.
        self._left_alone: dict[str, int] = {}

    async def send_due(self) -> None:
        """Send the notices that are due now."""
        sent = BATCH
        while sent == BATCH:
            now = self._clock()
            # Hardly ever is there anything, and only a write keeps others from writing.
            if not await self._store.read(sql.LOGOUTS_DUE, now):
                return
            rows = await self._store.write(sql.LEASE_LOGOUTS, now + LEASE, now, BATCH)
            sending = (self._send(_Notice(*row)) for row in rows)
            failures = [
                failure
                for failure in await asyncio.gather(*sending, return_exceptions=True)
                if failure is not None
            ]
            if failures:
                raise BaseExceptionGroup("what became of notices can't be written", failures)
            sent = len(rows)

    async def failures(self) -> dict[str, LogoutFailure]:
        """Give the clients that can't be told, by their id."""
        failures = [LogoutFailure(*row) for row in await self._store.read(sql.LOGOUT_FAILURES)]
        return {failure.client_id: failure for failure in failures}

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _send(self, notice: _Notice) -> None:
        now = self._clock()
        age = now - notice.ended_at
        if age > GIVEN_UP_AFTER:
            self._count("given_up", notice)
            await self._store.write(sql.LOGOUT_SENT, notice.session_id)
            return
        if self._registry.is_unreadable(notice.client_id):
            await self._postpone(notice, now + LONGEST_RETRY)
            return
        until = self._left_alone.get(notice.client_id, 0)
        # No further than a failure puts it off: the clock may have been set back.
        if now < until <= now + LONGEST_RETRY:
            await self._postpone(notice, until)
            return
        try:
            cause = await self._attempt(notice)
        except Exception as error:
            # The address and the answer are the client's: httpx, idna, ssl and the rest raise what
            # they like for them.
            cause = _reason(error)
        if cause is None:
            self._left_alone.pop(notice.client_id, None)
            LOGOUT_NOTICES.labels("told").inc()
            await self._store.write(sql.LOGOUT_SENT, notice.session_id)
            await self._store.write(sql.FORGET_LOGOUT_FAILURE, notice.client_id)
            return
        self._count("failed", notice, cause)
        # As long again as it has taken so far: the distances double.
        distance = min(max(age, FIRST_RETRY), LONGEST_RETRY)
        self._left_alone[notice.client_id] = self._clock() + min(distance, LEASE)
        await self._postpone(notice, self._clock() + distance)
        await self._store.write(sql.NOTE_LOGOUT_FAILURE, notice.client_id, now, cause)

    async def _attempt(self, notice: _Notice) -> str | None:
        """Send a notice, and give why it did not arrive, or None."""
        client = await self._registry.find(notice.client_id)
        if client is None:
            # It was removed, and everything that it was to be told with it.
            return None
        token = await self._id_tokens.logout(client, notice.subject, notice.session_id)
        status = await within(2 * TIMEOUT_SECONDS, self._post(notice.address, token))
        if 200 <= status < 300:
            return None
        redirect = "; a redirect is not followed" if 300 <= status < 400 else ""
        return f"it answered {status}{redirect}"

    async def _post(self, address: str, token: str) -> int:
        import httpx

        if self._http is None:
            # A redirect would lead to an address that nobody has registered.
            self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)
        # The answer's body is nobody's business, and may be endless.
        sending = self._http.stream("POST", address, data={"logout_token": token})
        async with sending as answered:
            return answered.status_code

    async def _postpone(self, notice: _Notice, until: int) -> None:
        await self._store.write(sql.POSTPONE_LOGOUT, until, notice.session_id)

    def _count(self, outcome: str, notice: _Notice, cause: str | None = None) -> None:
        LOGOUT_NOTICES.labels(outcome).inc()
        fields: dict[str, Any] = {} if cause is None else {"cause": cause}
        _log.warning(
            "logout_not_told" if outcome == "failed" else "logout_given_up",
            client_id=notice.client_id,
            session_id=notice.session_id,
            **fields,
        )


def _reason(error: Exception) -> str:
    """Say why a client could not be told. The words of an error may hold its address's secrets."""
    if isinstance(error, TimeoutError) or type(error).__name__.endswith("Timeout"):
        return f"it did not answer within {TIMEOUT_SECONDS:.0f} seconds"
    if isinstance(error, CarnetError):
        return str(error)
    if isinstance(error, ValueError | TypeError) or type(error).__name__ == "InvalidURL":
        return f"its address can't be used ({type(error).__name__})"
    return f"it can't be reached ({type(error).__name__})"
