"""The service's own keys, kept in the database encrypted under the master key.

A row that can't be decrypted or parsed harms itself alone: its key is left out, logged, counted and
shown to administrators, and another one takes its place.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, cast

import structlog

from carnet.errors import ServerError
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.encoding import json_encode
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import reads_as_option
from carnet.server.keys.master_key import MasterKey
from carnet.server.keys.stages import KeyDates, Stage, rotation_due, stages
from carnet.server.metrics import UNREADABLE_ROWS
from carnet.server.settings import Settings
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql
from carnet.server.store.counters import next_number, read_counters

__all__ = ["SigningKeys"]

COUNTER = "signing_key"
# A refresh token names its pepper in two bytes.
PEPPER_NUMBERS = range(2**16)
FIRST_PEPPER = 1

_log = structlog.get_logger()


class _KeyRow(NamedTuple):
    """What SIGNING_KEYS gives of a key."""

    kid: str
    alg: str
    encrypted_jwk: str
    created_at: int
    signs_from: int
    retired_at: int | None

    @property
    def dates(self) -> KeyDates:
        return KeyDates(self.kid, self.alg, self.created_at, self.signs_from, self.retired_at)


class _PepperRow(NamedTuple):
    """What PEPPERS gives of a pepper."""

    id: int
    encrypted_secret: str


class SigningKeys:
    """What the service signs with, what it publishes, and how both change over time.

    Args:
        store: where the keys are kept.
        master_key: what they are encrypted under.
        settings: the algorithms, and how long keys are published, sign and are kept.
        clock: gives the microseconds since 1970.
        find_master_keys: gives those that may have taken the place of this one, since another
            process can change it.

    Attributes:
        published: the public keys that verifiers are given.
        peppers: the secrets of the refresh tokens, by their number.
        generation: grows whenever ``published`` or a signing key changes.
    """

    def __init__(
        self,
        store: Store,
        master_key: MasterKey,
        settings: Settings,
        clock: Clock,
        find_master_keys: Callable[[], Iterable[MasterKey]] = tuple,
    ) -> None:
        self._store = store
        self._master_key = master_key
        self._clock = clock
        self._find_master_keys = find_master_keys
        self._algorithms = settings.signing_algorithms
        self._lifetime = settings.key_lifetime * SECOND
        self._lead = settings.key_publish_lead * SECOND
        self._making = asyncio.Lock()
        self._kept = (settings.access_token_lifetime + 60) * SECOND
        self._dates: list[KeyDates] = []
        self._unreadable: dict[str, KeyDates] = {}
        self._private: dict[str, Key] = {}
        self._stages: dict[str, Stage] = {}
        self.published = KeySet()
        self.peppers: dict[int, bytes] = {}
        self.generation = 0

    @property
    def pepper_id(self) -> int:
        """The number of the pepper that new refresh tokens get."""
        return max(self.peppers)

    @property
    def first_pepper(self) -> bytes:
        """The pepper that was made with the database, for what may never change.

        Raises:
            ServerError: if it can't be read.
        """
        found = self.peppers.get(FIRST_PEPPER)
        if found is None:
            raise ServerError("the first pepper of the database can't be read")
        return found

    def signing(self, alg: str) -> Key:
        """Give the private key that signs now."""
        kid = next(
            dates.kid
            for dates in self._dates
            if dates.alg == alg and self._stages[dates.kid] is Stage.SIGNING
        )
        return self._private[kid]

    async def signing_with(self, alg: str) -> Key:
        """Give the private key that signs now, also of an algorithm that a client has chosen.

        Of such a one the first key is made when it is needed first, and each next one when it is
        due, as ``keep_up`` does for those of the settings.
        """
        if alg not in self._algorithms:
            # Several ask at once; one makes it.
            async with self._making:
                while self._is_due(alg):
                    await self._make_due(alg)
                    await self._take_over()
        return self.signing(alg)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Those of the settings, and then those that clients have chosen."""
        return tuple(dict.fromkeys((*self._algorithms, *(dates.alg for dates in self._dates))))

    def overview(self) -> list[tuple[KeyDates, Stage]]:
        """Give every key with its stage, the oldest first; at the end those that can't be read."""
        return [
            *((dates, self._stages[dates.kid]) for dates in self._dates),
            *((dates, Stage.UNREADABLE) for dates in self._unreadable.values()),
        ]

    async def load(self) -> None:
        """Read the keys from the database; at the first start, make them.

        Raises:
            ServerError: ``master_key_wrong``.
        """
        await self._store.transact(self._make_pepper)
        await self.read()
        await self.keep_up()

    async def read(self) -> None:
        """Read the keys as they are, and make none.

        Raises:
            ServerError: ``master_key_wrong``.
        """
        self.peppers = await self._read_peppers()
        await self._take_over()

    async def keep_up(self) -> None:
        """Do what is due: make the next key, remove the last, follow the other replicas.

        Raises:
            ServerError: ``master_key_wrong`` where another process has changed the master key and
                the new one is not found; what the other has retired is out of use all the same.
        """
        try:
            await self._follow_master_key()
        except ServerError:
            await self._take_over()
            raise
        for alg in self._algorithms:
            await self._make_due(alg)
        dates = [row.dates for row in await self._read()]
        found = stages(dates, self._clock(), self._kept)
        for kid in [kid for kid, stage in found.items() if stage is Stage.REMOVED]:
            await self._remove(kid)
        for kid in [kid for kid, key in self._unreadable.items() if key.retired_at is not None]:
            await self._remove(kid)
        await self._take_over()

    async def rotate(self, alg: str, origin: Origin, *, at_once: bool = False) -> None:
        """Make the next key of an algorithm.

        Args:
            alg: the algorithm.
            origin: who asked.
            at_once: let it sign now; verifiers that have cached the key set fetch it again when
                they meet its ``kid``.
        """
        await self._make(alg, 0 if at_once else self._lead, origin, counter=None)
        await self._take_over()

    async def prepare_next(self, alg: str, origin: Origin) -> bool:
        """Make the next key of an algorithm, unless one waits for its time already.

        Asked several times at once, one is made.

        Returns:
            Whether none was waiting.
        """
        # In this order, as in keep_up.
        counter = await self._counter()
        await self._take_over()
        soon = self._clock() + self._lead
        if any(
            key.alg == alg and stage is Stage.PUBLISHED and key.signs_from <= soon
            for key, stage in self.overview()
        ):
            return False
        await self._make(alg, self._lead, origin, counter)
        await self._take_over()
        return True

    async def retire(self, kid: str, origin: Origin) -> bool:
        """Take a key out at once, with every token that it signed, and tell whether it was there.

        Where it was the only one of an algorithm of the settings, a new one signs at once, from the
        same transaction on: nobody is ever left without a key to sign with.

        Raises:
            ServerError: ``master_key_wrong``, where a new one was needed and can't be made here;
                the key is retired all the same.
        """
        now = self._clock()
        known = [*(row.dates for row in await self._read()), *self._unreadable.values()]
        alg = next((key.alg for key in known if key.kid == kid), "")
        new = self._generate(alg) if alg in self._algorithms else None

        def work() -> Transaction[bool | None]:
            # Before the keys are looked at: of several at once, each finds what the one before it
            # has left.
            yield from next_number(COUNTER)
            if not (yield sql.RETIRE_SIGNING_KEY, (now, kid)):
                return None
            yield from record(now, Event.KEY_RETIRED, origin, reason=kid)
            rows = [_KeyRow(*row) for row in (yield sql.SIGNING_KEYS, ())]
            left = [row.dates for row in rows if row.alg == alg and row.kid not in self._unreadable]
            if new is None or Stage.SIGNING in stages(left, now, self._kept).values():
                return True
            return (yield from self._adding(new, now, now, origin))

        has_key = await self._store.transact(work)
        if has_key is None:
            return False
        await self._take_over()
        if not has_key:
            raise _master_key_changed()
        return True

    async def encrypt_under(self, new: MasterKey, origin: Origin) -> None:
        """Encrypt everything under another master key, in one transaction."""
        now = self._clock()

        def work() -> Transaction[None]:
            # Whoever makes a key meanwhile waits for this, and then finds the peppers changed.
            yield from next_number(COUNTER)
            for key in [_KeyRow(*row) for row in (yield sql.SIGNING_KEYS, ())]:
                if key.kid in self._unreadable:
                    continue
                jwk = self._master_key.decrypt(key.encrypted_jwk)
                yield sql.ENCRYPT_SIGNING_KEY, (new.encrypt(jwk), key.kid)
            for pepper in [_PepperRow(*row) for row in (yield sql.PEPPERS, ())]:
                secret = self._master_key.decrypt(pepper.encrypted_secret)
                yield sql.ENCRYPT_PEPPER, (new.encrypt(secret), pepper.id)
            yield from record(now, Event.MASTER_KEY_CHANGED, origin)

        await self._store.transact(work)
        self._master_key = new

    def _is_due(self, alg: str) -> bool:
        due = rotation_due(self._dates, alg, self._clock(), self._lifetime, self._lead)
        return due is not None

    async def _make_due(self, alg: str) -> None:
        # In this order: a key that another replica makes after the count fails our own.
        counter = await self._counter()
        dates, now = [row.dates for row in await self._read()], self._clock()
        due = rotation_due(dates, alg, now, self._lifetime, self._lead)
        if due is not None:
            await self._make(alg, due - now, SERVICE, counter)

    def _make_pepper(self) -> Transaction[None]:
        if not (yield sql.PEPPERS, ()):
            secret = self._master_key.encrypt(secrets.token_bytes(32))
            yield sql.ADD_PEPPER, (FIRST_PEPPER, secret, self._clock())

    async def _make(self, alg: str, ahead: int, origin: Origin, counter: int | None) -> None:
        """Make a key.

        Args:
            alg: the algorithm.
            ahead: microseconds that it is published before it signs.
            origin: who asked.
            counter: the value of the counter where no other replica may have been faster, or None.
        """
        key = self._generate(alg)

        def work() -> Transaction[None]:
            if counter is None:
                yield from next_number(COUNTER)
            elif not (yield sql.NEXT_NUMBER_AFTER, (COUNTER, counter)):
                return
            # Others see it from the commit on: the time in which this waited for its turn, or was
            # tried before, is not taken from the time for which it is published.
            now = self._clock()
            if not (yield from self._adding(key, now, now + ahead, origin)):
                raise _master_key_changed()

        await self._store.transact(work)

    def _generate(self, alg: str) -> Key:
        named = cast("AlgorithmName", alg)
        key = Key.generate(named)
        while reads_as_option(key.kid or ""):
            key = Key.generate(named)
        return key

    def _adding(self, key: Key, now: int, signs_from: int, origin: Origin) -> Transaction[bool]:
        """Add a key; False where the database is encrypted under another master key by now."""
        if not _opens(self._master_key, (yield sql.PEPPERS, ())):
            return False
        encrypted = self._master_key.encrypt(json_encode(key.to_jwk(private=True)))
        yield sql.ADD_SIGNING_KEY, (key.kid, key.alg, encrypted, now, signs_from)
        yield from record(now, Event.KEY_CREATED, origin, reason=key.kid)
        return True

    async def _remove(self, kid: str) -> None:
        now = self._clock()

        def work() -> Transaction[None]:
            # First, as whoever retires a key does: neither waits for the other in a circle.
            yield from next_number(COUNTER)
            yield sql.REMOVE_SIGNING_KEY, (kid,)
            yield from record(now, Event.KEY_REMOVED, SERVICE, reason=kid)

        await self._store.transact(work)

    async def _follow_master_key(self) -> None:
        """Take another master key where the database is encrypted under another one by now."""
        peppers = await self._store.read(sql.PEPPERS)
        if _opens(self._master_key, peppers):
            return
        for key in self._find_master_keys():
            if _opens(key, peppers):
                self._master_key = key
                _log.info("master_key_taken_over")
                return
        raise _master_key_changed()

    async def _counter(self) -> int:
        return (await read_counters(self._store))[COUNTER]

    async def _read_peppers(self) -> dict[int, bytes]:
        """Give the peppers, without those that can't be decrypted; with none, the key is wrong."""
        found: dict[int, bytes] = {}
        failures: dict[int, ServerError] = {}
        for pepper in [_PepperRow(*row) for row in await self._store.read(sql.PEPPERS)]:
            try:
                secret = self._master_key.decrypt(pepper.encrypted_secret)
                if pepper.id not in PEPPER_NUMBERS:
                    raise ServerError("a pepper has a number that no refresh token can name")
                found[pepper.id] = secret
            except ServerError as error:
                failures[pepper.id] = error
        if failures and not found:
            raise next(iter(failures.values()))
        for number in failures:
            _log.error("row_unreadable", kind="pepper", name=str(number))
        return found

    async def _read(self) -> list[_KeyRow]:
        """Give the rows that can be read; those among them that are new are decrypted."""
        good: list[_KeyRow] = []
        unreadable: dict[str, KeyDates] = {}
        for row in [_KeyRow(*values) for values in await self._store.read(sql.SIGNING_KEYS)]:
            try:
                if row.kid not in self._private:
                    self._private[row.kid] = Key.from_jwk(
                        self._master_key.decrypt(row.encrypted_jwk)
                    )
                good.append(row)
            except Exception as error:
                unreadable[row.kid] = row.dates
                if row.kid not in self._unreadable:
                    _log.error("row_unreadable", kind="signing_key", name=row.kid, exc_info=error)
        self._unreadable = unreadable
        UNREADABLE_ROWS.labels("signing_key").set(len(unreadable))
        return good

    async def _take_over(self) -> None:
        """Sign with, and publish, what the database says now, where that is something else."""
        dates = [row.dates for row in await self._read()]
        found = stages(dates, self._clock(), self._kept)
        if dates == self._dates and found == self._stages:
            return
        self._private = {key.kid: self._private[key.kid] for key in dates}
        self._dates, self._stages = dates, found
        published = sorted(kid for kid, stage in found.items() if stage is not Stage.REMOVED)
        self.published = KeySet(self._private[kid].public for kid in published)
        self.generation += 1


def _opens(master_key: MasterKey, peppers: Rows) -> bool:
    """Tell whether a master key is the one that the database is encrypted under."""
    for pepper in [_PepperRow(*row) for row in peppers]:
        with suppress(ServerError):
            master_key.decrypt(pepper.encrypted_secret)
            return True
    return False


def _master_key_changed() -> ServerError:
    return ServerError(
        "the master key of this database has been changed; put the new master.key into the data "
        "folder, and it is taken from there: until then this process makes no keys",
        code="master_key_wrong",
    )
