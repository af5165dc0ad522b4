"""The revocation stream: how verifiers learn, within a moment, which tokens to refuse.

Server-sent events, each a compact JWS (``typ`` ``revocations+jwt``) of this service:

    snapshot    all entries that some token could still need, in parts; the first thing that a
                verifier without a position gets
    increment   the entries after ``prev``, up to ``seq``; where ``prev`` is not the position that a
                verifier is at, it has missed something and connects anew
    heartbeat   nothing has changed since: the position is still ``seq``

What an event claims is what the database said: its ``iat`` is the moment before the counters were
read, not the one at which it was signed or sent. A heartbeat goes out only where that was within
the last heartbeat period; while the database does not answer, the stream is silent. An increment
that is one of several carries ``more``: with it the verifier does not know everything yet. Where
the counter has gone back, since the database was restored, each reader gets a snapshot.

The event's id is its position, so a client that reconnects with ``Last-Event-ID`` goes on where it
was. Positions are the numbers of the entries, given in commit order: nothing can appear behind a
position that was already told. Up-to-date readers share one signature for each increment, and those
that are told within the same second that nothing has changed share that one. The readers are woken
a few at a time, so that requests are answered in between, however many readers there are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, Final, NamedTuple, TypeVar

import structlog

from carnet.jose import jws
from carnet.jose.encoding import json_encode
from carnet.server.clock import SECOND, Clock
from carnet.server.deadline import within
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.metrics import UNREADABLE_ROWS
from carnet.server.revocations.revocations import MARGIN_SECONDS, Revocation
from carnet.server.revocations.stream_places import StreamPlaces
from carnet.server.settings import Settings
from carnet.server.store import Store, StoreUnavailable
from carnet.server.store import statements as sql
from carnet.server.store.counters import read_counters

__all__ = ["Reader", "RevocationStream"]

PAGE: Final = 5000
TYPE: Final = "revocations+jwt"
READ_SECONDS: Final = 5.0
WOKEN_AT_ONCE: Final = 100

T = TypeVar("T")

_log = structlog.get_logger()


class _Increment(NamedTuple):
    """A signed event that leads from one position to another."""

    prev: int
    seq: int
    event: bytes


class Reader:
    """Whoever reads the stream.

    Attributes:
        position: of the last event that it has taken; None before it has begun.
        has_left: whether it reads no longer.
    """

    __slots__ = ("_woken", "has_left", "position")

    def __init__(self) -> None:
        self.position: int | None = None
        self.has_left = False
        self._woken: asyncio.Future[None] | None = None

    async def wait(self, until: float) -> None:
        """Wait until it is woken, or until a moment of the loop's time.

        A future and a timer cost less than an event and a timeout, and there are as many as
        readers: for the column "µs a delivery" of the benchmark ``streams``.
        """
        loop = asyncio.get_running_loop()
        self._woken = loop.create_future()
        timer = loop.call_at(until, self.wake)
        try:
            await self._woken
        finally:
            timer.cancel()
            self._woken = None

    def wake(self) -> None:
        """Let it go on, where it waits."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def leave(self) -> None:
        """End its stream."""
        self.has_left = True
        self.wake()


