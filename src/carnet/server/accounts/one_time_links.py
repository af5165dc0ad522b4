"""Links that are handed out, by mail or by an administrator, and that do one thing once.

    purpose    what it does                                       good for
    ─────────  ─────────────────────────────────────────────────  ──────────────────────────────────
    reset      sets another password                              30 minutes, a day by hand
    invite     sets the first password of an account              7 days
    recover    sets a password and removes the second factors     1 hour
    verify     proves that an address is its account's            a day
    code       signs in, as a code that is typed and no link       10 minutes
    not-me     ends all sessions, removes younger addresses, and  3 days
               leads to another password

A link or code that lets somebody in works only while the address that it was sent to is still the
account's. The database holds the hash of a link's secret. Another password ends all the links of an
account but those of "not-me", which are for those whose password somebody else has changed. To open
a link does nothing: what mails are scanned with opens it, too.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final, NamedTuple
from urllib.parse import urlencode

from carnet.errors import CarnetError
from carnet.server.clock import SECOND, Clock
from carnet.server.settings import Settings
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = [
    "BY_HAND",
    "CODE",
    "INVITE",
    "LIFETIMES",
    "NOT_ME",
    "RECOVER",
    "RESET",
    "SETS_PASSWORD",
    "VERIFY",
    "Link",
    "LinkRefused",
    "OneTimeLinks",
    "voided",
]

RESET: Final = "reset"
INVITE: Final = "invite"
RECOVER: Final = "recover"
VERIFY: Final = "verify"
CODE: Final = "code"
NOT_ME: Final = "not-me"

SETS_PASSWORD: Final = (RESET, INVITE, RECOVER)

HOUR: Final = 3600
DAY: Final = 24 * HOUR
LIFETIMES: Final = {
    RESET: 1800,
    INVITE: 7 * DAY,
    RECOVER: HOUR,
    VERIFY: DAY,
    NOT_ME: 3 * DAY,
    CODE: 600,
}
"""For how many seconds each is good."""
BY_HAND: Final = {**LIFETIMES, RESET: DAY}
"""The same where an administrator hands it over."""

CLOCKS_DIFFER: Final = HOUR * SECOND


class Link(NamedTuple):
    """A link.

    Attributes:
        purpose: what it does.
        account_id: for whom.
        address: where it was sent, as it is looked up; "" where it was handed over.
        address_since: since when that was the account's, in microseconds since 1970, or 0.
        created_at: when it was made, in microseconds since 1970.
    """

    purpose: str
    account_id: str
    address: str
    address_since: int
    created_at: int


class LinkRefused(CarnetError):
    """A link does nothing any more, or never has.

    Codes: ``link_unknown``, ``link_used``, ``link_expired``.
    """


class OneTimeLinks:
    """The links of all accounts.

    Args:
        store: where they are kept.
        settings: the issuer, which alone decides where a link leads.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._issuer = settings.own_url
        self._clock = clock

    def make(
        self,
        purpose: str,
        account_id: str,
        now: int,
        address: str = "",
        *,
        since: int = 0,
        seconds: int = 0,
    ) -> Transaction[str]:
        """Make a link, in the caller's transaction.

        Args:
            purpose: what it does.
            account_id: for whom.
            now: microseconds since 1970.
            address: where it is sent, as it is looked up, or "".
            since: since when that is known to be the account's, or 0.
            seconds: how long it is good for; 0 is the usual time.
        """
        secret = secrets.token_urlsafe(32)
        about = purpose, secret, account_id, now, address
        yield from self.keep(*about, since=since, seconds=seconds)
        return f"{self._issuer}/link/{purpose}?{urlencode({'secret': secret})}"

    def keep(
        self,
        purpose: str,
        secret: str,
        account_id: str,
        now: int,
        address: str = "",
        *,
        since: int = 0,
        seconds: int = 0,
    ) -> Transaction[None]:
        """Keep a secret that is good once, as ``make`` does, in the caller's transaction."""
        expires_at = now + (seconds or LIFETIMES[purpose]) * SECOND
        about = address, since, now, expires_at
        yield sql.ADD_LINK, (_hash(secret), purpose, *about, account_id)

    async def look(self, purpose: str, secret: str) -> Link:
        """Give a link that is still good, without using it.

        Raises:
            LinkRefused: if it is not.
        """
        rows = await self._store.read(sql.LINK_BY_HASH, _hash(secret))
        return _good(rows, purpose, self._clock())

    def take(self, purpose: str, secret: str, now: int) -> Transaction[Link]:
        """Use a link, in the transaction of what it does.

        Raises:
            LinkRefused: if it is not good, or another has just used it.
        """
        return (yield from self.take_by_hash(purpose, _hash(secret), now))

    def take_by_hash(self, purpose: str, found: bytes, now: int) -> Transaction[Link]:
        """Use a link that is known by the hash of its secret, as ``take`` does."""
        link = _good((yield sql.LINK_BY_HASH, (found,)), purpose, now)
        # Whoever changes the password at this moment is done, and the link with it, or waits.
        yield sql.SETTLE_ACCOUNT, (link.account_id,)
        if link.address and purpose in (RESET, CODE):
            holders = yield sql.PROVED_ADDRESS, (link.address,)
            if [sql.AddressRow(*row).account_id for row in holders] != [link.account_id]:
                raise LinkRefused(
                    "the link was sent to an address that is not the account's any more",
                    code="link_unknown",
                )
        if not (yield sql.TAKE_LINK, (now, found, purpose)):
            _good((yield sql.LINK_BY_HASH, (found,)), purpose, now)
            raise LinkRefused("the link has already been used", code="link_used")
        return link


def voided(now: int) -> int:
    """Give when a link has expired that is not good from now on, by every process's clock."""
    return now - CLOCKS_DIFFER


def _good(rows: Rows, purpose: str, now: int) -> Link:
    row = sql.LinkRow(*rows[0]) if rows else None
    if row is None or row.purpose != purpose:
        raise LinkRefused("there is no such link", code="link_unknown")
    if row.used_at is not None:
        raise LinkRefused("the link has already been used", code="link_used")
    if now >= row.expires_at:
        raise LinkRefused("the link has expired", code="link_expired")
    return Link(row.purpose, row.account_id, row.address, row.address_since, row.created_at)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
