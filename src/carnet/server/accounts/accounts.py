"""Accounts: who may sign in, and with which roles and claims.

What changes the meaning of an account's tokens (roles, claims, password, disabling) raises its
version and writes the revocation of the older ones in the same transaction: they are stale at once,
while sessions live on and bring new tokens at their next refresh.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from carnet.errors import CarnetError
from carnet.server.accounts.passwords import MAX_PASSWORD, MIN_PASSWORD, Passwords, is_common
from carnet.server.accounts.usernames import (
    MAX_USERNAME,
    canonical_username,
    is_acceptable,
    skeleton,
)
from carnet.server.audit import OPERATOR, Event, Origin, record
from carnet.server.claim_names import RESERVED_CLAIMS
from carnet.server.clock import Clock
from carnet.server.identifiers import new_identifier
from carnet.server.revocations.revoker import Revoker
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Account", "AccountRefused", "Accounts", "account_of", "account_standing"]

MAX_CLAIMS = 4096
SKELETONS_AT_ONCE = 500

_log = structlog.get_logger()

_decode_roles = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_claims = msgspec.json.Decoder(dict[str, Any]).decode
_decode_standing = msgspec.json.Decoder(tuple[int, tuple[str, ...], dict[str, Any]]).decode


class AccountRefused(CarnetError):
    """An account can't be made or changed as asked; the code says why."""

    code = "account_refused"


class Account(NamedTuple):
    """Somebody who may sign in.

    Attributes:
        id: the ``sub`` of the account's tokens; it never changes and says nothing.
        username: what the person types, in its canonical form.
        roles: what the account may do.
        claims: more claims for its tokens.
        version: the ``sub_ver`` of its tokens.
        disabled: whether it may not sign in.
    """

    id: str
    username: str
    roles: tuple[str, ...]
    claims: dict[str, Any]
    version: int
    disabled: bool


