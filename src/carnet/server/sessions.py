"""Sessions: made at sign-in, carried on by rotating refresh tokens, ended once.

A rotation is one conditional UPDATE. Where it changes no row, the session is read and the refresh
token that was presented is judged:

    presented generation                      outcome
    ────────────────────────────────────────  ─────────────────────────────────────────────────
    current - 1, rotated within the grace     the same successor again: a lost response, a second
                                              tab and a repeated request log nobody out
    current - 1 later than that, or older     reuse: the session ends, for both holders
    above current, with a valid MAC           the database has lost writes: the session heals
    of an ended, expired or unknown session   refused
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from carnet.errors import CarnetError, InvalidToken
from carnet.server import refresh_token
from carnet.server.accounts import Account, roles_of
from carnet.server.clock import SECOND, Clock
from carnet.server.refresh_token import RefreshToken
from carnet.server.settings import Settings
from carnet.server.signing_keys import Keys
from carnet.server.store import Store
from carnet.server.store import statements as sql

__all__ = ["Grant", "RefreshRefused", "Sessions"]


class RefreshRefused(CarnetError):
    """A refresh token is not good any more; the code is for the audit log, not for the client.

    Codes: ``malformed``, ``unknown``, ``ended``, ``expired``, ``reused``.
    """

    code = "refresh_refused"


class Grant(NamedTuple):
    """A session, as far as its tokens tell of it.

    Attributes:
        session_id: the ``sid`` of the tokens.
        account_id: their ``sub``.
        client_id: the client that the session is with.
        audience: what the tokens are for unless asked otherwise.
        roles: the account's roles now.
        version: the account's ``sub_ver`` now.
        refresh_token: the token that continues the session.
    """

    session_id: str
    account_id: str
    client_id: str
    audience: str
    roles: tuple[str, ...]
    version: int
    refresh_token: str


class Sessions:
    """The sessions of the service.

    Args:
        store: where they are kept, one row each.
        keys: of which the peppers authenticate refresh tokens.
        settings: the lifetimes and the grace.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._grace = settings.refresh_grace * SECOND
        self._idle = settings.session_idle_lifetime * SECOND
        self._lifetime = settings.session_lifetime * SECOND

    async def begin(self, account: Account, client_id: str, audience: str) -> Grant:
        """Begin a session of an account."""
        session_id = secrets.token_urlsafe(16)
        token = RefreshToken(self._keys.pepper_id, refresh_token.new_secret(), 0)
        now = self._clock()
        await self._store.write(
            sql.ADD_SESSION,
            session_id,
            token.secret_hash,
            account.id,
            client_id,
            audience,
            now,
            now + self._lifetime,
        )
        return Grant(
            session_id,
            account.id,
            client_id,
            audience,
            account.roles,
            account.version,
            self._mint(token),
        )

    async def refresh(self, text: str) -> Grant:
        """Exchange a refresh token for its successor.

        Args:
            text: the refresh token as the client sent it.

        Raises:
            RefreshRefused: with the reason as its code.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken as error:
            raise RefreshRefused("the refresh token is not valid", code=error.code) from None
        now = self._clock()
        rows = await self._store.write(
            sql.ROTATE, now, token.secret_hash, token.generation, now - self._idle
        )
        if rows:
            return self._grant(rows[0], token)
        return await self._judge(token, now)

    async def end(self, session_id: str, reason: str) -> bool:
        """End a session, and tell whether this call was the one that ended it."""
        return bool(await self._store.write(sql.END_SESSION, self._clock(), reason, session_id))

    async def _judge(self, token: RefreshToken, now: int) -> Grant:
        """Decide about a token that the rotation did not take: the table above."""
        rows = await self._store.read(sql.SESSION_BY_SECRET, token.secret_hash)
        if not rows:
            raise RefreshRefused("the session is unknown", code="unknown")
        row = rows[0]
        generation, expires_at, rotated_at, ended_at = row[4], row[5], row[8], row[9]
        if ended_at is not None:
            raise RefreshRefused("the session has ended", code="ended")
        if expires_at <= now or rotated_at <= now - self._idle:
            raise RefreshRefused("the session has expired", code="expired")
        if token.generation >= generation:
            return await self._heal(token, row, now)
        if token.generation == generation - 1 and now - rotated_at <= self._grace:
            return self._grant(row, token)
        await self.end(row[0], "reused")
        raise RefreshRefused("the refresh token was used before", code="reused")

    async def _heal(self, token: RefreshToken, row: tuple[Any, ...], now: int) -> Grant:
        following = token.generation + 1
        healed = await self._store.write(sql.HEAL, following, now, token.secret_hash)
        if not healed:
            # Another request has healed it, or ended it, in between: judge anew.
            return await self._judge(token, now)
        return self._grant((*row[:4], following, *row[5:8]), token)

    def _grant(self, row: tuple[Any, ...], token: RefreshToken) -> Grant:
        session_id, account_id, client_id, audience, generation, _, roles, version = row[:8]
        successor = token._replace(generation=generation)
        return Grant(
            session_id,
            account_id,
            client_id,
            audience,
            roles_of(roles),
            version,
            self._mint(successor),
        )

    def _mint(self, token: RefreshToken) -> str:
        return refresh_token.mint(token, self._keys.peppers[token.pepper_id])
