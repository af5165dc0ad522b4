"""Sessions: made at sign-in, carried on by rotating refresh tokens, ended once.

A rotation is one conditional UPDATE. Where it changes no row, the session is read and the refresh
token that was presented is judged:

    presented generation                      outcome
    ────────────────────────────────────────  ─────────────────────────────────────────────────
    current - 1, rotated within the grace     the same successor again: a lost response, a second
                                              tab and a repeated request log nobody out; whoever
                                              proves to hold the session's key has no such limit
    current - 1 later than that, or older     reuse: the session ends, for both holders
    above current, with a valid MAC           the database has lost writes: the session heals
    of an ended, expired or unknown session   refused
    of another client, or without its key     refused, and the session is left as it is

Ending a session and writing its revocation are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from carnet.errors import CarnetError, InvalidToken
from carnet.server.accounts.accounts import Account, account_of, account_standing
from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.revocations.revoker import Revoker
from carnet.server.sessions import refresh_token
from carnet.server.sessions.refresh_token import RefreshToken
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = [
    "BROWSER",
    "FIRST_PARTY",
    "Grant",
    "RefreshRefused",
    "Renewed",
    "Session",
    "Sessions",
    "Wanted",
]

MAX_USER_AGENT = 256
TOUCH_AFTER = 300 * SECOND

FIRST_PARTY: Final = "carnet"
"""The ``client_id`` of sessions that people begin with their password, and get tokens for."""

BROWSER: Final = "carnet:browser"
"""The ``client_id`` of sessions on the service's own pages; they get no tokens."""


class RefreshRefused(CarnetError):
    """A refresh token is not good any more; the code is for the audit log, not for the client.

    Codes: ``malformed``, ``signature_invalid``, ``unknown``, ``ended``, ``expired``, ``reused``,
    ``client_mismatch``, ``key_mismatch``.
    """

    code = "refresh_refused"


class Grant(NamedTuple):
    """A session, as far as its tokens tell of it.

    Attributes:
        session_id: the ``sid`` of the tokens.
        account_id: their ``sub``.
        client_id: the client that the session is with.
        audience: what the tokens are for unless asked otherwise.
        scope: what was granted, names with spaces between them.
        key_thumbprint: of the key that the tokens are bound to, or "".
        authenticated_at: when the password was given, in microseconds since 1970.
        roles: the account's roles now.
        claims: the account's custom claims now.
        version: the account's ``sub_ver`` now.
        refresh_token: the token that continues the session.
    """

    session_id: str
    account_id: str
    client_id: str
    audience: str
    scope: str
    key_thumbprint: str
    authenticated_at: int | None
    roles: tuple[str, ...]
    claims: dict[str, Any]
    version: int
    refresh_token: str


class Wanted(NamedTuple):
    """What a session is begun for.

    Attributes:
        client_id: the client that it is with.
        audience: what its tokens are for unless asked otherwise.
        scope: what is granted, names with spaces between them.
        key_thumbprint: of the key that its tokens are bound to, or "" (RFC 9449).
        login_id: the session of the browser that it ends with, or None.
        authenticated_at: when the password was given, in microseconds since 1970; None is now.
        logout_uri: whom to tell when it has ended, or None.
    """

    client_id: str
    audience: str
    scope: str = ""
    key_thumbprint: str = ""
    login_id: str | None = None
    authenticated_at: int | None = None
    logout_uri: str | None = None


class Renewed(NamedTuple):
    """A session that its owner has signed in to again.

    Attributes:
        session_id: which.
        authenticated_at: when that was, in microseconds since 1970.
        token: what carries it from now on.
    """

    session_id: str
    authenticated_at: int
    token: str


class Session(NamedTuple):
    """A session, as its owner sees it; times in microseconds since 1970.

    Attributes:
        id: the ``sid`` of its tokens.
        client_id: the client that it is with.
        user_agent: what the device said it is at sign-in.
        address: where it was used from last.
        created_at: when it began.
        rotated_at: when it was refreshed last.
        expires_at: when it ends at the latest.
    """

    id: str
    client_id: str
    user_agent: str
    address: str
    created_at: int
    rotated_at: int
    expires_at: int


