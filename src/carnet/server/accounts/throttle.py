"""Slowing down those who guess passwords, without locking anybody else out.

An attempt takes a slot in each allowance that it counts against, before its password is looked at:
however many come at once, no more are looked at than there are slots. A right password gives its
slots back, in the transaction that begins the session, or else at the end of the attempt. What
counts depends on who asks:

    who asks                                      allowances, by
    ────────────────────────────────────────────  ────────────────────────────────────────────────
    anybody                                       address; account and address; account
    an address that the account has signed in     address; account and address, apart from others;
    from                                          account, apart from others
    a browser that the account has signed in      account and browser; account, apart from others
    with, by its cookie
    whoever is signed in, changing the password   account, apart from others
    whoever makes an account                      address
    whoever comes back from a provider            address, apart from others
    a client that registers or changes itself     address; all of them
    the same, with an initial access token        address
    whoever is signed in, with an unknown client  account, and address, apart from others; a slot is
    whose document is fetched                     never given back
    whoever types the code of a device            account and address, each apart from the others
    whoever types the code of a second factor     account; from a browser that the account has
                                                  signed in with, account and browser
    a client that asks for a device's codes       client; client and address: all count
    whoever asks for a mail without signing in    address; all of them: all count
    a mail that somebody has asked for            account, and the address it goes to: all count;
                                                  apart, what was asked for by name alone
    whoever types a code that was mailed          the page that takes it, and address
    whoever types one that proves an address      account, and that address of mail

So those who have never signed in can use up only what others like them have.

An allowance is a single moment, the one when the next failure would come on time (the generic cell
rate algorithm): a slot moves it on by an interval, and there is none while it lies a burst of
intervals ahead. The moments are in the database, so a restart forgives nothing. They are kept by
number, of which there are not many, and which name has which only the service can tell: whether
there is an account makes no difference, and no flood of made-up names fills the database.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from carnet.errors import CarnetError
from carnet.server.accounts.usernames import canonical_username
from carnet.server.clock import SECOND, Clock
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.networks import network_of
from carnet.server.store import Statement, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Attempt", "Delayed", "Throttle", "giving_back"]

DAY: Final = 86_400 * SECOND
FAMILIAR_FOR: Final = 90 * DAY
BUCKETS: Final = 2**16
MAX_WAITING: Final = 64


class Allowance(NamedTuple):
    """How many failures are taken at once, and how fast more are allowed again."""

    burst: int
    interval: int


ADDRESS: Final = Allowance(30, 4 * SECOND)
ACCOUNT_HERE: Final = Allowance(8, 15 * SECOND)
ACCOUNT: Final = Allowance(100, 2 * SECOND)
# A household or an office has so many agents. In all, fewer come in the day that unused ones are
# kept than there may be at a time (``MOST_CLIENTS`` of registrations).
# Of a million codes three are good at a moment: a year of guessing has about an even chance, for
# somebody who knows the password.
SECOND_FACTOR: Final = Allowance(5, 120 * SECOND)
REGISTRATION_HERE: Final = Allowance(20, 60 * SECOND)
REGISTRATION: Final = Allowance(200, 5 * SECOND)
DOCUMENT: Final = Allowance(20, 30 * SECOND)
DOCUMENT_HERE: Final = Allowance(60, 5 * SECOND)
DEVICES_HERE: Final = Allowance(30, 4 * SECOND)
DEVICES: Final = Allowance(1000, SECOND // 10)
MAILS_HERE: Final = Allowance(10, 60 * SECOND)
MAILS: Final = Allowance(500, SECOND // 2)
MAILS_TO: Final = Allowance(4, 600 * SECOND)
AUDITED_HERE: Final = Allowance(20, 60 * SECOND)
AUDITED: Final = Allowance(1000, 10 * SECOND)

_Slots = dict[str, Allowance]


class _TakeSlot(NamedTuple):
    """What TAKE_SLOT is asked: the moments that it compares with, and those that it sets."""

    name: str
    first_due_at: int
    now: int
    due_at_most: int
    interval: int
    due_with_room: int

    @classmethod
    def of(cls, name: str, allowance: Allowance, now: int) -> _TakeSlot:
        full = allowance.burst * allowance.interval
        return cls(
            name=name,
            first_due_at=now + allowance.interval,
            now=now,
            due_at_most=now + 2 * full,
            interval=allowance.interval,
            due_with_room=now + full - allowance.interval,
        )


class Delayed(CarnetError):
    """There is no slot for an attempt now.

    Args:
        seconds: how long to wait before the next attempt.
    """

    code = "too_many_failures"

    def __init__(self, seconds: int) -> None:
        super().__init__("too many failed attempts; wait before the next one")
        self.seconds = seconds


class Attempt:
    """An attempt that has its slots.

    Args:
        slots: which it has.
        remembering: what is written down besides, if it was right.

    Attributes:
        forgiven: whether they are given back at its end.
        succeeded: whether it was also right.
        has_slots: whether they are still to be given back.
    """

    def __init__(self, slots: _Slots, remembering: Statement | None = None) -> None:
        self._slots = slots
        self._remembering = remembering
        self.forgiven = False
        self.succeeded = False
        self.has_slots = True

    def forgive(self) -> None:
        """Give the slots back at the end: nothing was looked at."""
        self.forgiven = True

    def succeed(self) -> None:
        """Give the slots back at the end: what was looked at was right."""
        self.forgiven = self.succeeded = True

    def end(self) -> Transaction[None]:
        """Give the slots back in the caller's transaction.

        That is not done again: where a connection is lost during a commit, nobody can tell whether
        it was done, and then they may stay taken.
        """
        self.has_slots = False
        # Always in the same order, so that two attempts never wait for each other.
        for name, allowance in sorted(self._slots.items()):
            yield sql.GIVE_SLOT_BACK, (allowance.interval, name)
        if self.succeeded and self._remembering is not None:
            yield self._remembering


def giving_back(attempts: Iterable[Attempt]) -> Callable[[], Transaction[None]]:
    """Make a part of a transaction, in which right attempts end that have not ended yet.

    It goes last: the slots of a network are many people's, who wait for each other while a
    transaction has changed them.
    """
    left = [attempt for attempt in attempts if attempt.has_slots]

    def work() -> Transaction[None]:
        for attempt in left:
            yield from attempt.end()

    return work


class _Refused(Exception):
    """A slot that was not there, which undoes the others."""

    def __init__(self, name: str, seconds: int) -> None:
        self.name = name
        self.seconds = seconds


class Throttle:
    """Gives attempts their slots.

    Args:
        store: where the moments are kept.
        keys: of which a pepper hides what the moments belong to.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, keys: SigningKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._under_way: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[bool]]] = defaultdict(deque)

    @asynccontextmanager
    async def sign_in(
        self, username: str, address: str, device: str = ""
    ) -> AsyncIterator[Attempt]:
        """Look at a username and a password.

        Args:
            username: as it was typed.
            address: from where.
            device: names a browser that the account has signed in with, or "".

        Raises:
            Delayed: if that is not to be now.
        """
        account, network = _name_of(username), network_of(address)
        now, name = self._clock(), self._hide("familiar", account, network).hex()
        known = await self._store.read(sql.FAMILIAR, name, now)
        own = self._slot("known account", account)
        if device:
            slots = {self._slot("device", account, device): ACCOUNT_HERE, own: ACCOUNT}
        elif known:
            here = self._slot("known address", account, network)
            slots = {self._slot("address", network): ADDRESS, here: ACCOUNT_HERE, own: ACCOUNT}
        else:
            slots = {
                self._slot("address", network): ADDRESS,
                self._slot("account and address", account, network): ACCOUNT_HERE,
                self._slot("account", account): ACCOUNT,
            }
        # It is not written with every sign-in.
        until = now + FAMILIAR_FOR
        remembering = sql.ADD_FAMILIAR, (name, until, until - DAY)
        async with self._attempt(slots, remembering) as attempt:
            yield attempt

    async def is_familiar(self, username: str, address: str) -> bool:
        """Tell whether an account has signed in from an address, or one near it, of late."""
        hidden = self._hide("familiar", _name_of(username), network_of(address)).hex()
        return bool(await self._store.read(sql.FAMILIAR, hidden, self._clock()))

    @asynccontextmanager
    async def password_change(self, account_id: str) -> AsyncIterator[Attempt]:
        """Look at the password of somebody who is signed in and changes it.

        Raises:
            Delayed: if that is not to be now.
        """
        async with self._attempt({self._slot("change", account_id): ACCOUNT_HERE}) as attempt:
            yield attempt

    @asynccontextmanager
    async def sign_up(self, address: str) -> AsyncIterator[Attempt]:
        """Make an account.

        Raises:
            Delayed: if that is not to be now.
        """
        slot = self._slot("address", network_of(address))
        async with self._attempt({slot: ADDRESS}) as attempt:
            yield attempt

    @asynccontextmanager
    async def provider(self, address: str) -> AsyncIterator[Attempt]:
        """Ask a provider what an answer of its means that a browser has brought.

        Raises:
            Delayed: if that is not to be now.
        """
        async with self._attempt({self._slot("provider", network_of(address)): ADDRESS}) as attempt:
            yield attempt

    @asynccontextmanager
    async def registration(self, address: str, *, by_anybody: bool) -> AsyncIterator[Attempt]:
        """Register a client, or change what one has registered of itself.

        Args:
            address: from where.
            by_anybody: whether anybody may, with no token that an administrator handed out.

        Raises:
            Delayed: if that is not to be now.
        """
        slots = {self._slot("registration", network_of(address)): REGISTRATION_HERE}
        if by_anybody:
            slots["registrations"] = REGISTRATION
        async with self._attempt(slots) as attempt:
            yield attempt

    async def document(self, account_id: str, address: str) -> None:
        """Fetch the document of a client for somebody who is signed in.

        Raises:
            Delayed: if that is not to be now.
        """
        slots = {
            self._slot("document account", account_id): DOCUMENT,
            self._slot("document", network_of(address)): DOCUMENT_HERE,
        }
        try:
            await self._store.transact(lambda: self._take_slots(slots))
        except _Refused as refused:
            raise Delayed(refused.seconds) from None

    @asynccontextmanager
    async def user_code(self, account_id: str, address: str) -> AsyncIterator[Attempt]:
        """Look for a device by the code that somebody who is signed in has typed.

        Raises:
            Delayed: if that is not to be now.
        """
        slots = {
            self._slot("user code", account_id): ACCOUNT_HERE,
            self._slot("user code from", network_of(address)): ADDRESS,
        }
        async with self._attempt(slots) as attempt:
            yield attempt

    @asynccontextmanager
    async def second_factor(self, account_id: str, device: str = "") -> AsyncIterator[Attempt]:
        """Look at the code of a second factor of somebody whose password was right.

        Args:
            account_id: whose.
            device: names a browser that the account has signed in with, or "".

        Raises:
            Delayed: if that is not to be now.
        """
        known = ("second factor here", account_id, device)
        slot = self._slot(*known) if device else self._slot("second factor", account_id)
        async with self._attempt({slot: SECOND_FACTOR}) as attempt:
            yield attempt

    @asynccontextmanager
    async def mailed_code(self, page: str, address: str) -> AsyncIterator[Attempt]:
        """Look at a code that was mailed.

        Args:
            page: the number of the page that it is for.
            address: from where.

        Raises:
            Delayed: if that is not to be now.
        """
        slots = {
            self._slot("mailed code", page): SECOND_FACTOR,
            self._slot("mailed code from", network_of(address)): ADDRESS,
        }
        async with self._attempt(slots) as attempt:
            yield attempt

    @asynccontextmanager
    async def address_code(self, account_id: str, normalized: str) -> AsyncIterator[Attempt]:
        """Look at a code that proves an address of mail.

        Args:
            account_id: of whoever is signed in and types it.
            normalized: the address that was mailed to, as it is looked up.

        Raises:
            Delayed: if that is not to be now.
        """
        slots = {
            self._slot("address code", account_id): SECOND_FACTOR,
            self._slot("address code of", normalized): SECOND_FACTOR,
        }
        async with self._attempt(slots) as attempt:
            yield attempt

    async def device_codes(self, client_id: str, address: str) -> None:
        """Make codes for a device; those that are used for something good count too.

        Raises:
            Delayed: if that is not to be now.
        """
        here = self._slot("device codes", client_id, network_of(address))
        slots = {here: DEVICES_HERE, self._slot("device codes of", client_id): DEVICES}
        async with self._attempt(slots):
            pass

    async def mail_request(self, address: str) -> None:
        """Ask for a mail without having signed in.

        Raises:
            Delayed: if that is not to be now.
        """
        slots = {self._slot("mails", network_of(address)): MAILS_HERE, "all mails": MAILS}
        async with self._attempt(slots):
            pass

    def may_mail(
        self, account_id: str, address: str, *, by_name: bool = False
    ) -> Transaction[bool]:
        """Tell, in the caller's transaction, whether one more mail may go to an address.

        Nobody is flooded with what others ask for, whatever names they ask with.

        Args:
            account_id: whose it is, or "" where it is a new one's.
            address: as it is looked up.
            by_name: whether somebody has given a name, and is not told what it led to. Such mails
                are counted apart: where the others are refused for them, that would tell of it.
        """
        now, asked = self._clock(), "asked " if by_name else ""
        of_account = [self._slot(f"{asked}mail of", account_id)] if account_id else []
        for name in (*of_account, self._slot(f"{asked}mail to", address)):
            if not (yield sql.TAKE_SLOT, _TakeSlot.of(name, MAILS_TO, now)):
                return False
        return True

    def audited(self, address: str) -> Transaction[bool]:
        """Tell, in the caller's transaction, whether a refusal is to stand in the audit log.

        A flood of them would fill the database, and hide everything else.
        """
        now = self._clock()
        here = self._slot("audited", network_of(address))
        for name, allowance in ((here, AUDITED_HERE), ("audited", AUDITED)):
            if not (yield sql.TAKE_SLOT, _TakeSlot.of(name, allowance, now)):
                return False
        return True

    @asynccontextmanager
    async def _attempt(
        self, slots: _Slots, remembering: Statement | None = None
    ) -> AsyncIterator[Attempt]:
        await self._enter(slots)
        attempt = Attempt(slots, remembering)
        try:
            yield attempt
        finally:
            try:
                if attempt.forgiven and attempt.has_slots:
                    await self._store.transact(attempt.end)
            finally:
                self._leave(slots, is_free=attempt.forgiven)

    async def _enter(self, slots: _Slots) -> None:
        while True:
            try:
                await self._store.transact(lambda: self._take_slots(slots))
            except _Refused as refused:
                if not await self._turn(refused.name):
                    raise Delayed(refused.seconds) from None
            else:
                self._under_way.update(slots.keys())
                return

    async def _turn(self, name: str) -> bool:
        """Wait until an attempt ends that may give its slot back, and tell whether it did.

        Many programs may sign in with one account, and the right password, at the same moment.
        """
        if not self._under_way[name] or len(self._waiting[name]) >= MAX_WAITING:
            return False
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[name].append(turn)
        return await turn

    def _leave(self, slots: _Slots, *, is_free: bool) -> None:
        self._under_way.subtract(slots.keys())
        for name in slots:
            waiting = self._waiting[name]
            is_last = self._under_way[name] <= 0
            # Nobody else will tell those who wait behind the last one.
            count = len(waiting) if is_last else int(is_free)
            while waiting and count:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(is_free)
                    count -= 1
            if is_last:
                del self._under_way[name], self._waiting[name]

    def _take_slots(self, slots: _Slots) -> Transaction[None]:
        now = self._clock()
        # Always in the same order, so that two attempts never wait for each other.
        for name, allowance in sorted(slots.items()):
            if not (yield sql.TAKE_SLOT, _TakeSlot.of(name, allowance, now)):
                for (due_at,) in (yield sql.SLOT_DUE, (name,)):
                    raise _Refused(name, _seconds(due_at, allowance, now))
                raise _Refused(name, 1)

    def _slot(self, kind: str, *parts: str) -> str:
        number = int.from_bytes(self._hide(kind, *parts)[:8], "big") % BUCKETS
        return f"{kind} {number:04x}"

    def _hide(self, *parts: str) -> bytes:
        pepper = self._keys.peppers[self._keys.pepper_id]
        framed = b"".join(
            len(text).to_bytes(4, "big") + text
            for text in (part.encode("utf-8", "surrogatepass") for part in parts)
        )
        return hmac.digest(hmac.digest(pepper, b"carnet throttle", "sha256"), framed, "sha256")


def _name_of(username: str) -> str:
    # What can be nobody's name counts too, by what was typed.
    return canonical_username(username) or username


def _seconds(due_at: int, allowance: Allowance, now: int) -> int:
    free_at = due_at - (allowance.burst - 1) * allowance.interval
    return max(1, -(-(free_at - now) // SECOND))
