"""Accounts: who may sign in, and with which roles and claims.

What changes the meaning of an account's tokens (roles, claims, password, disabling) raises its
version and writes the revocation of the older ones in the same transaction: they are stale at once,
while sessions live on and bring new tokens at their next refresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from carnet.server.accounts.account_record import (
    NO_PASSWORD,
    Account,
    AccountRefused,
    AccountRow,
    Refusal,
    account_of,
    check_password,
    chosen_username,
    claims_text,
    roles_text,
)
from carnet.server.accounts.notices import Notices
from carnet.server.accounts.one_time_links import NOT_ME, voided
from carnet.server.accounts.passwords import MAX_PASSWORD, Passwords
from carnet.server.accounts.usernames import canonical_username, skeleton
from carnet.server.audit import OPERATOR, Event, Origin, record
from carnet.server.clock import Clock
from carnet.server.identifiers import new_identifier
from carnet.server.revocations.revocations import Revocations
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Account", "AccountRefused", "Accounts", "Refusal", "account_of"]

SKELETONS_AT_ONCE: Final = 500

_log = structlog.get_logger()


class Accounts:
    """The accounts of the service.

    Args:
        store: where they are kept.
        passwords: makes and checks the hashes.
        revocations: makes older tokens stale.
        notices: tells people of another password.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        revocations: Revocations,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._revocations = revocations
        self._notices = notices
        self._clock = clock

    async def create(
        self,
        username: str,
        password: str | None,
        roles: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
        origin: Origin = OPERATOR,
        *,
        unfinished_until: int | None = None,
    ) -> Account:
        """Make an account.

        Args:
            username: 1 to 128 letters, digits and ASCII punctuation, of one script; case and width
                make no difference (RFC 8265), and it looks like no other account's.
            password: 8 to 1024 characters, not a common one; None for an account that nobody can
                sign in with until it has one.
            roles: names without white space.
            claims: more claims for the account's tokens.
            origin: who asked.
            unfinished_until: until when its owner may finish it by a link, in microseconds since
                1970; it is swept after that if nobody has. None where it is finished.

        Raises:
            AccountRefused: saying what was expected.
            TooBusy: if too many passwords are being hashed.
        """
        name = chosen_username(username)
        if password is not None:
            await self.check_new_password(password, name)
        row = AccountRow(
            id=new_identifier(),
            username=name,
            roles=roles_text(roles),
            claims=claims_text(claims or {}),
            version=1,
            disabled_at=None,
            password_hash=NO_PASSWORD if password is None else await self.hash(password),
        )
        now = self._clock()
        await self._store.transact(lambda: self._adding(row, now, origin, unfinished_until))
        return account_of(row)

    def adding_without_password(
        self, username: str, now: int, origin: Origin
    ) -> Transaction[Account]:
        """Make an account without a password, in the caller's transaction.

        Args:
            username: as for ``create``.
            now: microseconds since 1970.
            origin: who asked.

        Raises:
            AccountRefused: saying what was expected.
        """
        row = AccountRow(
            id=new_identifier(),
            username=chosen_username(username),
            roles="[]",
            claims="{}",
            version=1,
            disabled_at=None,
            password_hash=NO_PASSWORD,
        )
        yield from self._adding(row, now, origin)
        return account_of(row)

    async def authenticate(self, username: str, password: str) -> Account | None:
        """Give the account that a username and a password belong to, or None.

        Raises:
            TooBusy: if too many sign in at this moment.
        """
        found = await self.check(username, password)
        return found if isinstance(found, Account) else None

    async def check(self, username: str, password: str) -> Account | Refusal:
        """Give the account that a username and a password belong to, or why there is none.

        Unknown, disabled and known usernames cost the same work; a hash that was imported costs
        what its maker chose besides. One of another system, or of older parameters, is made anew.

        Raises:
            TooBusy: if too many sign in at this moment.
        """
        row = await self._by_username(username)
        # An account without a password is as good as none.
        encoded = (row.password_hash or None) if row is not None else None
        typed = password[: MAX_PASSWORD + 1]
        right = await self._passwords.check(typed, encoded)
        if row is None:
            return Refusal("unknown_username", None)
        if not right:
            return Refusal("wrong_password", row.id)
        account = account_of(row)
        if account.disabled:
            return Refusal("account_disabled", row.id)
        if encoded is not None and self._passwords.is_outdated(encoded):
            renewed = await self._passwords.hash(typed)
            await self._store.write(sql.REHASH_PASSWORD, renewed, account.id, encoded)
        return account

    async def find(self, username: str) -> Account:
        """Give the account of a username.

        Raises:
            AccountRefused: ``account_unknown``.
        """
        row = await self._by_username(username)
        found = [] if row is None else _readable([row])
        if not found:
            raise _unknown()
        return found[0]

    async def by_id(self, account_id: str) -> Account | None:
        """Give an account by its id, or None where there is none that can be read."""
        row = await self._by_id(account_id)
        found = [] if row is None else _readable([row])
        return found[0] if found else None

    async def page(self, after: str = "", limit: int = 1000) -> list[Account]:
        """Give accounts by username, from the one after ``after``."""
        return _readable(await self._store.read(sql.ACCOUNTS, after, limit))

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
        username: str | None = None,
        roles: Sequence[str] | None = None,
        claims: Mapping[str, Any] | None = None,
        disabled: bool | None = None,
    ) -> None:
        """Change several things about an account: all of them, or none where one is refused.

        Another username, other roles or claims make its older tokens stale at once, and its
        sessions go on; disabling it ends them.

        Args:
            account_id: whose.
            origin: who asked.
            username: as for ``create``; None leaves it as it is.
            roles: names without white space; None leaves them as they are.
            claims: more claims for the account's tokens; None leaves them as they are.
            disabled: whether it may not sign in; None leaves that as it is.

        Raises:
            AccountRefused: if a role is no name, if a claim is one of the service's own or the
                claims are too large, or as ``create`` where the username can't be had.
        """
        now = self._clock()
        texts = []
        if roles is not None:
            texts.append((sql.SET_ROLES, roles_text(roles), Event.ROLES_CHANGED))
        if claims is not None:
            texts.append((sql.SET_CLAIMS, claims_text(claims), Event.CLAIMS_CHANGED))

        def work() -> Transaction[None]:
            if username is not None:
                yield from self.renaming(account_id, username, now, origin)
            for statement, text, event in texts:
                for (version,) in (yield statement, (text, account_id)):
                    yield from self._revocations.revoke_older_versions(account_id, version)
                    yield from record(now, event, origin, account_id=account_id, reason=text)
            if disabled:
                yield from self.disabling(account_id, now, origin)
            elif disabled is not None:
                yield from self.enabling(account_id, now, origin)

        await self._store.transact(work)

    async def rename(self, account_id: str, username: str, origin: Origin) -> None:
        """Give an account another username; its older tokens are stale, its sessions go on.

        Raises:
            AccountRefused: as ``create``.
        """
        await self.change(account_id, origin, username=username)

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
            account: whose, as it was when the request was accepted.
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
        await self.check_new_password(new, account.username)
        row = await self._by_id(account.id)
        before = (row.password_hash or None) if row is not None else None
        if before is None or not await self._passwords.check(current, before):
            return False
        await self._replace_password(account, before, new, session_id, origin)
        return True

    async def add_password(
        self, account: Account, new: str, session_id: str, origin: Origin
    ) -> None:
        """Give an account its first password; every session but the one that asked ends.

        Raises:
            AccountRefused: if the password can't be taken, or ``account_changed``, where there is
                one by now, too.
            TooBusy: if too many passwords are being hashed.
        """
        await self.check_new_password(new, account.username)
        await self._replace_password(account, NO_PASSWORD, new, session_id, origin)

    async def has_password(self, account_id: str) -> bool:
        """Tell whether an account has a password."""
        row = await self._by_id(account_id)
        return row is not None and row.password_hash != NO_PASSWORD

    async def _replace_password(
        self, account: Account, before: str, new: str, session_id: str, origin: Origin
    ) -> None:
        after = await self._passwords.hash(new)
        now = self._clock()

        def work() -> Transaction[bool]:
            # They can't change any more until this is done, so that what is looked at is so.
            yield sql.HOLD_ACCOUNT, (account.id, account.version)
            yield sql.HOLD_LOGIN, (session_id,)
            values = (after, account.id, before, account.version, session_id, now)
            rows = yield sql.CHANGE_PASSWORD, values
            for (version,) in rows:
                yield from self._password_changed(account.id, version, session_id, now, origin)
            return bool(rows)

        if not await self._store.transact(work):
            raise AccountRefused(
                "the account was changed at the same moment, or this session has ended, and the "
                "password was not changed; sign in again, then try again",
                code="account_changed",
            )

    async def set_password(self, account_id: str, new: str, origin: Origin) -> None:
        """Give an account another password without knowing the old one, and end its sessions.

        Raises:
            AccountRefused: if the new password can't be taken, or there is no such account.
        """
        account = await self.by_id(account_id)
        if account is None:
            raise _unknown()
        await self.check_new_password(new, account.username)
        encoded, now = await self.hash(new), self._clock()
        await self._store.transact(lambda: self.setting_password(account_id, encoded, origin, now))

    async def check_new_password(self, password: str, username: str) -> None:
        """Check that an account may have a password from now on.

        Raises:
            AccountRefused: saying what was expected.
        """
        check_password(password, username)
        if await self._passwords.is_breached(password):
            raise AccountRefused(
                "this password has been in a leak of some service, from where it is tried "
                "everywhere; choose another, such as four words that don't belong together",
                code="password_breached",
                member="password",
            )

    async def hash(self, password: str) -> str:
        """Hash a password that was checked.

        Raises:
            TooBusy: if too many are being hashed.
        """
        return await self._passwords.hash(password)

    def setting_password(
        self, account_id: str, encoded: str, origin: Origin, now: int, *, tell: bool = True
    ) -> Transaction[None]:
        """Give an account another password, in the caller's transaction, and end its sessions.

        Args:
            account_id: whose.
            encoded: the hash; "" is for none, with which nobody signs in.
            origin: who asked.
            now: microseconds since 1970.
            tell: whether its owner is told by mail.
        """
        for (version,) in (yield sql.SET_PASSWORD, (encoded, account_id)):
            yield from self._password_changed(account_id, version, "", now, origin, tell=tell)

    def _adding(
        self, row: AccountRow, now: int, origin: Origin, unfinished_until: int | None = None
    ) -> Transaction[None]:
        values = (
            row.id,
            row.username,
            row.password_hash,
            row.roles,
            row.claims,
            now,
            skeleton(row.username),
        )
        if not (yield sql.ADD_ACCOUNT, values):
            is_same = bool((yield sql.ACCOUNT_BY_USERNAME, (row.username,)))
            raise _username_taken(row.username, is_same=is_same)
        if unfinished_until is not None:
            yield sql.SET_UNFINISHED, (unfinished_until, row.id)
        yield from record(now, Event.ACCOUNT_CREATED, origin, account_id=row.id)

    def renaming(
        self, account_id: str, username: str, now: int, origin: Origin
    ) -> Transaction[None]:
        """Give an account another username, in the caller's transaction; its sessions go on.

        Raises:
            AccountRefused: as ``create``.
        """
        name = chosen_username(username)
        yield sql.SETTLE_ACCOUNT, (account_id,)
        for row in [AccountRow(*one) for one in (yield sql.ACCOUNT_BY_ID, (account_id,))]:
            if row.username == name:
                return
            shape = skeleton(name)
            found = yield sql.ACCOUNTS_LIKE, (account_id, name, shape)
            for other in [sql.AccountLikeRow(*one) for one in found]:
                if other.id != account_id:
                    raise _username_taken(name, is_same=other.username == name)
            for (version,) in (yield sql.RENAME_ACCOUNT, (name, shape, account_id)):
                yield from self._revocations.revoke_older_versions(account_id, version)
                about = {"account_id": account_id, "reason": f"{row.username} {name}"}
                yield from record(now, Event.ACCOUNT_RENAMED, origin, **about)
                yield from self._notices.tell(account_id, "renamed", now, origin, name)

    async def languages_of(self, account_id: str) -> tuple[str, str]:
        """Give the language that an account's owner has chosen, and that of their last sign-in."""
        rows = await self._store.read(sql.LANGUAGES_OF_ACCOUNT, account_id)
        chosen, seen = rows[0] if rows else (None, None)
        return chosen or "", seen or ""

    async def see_language(self, account_id: str, tag: str) -> None:
        """Write down the language of the pages by which an account's owner has signed in."""
        await self._store.write(sql.SEE_LANGUAGE, tag, account_id)

    async def set_language(self, account_id: str, tag: str) -> None:
        """Keep the language that an account's owner has chosen."""
        await self._store.write(sql.SET_LANGUAGE, tag, account_id)

    async def _by_username(self, username: str) -> AccountRow | None:
        name = canonical_username(username)
        rows = await self._store.read(sql.ACCOUNT_BY_USERNAME, name) if name else []
        return AccountRow(*rows[0]) if rows else None

    async def _by_id(self, account_id: str) -> AccountRow | None:
        rows = await self._store.read(sql.ACCOUNT_BY_ID, account_id)
        return AccountRow(*rows[0]) if rows else None

    def _password_changed(
        self,
        account_id: str,
        version: int,
        kept: str,
        now: int,
        origin: Origin,
        *,
        tell: bool = True,
    ) -> Transaction[None]:
        """End what another password ends."""
        yield sql.VOID_LINKS, (voided(now), account_id, NOT_ME)
        yield sql.END_SESSIONS_OF_ACCOUNT, (now, "password_changed", account_id, kept)
        yield sql.FORGET_BROWSERS, (account_id,)
        yield from self._revocations.revoke_older_versions(account_id, version)
        yield from record(now, Event.PASSWORD_CHANGED, origin, account_id=account_id)
        if tell:
            yield from self._notices.tell(account_id, "password_changed", now, origin)

    def disabling(self, account_id: str, now: int, origin: Origin) -> Transaction[None]:
        """Keep an account from signing in, in the caller's transaction, and end its sessions."""
        for (version,) in (yield sql.DISABLE_ACCOUNT, (now, account_id)):
            yield sql.VOID_LINKS, (voided(now), account_id, NOT_ME)
            yield sql.END_SESSIONS_OF_ACCOUNT, (now, "account_disabled", account_id, "")
            yield from self._revocations.revoke_older_versions(account_id, version)
            yield from record(now, Event.ACCOUNT_DISABLED, origin, account_id=account_id)

    def enabling(self, account_id: str, now: int, origin: Origin) -> Transaction[None]:
        """Let an account sign in again, in somebody's transaction."""
        if (yield sql.ENABLE_ACCOUNT, (account_id,)):
            yield from record(now, Event.ACCOUNT_ENABLED, origin, account_id=account_id)


def _unknown() -> AccountRefused:
    return AccountRefused(
        "there is no account of this name; `carnet user list` shows them", code="account_unknown"
    )


def _username_taken(name: str, *, is_same: bool) -> AccountRefused:
    if is_same:
        text = f"there is an account named {name} already; choose another username"
        return AccountRefused(text, code="username_taken", member="username")
    return AccountRefused(
        f"the username {name} looks like another account's; choose another",
        code="username_alike",
        member="username",
    )


def _readable(rows: Rows) -> list[Account]:
    """Read rows; one that can't be read is left out, and hides no other."""
    found = []
    for row in [AccountRow(*values) for values in rows]:
        try:
            found.append(account_of(row))
        except msgspec.MsgspecError as error:
            _log.error("row_unreadable", kind="account", name=row.id, exc_info=error)
    return found
