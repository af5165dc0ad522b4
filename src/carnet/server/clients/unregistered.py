"""Clients that no administrator has registered, and that say themselves what they are.

There may be any number of them, so they are looked up when they are needed and never all in memory.
Which kind one is, its id says; an id of another form costs no look at the database:

    kind        id                                   known by
    ──────────  ───────────────────────────────────  ───────────────────────────────────────────────
    document    https://…                            the document that it publishes at that address
    dynamic     dynamic.…                            what it has sent when it registered itself

A process remembers one for a moment. So long may others go on with what was changed or removed; its
sessions end at once, in the transaction that removes it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import msgspec
import structlog

from carnet.server.audit import SERVICE, Event, Origin, record
from carnet.server.clients.clients import (
    RESERVED_PREFIX,
    Client,
    ClientMetadata,
    ClientRefused,
    client_of,
)
from carnet.server.clients.metadata_checks import check_metadata
from carnet.server.clock import SECOND, Clock
from carnet.server.sessions.sessions import Sessions
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = [
    "UNUSED_KEPT",
    "UnregisteredClient",
    "UnregisteredClients",
    "UnregisteredKind",
    "check_unregistered",
    "shown_name",
    "unregistered_kind",
]

DAY: Final = 86_400 * SECOND
UNUSED_KEPT: Final = DAY
"""How long one is kept that nobody has allowed yet."""
USED_KEPT: Final = 90 * DAY
"""How long one stays after its last use."""
REMEMBERED: Final = SECOND
MOST_REMEMBERED: Final = 1024
BATCH: Final = 100
LONGEST_SHOWN: Final = 60

UnregisteredKind = Literal["document", "dynamic"]

_FORMS: Final[dict[UnregisteredKind, re.Pattern[str]]] = {
    "document": re.compile(r"https://[\x21-\x7e]{1,504}"),
    "dynamic": re.compile(rf"{re.escape(RESERVED_PREFIX)}[A-Za-z0-9_\-]{{1,120}}"),
}
# What only an administrator says of a client: trust, other clients' addresses, requests of ours.
_ADMINISTRATORS: Final = (
    "first_party",
    "plain_http",
    "resources",
    "introspects",
    "backchannel_logout_uri",
    "federated_credentials",
)
_GRANTS: Final = frozenset(("authorization_code", "refresh_token"))
# Controls, marks of direction, private and unassigned letters.
_UNSEEN: Final = frozenset(("Cc", "Cf", "Co", "Cs", "Cn"))
_DEFAULTS: Final = ClientMetadata()

_log = structlog.get_logger()


class UnregisteredClient(NamedTuple):
    """A client that no administrator has registered; moments in microseconds since 1970.

    Attributes:
        client: the client.
        kind: which of the two.
        changed_at: when its metadata were read or sent last.
        used_at: when somebody has used it last, to the day, or None.
        expires_at: when it goes unless it is used, or None.
        token_hash: of the token with which it manages its registration, or None.
        etag: what the server of its document called that, or "".
        fresh_until: when its document is read again, or None.
    """

    client: Client
    kind: UnregisteredKind
    changed_at: int = 0
    used_at: int | None = None
    expires_at: int | None = None
    token_hash: bytes | None = None
    etag: str = ""
    fresh_until: int | None = None


class _Row(NamedTuple):
    """What UNREGISTERED_CLIENT gives."""

    client_id: str
    kind: UnregisteredKind
    secret_hash: bytes | None
    token_hash: bytes | None
    metadata: str
    etag: str
    created_at: int
    changed_at: int
    fresh_until: int | None
    used_at: int | None
    expires_at: int | None


class UnregisteredClients:
    """The clients that no administrator has registered.

    Args:
        store: where they are kept.
        sessions: those of a client that is removed end with it.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock
        # With the moment at which each was read.
        self._remembered: dict[str, tuple[int, UnregisteredClient]] = {}

    async def find(self, client_id: str) -> Client | None:
        """Give a client, or None where there is none of this id, or its row can't be read."""
        if unregistered_kind(client_id) is None:
            return None
        now = self._clock()
        read_at, remembered = self._remembered.get(client_id, (0, None))
        # A clock that is set back makes nothing younger.
        if remembered is not None and 0 <= now - read_at < REMEMBERED:
            return remembered.client
        found = await self.look_up(client_id)
        self._remembered.pop(client_id, None)
        if found is None:
            return None
        if len(self._remembered) >= MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[client_id] = (now, found)
        return found.client

    async def look_up(self, client_id: str) -> UnregisteredClient | None:
        """Give a client as the database has it now, or None as ``find``."""
        if unregistered_kind(client_id) is None:
            return None
        found, _ = _read(await self._store.read(sql.UNREGISTERED_CLIENT, client_id))
        return found[0] if found else None

    async def page(
        self, after: str = "", limit: int = BATCH
    ) -> tuple[list[UnregisteredClient], dict[str, str], str | None]:
        """Give clients by their id.

        Args:
            after: the id after which they begin.
            limit: how many at most.

        Returns:
            Those that can be read; why each of the others can't, by its id; and the last id, where
            there may be more after it.
        """
        rows = await self._store.read(sql.UNREGISTERED_CLIENTS, after, limit)
        last = _Row(*rows[-1]).client_id if len(rows) == limit else None
        return (*_read(rows), last)

    async def save(
        self,
        client_id: str,
        metadata: ClientMetadata,
        origin: Origin,
        *,
        etag: str = "",
        fresh_until: int | None = None,
    ) -> UnregisteredClient:
        """Keep a client, instead of what there was of it before.

        Args:
            client_id: its id, of one of the two forms.
            metadata: what it says of itself.
            origin: who asked.
            etag: what the server of its document calls that, or "".
            fresh_until: when its document is read again, in microseconds since 1970, or None.

        Raises:
            ClientRefused: naming the member at fault.
        """
        kind = unregistered_kind(client_id)
        if kind is None:
            raise ClientRefused("the id is of neither form", member="client_id")
        check_unregistered(metadata)
        now, text = self._clock(), msgspec.json.encode(metadata).decode()
        row = (client_id, kind, text, etag, now, fresh_until, now + UNUSED_KEPT)

        def work() -> Transaction[Rows]:
            before = yield sql.UNREGISTERED_CLIENT, (client_id,)
            yield sql.SAVE_UNREGISTERED_CLIENT, row
            if not before or _Row(*before[0]).metadata != text:
                event = Event.CLIENT_CHANGED if before else Event.CLIENT_CREATED
                yield from record(now, event, origin, reason=client_id)
            return (yield sql.UNREGISTERED_CLIENT, (client_id,))

        [saved], _ = _read(await self._store.transact(work))
        self._remembered.pop(client_id, None)
        return saved

    async def freshen(self, client_id: str, fresh_until: int) -> None:
        """Say that a document has not changed, and when it is read again."""
        await self._store.write(sql.FRESHEN_UNREGISTERED_CLIENT, fresh_until, client_id)

    async def note_use(self, client: Client) -> None:
        """Note, to the day, that a client is used."""
        now = self._clock()
        _, remembered = self._remembered.get(client.id, (0, None))
        used_at = None if remembered is None else remembered.used_at
        if used_at is not None and 0 <= now - used_at < DAY:
            return
        values = (now, now + USED_KEPT, client.id, now - DAY)
        await self._store.write(sql.USE_UNREGISTERED_CLIENT, *values)
        self._remembered.pop(client.id, None)

    def forget(self, client_id: str) -> None:
        """Read a client anew when it is asked for next: it was changed."""
        self._remembered.pop(client_id, None)

    def ending(self, client_id: str, reason: str, now: int, origin: Origin) -> Transaction[int]:
        """Forget who has let a client in, and end its sessions, in the caller's transaction.

        Nobody but those who have let it in has sessions with it, so that these are found without
        looking through all of them: whoever wants to can register clients, and remove them.

        Args:
            client_id: which.
            reason: why the sessions end, for the audit log.
            now: in microseconds since 1970.
            origin: who asked.

        Returns:
            How many sessions end.
        """
        consents = yield sql.FORGET_CONSENTS_TO_CLIENT, (client_id,)
        yield sql.FORGET_LOGOUT_FAILURE, (client_id,)
        ended = 0
        for account_id in dict.fromkeys(account_id for (account_id,) in consents):
            about = (account_id, client_id, reason, now, origin)
            ended += yield from self._sessions.ending_with_client(*about)
        return ended

    async def remove(self, client_id: str, origin: Origin) -> int:
        """Remove a client, end its sessions, forget who has consented, and give their number.

        Raises:
            ClientRefused: ``unknown_client``.
        """
        ended = None
        if unregistered_kind(client_id) is not None:
            removal = (sql.REMOVE_UNREGISTERED_CLIENT, (client_id,))
            about = (client_id, removal, "client_removed", origin)
            ended = await self._store.transact(partial(self._removing, *about))
        if ended is None:
            raise ClientRefused(
                f"there is no client {client_id!r}", code="unknown_client", member="client_id"
            )
        return ended

    async def sweep(self) -> None:
        """Remove unused ones, in small batches: first those that nobody has allowed."""
        now = self._clock()
        swept = BATCH
        while swept == BATCH:
            swept = await self._store.transact(partial(self._sweeping, now))
        swept = BATCH
        while swept == BATCH:
            rows = await self._store.read(sql.EXPIRED_UNREGISTERED_CLIENTS, now, BATCH)
            for (client_id,) in rows:
                await self._expire(client_id, now)
            swept = len(rows)

    def _sweeping(self, now: int) -> Transaction[int]:
        """Remove many at once that nothing hangs on; the audit log has one entry for them."""
        swept = len((yield sql.SWEEP_UNREGISTERED_CLIENTS, (now, BATCH)))
        if swept:
            reason = f"{swept} clients that nobody had allowed"
            yield from record(now, Event.CLIENT_REMOVED, SERVICE, reason=reason)
        return swept

    async def _expire(self, client_id: str, now: int) -> None:
        removal = (sql.REMOVE_EXPIRED_UNREGISTERED_CLIENT, (client_id, now))
        about = (client_id, removal, "client_expired", SERVICE)
        await self._store.transact(partial(self._removing, *about))

    def _removing(
        self, client_id: str, removal: tuple[str, tuple[Any, ...]], reason: str, origin: Origin
    ) -> Transaction[int | None]:
        """Remove a client, and give how many sessions end, or None where there is no such."""
        if not (yield removal):
            return None
        self._remembered.pop(client_id, None)
        now = self._clock()
        yield from record(now, Event.CLIENT_REMOVED, origin, reason=client_id)
        return (yield from self.ending(client_id, reason, now, origin))


