"""The revocation stream: how verifiers learn, within a moment, which tokens to refuse.

Server-sent events, each a compact JWS (``typ`` ``revocations+jwt``) of this service:

    snapshot    all entries that some token could still need, in parts; the first thing that a
                verifier without a position gets
    increment   the entries after ``prev``, up to ``seq``; where ``prev`` is not the position that a
                verifier is at, it has missed something and connects anew
    heartbeat   nothing has changed since: the position is still ``seq``

The event's id is its position, so a client that reconnects with ``Last-Event-ID`` goes on where it
was. Positions are the numbers of the entries, given in commit order: nothing can appear behind a
position that was already told. Up-to-date readers share one signature for each increment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from carnet.jose import jws
from carnet.jose.encoding import json_encode
from carnet.server.clock import SECOND, Clock
from carnet.server.revocations import MARGIN_SECONDS, Revocation
from carnet.server.settings import Settings
from carnet.server.signing_keys import SigningKeys
from carnet.server.store import Store
from carnet.server.store import statements as sql
from carnet.server.stream_places import StreamPlaces

__all__ = ["Feed"]

PAGE = 5000
TYPE = "revocations+jwt"


class _Increment(NamedTuple):
    """A signed event that leads from one position to another."""

    prev: int
    seq: int
    event: bytes


class Feed:
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
        self._changed = asyncio.Event()
        self._latest: _Increment | None = None
        self._closed = False
        self.seq = 0
        self.readers = 0
        self.places = StreamPlaces(
            settings.revocation_streams, settings.revocation_streams_per_address
        )

    def advance(self, seq: int) -> None:
        """Wake the readers, where there is something after the position known so far."""
        if seq != self.seq:
            self.seq = seq
            self._wake()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    async def read(self, position: int | None) -> AsyncIterator[bytes]:
        """Give the events from a position on, without end.

        Args:
            position: of the last event that the reader has seen, or None.
        """
        self.readers += 1
        try:
            counters: dict[str, int] = dict(await self._store.read(sql.COUNTERS))
            self.advance(max(self.seq, counters["revocation"]))
            if position is None or position > self.seq:
                position = self.seq
                async for event in self._snapshot(position):
                    yield event
            else:
                # The reader is told at once where it stands.
                yield self._event("heartbeat", position, position, [])
            while not self._closed:
                changed = self._changed
                if position < self.seq:
                    increment = await self._increment(position)
                    position = increment.seq
                    yield increment.event
                    continue
                try:
                    async with asyncio.timeout(self._heartbeat):
                        await changed.wait()
                except TimeoutError:
                    yield self._event("heartbeat", position, position, [])
        finally:
            self.readers -= 1

    async def _snapshot(self, seq: int) -> AsyncIterator[bytes]:
        after, part = 0, 0
        while True:
            entries = await self._entries(after, PAGE)
            last = len(entries) < PAGE or entries[-1].seq >= seq
            shown = [entry for entry in entries if entry.seq <= seq]
            yield self._event("snapshot", after, seq, shown, part=part, last=last)
            if last:
                return
            after, part = entries[-1].seq, part + 1

    async def _increment(self, position: int) -> _Increment:
        latest = self._latest
        if latest is not None and latest.prev == position:
            return latest
        seq = self.seq
        entries = await self._entries(position, PAGE)
        if len(entries) == PAGE:
            seq = entries[-1].seq
        shown = [entry for entry in entries if entry.seq <= seq]
        made = _Increment(position, seq, self._event("increment", position, seq, shown))
        self._latest = made
        return made

    async def _entries(self, after: int, limit: int) -> list[Revocation]:
        rows = await self._store.read(sql.REVOCATIONS_AFTER, after, self._clock(), limit)
        return [Revocation(*row) for row in rows]

    def _event(
        self, kind: str, prev: int, seq: int, entries: list[Revocation], **more: Any
    ) -> bytes:
        payload = {
            "iss": self._issuer,
            "iat": self._clock() // SECOND,
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
        self._changed.set()
        self._changed = asyncio.Event()
