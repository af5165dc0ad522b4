"""The audit log: who did what, when, from where, and why it was refused.

An entry stands in the transaction of what it tells, so neither is there without the other. Entries
are only ever added, and go when ``audit_retention`` is over; those about an account that is deleted
lose what is personal in them. None holds a token, a password or a key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Final, NamedTuple

from carnet.server.clock import SECOND
from carnet.server.identifiers import new_identifier
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = [
    "LATEST",
    "OPERATOR",
    "SERVICE",
    "Entry",
    "Event",
    "Filter",
    "Following",
    "Origin",
    "Page",
    "newest",
    "of_account",
    "page",
    "record",
]


LATEST = 2**62
AFTER_ALL: Final = "\x7f"
FOLLOWED_AT_ONCE: Final = 1000
OVERLAP: Final = 30 * SECOND
"""How late an entry may come that is followed: transactions take no longer."""


class Event(StrEnum):
    """What may stand in the audit log."""

    ACCOUNT_CREATED = "account_created"
    ACCOUNT_DELETED = "account_deleted"
    ACCOUNT_DELETION_ASKED = "account_deletion_asked"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"
    ACCOUNT_RECLAIMED = "account_reclaimed"
    ACCOUNT_KEPT = "account_kept"
    ACCOUNT_MERGED = "account_merged"
    ACCOUNT_RENAMED = "account_renamed"
    AGENT_BEGUN = "agent_begun"
    AGENT_STOPPED = "agent_stopped"
    BROWSER_FORGOTTEN = "browser_forgotten"
    BROWSER_REMEMBERED = "browser_remembered"
    CLAIMS_CHANGED = "claims_changed"
    CLIENT_CHANGED = "client_changed"
    CLIENT_CREATED = "client_created"
    CLIENT_REMOVED = "client_removed"
    CLIENT_SECRET_CHANGED = "client_secret_changed"
    CLIENT_SECRET_REMOVED = "client_secret_removed"
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    DEVICE_ALLOWED = "device_allowed"
    DEVICE_DENIED = "device_denied"
    EMAIL_ADDED = "email_added"
    EMAIL_PRIMARY_CHANGED = "email_primary_changed"
    EMAIL_REMOVED = "email_removed"
    EMAIL_VERIFIED = "email_verified"
    FACTORS_RESET = "factors_reset"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_RENAMED = "factor_renamed"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    KEY_CREATED = "key_created"
    KEY_REMOVED = "key_removed"
    KEY_RETIRED = "key_retired"
    LINK_MADE = "link_made"
    LINK_USED = "link_used"
    MASTER_KEY_CHANGED = "master_key_changed"
    PASSWORD_CHANGED = "password_changed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    RECOVERY_CODE_USED = "recovery_code_used"
    REGISTRATION_TOKEN_CREATED = "registration_token_created"  # no password
    REGISTRATION_TOKEN_REVOKED = "registration_token_revoked"  # no password
    RESOURCE_CHANGED = "resource_changed"
    RESOURCE_CREATED = "resource_created"
    RESOURCE_REMOVED = "resource_removed"
    ROLES_CHANGED = "roles_changed"
    SCIM_GROUP_CREATED = "scim_group_created"
    SCIM_GROUP_REMOVED = "scim_group_removed"
    SCIM_TOKEN_CREATED = "scim_token_created"  # no password
    SCIM_TOKEN_REVOKED = "scim_token_revoked"  # no password
    SECOND_FACTOR_REFUSED = "second_factor_refused"
    SESSION_BEGUN = "session_begun"
    SESSION_ENDED = "session_ended"
    SESSION_HEALED = "session_healed"
    SESSION_RENEWED = "session_renewed"
    SIGN_IN_REFUSED = "sign_in_refused"


class Origin(NamedTuple):
    """From where a request came.

    Attributes:
        address: the client's address, or "" for the command line.
        user_agent: what the client says it is.
        actor: the account that asked, or "operator" for the command line.
    """

    address: str = ""
    user_agent: str = ""
    actor: str | None = None


OPERATOR = Origin(actor="operator")
"""Whoever uses the command line where the data folder is."""

SERVICE = Origin(actor="service")
"""The service itself."""


class Entry(NamedTuple):
    """One line of the audit log; times in microseconds since 1970."""

    at: int
    event: str
    account_id: str | None
    session_id: str | None
    actor: str | None
    address: str | None
    reason: str | None


async def newest(store: Store, limit: int) -> list[Entry]:
    """Give the newest entries, the newest first."""
    return [Entry(*row) for row in await store.read(sql.AUDIT, LATEST, limit)]


async def of_account(store: Store, account_id: str, limit: int) -> list[Entry]:
    """Give the newest entries about an account, the newest first."""
    return [Entry(*row) for row in await store.read(sql.AUDIT_OF_ACCOUNT, account_id, limit)]


class Following:
    """Reads the entries from a moment on, the oldest first, and then the new ones.

    An entry carries the moment at which its work began, and is there once that is done: one that
    comes may be older than one that came before. So each reading begins a while before the end of
    the last one, and gives what that had not.

    Args:
        since: the moment, in microseconds since 1970.
    """

    def __init__(self, since: int) -> None:
        self._since = since
        self._newest = since
        self._given: dict[str, int] = {}

    async def read(self, store: Store, now: int) -> AsyncIterator[tuple[str, Entry]]:
        """Give the entries that were not given before, each with its id.

        Args:
            store: where they are.
            now: microseconds since 1970.

        Raises:
            StoreUnavailable: if the database does not answer; nothing is lost by that.
        """
        after = (max(self._since, self._newest - OVERLAP) - 1, AFTER_ALL)
        while rows := await store.read(sql.AUDIT_AFTER, *after, FOLLOWED_AT_ONCE):
            for *values, entry_id in rows:
                entry = Entry(*values)
                after = (entry.at, entry_id)
                if entry_id not in self._given:
                    self._given[entry_id] = entry.at
                    yield entry_id, entry
            # One from a clock that is ahead hides none of the others'.
            self._newest = max(self._newest, min(after[0], now))
            oldest = self._newest - OVERLAP
            self._given = {name: at for name, at in self._given.items() if at >= oldest}


class Filter(NamedTuple):
    """Which entries are wanted.

    Attributes:
        event: of this kind, or "" for all.
        account_id: about this account, or "" for all.
        since: not before this moment, in microseconds since 1970.
        before: before this moment.
        after_id: and after this entry of the same moment, where a page ends with it.
    """

    event: str = ""
    account_id: str = ""
    since: int = 0
    before: int = LATEST
    after_id: str = AFTER_ALL


class Page(NamedTuple):
    """A part of the audit log.

    Attributes:
        entries: the newest first.
        following: the filter of those that follow, or None where there are no more.
        names: the usernames of the accounts that the entries speak of, by their ids.
    """

    entries: list[Entry]
    following: Filter | None
    names: dict[str, str]


async def page(store: Store, filter: Filter, limit: int) -> Page:
    """Give the entries that a filter lets through, the newest first."""
    rows = await store.read(
        sql.AUDIT_PAGE,
        filter.before,
        filter.after_id,
        filter.since,
        filter.event,
        filter.account_id,
        limit + 1,
    )
    found = [(Entry(*columns), entry_id) for *columns, entry_id, _, _ in rows]
    names: dict[str, str] = {}
    for (entry, _), (*_, account_name, actor_name) in zip(found, rows, strict=True):
        about = {entry.account_id: account_name, entry.actor: actor_name}
        names |= {account_id: name for account_id, name in about.items() if account_id and name}
    following = None
    if len(found) > limit:
        last, last_id = found[limit - 1]
        following = filter._replace(before=last.at, after_id=last_id)
    return Page([entry for entry, _ in found[:limit]], following, names)


def record(
    at: int,
    event: Event,
    origin: Origin,
    *,
    account_id: str | None = None,
    session_id: str | None = None,
    reason: str | None = None,
) -> Transaction[None]:
    """Add an entry, in the transaction of what it tells."""
    values = (
        new_identifier(12),
        at,
        event.value,
        account_id,
        session_id,
        origin.actor,
        origin.address,
        reason,
    )
    yield sql.ADD_AUDIT, values
