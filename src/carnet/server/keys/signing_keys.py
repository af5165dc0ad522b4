"""The service's own keys, kept in the database encrypted under the master key.

A row that can't be decrypted or parsed harms itself alone: its key is left out, logged, counted and
shown to administrators, and another one takes its place.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import cast

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

__all__ = ["SigningKeys"]

COUNTER = "signing_key"
# A refresh token names its pepper in two bytes.
PEPPER_NUMBERS = range(2**16)

_log = structlog.get_logger()


class SigningKeys:
    """What the service signs with, what it publishes, and how both change over time.

    Args:
        store: where the keys are kept.
        master_key: what they are encrypted under.
        settings: the algorithms, and how long keys are published, sign and are kept.
        clock: gives the microseconds since 1970.

    Attributes:
        published: the public keys that verifiers are given.
        peppers: the secrets of the refresh tokens, by their number.
        generation: grows whenever ``published`` or a signing key changes.
    """

    def __init__(
        self, store: Store, master_key: MasterKey, settings: Settings, clock: Clock
    ) -> None:
        self._store = store
        self._master_key = master_key
        self._clock = clock
        self._algorithms = settings.signing_algorithms
        self._lifetime = settings.key_lifetime * SECOND
        self._lead = settings.key_publish_lead * SECOND
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

    def signing(self, alg: str) -> Key:
        """Give the private key that signs now."""
        kid = next(
            dates.kid
            for dates in self._dates
            if dates.alg == alg and self._stages[dates.kid] is Stage.SIGNING
        )
        return self._private[kid]

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
        self.peppers = self._decrypt_peppers(await self._store.read(sql.PEPPERS))
        self._take(await self._store.read(sql.SIGNING_KEYS))
        await self.keep_up()

    async def keep_up(self) -> None:
        """Do what is due: make the next key, remove the last, follow the other replicas."""
        for alg in self._algorithms:
            # In this order: a key that another replica makes after the count fails our own.
            seen = await self._counter()
            dates = _dates(self._read(await self._store.read(sql.SIGNING_KEYS)))
            due = rotation_due(dates, alg, self._clock(), self._lifetime, self._lead)
            if due is not None:
                await self._make(alg, due, SERVICE, seen)
        dates = _dates(self._read(await self._store.read(sql.SIGNING_KEYS)))
        found = stages(dates, self._clock(), self._kept)
        for kid in [kid for kid, stage in found.items() if stage is Stage.REMOVED]:
            await self._remove(kid)
        for kid in [kid for kid, key in self._unreadable.items() if key.retired_at is not None]:
            await self._remove(kid)
        self._take(await self._store.read(sql.SIGNING_KEYS))

    async def rotate(self, alg: str, origin: Origin, *, at_once: bool = False) -> None:
        """Make the next key of an algorithm.

        Args:
            alg: the algorithm.
            origin: who asked.
            at_once: let it sign now; verifiers that have cached the key set fetch it again when
                they meet its ``kid``.
        """
        now = self._clock()
        await self._make(alg, now if at_once else now + self._lead, origin, seen=None)
        self._take(await self._store.read(sql.SIGNING_KEYS))

    async def prepare_next(self, alg: str, origin: Origin) -> bool:
        """Make the next key of an algorithm, unless one waits for its time already.

        Asked several times at once, one is made.

        Returns:
            Whether none was waiting.
        """
        # In this order, as in keep_up.
        seen = await self._counter()
        self._take(await self._store.read(sql.SIGNING_KEYS))
        soon = self._clock() + self._lead
        if any(
            key.alg == alg and stage is Stage.PUBLISHED and key.signs_from <= soon
            for key, stage in self.overview()
        ):
            return False
        await self._make(alg, self._clock() + self._lead, origin, seen)
        self._take(await self._store.read(sql.SIGNING_KEYS))
        return True

    async def retire(self, kid: str, origin: Origin) -> bool:
        """Take a key out at once, with every token that it signed, and tell whether it was there.

        Where it was the only one of its algorithm, a new one signs at once.
        """
        now = self._clock()

        def work() -> Transaction[str | None]:
            rows = yield sql.RETIRE_SIGNING_KEY, (now, kid)
            if not rows:
                return None
            yield sql.NEXT_NUMBER, (COUNTER,)
            yield from record(now, Event.KEY_RETIRED, origin, reason=kid)
            return str(rows[0][0])

        alg = await self._store.transact(work)
        if alg is None:
            return False
        rows = self._read(await self._store.read(sql.SIGNING_KEYS))
        found = stages(_dates(rows), now, self._kept)
        if not any(found[row[0]] is Stage.SIGNING for row in rows if row[1] == alg):
            await self._make(alg, now, origin, seen=None)
        self._take(await self._store.read(sql.SIGNING_KEYS))
        return True

    async def encrypt_under(self, new: MasterKey, origin: Origin) -> None:
        """Encrypt everything under another master key, in one transaction."""
        now = self._clock()

        def work() -> Transaction[None]:
            for row in (yield sql.SIGNING_KEYS, ()):
                if row[0] in self._unreadable:
                    continue
                jwk = self._master_key.decrypt(row[2])
                yield sql.ENCRYPT_SIGNING_KEY, (new.encrypt(jwk), row[0])
            for number, token in (yield sql.PEPPERS, ()):
                secret = self._master_key.decrypt(token)
                yield sql.ENCRYPT_PEPPER, (new.encrypt(secret), number)
            yield from record(now, Event.MASTER_KEY_CHANGED, origin)

        await self._store.transact(work)
        self._master_key = new

    def _make_pepper(self) -> Transaction[None]:
        if not (yield sql.PEPPERS, ()):
            secret = self._master_key.encrypt(secrets.token_bytes(32))
            yield sql.ADD_PEPPER, (1, secret, self._clock())

    async def _make(self, alg: str, signs_from: int, origin: Origin, seen: int | None) -> None:
        """Make a key; where ``seen`` is given, only if no other replica was faster."""
        named = cast("AlgorithmName", alg)
        key = Key.generate(named)
        while reads_as_option(key.kid or ""):
            key = Key.generate(named)
        encrypted = self._master_key.encrypt(json_encode(key.to_jwk(private=True)))
        now = self._clock()

        def work() -> Transaction[None]:
            if seen is None:
                yield sql.NEXT_NUMBER, (COUNTER,)
            elif not (yield sql.NEXT_NUMBER_AFTER, (COUNTER, seen)):
                return
            yield sql.ADD_SIGNING_KEY, (key.kid, alg, encrypted, now, signs_from)
            yield from record(now, Event.KEY_CREATED, origin, reason=key.kid)

        await self._store.transact(work)

    async def _remove(self, kid: str) -> None:
        now = self._clock()

        def work() -> Transaction[None]:
            yield sql.REMOVE_SIGNING_KEY, (kid,)
            yield sql.NEXT_NUMBER, (COUNTER,)
            yield from record(now, Event.KEY_REMOVED, SERVICE, reason=kid)

        await self._store.transact(work)

    async def _counter(self) -> int:
        counters: dict[str, int] = dict(await self._store.read(sql.COUNTERS))
        return counters[COUNTER]

    def _decrypt_peppers(self, rows: Rows) -> dict[int, bytes]:
        """Decrypt the peppers, without those that can't be; where none can, the key is wrong."""
        found: dict[int, bytes] = {}
        failure: ServerError | None = None
        for number, token in rows:
            try:
                secret = self._master_key.decrypt(token)
            except ServerError as error:
                failure = error
                _log.error("row_unreadable", kind="pepper", name=str(number))
            else:
                if number in PEPPER_NUMBERS:
                    found[number] = secret
                else:
                    failure = ServerError("a pepper has a number that no refresh token can name")
                    _log.error("row_unreadable", kind="pepper", name=str(number))
        if not found and failure is not None:
            raise failure
        return found

    def _read(self, rows: Rows) -> Rows:
        """Decrypt what is new among the rows, and give those that can be read."""
        good: Rows = []
        unreadable: dict[str, KeyDates] = {}
        for row in rows:
            kid = row[0]
            try:
                if kid not in self._private:
                    self._private[kid] = Key.from_jwk(self._master_key.decrypt(row[2]))
                good.append(row)
            except Exception as error:
                unreadable[kid] = _dates([row])[0]
                if kid not in self._unreadable:
                    _log.error("row_unreadable", kind="signing_key", name=kid, exc_info=error)
        self._unreadable = unreadable
        UNREADABLE_ROWS.labels("signing_key").set(len(unreadable))
        return good

    def _take(self, rows: Rows) -> None:
        """Make of the rows what signs and what is published, where it is something else."""
        rows = self._read(rows)
        dates = _dates(rows)
        found = stages(dates, self._clock(), self._kept)
        if dates == self._dates and found == self._stages:
            return
        self._private = {row[0]: self._private[row[0]] for row in rows}
        self._dates, self._stages = dates, found
        shown = (kid for kid, stage in found.items() if stage is not Stage.REMOVED)
        self.published = KeySet(self._private[kid].public for kid in sorted(shown))
        self.generation += 1


def _dates(rows: Iterable[tuple[object, ...]]) -> list[KeyDates]:
    return [KeyDates(row[0], row[1], row[3], row[4], row[5]) for row in rows]  # type: ignore[arg-type]  # as the table says