def unregistered_kind(client_id: str) -> UnregisteredKind | None:
    """Say which kind of client has ids of this form, or None where it is a registered one's."""
    return next((kind for kind, form in _FORMS.items() if form.fullmatch(client_id)), None)


def shown_name(name: str) -> str:
    """Give what a client calls itself as people are shown it: short, and with nothing unseen."""
    spaced = " ".join(name.split())
    seen = "".join(letter for letter in spaced if unicodedata.category(letter) not in _UNSEEN)
    seen = " ".join(seen.split())
    return seen if len(seen) <= LONGEST_SHOWN else f"{seen[:LONGEST_SHOWN]}…"


def check_unregistered(metadata: ClientMetadata) -> None:
    """Check that a client says of itself what it may say, and that it makes sense together.

    Raises:
        ClientRefused: naming the member at fault.
    """
    _check_trust(metadata)
    if not _GRANTS.issuperset(metadata.grant_types):
        raise ClientRefused(
            "grant_types names authorization_code and refresh_token alone: other grants are for "
            "clients that an administrator has registered",
            member="grant_types",
        )
    check_metadata(metadata)


def _check_trust(metadata: ClientMetadata) -> None:
    for member in _ADMINISTRATORS:
        if getattr(metadata, member) != getattr(_DEFAULTS, member):
            raise ClientRefused(f"only an administrator can set {member}", member=member)


def _read(rows: Rows) -> tuple[list[UnregisteredClient], dict[str, str]]:
    """Read rows; one that can't be read harms itself alone."""
    found, unreadable = [], {}
    for row in (_Row(*columns) for columns in rows):
        try:
            client = client_of(
                row.client_id, row.secret_hash, None, None, row.metadata, row.created_at
            )
            _check_trust(client.metadata)
        except Exception as error:
            # Only the kind of the error: its words may quote what stands there.
            unreadable[row.client_id] = type(error).__name__
            _log.warning("row_unreadable", kind="unregistered_client", name=row.client_id)
            continue
        found.append(
            UnregisteredClient(
                client._replace(unregistered=True),
                row.kind,
                changed_at=row.changed_at,
                used_at=row.used_at,
                expires_at=row.expires_at,
                token_hash=row.token_hash,
                etag=row.etag,
                fresh_until=row.fresh_until,
            )
        )
    return found, unreadable