class _Row(NamedTuple):
    """What ROTATE gives of a session, and SESSION_BY_SECRET with the moments after it."""

    secret_hash: bytes
    session_id: str
    account_id: str
    client_id: str
    audience: str
    scope: str
    key_thumbprint: str
    authenticated_at: int | None
    generation: int
    account: str
    expires_at: int = 0
    rotated_at: int = 0
    ended_at: int | None = None


class Sessions:
    """The sessions of the service.

    Args:
        store: where they are kept, one row each.
        keys: of which the peppers authenticate refresh tokens.
        revoker: refuses the access tokens of ended sessions.
        settings: the lifetimes and the grace.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        revoker: Revoker,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._revoker = revoker
        self._clock = clock
        self._grace = settings.refresh_grace * SECOND
        self._idle = settings.session_idle_lifetime * SECOND
        self._lifetime = settings.session_lifetime * SECOND

    async def begin(
        self,
        account: Account,
        wanted: Wanted,
        origin: Origin = SERVICE,
        instead_of: Callable[[str], Transaction[bool]] | None = None,
    ) -> Grant | None:
        """Begin a session.

        Args:
            account: whose.
            wanted: what for.
            origin: who asked.
            instead_of: takes, in the same transaction, what the session is given for, such as a
                code, and is told the session's id; it gives False where that was gone. It is asked
                last: what can't bring a session is not used up.

        Returns:
            The session; None where the account has changed since it was read, where the login has
            ended, or where ``instead_of`` gave False.
        """
        session_id = new_identifier()
        token = RefreshToken(self._keys.pepper_id, refresh_token.new_secret(), 0)
        now = self._clock()
        client_id, audience, scope, thumbprint, login_id, authenticated_at, logout_uri = wanted
        authenticated_at = authenticated_at or now

        def work() -> Transaction[bool]:
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                return False
            if login_id is not None and not (yield sql.HOLD_LOGIN, (login_id,)):
                return False
            if instead_of is not None and not (yield from instead_of(session_id)):
                return False
            values = (
                *(session_id, token.secret_hash, client_id, audience),
                *(origin.user_agent[:MAX_USER_AGENT], origin.address, now, now + self._lifetime),
                *(scope, thumbprint, login_id, authenticated_at, logout_uri),
                *(account.id, account.version),
            )
            rows = yield sql.ADD_SESSION, values
            if rows:
                about = {"account_id": account.id, "session_id": session_id}
                yield from record(now, Event.SESSION_BEGUN, origin, reason=client_id, **about)
            return bool(rows)

        if not await self._store.transact(work):
            return None
        return Grant(
            *(session_id, account.id, client_id, audience, scope, thumbprint, authenticated_at),
            *(account.roles, account.claims, account.version),
            self._mint(token),
        )

    async def by_token(
        self, text: str, client_id: str, address: str
    ) -> tuple[str, Account, int] | None:
        """Give the living session of an unrotated token: its id, its account, when it signed in.

        Every few minutes it is written down that it was used, and from which address.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken:
            return None
        now = self._clock()
        rows = await self._store.read(
            sql.LOGIN_BY_SECRET,
            *(token.secret_hash, token.generation, client_id, now, now - self._idle),
        )
        if not rows:
            return None
        session_id, authenticated_at, used_at, *account = rows[0]
        if used_at < now - TOUCH_AFTER:
            await self._store.write(sql.TOUCH_SESSION, now, address, session_id)
        return session_id, account_of(tuple(account)), authenticated_at

    async def renew(
        self, text: str, account: Account, client_id: str, origin: Origin
    ) -> Renewed | None:
        """Carry a session on for the account that has just proved again that it is its own.

        Its token changes, so that whoever knew the one before has nothing of it, and it lives as
        long as a new one.

        Args:
            text: the session's token, of this or an earlier sign-in.
            account: who has signed in.
            client_id: the client that the session is with.
            origin: from where.

        Returns:
            What it is now; None where there is no such session of this account, or where the
            account has changed since it was read.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken:
            return None
        now = self._clock()

        def work() -> Transaction[tuple[str, int] | None]:
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                return None
            values = (
                *(token.generation, now, origin.address, now + self._lifetime),
                *(token.secret_hash, client_id, account.id, now - self._idle),
            )
            rows = yield sql.RENEW_LOGIN, values
            if not rows:
                return None
            session_id, generation = rows[0]
            about = {"account_id": account.id, "session_id": session_id}
            yield from record(now, Event.SESSION_RENEWED, origin, **about)
            return session_id, generation

        found = await self._store.transact(work)
        if found is None:
            return None
        session_id, generation = found
        return Renewed(session_id, now, self._mint(token.at(generation)))

    async def refresh(
        self,
        text: str,
        origin: Origin = SERVICE,
        client_id: str = FIRST_PARTY,
        key_thumbprint: str = "",
    ) -> Grant:
        """Exchange a refresh token for its successor.

        Args:
            text: the refresh token as the client sent it.
            origin: from where it came.
            client_id: the client that sent it; a session of another one is left as it is.
            key_thumbprint: of the key that the client has proved to hold, or "".

        Raises:
            RefreshRefused: with the reason as its code.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken as error:
            raise RefreshRefused("the refresh token is not valid", code=error.code) from None
        now = self._clock()
        rows = await self._store.write(
            sql.ROTATE,
            *(now, origin.address, token.secret_hash, token.generation, now - self._idle),
            *(client_id, key_thumbprint),
        )
        if rows:
            row = _Row(*rows[0])
            return self._grant(row, token.at(row.generation))
        return await self._judge(token, now, origin, client_id, key_thumbprint)

    async def granted(self, text: str, client_id: str) -> tuple[str, str] | None:
        """Give audience and scope of a refresh token's session, where it is this client's."""
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken:
            return None
        row = await self._by_secret(token)
        return None if row is None or row.client_id != client_id else (row.audience, row.scope)

    async def end(self, session_id: str, reason: str, origin: Origin = SERVICE) -> bool:
        """End a session, and tell whether this call was the one that ended it."""
        now = self._clock()
        return await self._store.transact(lambda: self._ending(session_id, reason, now, origin))

    async def end_of_account(
        self, account_id: str, session_id: str, reason: str, origin: Origin
    ) -> bool:
        """End one session of an account, and tell whether there was such a one."""
        now = self._clock()

        def work() -> Transaction[bool]:
            values = (now, reason, session_id, account_id)
            rows = yield sql.END_SESSION_OF_ACCOUNT, values
            if rows:
                yield from self._ended(session_id, rows[0], reason, now, origin)
            return bool(rows)

        return await self._store.transact(work)

    async def end_by_refresh_token(
        self, text: str, reason: str, origin: Origin, client_id: str = FIRST_PARTY
    ) -> bool:
        """End the session of a refresh token of whatever generation, and tell whether it lived.

        The session of another client than ``client_id`` is left as it is.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken:
            return False
        row = await self._by_secret(token)
        if row is None or row.client_id != client_id:
            return False
        return await self.end(row.session_id, reason, origin)

    async def end_all(self, account_id: str, reason: str, origin: Origin, *, keep: str = "") -> int:
        """End every session of an account, or every one but ``keep``, and give their number."""
        now = self._clock()

        def work() -> Transaction[int]:
            ended = yield sql.END_SESSIONS_OF_ACCOUNT, (now, reason, account_id, keep)
            if ended:
                # One entry for the account instead of one for each session.
                [(version,)] = yield sql.RAISE_VERSION, (account_id,)
                yield from self._revoker.older_versions(account_id, version, now)
            for (session_id,) in ended:
                about = {"account_id": account_id, "session_id": session_id, "reason": reason}
                yield from record(now, Event.SESSION_ENDED, origin, **about)
            return len(ended)

        return await self._store.transact(work)

    def ending_of_client(
        self, client_id: str, reason: str, now: int, origin: Origin
    ) -> Transaction[int]:
        """End every session with a client, in the transaction that removes it."""
        ended = yield sql.END_ALL_SESSIONS_OF_CLIENT, (now, reason, client_id)
        for session_id, account_id in ended:
            yield from self._revoke(session_id, account_id, reason, now, origin)
        return len(ended)

    async def of_account(self, account_id: str) -> list[Session]:
        """Give an account's living sessions, the one used last first."""
        now = self._clock()
        rows = await self._store.read(sql.SESSIONS_OF_ACCOUNT, account_id, now, now - self._idle)
        return [Session(*row) for row in rows]

    async def accepts(self, session_id: str, version: int, token_id: str) -> bool:
        """Tell whether a session's access token, of this account version, still counts."""
        rows = await self._store.read(sql.TOKEN_STATE, token_id, session_id)
        return rows == [(None, version, None, None)]

    def _ending(self, session_id: str, reason: str, now: int, origin: Origin) -> Transaction[bool]:
        rows = yield sql.END_SESSION, (now, reason, session_id)
        if rows:
            yield from self._ended(session_id, rows[0], reason, now, origin)
        return bool(rows)

    def _ended(
        self, session_id: str, row: tuple[Any, ...], reason: str, now: int, origin: Origin
    ) -> Transaction[None]:
        """Revoke what a session gave; with a browser's session end those granted in it."""
        account_id, client_id = row
        yield from self._revoke(session_id, account_id, reason, now, origin)
        if client_id == BROWSER:
            for (granted,) in (yield sql.END_SESSIONS_OF_LOGIN, (now, reason, session_id)):
                yield from self._revoke(granted, account_id, reason, now, origin)

    def _revoke(
        self, session_id: str, account_id: str, reason: str, now: int, origin: Origin
    ) -> Transaction[None]:
        yield from self._revoker.session(session_id, now)
        about = {"account_id": account_id, "session_id": session_id, "reason": reason}
        yield from record(now, Event.SESSION_ENDED, origin, **about)

    async def _judge(
        self,
        token: RefreshToken,
        now: int,
        origin: Origin,
        client_id: str,
        key_thumbprint: str,
    ) -> Grant:
        """Decide about a token that the rotation did not take: the table above."""
        row = await self._by_secret(token)
        if row is None:
            raise RefreshRefused("the session is unknown", code="unknown")
        if row.client_id != client_id:
            raise RefreshRefused("the session is another client's", code="client_mismatch")
        if row.key_thumbprint != key_thumbprint:
            raise RefreshRefused("the session is bound to another key", code="key_mismatch")
        if row.ended_at is not None:
            raise RefreshRefused("the session has ended", code="ended")
        if row.expires_at <= now or row.rotated_at <= now - self._idle:
            raise RefreshRefused("the session has expired", code="expired")
        if token.generation >= row.generation:
            if not await self._heal(token, row, now, origin):
                # Another request has healed it, or ended it, in between.
                return await self._judge(token, now, origin, client_id, key_thumbprint)
            return self._grant(row, token.at(token.generation + 1))
        retried = now - row.rotated_at <= self._grace or bool(key_thumbprint)
        if token.generation == row.generation - 1 and retried:
            return self._grant(row, token.at(row.generation))
        await self.end(row.session_id, "reused", origin)
        raise RefreshRefused("the refresh token was used before", code="reused")

    async def _by_secret(self, token: RefreshToken) -> _Row | None:
        rows = await self._store.read(sql.SESSION_BY_SECRET, token.secret_hash)
        return _Row(*rows[0]) if rows else None

    async def _heal(self, token: RefreshToken, row: _Row, now: int, origin: Origin) -> bool:
        following = token.generation + 1

        def work() -> Transaction[bool]:
            if not (yield sql.HEAL, (following, now, token.secret_hash)):
                return False
            about = {"account_id": row.account_id, "session_id": row.session_id}
            yield from record(now, Event.SESSION_HEALED, origin, **about)
            return True

        return await self._store.transact(work)

    def _grant(self, row: _Row, successor: RefreshToken) -> Grant:
        version, roles, claims = account_standing(row.account)
        return Grant._make((*row[1:8], roles, claims, version, self._mint(successor)))

    def _mint(self, token: RefreshToken) -> str:
        return refresh_token.mint(token, self._keys.peppers[token.pepper_id])
