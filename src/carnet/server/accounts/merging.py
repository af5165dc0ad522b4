"""Merging accounts: two that are one person's become one.

    of the account that goes                        becomes
    ──────────────────────────────────────────────  ────────────────────────────────────────────────
    identities at other issuers, and addresses      the other's: from this moment, so that what the
    that were proved                                other has had for longer counts for more
    consents                                        the other's, where it has none of its own
    roles and claims                                nothing: the other keeps what it has
    password, passkeys, apps, recovery codes,       nothing: what lets into the one account never
    remembered browsers, links and codes            lets into the other
    sessions, tokens and the subject                as after a deletion: they end, and clients are
                                                    told

It is done as it was shown, or not at all: what may be moved can change while somebody reads.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from carnet.server.accounts.account_record import Account, AccountRefused, account_of
from carnet.server.accounts.deletion import Deletions
from carnet.server.accounts.email_addresses import MOST_ADDRESSES
from carnet.server.accounts.notices import Notices
from carnet.server.audit import Event, Origin, record
from carnet.server.clock import Clock
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["MERGED", "Merge", "Merges"]

MERGED: Final = "merged"
"""Why an account was deleted that was merged into another, as the audit log says it."""


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of two accounts that are merged.

    Attributes:
        account: the id of the account that goes.
        username: its name.
        into: the id of the one that stays.
        into_username: its name.
        identities: issuers, and the subjects that they know the account as, which move.
        emails: addresses that move.
        applications: the ids of clients whose consents move.
        lost_roles: roles that the account has which goes, and the other has not.
    """

    account: str
    username: str
    into: str
    into_username: str
    identities: tuple[tuple[str, str], ...]
    emails: tuple[str, ...]
    applications: tuple[str, ...]
    lost_roles: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Stands for all of this: whoever gives it back means what was shown."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Merges:
    """Merges accounts.

    Args:
        store: where they are kept.
        deletions: delete the one that goes.
        notices: tell the owner of the one that stays.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, deletions: Deletions, notices: Notices, clock: Clock) -> None:
        self._store = store
        self._deletions = deletions
        self._notices = notices
        self._clock = clock

    async def preview(self, account_id: str, into_id: str, origin: Origin) -> Merge:
        """Tell what would become of two accounts, and change nothing.

        Args:
            account_id: the one that would go.
            into_id: the one that would stay.
            origin: who asks.

        Raises:
            AccountRefused: if they can't be merged; the code says why.
        """
        return await self._store.transact(lambda: self._looking(account_id, into_id, origin))

    async def merge(self, account_id: str, into_id: str, digest: str, origin: Origin) -> Merge:
        """Merge one account into another, as it was shown.

        Args:
            account_id: the one that goes.
            into_id: the one that stays.
            digest: of what ``preview`` gave.
            origin: who asks.

        Raises:
            AccountRefused: as ``preview``, or ``account_changed``.
        """
        now = self._clock()

        def work() -> Transaction[Merge]:
            # Always in the same order, so that two of them never wait for each other.
            for one in sorted((account_id, into_id)):
                yield sql.SETTLE_ACCOUNT, (one,)
            found = yield from self._looking(account_id, into_id, origin)
            if found.digest != digest:
                raise AccountRefused(
                    "one of the accounts was changed meanwhile, and nothing was done; look at what "
                    "would happen now, then merge them",
                    code="account_changed",
                )
            yield from self._moving(found, now, origin)
            about = {"account_id": into_id, "reason": f"{found.username} {account_id}"}
            yield from record(now, Event.ACCOUNT_MERGED, origin, **about)
            yield from self._deletions.deleting(account_id, now, origin, MERGED)
            yield from self._notices.tell(into_id, "merged", now, origin, found.username)
            return found

        return await self._store.transact(work)

    def _looking(self, account_id: str, into_id: str, origin: Origin) -> Transaction[Merge]:
        if account_id == into_id:
            raise AccountRefused("that is one account; name two", code="account_same")
        if origin.actor == account_id:
            raise AccountRefused(
                "you can't do that to the account that you are signed in with", code="account_own"
            )
        gone = yield from self._ready(account_id)
        into = yield from self._ready(into_id)
        rows = yield sql.IDENTITIES_TO_MOVE, (account_id,)
        identities = tuple((issuer, subject) for issuer, subject in rows)
        emails = yield from self._proved(account_id)
        theirs = [sql.AddressRow(*row) for row in (yield sql.ADDRESSES_OF_ACCOUNT, (into_id,))]
        moved = {row.normalized for row in emails}
        if len(moved.union(row.normalized for row in theirs)) > MOST_ADDRESSES:
            raise AccountRefused(
                f"an account has at most {MOST_ADDRESSES} addresses, and together these have more; "
                "remove some first",
                code="too_many_emails",
            )
        applications = yield sql.CONSENTS_TO_MOVE, (account_id, into_id)
        return Merge(
            account=account_id,
            username=gone.username,
            into=into_id,
            into_username=into.username,
            identities=identities,
            emails=tuple(row.address for row in emails),
            applications=tuple(client_id for (client_id,) in applications),
            lost_roles=tuple(role for role in gone.roles if role not in into.roles),
        )

    def _ready(self, account_id: str) -> Transaction[Account]:
        """Give an account whose owner may sign in: what one may not do moves to no other."""
        for row in (yield sql.ACCOUNT_BY_ID, (account_id,)):
            account = account_of(row)
            if account.disabled or account.delete_at is not None:
                raise AccountRefused(
                    f"{account.username} is disabled or to be deleted; enable or keep it first, if "
                    "its owner may sign in",
                    code="account_disabled",
                )
            return account
        raise AccountRefused("there is no such account", code="account_unknown")

    def _proved(self, account_id: str) -> Transaction[list[sql.AddressRow]]:
        rows = [sql.AddressRow(*row) for row in (yield sql.ADDRESSES_OF_ACCOUNT, (account_id,))]
        return [row for row in rows if row.verified_at is not None]

    def _moving(self, found: Merge, now: int, origin: Origin) -> Transaction[None]:
        account_id, into_id = found.account, found.into
        own = yield from self._proved(into_id)
        moved = yield from self._proved(account_id)
        yield sql.FORGET_CLAIMS_TO_MOVED, (into_id, account_id)
        for statement, values, event in (
            (sql.MOVE_IDENTITIES, (into_id, now, account_id), Event.IDENTITY_LINKED),
            (sql.MOVE_ADDRESSES, (into_id, now, account_id), Event.EMAIL_VERIFIED),
            (sql.MOVE_CONSENTS, (into_id, account_id), Event.CONSENT_GIVEN),
        ):
            for row in (yield statement, values):
                told = None if event is Event.EMAIL_VERIFIED else " ".join(row)
                yield from record(now, event, origin, account_id=into_id, reason=told)
        if moved and not own:
            # The first is the one that was the other account's.
            yield sql.SET_PRIMARY_ADDRESS, (into_id, moved[0].normalized)
