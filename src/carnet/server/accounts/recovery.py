"""The ways back into an account, and the first way into one that somebody was invited to.

Whoever has forgotten a password asks for a link by username or address. Nothing is looked up for
that: a wish goes into the queue of mails, the same for every name, and is looked at there, where
nobody can measure what is found. Setting a password signs nobody in: the sign-in comes after it,
with everything that it demands, such as a second factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from carnet.server.accounts.accounts import Account, Accounts
from carnet.server.accounts.email_addresses import WAIT_SECONDS, EmailAddresses, read_address
from carnet.server.accounts.mail_wishes import meant_by
from carnet.server.accounts.one_time_links import (
    BY_HAND,
    INVITE,
    LIFETIMES,
    NOT_ME,
    RECOVER,
    RESET,
    VERIFY,
    Link,
    LinkRefused,
    OneTimeLinks,
    voided,
)
from carnet.server.accounts.throttle import Delayed, Throttle
from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.languages import language
from carnet.server.mail.outbox import MOST_ASKED, Letter, Outbox
from carnet.server.mail_addresses import MailAddress
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["FORGOTTEN", "Handed", "Recovery"]

FORGOTTEN: Final = "forgotten"
"""What a wish for a new password is called in the queue."""
MAX_NAME: Final = 256


class Handed(NamedTuple):
    """A link that an administrator hands over.

    Attributes:
        link: its URL.
        expires_at: until when it is good, in microseconds since 1970.
    """

    link: str
    expires_at: int


class Recovery:
    """Gives people their accounts back.

    Args:
        store: where everything is kept.
        accounts: whose passwords are set.
        addresses: of which links prove some.
        links: the links.
        outbox: takes wishes and mails.
        throttle: keeps anybody from being flooded.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        addresses: EmailAddresses,
        links: OneTimeLinks,
        outbox: Outbox,
        throttle: Throttle,
        clock: Clock,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._addresses = addresses
        self._links = links
        self._outbox = outbox
        self._throttle = throttle
        self._clock = clock

    async def ask(self, typed: str, origin: Origin) -> None:
        """Wish for a link that sets another password, by username or address.

        Raises:
            Delayed: if too many were wished for from there.
        """
        await self._throttle.mail_request(origin.address)
        now = self._clock()
        about = {"from": origin.address}
        letter = Letter(FORGOTTEN, typed[:MAX_NAME], about, language().tag)
        keep = LIFETIMES[RESET] * SECOND
        await self._store.transact(lambda: self._outbox.add(letter, now, keep, MOST_ASKED))

    async def answer(self, mail_id: str, wish: Letter) -> None:
        """Look at a wish: send a link to each address that it may be about."""
        now = self._clock()
        origin = SERVICE._replace(address=wish.values["from"])

        def work() -> Transaction[None]:
            for one in (yield from meant_by(wish, mail_id, self._throttle)):
                link = yield from self._links.make(RESET, one.account_id, now, one.normalized)
                about = {"account_id": one.account_id, "reason": RESET}
                yield from record(now, Event.LINK_MADE, origin, **about)
                values = {
                    "username": one.username,
                    "address": one.address,
                    "link": link,
                    "good_for": "30 minutes",
                }
                letter = Letter(RESET, one.address, values, one.language)
                yield from self._outbox.add(letter, now, LIFETIMES[RESET] * SECOND)

        await self._store.transact(work)

    async def hand_over(self, account_id: str, purpose: str, origin: Origin) -> Handed:
        """Make a link for an administrator to hand over.

        Args:
            account_id: for whom.
            purpose: ``reset``, ``invite`` or ``recover``.
            origin: who asks.
        """
        now, seconds = self._clock(), BY_HAND[purpose]

        def work() -> Transaction[str]:
            about = {"account_id": account_id, "reason": purpose}
            yield from record(now, Event.LINK_MADE, origin, **about)
            return (yield from self._links.make(purpose, account_id, now, seconds=seconds))

        return Handed(await self._store.transact(work), now + seconds * SECOND)

    async def invite(
        self,
        username: str,
        origin: Origin,
        roles: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
        email: str = "",
    ) -> tuple[Account, Handed]:
        """Make an account without a password, and the link with which its owner chooses one.

        Args:
            username: the account's.
            origin: who asks.
            roles: as for ``Accounts.create``.
            claims: the same.
            email: an address that the link is sent to, too, and proves; or "".

        Raises:
            AccountRefused: as ``Accounts.create``, or ``email_invalid``.
        """
        address = read_address(email) if email else None
        about = username, None, roles, claims, origin
        account = await self._accounts.create(*about, unfinished_until=self._end_of_invitation())
        handed = await self.hand_over(account.id, INVITE, origin)
        if address is not None:
            await self._mail_invitation(account, address)
        return account, handed

    async def sign_up(self, username: str, email: str, origin: Origin) -> None:
        """Make an account for somebody who asks for one, and mail the link to its password.

        Raises:
            AccountRefused: as ``Accounts.create``, or ``email_invalid``.
            Delayed: if too many mails were asked for from there, or sent to the address.
        """
        address = read_address(email)
        await self._throttle.mail_request(origin.address)

        def may_mail() -> Transaction[bool]:
            return self._throttle.may_mail("", address.normalized)

        if not await self._store.transact(may_mail):
            raise Delayed(WAIT_SECONDS)
        until = self._end_of_invitation()
        account = await self._accounts.create(username, None, origin=origin, unfinished_until=until)
        await self._mail_invitation(account, address)

    async def owner(self, purpose: str, secret: str) -> tuple[Link, Account]:
        """Give a link that is still good, and its account, without using it.

        Raises:
            LinkRefused: if it is not.
        """
        link = await self._links.look(purpose, secret)
        account = await self._accounts.by_id(link.account_id)
        if account is None or account.disabled:
            raise LinkRefused("the account may not sign in", code="link_unknown")
        return link, account

    async def set_password(self, purpose: str, secret: str, new: str, origin: Origin) -> Account:
        """Use a link that sets a password; every session of the account ends.

        Raises:
            LinkRefused: if it is not good.
            AccountRefused: if the password can't be taken; the link is still good then.
            TooBusy: if too many passwords are being hashed.
        """
        link, account = await self.owner(purpose, secret)
        await self._accounts.check_new_password(new, account.username)
        encoded = await self._accounts.hash(new)
        now, own = self._clock(), origin._replace(actor=account.id)

        def work() -> Transaction[None]:
            yield from self._links.take(purpose, secret, now)
            yield from self._used(link, own, now)
            if purpose == RECOVER:
                yield from self._remove_factors(account.id, own, now)
            yield from self._accounts.setting_password(account.id, encoded, own, now)
            if purpose == INVITE and link.address:
                yield from self._addresses.proving(account.id, link.address, now, own)

        await self._store.transact(work)
        return account

    async def verify(self, secret: str, origin: Origin) -> str:
        """Use a link that proves an address, and give that.

        Raises:
            LinkRefused: if it is not good, or the account does not claim the address any more.
            AccountRefused: ``email_taken``.
        """
        link, account = await self.owner(VERIFY, secret)
        now, own = self._clock(), origin._replace(actor=account.id)

        def work() -> Transaction[str]:
            yield from self._links.take(VERIFY, secret, now)
            address = yield from self._addresses.proving(account.id, link.address, now, own)
            if not address:
                raise LinkRefused("the address was removed", code="link_unknown")
            return address

        return await self._store.transact(work)

    async def disown(self, secret: str, origin: Origin) -> str | None:
        """Use the link of a notice: it was somebody else.

        All sessions end, the password stops working, and the address that was told is the
        account's again where it was taken away. Addresses that have been the account's for less
        long are gone, and the links that were sent to them are worthless: of two that say that the
        account is theirs, the older one counts. A factor that was added of late, or a provider that
        was connected, is left: the link alone must not lead past it. The account is disabled then,
        until an administrator has looked at it.

        Returns:
            A link that sets another password; None where an administrator has to help.

        Raises:
            LinkRefused: if it is not good.
        """
        link = await self._links.look(NOT_ME, secret)
        now, own = self._clock(), origin._replace(actor=link.account_id)
        account_id = link.account_id
        account = await self._accounts.by_id(account_id)

        def work() -> Transaction[str | None]:
            yield from self._links.take(NOT_ME, secret, now)
            yield from self._used(link, own, now)
            yield from record(now, Event.ACCOUNT_RECLAIMED, own, account_id=account_id)
            yield from self._accounts.setting_password(account_id, "", own, now, tell=False)
            yield from self._take_back(link, own, now)
            lately = now - LIFETIMES[NOT_ME] * SECOND
            if (yield sql.WAYS_IN_SINCE, (account_id, lately)):
                yield from self._accounts.disabling(account_id, now, own)
                return None
            if account is None or account.disabled:
                return None
            return (yield from self._links.make(RESET, account_id, now))

        return await self._store.transact(work)

    def _end_of_invitation(self) -> int:
        return self._clock() + LIFETIMES[INVITE] * SECOND

    async def _mail_invitation(self, account: Account, address: MailAddress) -> None:
        now, spoken = self._clock(), language().tag

        def work() -> Transaction[None]:
            yield sql.ADD_ADDRESS, (address.normalized, address.typed, now, account.id)
            link = yield from self._links.make(INVITE, account.id, now, address.normalized)
            values = {
                "username": account.username,
                "address": address.typed,
                "link": link,
                "good_for": "7 days",
            }
            letter = Letter(INVITE, address.typed, values, spoken)
            yield from self._outbox.add(letter, now, LIFETIMES[INVITE] * SECOND)

        await self._store.transact(work)

    def _used(self, link: Link, origin: Origin, now: int) -> Transaction[None]:
        about = {"account_id": link.account_id, "reason": link.purpose}
        yield from record(now, Event.LINK_USED, origin, **about)

    def _take_back(self, link: Link, origin: Origin, now: int) -> Transaction[None]:
        """Let the account have the address of a notice, and none that is younger."""
        account_id, normalized, since = link.account_id, link.address, link.address_since
        yield sql.VOID_YOUNGER_LINKS, (voided(now), account_id, NOT_ME, since)
        for _ in (yield sql.REMOVE_YOUNGER_ADDRESSES, (account_id, since, normalized)):
            yield from record(now, Event.EMAIL_REMOVED, origin, account_id=account_id)
        holders = yield sql.PROVED_ADDRESS, (normalized,)
        if not holders:
            yield sql.RESTORE_ADDRESS, (normalized, normalized, since, account_id)
            yield from record(now, Event.EMAIL_VERIFIED, origin, account_id=account_id)
        elif sql.AddressRow(*holders[0]).account_id != account_id:
            return
        yield sql.NO_PRIMARY_ADDRESS, (account_id,)
        yield sql.SET_PRIMARY_ADDRESS, (account_id, normalized)

    def _remove_factors(self, account_id: str, origin: Origin, now: int) -> Transaction[None]:
        removed = yield sql.REMOVE_FACTORS, (account_id,)
        yield sql.REMOVE_RECOVERY_CODES, (account_id,)
        if removed:
            kinds = " ".join(sorted(kind for (kind,) in removed))
            about = {"account_id": account_id, "reason": kinds}
            yield from record(now, Event.FACTORS_RESET, origin, **about)