class Accounts:
    """The accounts of the service.

    Args:
        store: where they are kept.
        passwords: makes and checks the hashes.
        revoker: makes older tokens stale.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, passwords: Passwords, revoker: Revoker, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._revoker = revoker
        self._clock = clock

    async def create(
        self,
        username: str,
        password: str,
        roles: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
        origin: Origin = OPERATOR,
    ) -> Account:
        """Make an account.

        Args:
            username: 1 to 128 letters, digits and ASCII punctuation, of one script; case and width
                make no difference (RFC 8265), and it looks like no other account's.
            password: 8 to 1024 characters, not a common one.
            roles: names without white space.
            claims: more claims for the account's tokens.
            origin: who asked.

        Raises:
            AccountRefused: saying what was expected.
            TooBusy: if too many passwords are being hashed.
        """
        name = canonical_username(username)
        if not is_acceptable(name):
            raise AccountRefused(
                f"a username has 1 to {MAX_USERNAME} letters, digits and signs such as . _ - @, "
                "without spaces, and letters of one script only",
                code="username_invalid",
            )
        check_password(password, name)
        chosen, more = roles_text(roles), claims_text(claims or {})
        account_id = new_identifier()
        encoded = await self._passwords.hash(password)
        now = self._clock()

        def add() -> Transaction[None]:
            values = (account_id, name, encoded, chosen, more, now, skeleton(name))
            if not (yield sql.ADD_ACCOUNT, values):
                raise _taken(name, is_same=bool((yield sql.ACCOUNT_BY_USERNAME, (name,))))
            yield from record(now, Event.ACCOUNT_CREATED, origin, account_id=account_id)

        await self._store.transact(add)
        return Account(account_id, name, _decode_roles(chosen), _decode_claims(more), 1, False)

    async def authenticate(self, username: str, password: str) -> Account | None:
        """Give the account that a username and a password belong to, or None.

        Unknown, disabled and known usernames cost the same work. A hash of older parameters is made
        anew.

        Raises:
            TooBusy: if too many sign in at this moment.
        """
        name = canonical_username(username)
        rows = await self._store.read(sql.ACCOUNT_BY_USERNAME, name) if name else []
        encoded = rows[0][6] if rows else None
        if not await self._passwords.check(password[: MAX_PASSWORD + 1], encoded):
            return None
        account = account_of(rows[0])
        if account.disabled:
            return None
        if encoded is not None and self._passwords.is_outdated(encoded):
            renewed = await self._passwords.hash(password)
            await self._store.write(sql.REHASH_PASSWORD, renewed, account.id, encoded)
        return account

    async def find(self, username: str) -> Account:
        """Give the account of a username.

        Raises:
            AccountRefused: ``account_unknown``.
        """
        name = canonical_username(username)
        rows = await self._store.read(sql.ACCOUNT_BY_USERNAME, name) if name else []
        found = _readable(rows)
        if not found:
            raise _unknown()
        return found[0]

    async def by_id(self, account_id: str) -> Account | None:
        """Give an account by its id, or None where there is none that can be read."""
        found = _readable(await self._store.read(sql.ACCOUNT_BY_ID, account_id))
        return found[0] if found else None

    async def page(self, after: str = "", limit: int = 1000) -> list[Account]:
        """Give accounts by username, from the one after ``after``."""
        return _readable(await self._store.read(sql.ACCOUNTS, after, limit))

    async def search(self, text: str, after: str = "", limit: int = 1000) -> list[Account]:
        """Give the accounts with a text in their usernames, from the one after ``after``."""
        wanted = unicodedata.normalize("NFKC", text).casefold()
        for special in "!%_":
            wanted = wanted.replace(special, "!" + special)
        return _readable(await self._store.read(sql.SEARCH_ACCOUNTS, after, f"%{wanted}%", limit))

    async def prepare(self) -> None:
        """Work out what the usernames look like that were made before anybody asked.

        Two of them that look alike both stay; nobody can choose a third.
        """
        while rows := await self._store.read(sql.ACCOUNTS_WITHOUT_SKELETON, SKELETONS_AT_ONCE):

            def work(rows: Rows = rows) -> Transaction[None]:
                for account_id, username in rows:
                    yield sql.SET_SKELETON, (skeleton(username), account_id)

            await self._store.transact(work)

    async def change(
        self,
        account_id: str,
        origin: Origin,
        *,
        roles: Sequence[str] | None = None,
        claims: Mapping[str, Any] | None = None,
        disabled: bool | None = None,
    ) -> None:
        """Change several things about an account: all of them, or none where one is refused.

        Other roles or claims make its older tokens stale at once; disabling it ends its sessions.

        Args:
            account_id: whose.
            origin: who asked.
            roles: names without white space; None leaves them as they are.
            claims: more claims for the account's tokens; None leaves them as they are.
            disabled: whether it may not sign in; None leaves that as it is.

        Raises:
            AccountRefused: if a role is no name, or if a claim is one of the service's own or the
                claims are too large.
        """
        now = self._clock()
        texts = []
        if roles is not None:
            texts.append((sql.SET_ROLES, roles_text(roles), Event.ROLES_CHANGED))
        if claims is not None:
            texts.append((sql.SET_CLAIMS, claims_text(claims), Event.CLAIMS_CHANGED))

        def work() -> Transaction[None]:
            for statement, text, event in texts:
                rows = yield statement, (text, account_id)
                if rows:
                    yield from self._revoker.older_versions(account_id, rows[0][0], now)
                    yield from record(now, event, origin, account_id=account_id, reason=text)
            if disabled:
                yield from self._disabling(account_id, now, origin)
            elif disabled is not None and (yield sql.ENABLE_ACCOUNT, (account_id,)):
                yield from record(now, Event.ACCOUNT_ENABLED, origin, account_id=account_id)

        await self._store.transact(work)

    async def set_roles(self, account_id: str, roles: Sequence[str], origin: Origin) -> None:
        """Give an account other roles; its older tokens are stale at once.

        Raises:
            AccountRefused: if a role is no name.
        """
        await self.change(account_id, origin, roles=roles)

    async def set_claims(self, account_id: str, claims: Mapping[str, Any], origin: Origin) -> None:
        """Give an account other claims; its older tokens are stale at once.

        Raises:
            AccountRefused: if a claim is one of the service's own, or the claims are too large.
        """
        await self.change(account_id, origin, claims=claims)

    async def disable(self, account_id: str, origin: Origin) -> None:
        """Keep an account from signing in, and end its sessions."""
        await self.change(account_id, origin, disabled=True)

    async def enable(self, account_id: str, origin: Origin) -> None:
        """Let an account sign in again."""
        await self.change(account_id, origin, disabled=False)

    async def change_password(
        self, account: Account, current: str, new: str, session_id: str, origin: Origin
    ) -> bool:
        """Change a password, and end every session but the one that asked.

        Hashing takes a while. What has happened by its end is respected: of several changes at once
        one is made, and none after an operator's reset or the end of the session that asked.

        Args:
            account: whose, as it was when the request was let in.
            current: the password until now.
            new: 8 to 1024 characters, not a common one.
            session_id: of the session that asked; it lives on.
            origin: who asked.

        Returns:
            Whether ``current`` was right.

        Raises:
            AccountRefused: if the new password can't be taken, or ``account_changed``.
            TooBusy: if too many passwords are being hashed.
        """
        check_password(new, account.username)
        rows = await self._store.read(sql.ACCOUNT_BY_ID, account.id)
        before = rows[0][6] if rows else None
        if not await self._passwords.check(current, before):
            return False
        after = await self._passwords.hash(new)
        now = self._clock()

        def work() -> Transaction[bool]:
            # They can't change any more until this is done, so that what is looked at is so.
            yield sql.HOLD_ACCOUNT, (account.id, account.version)
            yield sql.HOLD_LOGIN, (session_id,)
            values = (after, account.id, before, account.version, session_id, now)
            rows = yield sql.CHANGE_PASSWORD, values
            if rows:
                yield from self._changed(account.id, rows[0][0], session_id, now, origin)
            return bool(rows)

        if not await self._store.transact(work):
            raise AccountRefused(
                "the account was changed at the same moment, or this session has ended, and the "
                "password was not changed; sign in again, then try again",
                code="account_changed",
            )
        return True

    async def set_password(self, account_id: str, new: str, origin: Origin) -> None:
        """Give an account another password without knowing the old one, and end its sessions.

        Raises:
            AccountRefused: if the new password can't be taken, or there is no such account.
        """
        account = await self.by_id(account_id)
        if account is None:
            raise _unknown()
        check_password(new, account.username)
        encoded = await self._passwords.hash(new)
        now = self._clock()

        def work() -> Transaction[None]:
            rows = yield sql.SET_PASSWORD, (encoded, account_id)
            if rows:
                yield from self._changed(account_id, rows[0][0], "", now, origin)

        await self._store.transact(work)

    def _changed(
        self, account_id: str, version: int, kept: str, now: int, origin: Origin
    ) -> Transaction[None]:
        """End what another password ends."""
        yield sql.END_SESSIONS_OF_ACCOUNT, (now, "password_changed", account_id, kept)
        yield from self._revoker.older_versions(account_id, version, now)
        yield from record(now, Event.PASSWORD_CHANGED, origin, account_id=account_id)

    def _disabling(self, account_id: str, now: int, origin: Origin) -> Transaction[None]:
        rows = yield sql.DISABLE_ACCOUNT, (now, account_id)
        if rows:
            yield sql.END_SESSIONS_OF_ACCOUNT, (now, "account_disabled", account_id, "")
            yield from self._revoker.older_versions(account_id, rows[0][0], now)
            yield from record(now, Event.ACCOUNT_DISABLED, origin, account_id=account_id)


def _unknown() -> AccountRefused:
    return AccountRefused(
        "there is no account of this name; `carnet user list` shows them", code="account_unknown"
    )


def _taken(name: str, *, is_same: bool) -> AccountRefused:
    if is_same:
        text = f"there is an account named {name} already; choose another username"
        return AccountRefused(text, code="username_taken")
    return AccountRefused(
        f"the username {name} looks like another account's; choose another", code="username_alike"
    )


def check_password(password: str, username: str) -> None:
    """Check that a new password can be taken (NIST SP 800-63B section 5.1.1.2).

    Raises:
        AccountRefused: ``password_invalid`` or ``password_common``.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountRefused(
            f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters", code="password_invalid"
        )
    if is_common(password) or canonical_username(password) == username:
        raise AccountRefused(
            "this password is one of those that are tried first; choose another, such as four "
            "words that don't belong together",
            code="password_common",
        )


