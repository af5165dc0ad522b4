"""The keys that others publish: clients by their ``jwks_uri``, and issuers whose tokens are taken.

What becomes of the keys in time says ``KeySource``, as in a verifier; here they are fetched when
somebody asks for them, by ``PublicFetch``. An administrator, or a document that somebody has let
in, says whose keys there are; what strangers send can only cause a fetch that is due:

    keys held                   a request makes
    ──────────────────────────  ────────────────────────────────────────────────────────────────
    none                        one fetch; after a failure no other for some seconds
    current                     none
    current, of another kid     one, unless there was one in the last half minute
    older than their server     one; where it fails they count on for a few hours, so that a server
    says, within bounds         that is down stops nobody

Everybody who needs what is being fetched waits for the same fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import structlog

from carnet.errors import IssuerUnavailable
from carnet.jose.key_set import KeySet
from carnet.jwt.key_source import Answer, Call, KeySource, carry_out
from carnet.jwt.published_keys import PUBLIC_SIGNATURES
from carnet.server.clients.addresses import BadAddress, check_web_address
from carnet.server.clock import SECOND, Clock
from carnet.server.metrics import KEY_FETCHES
from carnet.server.public_fetch import NotFetched, PublicFetch, Resolve
from carnet.server.settings import Settings

__all__ = ["FetchedKeys", "Publisher"]

MOST_BYTES: Final = 64 * 1024
FETCH_SECONDS: Final = 5.0
ALL_SECONDS: Final = 8.0
"""What all requests of a fetch may take: the metadata of an issuer, and its keys."""
LONGEST_FRESH: Final = 3600
LONGEST_STALE: Final = 4 * 3600
"""How long keys count after they were fetched, while they can't be fetched again."""
MOST_KEPT: Final = 1024

_log = structlog.get_logger()


class Publisher(NamedTuple):
    """Who publishes keys: by one of the two, or by both.

    Attributes:
        issuer: as it stands in its tokens; without a ``jwks_uri`` its metadata say where the keys
            are, and have to name it exactly.
        jwks_uri: where the keys are.
        shared_by: what else a key may name as its issuer, where several share some of theirs.
    """

    issuer: str = ""
    jwks_uri: str = ""
    shared_by: str = ""


@dataclass(slots=True)
class _Kept:
    """A publisher's keys, and the fetch that is under way.

    Attributes:
        source: the keys in time.
        task: the fetch, or None.
        needed: whether it was begun because there were no keys, or none that were current.
    """

    source: KeySource
    task: asyncio.Task[None] | None = field(default=None)
    needed: bool = False


class FetchedKeys:
    """Gives the keys that others publish, and fetches them where that is due.

    Args:
        settings: which hosts may stand at private addresses.
        clock: gives the microseconds since 1970.
        most_kept: of how many publishers keys are remembered.
        most_bytes: how long what one publishes may be: so much is read and loaded at once.
        resolve: gives the addresses of a name; by default as the system does.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        most_kept: int = MOST_KEPT,
        most_bytes: int = MOST_BYTES,
        resolve: Resolve | None = None,
    ) -> None:
        self._clock = clock
        self._most_kept = most_kept
        self._fetch = PublicFetch(settings.private_hosts, most_bytes, FETCH_SECONDS, resolve)
        self._kept: dict[Publisher, _Kept] = {}

    async def keys(self, publisher: Publisher, kid: str | None = None) -> KeySet:
        """Give the keys that somebody publishes.

        Args:
            publisher: who; named by somebody who is trusted to, and never by a token.
            kid: the key that a token names, or None. One that is not known may have been published
                since the last fetch.

        Raises:
            IssuerUnavailable: if there are none that can be used. Its message is for the operator.
        """
        kept = self._of(publisher)
        source, now = kept.source, self._clock() / SECOND
        is_due = source.due(now)
        source.drop_stale(now)
        if kept.task is None and (
            is_due or (not _knows(source.keys, kid) and source.due_for_unknown_key(now))
        ):
            kept.needed = is_due
            kept.task = asyncio.create_task(self._update(publisher, source, now))
            kept.task.add_done_callback(partial(_done, kept))
        if kept.task is not None and (kept.needed or not _knows(source.keys, kid)):
            # Whoever gives up waiting takes the answer from nobody else.
            await asyncio.shield(kept.task)
        if source.keys is None:
            raise source.unavailable()
        return source.keys

    def close(self) -> None:
        """End what is under way."""
        for kept in self._kept.values():
            if kept.task is not None:
                kept.task.cancel()
        self._fetch.close()

    def _of(self, publisher: Publisher) -> _Kept:
        kept = self._kept.pop(publisher, None)
        if kept is None:
            if len(self._kept) >= self._most_kept:
                # Whoever was asked for longest ago.
                del self._kept[next(iter(self._kept))]
            source = KeySource(
                publisher.issuer or publisher.jwks_uri,
                publisher.jwks_uri or None,
                PUBLIC_SIGNATURES,
                says=_says(publisher),
                max_stale=LONGEST_STALE,
                longest=LONGEST_FRESH,
            )
            kept = _Kept(source)
        self._kept[publisher] = kept
        return kept

    async def _update(self, publisher: Publisher, source: KeySource, now: float) -> None:
        """Fetch keys; what went wrong is told to the operator, and the keys held before stay."""
        until = monotonic() + ALL_SECONDS
        await carry_out(source.refresh(now), partial(self._send, until))
        error = source.health(now).last_error
        KEY_FETCHES.labels("read" if error is None else "failed").inc()
        if error is not None:
            _log.warning(
                "keys_not_fetched",
                issuer=publisher.issuer,
                host=urlsplit(publisher.jwks_uri).netloc,
                cause=error,
            )

    async def _send(self, until: float, call: Call) -> Answer:
        # Where the keys are may stand in metadata that nobody here has read.
        try:
            if not call.address.startswith("https://"):
                raise BadAddress("an https URL")
            check_web_address(call.address)
        except BadAddress as error:
            raise IssuerUnavailable(f"the address of its keys is not {error}") from None
        seconds = min(call.seconds or FETCH_SECONDS, max(until - monotonic(), 0.1))
        try:
            fetched = await self._fetch.fetch(
                call.address, {"Accept": "application/json"}, seconds=seconds
            )
        except NotFetched as error:
            raise IssuerUnavailable(f"{call.address} can't be fetched: {error}") from None
        return Answer(fetched.status, fetched.headers.get("cache-control", ""), fetched.body)


def _says(publisher: Publisher) -> Callable[[object], bool]:
    if not publisher.issuer:
        return lambda _: True
    names = (publisher.issuer, publisher.shared_by or publisher.issuer)
    return lambda name: name in names


def _done(kept: _Kept, task: asyncio.Task[None]) -> None:
    kept.task = None
    if not task.cancelled():
        # Those who wait are told by the keys that there are, or are not.
        task.exception()


def _knows(keys: KeySet | None, kid: str | None) -> bool:
    return keys is not None and (kid is None or any(key.kid in (kid, None) for key in keys))
