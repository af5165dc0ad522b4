"""Whose account it is that a provider speaks of: found by issuer and subject, and by nothing else.

    the identity is            what becomes of a sign-in
    ─────────────────────────  ──────────────────────────────────────────────────────────────────
    an account's               the account has what the provider gives it now, and is signed in
    nobody's, of whom the      that account has the identity from now on
    directory has made the
    account (SCIM)
    nobody's                   where the settings say ``create``, an account of its own, made with
                               the identity in one transaction; else nothing

No address and no name of the provider's ever lets into an account that is there: whoever has one
connects the provider with it by signing in to it first. Where the settings say so, an address that
both have proved leads to the question whether to do that.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec
import structlog

from carnet.server.accounts.account_record import Account, AccountRefused, account_of
from carnet.server.accounts.accounts import Accounts
from carnet.server.accounts.notices import Notices
from carnet.server.audit import Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.revocations.revocations import Revocations
from carnet.server.sessions.identities import Identities
from carnet.server.sessions.identity_rights import Rights, replace_rights
from carnet.server.sessions.session_ending import SessionEnding
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql
from carnet.server.upstream.provider import Asserted, UpstreamRefused
from carnet.server.upstream.sealed_tokens import sealed_token
from carnet.server.upstream.upstream import Upstream

__all__ = ["People"]

T = TypeVar("T")

_log = structlog.get_logger()

MOST_NAME: Final = 128
TRIES: Final = 6
TAKEN: Final = ("username_taken", "username_alike")
NAMES: Final = ("preferred_username", "email", "name", "nickname")


class People:
    """The accounts that providers speak of.

    Args:
        store: where they are kept.
        accounts: makes them.
        identities: whom providers know them as.
        upstream: the providers.
        ending: ends sessions.
        notices: tells people of what is connected.
        revocations: makes older tokens stale.
        keys: encrypt the refresh tokens that are kept.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        identities: Identities,
        upstream: Upstream,
        ending: SessionEnding,
        notices: Notices,
        revocations: Revocations,
        keys: SigningKeys,
        clock: Clock,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._identities = identities
        self._upstream = upstream
        self._ending = ending
        self._notices = notices
        self._revocations = revocations
        self._keys = keys
        self._clock = clock

    async def arrive(self, said: Asserted, rights: Rights, origin: Origin) -> Account | None:
        """Give the account of somebody who has signed in, with what the provider gives it now.

        Args:
            said: what the provider says.
            rights: what that comes to.
            origin: who has come.

        Returns:
            The account; None where the identity is nobody's.

        Raises:
            UpstreamRefused: ``account_disabled``, ``account_changed`` or ``claims_unusable``.
        """
        key, now = (said.issuer, said.subject), self._clock()
        found = await self._store.read(sql.ACCOUNT_OF_IDENTITY, *key)
        if not found:
            return await self._provisioned(said, rights, now, origin)

        def work() -> Transaction[Account | None]:
            yield sql.SETTLE_ACCOUNT, found[0]
            if (yield sql.ACCOUNT_OF_IDENTITY, key) not in (found, []):
                # Another account has it by now, which is not held.
                raise UpstreamRefused("the identity has moved meanwhile", code="account_changed")
            for row in (yield sql.UPSTREAM_IDENTITY, key):
                if _account(row).disabled:
                    raise UpstreamRefused("the account is disabled", code="account_disabled")
                yield from self._having(said, rights, now, origin)
            for row in (yield sql.UPSTREAM_IDENTITY, key):
                return _account(row)
            return None

        return await self._carry_out(work)

    async def _provisioned(
        self, said: Asserted, rights: Rights, now: int, origin: Origin
    ) -> Account | None:
        """Give the account that the directory has made for somebody, who has it from now on."""
        external_id = self._upstream.external_id(said)
        if external_id is None:
            return None

        def work() -> Transaction[Account | None]:
            rows = yield sql.SCIM_ACCOUNTS_OF, (external_id,)
            if len(rows) != 1:
                return None
            ((account_id,),) = rows
            # The directory may give the external id to another user at this moment: whoever is
            # first is waited for, in the order in which the directory's changes lock.
            yield sql.HOLD_SCIM_USER, (account_id,)
            yield sql.SETTLE_ACCOUNT, (account_id,)
            if (yield sql.SCIM_ACCOUNTS_OF, (external_id,)) != rows:
                raise UpstreamRefused("the directory has changed it", code="account_changed")
            for row in (yield sql.ACCOUNT_BY_ID, (account_id,)):
                if account_of(row).disabled:
                    raise UpstreamRefused("the account is disabled", code="account_disabled")
                yield from self._linking(account_id, said, rights, now, origin)
            for row in (yield sql.UPSTREAM_IDENTITY, (said.issuer, said.subject)):
                return _account(row)
            return None

        return await self._carry_out(work)

    async def create(
        self, said: Asserted, rights: Rights, username: str, origin: Origin
    ) -> Account | None:
        """Make an account for somebody whom nobody here knows.

        Args:
            said: what the provider says.
            rights: what that comes to.
            username: for the account.
            origin: who has come.

        Returns:
            The account; None where the identity has become somebody's meanwhile, and nothing is
            made.

        Raises:
            AccountRefused: if there can be no account of this name.
            UpstreamRefused: ``claims_unusable``.
        """
        now = self._clock()

        def work() -> Transaction[Account | None]:
            if (yield sql.ACCOUNT_OF_IDENTITY, (said.issuer, said.subject)):
                return None
            made = yield from self._accounts.adding_without_password(username, now, origin)
            yield from self._linking(made.id, said, rights, now, origin)
            for row in (yield sql.UPSTREAM_IDENTITY, (said.issuer, said.subject)):
                return _account(row)
            return None

        return await self._carry_out(work)

    async def create_by_name(
        self, said: Asserted, rights: Rights, name: str, origin: Origin
    ) -> Account | None:
        """Make an account of a name that is like one; as ``create``.

        Raises:
            AccountRefused: if all that were tried are taken.
        """
        for username in _alike(name):
            try:
                return await self.create(said, rights, username, origin)
            except AccountRefused as error:
                if error.code not in TAKEN:
                    raise
                refused = error
        raise refused

    async def connect(
        self,
        account: Account,
        said: Asserted,
        rights: Rights,
        session_id: str,
        origin: Origin,
        address: str = "",
    ) -> None:
        """Connect somebody's identity with the account that they are signed in to.

        Args:
            account: whose.
            said: what the provider says.
            rights: what that comes to.
            session_id: of the session that asked.
            origin: who asked.
            address: which the account has to have proved, or "" where it is asked from within.

        Raises:
            UpstreamRefused: ``identity_taken``, ``account_changed``, ``address_of_another`` or
                ``claims_unusable``.
        """
        key, now = (said.issuer, said.subject), self._clock()

        def work() -> Transaction[None]:
            is_held = yield sql.HOLD_ACCOUNT, (account.id, account.version)
            if not is_held or not (yield sql.HOLD_LOGIN, (session_id,)):
                raise UpstreamRefused(
                    "the account was changed meanwhile, or the session has ended",
                    code="account_changed",
                )
            holders = (yield sql.PROVED_ADDRESS, (address,)) if address else []
            if address and [row[0] for row in holders] != [account.id]:
                raise UpstreamRefused(
                    "the account has not proved the address", code="address_of_another"
                )
            of_account = yield sql.ACCOUNT_OF_IDENTITY, key
            if of_account and of_account != [(account.id,)]:
                raise UpstreamRefused("the identity is another account's", code="identity_taken")
            yield from self._linking(account.id, said, rights, now, origin)
            told = "factor_added", now, origin, self._label(said.issuer)
            yield from self._notices.tell(account.id, *told)

        await self._carry_out(work)

    async def disconnect(
        self, account_id: str, issuer: str, subject: str, session_id: str, origin: Origin
    ) -> bool:
        """Take an identity from somebody's account, and tell whether it had it.

        Args:
            account_id: whose.
            issuer: the provider's.
            subject: whom it calls so.
            session_id: of the session that asked; it lives on.
            origin: who asked.

        Raises:
            UpstreamRefused: ``last_way_in``.
        """

        def allowed() -> Transaction[None]:
            for found in (yield sql.WAYS_IN, (account_id,)):
                ways = sql.WaysInRow(*found)
                rest = yield sql.IDENTITIES_OF_ACCOUNT, (account_id,)
                usable = [one for one, *_ in rest if self._upstream.label_of(one)]
                if not (ways.passwords or ways.passkeys or usable):
                    raise UpstreamRefused("it has no other way to sign in", code="last_way_in")
            told = "factor_removed", self._clock(), origin, self._label(issuer)
            yield from self._notices.tell(account_id, *told)

        return await self._identities.unlink(
            account_id, issuer, subject, origin, keep=session_id, allowed=allowed
        )

    async def signed_out(
        self, issuer: str, subject: str | None, session_id: str | None, origin: Origin
    ) -> int:
        """End what began with a session at a provider, and give how many sessions that were.

        Args:
            issuer: the provider's.
            subject: whose, or None for whosever session it is.
            session_id: the provider's ``sid``, or None for all of the subject's.
            origin: who says so.
        """
        now, reason = self._clock(), "ended_at_provider"
        values = sql.EndSessionsOfProvider(now, reason, issuer, subject, session_id)

        def work() -> Transaction[int]:
            rows = yield sql.END_SESSIONS_OF_PROVIDER, values
            for ended in [sql.EndedWholeRow(*row) for row in rows]:
                yield from self._ending.revoking_with_granted(ended, reason, now, origin)
            return len(rows)

        return await self._store.transact(work)

    def _label(self, issuer: str) -> str:
        label = self._upstream.label_of(issuer)
        return f"sign-in with {label}" if label else issuer

    def _linking(
        self, account_id: str, said: Asserted, rights: Rights, now: int, origin: Origin
    ) -> Transaction[None]:
        if (yield sql.ADD_IDENTITY, (said.issuer, said.subject, now, account_id)):
            about = {"account_id": account_id, "reason": f"{said.issuer} {said.subject}"}
            yield from record(now, Event.IDENTITY_LINKED, origin, **about)
        elif (yield sql.ACCOUNT_OF_IDENTITY, (said.issuer, said.subject)) != [(account_id,)]:
            raise UpstreamRefused("the identity is another account's", code="identity_taken")
        yield from self._having(said, rights, now, origin)

    def _having(
        self, said: Asserted, rights: Rights, now: int, origin: Origin
    ) -> Transaction[None]:
        key = (said.issuer, said.subject)
        yield from replace_rights(self._revocations, *key, rights, now, origin)
        yield sql.USE_IDENTITY, (_name_of(said), now, *key)
        provider = self._upstream.by_issuer(said.issuer)
        if said.refresh_token and provider is not None:
            sealed = sealed_token(self._keys, *key, said.refresh_token)
            due_at = now + provider.kind.checked_every * SECOND
            yield sql.KEEP_UPSTREAM_TOKEN, (*key, sealed, due_at)

    async def _carry_out(self, work: Callable[[], Transaction[T]]) -> T:
        try:
            return await self._store.transact(work)
        except AccountRefused as error:
            if error.member == "username":
                raise
            raise UpstreamRefused(
                f"what it says can't be kept: {error}", code="claims_unusable"
            ) from None


def _account(columns: Sequence[Any]) -> Account:
    row = sql.UpstreamIdentityRow(*columns)
    try:
        return account_of(row[:6])
    except msgspec.MsgspecError as error:
        _log.error("row_unreadable", kind="account", name=row.account_id, exc_info=error)
        raise UpstreamRefused("its row can't be read", code="account_disabled") from None


def _alike(name: str) -> Iterator[str]:
    """Give names that are like one, until one is free."""
    yield name
    for number in range(2, TRIES):
        yield f"{name}{number}"
    yield f"{name}-{secrets.randbelow(10**6):06}"


def _name_of(said: Asserted) -> str:
    """Give what the person is called there, so that they tell their identities apart."""
    for name in NAMES:
        value = said.claims.get(name)
        if isinstance(value, str) and value.isprintable() and value.strip():
            return value[:MOST_NAME]
    return ""