def roles_text(roles: Sequence[str]) -> str:
    """Write roles as the database holds them."""
    if not all(role and role.isprintable() and " " not in role for role in roles):
        raise AccountRefused("a role is a name without white space", code="role_invalid")
    return msgspec.json.encode(sorted(set(roles))).decode()


def claims_text(claims: Mapping[str, Any]) -> str:
    """Write claims as the database holds them."""
    own = sorted(RESERVED_CLAIMS.intersection(claims))
    if own:
        raise AccountRefused(
            f"the service itself sets {', '.join(own)}; choose other names for custom claims",
            code="claim_reserved",
        )
    text = msgspec.json.encode(dict(claims), order="deterministic").decode()
    if len(text) > MAX_CLAIMS:
        raise AccountRefused(
            f"custom claims have at most {MAX_CLAIMS} characters of JSON", code="claims_too_large"
        )
    return text


def account_of(row: tuple[Any, ...]) -> Account:
    """Read an account's row."""
    account_id, username, roles, claims, version, disabled_at = row[:6]
    return Account(
        *(account_id, username, _decode_roles(roles), _decode_claims(claims)),
        *(version, disabled_at is not None),
    )


def _readable(rows: Rows) -> list[Account]:
    """Read rows; one that can't be read is left out, and hides no other."""
    found = []
    for row in rows:
        try:
            found.append(account_of(row))
        except msgspec.MsgspecError as error:
            _log.error("row_unreadable", kind="account", name=row[0], exc_info=error)
    return found


def account_standing(text: str) -> tuple[int, tuple[str, ...], dict[str, Any]]:
    """Read version, roles and claims of an account out of their JSON array."""
    return _decode_standing(text)