class RevocationStream:
    """Gives the revocations to any number of readers.

    Args:
        store: where they are kept.
        keys: of which one signs the events.
        settings: the issuer and the heartbeat.
        clock: gives the microseconds since 1970.

    Attributes:
        seq: the newest number that this process knows of.
        readers: how many streams are open.
        places: of which each stream of an endpoint takes one.
    """

    def __init__(self, store: Store, keys: SigningKeys, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._issuer = settings.own_url
        self._alg = settings.signing_algorithms[0]
        self._heartbeat = settings.revocation_heartbeat
        self._kept = settings.access_token_lifetime + MARGIN_SECONDS
        self._clock = clock
        self._latest: _Increment | None = None
        # The last heartbeat, with its position and its second.
        self._beat = (-1, -1, b"")
        self._closed = False
        # When the counters were read, by the clock that never jumps and by the other one: the
        # moment before, since what they say may be over by the time that it is here.
        self._read_began = float("-inf")
        self._read_at = 0
        # How often the counter has gone back.
        self._restores = 0
        self.seq = 0
        self.readers = 0
        # In the order in which they came, which is that in which they are woken.
        self._reading: dict[Reader, None] = {}
        self.places = StreamPlaces(
            settings.revocation_streams, settings.revocation_streams_per_address
        )

    @property
    def lag(self) -> int:
        """How many entries the reader that is furthest behind has not taken."""
        positions = (one.position for one in self._reading if one.position is not None)
        return max(0, self.seq - min(positions, default=self.seq))

    async def catch_up(self) -> dict[str, int]:
        """Read the counters from the database, wake the readers, and give what they say.

        Raises:
            StoreUnavailable: if the database does not answer in time.
        """
        began, at = time.monotonic(), self._clock()
        counters = await self._in_time(read_counters(self._store))
        self._advance(counters["revocation"], began, at)
        return counters

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    async def read(
        self, position: int | None, reader: Reader | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Give the events from a position on, without end.

        Args:
            position: of the last event that the reader has seen, or None.
            reader: by which the stream is ended, if it is to end before its generator is closed.

        Raises:
            StoreUnavailable: before the first event, if the database does not answer. Later it
                makes the stream silent, or ends it.
        """
        self.readers += 1
        reader = reader or Reader()
        try:
            await self.catch_up()
            restores, loop = self._restores, asyncio.get_running_loop()
            reader.position = self.seq if position is None else position
            self._reading[reader] = None
            if position is None or position > self.seq:
                position = self.seq
                async for event in self._snapshot(position):
                    yield event
            elif position == self.seq:
                # The reader is told at once where it stands, as it is by what it lacks.
                yield self._heartbeat_at(position)
            due = loop.time() + self._heartbeat
            while not (self._closed or reader.has_left):
                reader.position = position
                if restores != self._restores:
                    restores, position = self._restores, self.seq
                    async for event in self._snapshot(position):
                        yield event
                elif position < self.seq:
                    increment = await self._increment(position)
                    position = increment.seq
                    yield increment.event
                elif loop.time() >= due and self._has_read():
                    yield self._heartbeat_at(position)
                else:
                    now = loop.time()
                    await reader.wait(due if due > now else now + self._heartbeat)
                    continue
                due = loop.time() + self._heartbeat
        finally:
            self.readers -= 1
            self._reading.pop(reader, None)

    def _advance(self, seq: int, began: float, at: int) -> None:
        """Take over the newest number, and wake the readers where they have waited for it."""
        if began < self._read_began:
            # Another read that began later was faster.
            return
        was_silent = not self._has_read()
        self._read_began, self._read_at = began, at
        if seq < self.seq:
            self._restores += 1
            self._latest = None
        if seq != self.seq or was_silent:
            self.seq = seq
            self._wake()

    def _has_read(self) -> bool:
        """Tell whether the database was read just now."""
        return time.monotonic() - self._read_began <= self._heartbeat

    async def _snapshot(self, seq: int) -> AsyncIterator[bytes]:
        after, part, at = 0, 0, self._read_at
        while True:
            page = await self._page(after)
            last = len(page) < PAGE or page[-1].seq >= seq
            entries = _readable(page, seq)
            yield self._event("snapshot", after, seq, entries, at, part=part, last=last)
            if last:
                return
            after, part = page[-1].seq, part + 1

    async def _increment(self, position: int) -> _Increment:
        latest = self._latest
        if latest is not None and latest.prev == position:
            return latest
        seq, at, more = self.seq, self._read_at, {}
        page = await self._page(position)
        if len(page) == PAGE and page[-1].seq < seq:
            seq, more = page[-1].seq, {"more": True}
        event = self._event("increment", position, seq, _readable(page, seq), at, **more)
        made = _Increment(position, seq, event)
        self._latest = made
        return made

    def _heartbeat_at(self, position: int) -> bytes:
        seq, second, event = self._beat
        if (seq, second) != (position, self._read_at // SECOND):
            event = self._event("heartbeat", position, position, [], self._read_at)
            self._beat = position, self._read_at // SECOND, event
        return event

    async def _page(self, after: int) -> list[Revocation]:
        reading = self._store.read(sql.REVOCATIONS_AFTER, after, self._clock(), PAGE)
        return [Revocation(*row) for row in await self._in_time(reading)]

    async def _in_time(self, reading: Coroutine[Any, Any, T]) -> T:
        try:
            return await within(READ_SECONDS, reading)
        except TimeoutError:
            raise StoreUnavailable(
                f"the database did not answer within {READ_SECONDS:g} seconds"
            ) from None

    def _event(
        self, kind: str, prev: int, seq: int, entries: list[Revocation], at: int, **more: Any
    ) -> bytes:
        payload = {
            "iss": self._issuer,
            "iat": at // SECOND,
            "event": kind,
            "prev": prev,
            "seq": seq,
            "kept": self._kept,
            **more,
            "entries": [
                [entry.kind, entry.value]
                if entry.version is None
                else [entry.kind, entry.value, entry.version]
                for entry in entries
            ],
        }
        text = jws.sign(json_encode(payload), self._keys.signing(self._alg), {"typ": TYPE})
        return f"id: {seq}\nevent: {kind}\ndata: {text}\n\n".encode()

    def _wake(self) -> None:
        self._wake_some([*self._reading])

    def _wake_some(self, readers: list[Reader]) -> None:
        for reader in readers[:WOKEN_AT_ONCE]:
            reader.wake()
        if rest := readers[WOKEN_AT_ONCE:]:
            asyncio.get_running_loop().call_soon(self._wake_some, rest)


def _readable(page: list[Revocation], seq: int) -> list[Revocation]:
    """Give the entries up to a number, without those that no verifier would understand."""
    found = [entry for entry in page if entry.seq <= seq]
    good = [entry for entry in found if entry.is_whole]
    UNREADABLE_ROWS.labels("revocation").set(len(found) - len(good))
    if len(good) < len(found):
        broken = [entry.seq for entry in found if not entry.is_whole]
        _log.error("revocation_unreadable", seq=broken[:10], rows=len(broken))
    return good
