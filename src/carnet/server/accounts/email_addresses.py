"""The e-mail addresses of accounts.

An address counts once somebody has proved that it is theirs, by a link or a code that was sent to
it, or once an administrator has said so. Until then it is a claim: several accounts may make it,
none of them signs in with it, and none keeps its owner from proving it. What a page answers to
somebody who adds one says nothing about the accounts of others.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.address_codes import AddressCodes, shown_code
from carnet.server.accounts.notices import Notices
from carnet.server.accounts.one_time_links import VERIFY, LinkRefused, OneTimeLinks
from carnet.server.accounts.throttle import Delayed, Throttle
from carnet.server.accounts.usernames import canonical_username
from carnet.server.audit import Event, Origin, record
from carnet.server.clock import Clock
from carnet.server.languages import language
from carnet.server.mail.outbox import DAY, Letter, Outbox
from carnet.server.mail_addresses import MailAddress, read_mail_address
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["MOST_ADDRESSES", "WAIT_SECONDS", "EmailAddress", "EmailAddresses", "read_address"]

MOST_ADDRESSES: Final = 5
WAIT_SECONDS: Final = 600
"""How long somebody has to wait who has asked for too many mails to an address."""


class EmailAddress(NamedTuple):
    """An address of an account.

    Attributes:
        address: as its owner writes it.
        normalized: by which it is looked up.
        verified_at: since when it is known to be theirs, in microseconds since 1970, or None.
        primary: whether it is the one that is told to others.
    """

    address: str
    normalized: str
    verified_at: int | None
    primary: bool


class EmailAddresses:
    """The addresses of all accounts.

    Args:
        store: where they are kept.
        outbox: takes the mails that prove them.
        links: makes the links in those.
        codes: makes and takes the codes in those.
        notices: tells people of changes.
        throttle: keeps anybody from being flooded.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        links: OneTimeLinks,
        codes: AddressCodes,
        notices: Notices,
        throttle: Throttle,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._links = links
        self._codes = codes
        self._notices = notices
        self._throttle = throttle
        self._clock = clock

    async def of_account(self, account_id: str) -> list[EmailAddress]:
        """Give the addresses of an account, the primary one first."""
        rows = await self._store.read(sql.ADDRESSES_OF_ACCOUNT, account_id)
        return [_shown(sql.AddressRow(*row)) for row in rows]

    async def holder(self, normalized: str) -> str | None:
        """Give the id of the account that has proved an address, or None."""
        rows = await self._store.read(sql.PROVED_ADDRESS, normalized)
        return sql.AddressRow(*rows[0]).account_id if rows else None

    async def username_of(self, typed: str) -> str:
        """Give the username that a name to sign in with stands for.

        That is the name itself, unless it is an address that an account has proved and nobody's
        username.
        """
        address = read_mail_address(typed) if "@" in typed else None
        if address is None:
            return typed
        names = address.normalized, canonical_username(typed)
        rows = await self._store.read(sql.USERNAME_OF_ADDRESS, *names)
        return str(rows[0][0]) if rows else typed

    async def add(self, account_id: str, username: str, typed: str, origin: Origin) -> None:
        """Add an address that is not proved yet, and send the link and the code that prove it.

        One that is there already gets others.

        Raises:
            AccountRefused: saying what was expected.
            Delayed: if so many mails were sent to it, or for the account, that it has to wait.
        """
        address = read_address(typed)
        now, spoken = self._clock(), language().tag

        def work() -> Transaction[None]:
            row = yield from self._added(account_id, address, now, origin)
            if row.verified_at is not None:
                return
            if not (yield from self._throttle.may_mail(account_id, address.normalized)):
                raise Delayed(WAIT_SECONDS)
            link = yield from self._links.make(VERIFY, account_id, now, address.normalized)
            code = yield from self._codes.newest(account_id, address.normalized, now)
            values = {
                "username": username,
                "address": address.typed,
                "link": link,
                "code": shown_code(code),
                "good_for": "a day",
            }
            letter = Letter("verify", address.typed, values, spoken)
            yield from self._outbox.add(letter, now, DAY)

        await self._store.transact(work)

    async def confirm(self, account_id: str, typed: str, code: str, origin: Origin) -> bool:
        """Prove an address by the code that was sent to it.

        Args:
            account_id: whose the address is said to be.
            typed: the address.
            code: as it was typed.
            origin: who asks.

        Returns:
            Whether the code was good: the newest, not used, and not too old.

        Raises:
            AccountRefused: ``email_taken``.
            Delayed: if too many codes were tried for the account, or for the address.
        """
        address = read_address(typed)
        now = self._clock()

        def work() -> Transaction[bool]:
            if not (yield from self._codes.take(account_id, address.normalized, code, now)):
                return False
            about = {"account_id": account_id, "reason": VERIFY}
            yield from record(now, Event.LINK_USED, origin, **about)
            return bool((yield from self.proving(account_id, address.normalized, now, origin)))

        if address.normalized not in [one.normalized for one in await self.of_account(account_id)]:
            # Nobody uses up the tries of others with addresses that are not even claimed.
            return False
        async with self._throttle.address_code(account_id, address.normalized) as attempt:
            try:
                is_good = await self._store.transact(work)
            except LinkRefused:
                return False
            if is_good:
                attempt.succeed()
        return is_good

    async def add_verified(self, account_id: str, typed: str, origin: Origin) -> None:
        """Add an address of which an administrator says that it is the account's.

        Raises:
            AccountRefused: also ``email_taken``.
        """
        address = read_address(typed)
        now = self._clock()

        def work() -> Transaction[None]:
            row = yield from self._added(account_id, address, now, origin)
            if row.verified_at is None:
                yield from self.proving(account_id, address.normalized, now, origin)

        await self._store.transact(work)

    async def make_primary(self, account_id: str, typed: str, origin: Origin) -> bool:
        """Make an address that is proved the account's first, and tell whether it is that now."""
        address = read_address(typed)
        now = self._clock()

        def work() -> Transaction[bool]:
            yield sql.SETTLE_ACCOUNT, (account_id,)
            rows = [sql.AddressRow(*row) for row in (yield sql.ADDRESSES_OF_ACCOUNT, (account_id,))]
            found = [row for row in rows if row.normalized == address.normalized]
            if not found or found[0].verified_at is None:
                return False
            if not found[0].is_primary:
                yield from self._set_primary(account_id, address.normalized)
                event = Event.EMAIL_PRIMARY_CHANGED
                yield from record(now, event, origin, account_id=account_id)
                told = "email_primary", now, origin, found[0].address
                yield from self._notices.tell(account_id, *told)
            return True

        return await self._store.transact(work)

    async def remove(self, account_id: str, typed: str, origin: Origin) -> bool:
        """Remove an address, and tell whether it was there; it is told of that, too."""
        address = read_address(typed)
        now = self._clock()

        def work() -> Transaction[bool]:
            yield sql.SETTLE_ACCOUNT, (account_id,)
            removed = yield sql.REMOVE_ADDRESS, (account_id, address.normalized)
            for text, is_primary, verified_at in removed:
                yield from record(now, Event.EMAIL_REMOVED, origin, account_id=account_id)
                if verified_at is None:
                    continue
                rows = yield sql.ADDRESSES_OF_ACCOUNT, (account_id,)
                left = [row for row in (sql.AddressRow(*one) for one in rows) if row.verified_at]
                if is_primary and left:
                    yield from self._set_primary(account_id, left[0].normalized)
                told = "email_removed", now, origin, text, ((text, verified_at),)
                yield from self._notices.tell(account_id, *told)
            return bool(removed)

        return await self._store.transact(work)

    def proving(
        self, account_id: str, normalized: str, now: int, origin: Origin
    ) -> Transaction[str]:
        """Write down that an address is an account's, in the transaction that has found that out.

        Returns:
            The address as its owner writes it; "" where the account does not claim it any more.

        Raises:
            AccountRefused: ``email_taken``, where another account has proved it.
        """
        yield sql.SETTLE_ACCOUNT, (account_id,)
        for row in [sql.AddressRow(*one) for one in (yield sql.PROVED_ADDRESS, (normalized,))]:
            if row.account_id == account_id:
                return row.address
            raise AccountRefused(
                "another account has this address already", code="email_taken", member="email"
            )
        for (text,) in (yield sql.PROVE_ADDRESS, (now, account_id, normalized)):
            rows = yield sql.ADDRESSES_OF_ACCOUNT, (account_id,)
            if not any(sql.AddressRow(*row).is_primary for row in rows):
                yield from self._set_primary(account_id, normalized)
            yield from record(now, Event.EMAIL_VERIFIED, origin, account_id=account_id)
            yield from self._notices.tell(account_id, "email_added", now, origin, text)
            return str(text)
        return ""

    def _added(
        self, account_id: str, address: MailAddress, now: int, origin: Origin
    ) -> Transaction[sql.AddressRow]:
        """Add an address where it is not there, and give its row."""
        yield sql.SETTLE_ACCOUNT, (account_id,)
        rows = [sql.AddressRow(*row) for row in (yield sql.ADDRESSES_OF_ACCOUNT, (account_id,))]
        for row in rows:
            if row.normalized == address.normalized:
                return row
        if len(rows) >= MOST_ADDRESSES:
            raise AccountRefused(
                f"an account can have at most {MOST_ADDRESSES} addresses; remove one first",
                code="too_many_emails",
                member="email",
            )
        values = address.normalized, address.typed, now, account_id
        if not (yield sql.ADD_ADDRESS, values):
            raise AccountRefused("there is no such account", code="account_unknown")
        yield from record(now, Event.EMAIL_ADDED, origin, account_id=account_id)
        return sql.AddressRow(account_id, address.normalized, address.typed, 0, now, None)

    def _set_primary(self, account_id: str, normalized: str) -> Transaction[None]:
        yield sql.NO_PRIMARY_ADDRESS, (account_id,)
        yield sql.SET_PRIMARY_ADDRESS, (account_id, normalized)


def read_address(typed: str) -> MailAddress:
    """Read the address that somebody has typed.

    Raises:
        AccountRefused: ``email_invalid``.
    """
    address = read_mail_address(typed)
    if address is None:
        raise AccountRefused(
            "an e-mail address must look like alice@example.com, with letters, digits and signs "
            "of ASCII "
            "before the @",
            code="email_invalid",
            member="email",
        )
    return address


def _shown(row: sql.AddressRow) -> EmailAddress:
    return EmailAddress(row.address, row.normalized, row.verified_at, bool(row.is_primary))
