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
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from carnet.errors import InvalidToken
from carnet.server.accounts.account_record import Account, account_of, account_standing
from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.revocations.revocations import Revocations
from carnet.server.sessions import refresh_token
from carnet.server.sessions.refresh_token import RefreshRefused, RefreshToken
from carnet.server.sessions.session_ending import SessionEnding
from carnet.server.sessions.session_record import (
    BROWSER,
    FIRST_PARTY,
    HERE,
    AudienceAndScope,
    Grant,
    Identified,
    Login,
    NewSession,
    Renewed,
    Session,
)
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = [
    "BROWSER",
    "FIRST_PARTY",
    "Grant",
    "NewSession",
    "RefreshRefused",
    "Renewed",
    "Session",
    "Sessions",
]

MAX_USER_AGENT = 256
TOUCH_AFTER = 300 * SECOND

T = TypeVar("T")


def _nothing() -> Transaction[None]:
    yield from ()


def _both(
    work: Callable[[], Transaction[T]], besides: Callable[[], Transaction[None]]
) -> Transaction[T]:
    result = yield from work()
    yield from besides()
    return result


class Sessions(SessionEnding):
    """The sessions of the service.

    Args:
        store: where they are kept, one row each.
        keys: of which the peppers authenticate refresh tokens.
        revocations: refuses the access tokens of ended sessions.
        settings: the lifetimes and the grace.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        revocations: Revocations,
        settings: Settings,
        clock: Clock,
    ) -> None:
        super().__init__(store, revocations, clock)
        self._keys = keys
        self._grace = settings.refresh_grace * SECOND
        self._idle = settings.session_idle_lifetime * SECOND
        self._lifetime = settings.session_lifetime * SECOND

    async def begin(
        self,
        account: Account,
        new: NewSession,
        origin: Origin = SERVICE,
        instead_of: Callable[[str], Transaction[bool]] | None = None,
        besides: Callable[[], Transaction[None]] = _nothing,
    ) -> Grant | None:
        """Begin a session.

        Args:
            account: whose.
            new: what for.
            origin: who asked.
            instead_of: takes, in the same transaction, what the session is given for, such as a
                code, and is told the session's id; it gives False where that was gone. It is asked
                last: what can't bring a session is not used up.
            besides: is done in the same transaction, whether or not a session begins.

        Returns:
            The session; None where the account has changed since it was read, where the login has
            ended, or where ``instead_of`` gave False.
        """
        session_id = new_identifier()
        token = RefreshToken(self._keys.pepper_id, refresh_token.new_secret(), 0)
        now = self._clock()
        authenticated_at = new.authenticated_at or now

        def work() -> Transaction[bool]:
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                return False
            if not (yield from _is_known(new.identified, account.id)):
                return False
            if new.login_id is not None and not (yield sql.HOLD_LOGIN, (new.login_id,)):
                return False
            if instead_of is not None and not (yield from instead_of(session_id)):
                return False
            values = sql.AddSession(
                session_id=session_id,
                secret_hash=token.secret_hash,
                client_id=new.client_id,
                audience=new.audience,
                user_agent=origin.user_agent[:MAX_USER_AGENT],
                address=origin.address,
                now=now,
                expires_at=now + self._lifetime,
                scope=new.scope,
                key_thumbprint=new.key_thumbprint,
                login_id=new.login_id,
                authenticated_at=authenticated_at,
                amr=new.amr,
                logout_uri=new.logout_uri,
                subject=new.subject,
                identity_issuer=new.identified.issuer,
                identity_subject=new.identified.subject,
                identity_session=new.identified.session_id,
                account_id=account.id,
                account_version=account.version,
            )
            rows = yield sql.ADD_SESSION, values
            if rows:
                about = {"account_id": account.id, "session_id": session_id}
                yield from record(now, Event.SESSION_BEGUN, origin, reason=new.client_id, **about)
            return bool(rows)

        if not await self._store.transact(lambda: _both(work, besides)):
            return None
        return Grant(
            session_id=session_id,
            account_id=account.id,
            client_id=new.client_id,
            audience=new.audience,
            scope=new.scope,
            key_thumbprint=new.key_thumbprint,
            authenticated_at=authenticated_at,
            amr=new.amr,
            roles=account.roles,
            claims=account.claims,
            version=account.version,
            refresh_token=self._mint(token),
            subject=new.subject,
        )

    async def by_token(
        self, text: str, client_id: str, address: str, *, any_generation: bool = False
    ) -> Login | None:
        """Give the living session of an unrotated token.

        Every few minutes it is written down that it was used, and from which address.

        Args:
            text: the token.
            client_id: the client that the session is with.
            address: from where it comes.
            any_generation: whether an earlier token is good as well: of one that was never given
                to anybody in the clear.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken:
            return None
        now = self._clock()
        rows = await self._store.read(
            sql.LOGIN_BY_SECRET,
            token.secret_hash,
            -1 if any_generation else token.generation,
            client_id,
            now,
            now - self._idle,
        )
        if not rows:
            return None
        session_id, authenticated_at, amr, used_at, *more = rows[0]
        identified, account = Identified(*more[:3]), more[3:]
        if used_at < now - TOUCH_AFTER:
            await self._store.write(sql.TOUCH_SESSION, now, address, session_id)
        return Login(session_id, account_of(account), authenticated_at, amr, identified)

    async def renew(
        self,
        text: str,
        account: Account,
        client_id: str,
        origin: Origin,
        amr: str = "pwd",
        authenticated_at: int | None = None,
        identified: Identified = HERE,
        besides: Callable[[], Transaction[None]] = _nothing,
    ) -> Renewed | None:
        """Carry a session on for the account that has just proved again that it is its own.

        Its token changes, so that whoever knew the one before has nothing of it, and it lives as
        long as a new one.

        Args:
            text: the session's token, of this or an earlier sign-in.
            account: who has signed in.
            client_id: the client that the session is with.
            origin: from where.
            amr: how, names of RFC 8176 with spaces between them.
            authenticated_at: when the password was given, in microseconds since 1970; None is now.
            identified: which provider has said whose it is.
            besides: is done in the same transaction, where the text is a session's token.

        Returns:
            What it is now; None where there is no such session of this account, or where the
            account has changed since it was read.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken:
            return None
        now = self._clock()

        values = sql.RenewLogin(
            presented_generation=token.generation,
            authenticated_at=authenticated_at or now,
            amr=amr,
            now=now,
            address=origin.address,
            expires_at=now + self._lifetime,
            identity_issuer=identified.issuer,
            identity_subject=identified.subject,
            identity_session=identified.session_id,
            secret_hash=token.secret_hash,
            client_id=client_id,
            account_id=account.id,
            idle_since=now - self._idle,
        )

        def work() -> Transaction[sql.RenewedLoginRow | None]:
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                return None
            if not (yield from _is_known(identified, account.id)):
                return None
            rows = yield sql.RENEW_LOGIN, values
            if not rows:
                return None
            renewed = sql.RenewedLoginRow(*rows[0])
            about = {"account_id": account.id, "session_id": renewed.session_id}
            yield from record(now, Event.SESSION_RENEWED, origin, **about)
            return renewed

        renewed = await self._store.transact(lambda: _both(work, besides))
        if renewed is None:
            return None
        text = self._mint(token.at(renewed.generation))
        return Renewed(renewed.session_id, values.authenticated_at, text)

    async def refresh(
        self,
        text: str,
        origin: Origin = SERVICE,
        client_id: str = FIRST_PARTY,
        key_thumbprint: str = "",
        *,
        rotates: bool = True,
    ) -> Grant:
        """Exchange a refresh token for its successor.

        Args:
            text: the refresh token as the client sent it.
            origin: from where it came.
            client_id: the client that sent it; a session of another one is left as it is.
            key_thumbprint: of the key that the client has proved to hold, or "".
            rotates: whether there is a successor, or the token is good on.

        Raises:
            RefreshRefused: with the reason as its code.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken as error:
            raise RefreshRefused("the refresh token is not valid", code=error.code) from None
        now = self._clock()
        rows = await self._store.write(
            sql.ROTATE if rotates else sql.USE_REFRESH_TOKEN,
            now,
            origin.address,
            token.secret_hash,
            token.generation,
            now - self._idle,
            client_id,
            key_thumbprint,
        )
        if rows:
            row = sql.SessionRow(*rows[0])
            return self._grant(row, token.at(row.generation))
        return await self._without_rotation(token, now, origin, client_id, key_thumbprint)

    async def present(self, text: str, origin: Origin, client_id: str) -> str:
        """Give the session of a refresh token that is shown and stays as it is.

        It is judged as at a refresh, by a client that proves who it is itself.

        Raises:
            RefreshRefused: with the reason as its code.
        """
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken as error:
            raise RefreshRefused("the refresh token is not valid", code=error.code) from None
        now = self._clock()
        row = self._living(await self._by_secret(token), now, client_id, "")
        if token.generation < row.generation:
            await self._check_retried(token, row, now, origin, "")
        return row.session_id

    async def audience_and_scope(self, text: str, client_id: str) -> AudienceAndScope | None:
        """Give what the session of a refresh token was granted, where it is this client's."""
        try:
            token = refresh_token.parse(text, self._keys.peppers)
        except InvalidToken:
            return None
        row = await self._by_secret(token)
        if row is None or row.client_id != client_id:
            return None
        return AudienceAndScope(row.audience, row.scope)

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

    async def of_account(self, account_id: str) -> list[Session]:
        """Give an account's living sessions, the one used last first."""
        now = self._clock()
        rows = await self._store.read(sql.SESSIONS_OF_ACCOUNT, account_id, now, now - self._idle)
        return [Session(*row) for row in rows]

    async def accepts(self, session_id: str, version: int, token_id: str) -> bool:
        """Tell whether a session's access token, of this account version, still counts."""
        return await self.account_of_token(session_id, version, token_id) is not None

    async def account_of_token(self, session_id: str, version: int, token_id: str) -> str | None:
        """Give whose a session's access token of an account version is, or None if it is not good.

        It may call the account otherwise than by its id.
        """
        rows = await self._store.read(sql.TOKEN_STATE, token_id, session_id)
        if not rows:
            return None
        state = sql.TokenStateRow(*rows[0])
        ended = state.ended_at is not None or state.disabled_at is not None
        good = not ended and state.revocation is None and state.version == version
        return state.account_id if good else None

    async def _without_rotation(
        self,
        token: RefreshToken,
        now: int,
        origin: Origin,
        client_id: str,
        key_thumbprint: str,
    ) -> Grant:
        """Answer a token that rotated nothing, as the table above says."""
        row = self._living(await self._by_secret(token), now, client_id, key_thumbprint)
        if token.generation >= row.generation:
            if not await self._heal(token, row, now, origin):
                # Another request has healed it, or ended it, in between.
                return await self._without_rotation(token, now, origin, client_id, key_thumbprint)
            return self._grant(row, token.at(token.generation + 1))
        await self._check_retried(token, row, now, origin, key_thumbprint)
        return self._grant(row, token.at(row.generation))

    def _living(
        self, row: sql.SessionRow | None, now: int, client_id: str, key_thumbprint: str
    ) -> sql.SessionRow:
        """Give the session of a token, where it lives and is this client's, with this key."""
        if row is None:
            raise RefreshRefused("the session is unknown", code="unknown")
        if row.client_id != client_id:
            raise RefreshRefused("the session belongs to another client", code="client_mismatch")
        if row.key_thumbprint != key_thumbprint:
            raise RefreshRefused("the session is bound to another key", code="key_mismatch")
        if row.ended_at is not None:
            raise RefreshRefused("the session has ended", code="ended")
        if row.expires_at <= now or row.rotated_at <= now - self._idle:
            raise RefreshRefused("the session has expired", code="expired")
        return row

    async def _check_retried(
        self, token: RefreshToken, row: sql.SessionRow, now: int, origin: Origin, thumbprint: str
    ) -> None:
        """End the session of a token that was used before, unless that is a repeated request."""
        retried = now - row.rotated_at <= self._grace or bool(thumbprint)
        if token.generation == row.generation - 1 and retried:
            return
        await self.end(row.session_id, "reused", origin)
        raise RefreshRefused("the refresh token was used before", code="reused")

    async def _by_secret(self, token: RefreshToken) -> sql.SessionRow | None:
        rows = await self._store.read(sql.SESSION_BY_SECRET, token.secret_hash)
        return sql.SessionRow(*rows[0]) if rows else None

    async def _heal(
        self, token: RefreshToken, row: sql.SessionRow, now: int, origin: Origin
    ) -> bool:
        following = token.generation + 1

        def work() -> Transaction[bool]:
            if not (yield sql.HEAL, (following, now, token.secret_hash)):
                return False
            about = {"account_id": row.account_id, "session_id": row.session_id}
            yield from record(now, Event.SESSION_HEALED, origin, **about)
            return True

        return await self._store.transact(work)

    def _grant(self, row: sql.SessionRow, successor: RefreshToken) -> Grant:
        version, roles, claims = account_standing(row.standing)
        # Without names for the arguments: they would cost each rotation a microsecond.
        return Grant(
            row.session_id,
            row.account_id,
            row.client_id,
            row.audience,
            row.scope,
            row.key_thumbprint,
            row.authenticated_at,
            row.amr,
            roles,
            claims,
            version,
            self._mint(successor),
            row.subject,
        )

    def _mint(self, token: RefreshToken) -> str:
        return refresh_token.mint(token, self._keys.peppers[token.pepper_id])


def _is_known(identified: Identified, account_id: str) -> Transaction[bool]:
    """Tell whether an account, which is held, is known to whoever has said whose a session is."""
    if identified.issuer is None:
        return True
    key = identified.issuer, identified.subject
    return [(account_id,)] == (yield sql.ACCOUNT_OF_IDENTITY, key)
