"""Telling clients that a session of theirs has ended (OpenID Connect Back-Channel Logout 1.0).

What is still to be told stands with the session in the database, so that a restart loses nothing,
and any of several processes may tell it. A client that does not answer is tried again, at growing
distances, for a day.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from carnet.server.clock import SECOND, Clock
from carnet.server.directory import Directory
from carnet.server.id_tokens import IdTokens
from carnet.server.store import Store
from carnet.server.store import statements as sql

if TYPE_CHECKING:
    import httpx

__all__ = ["LogoutNotices"]

BATCH: Final = 20
TIMEOUT_SECONDS: Final = 5.0
LEASE: Final = 60 * SECOND
FIRST_RETRY: Final = 2 * SECOND
LONGEST_RETRY: Final = 3600 * SECOND
GIVEN_UP_AFTER: Final = 86_400 * SECOND

_log = structlog.get_logger()


class LogoutNotices:
    """Tells the clients of ended sessions.

    Args:
        store: where it stands what is to be told.
        directory: the clients.
        id_tokens: makes the logout tokens.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self, store: Store, directory: Directory, id_tokens: IdTokens, clock: Clock
    ) -> None:
        self._store = store
        self._directory = directory
        self._id_tokens = id_tokens
        self._clock = clock
        self._http: httpx.AsyncClient | None = None

    async def tell(self) -> None:
        """Tell what is due now."""
        told = BATCH
        while told == BATCH:
            now = self._clock()
            # Hardly ever is there anything, and only a write keeps others from writing.
            if not await self._store.read(sql.LOGOUTS_DUE, now):
                return
            rows = await self._store.write(sql.LOGOUTS_TO_TELL, now + LEASE, now, BATCH)
            await asyncio.gather(*(self._tell(*row) for row in rows))
            told = len(rows)

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _tell(
        self, session_id: str, account_id: str, client_id: str, address: str, ended_at: int
    ) -> None:
        client = self._directory.client(client_id)
        age = self._clock() - ended_at
        if client is None or age > GIVEN_UP_AFTER:
            await self._store.write(sql.LOGOUT_TOLD, session_id)
            return
        token = self._id_tokens.logout(client, account_id, session_id)
        if await self._post(address, token):
            await self._store.write(sql.LOGOUT_TOLD, session_id)
            return
        _log.warning("logout_not_told", client_id=client_id, session_id=session_id)
        # As long again as it has taken so far: the distances double.
        distance = min(max(age, FIRST_RETRY), LONGEST_RETRY)
        await self._store.write(sql.LOGOUT_NOT_TOLD, self._clock() + distance, session_id)

    async def _post(self, address: str, token: str) -> bool:
        import httpx

        if self._http is None:
            # A redirect would lead to an address that nobody has registered.
            self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)
        try:
            async with (
                asyncio.timeout(2 * TIMEOUT_SECONDS),
                # The answer's body is nobody's business, and may be endless.
                self._http.stream("POST", address, data={"logout_token": token}) as answered,
            ):
                return answered.is_success
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return False
