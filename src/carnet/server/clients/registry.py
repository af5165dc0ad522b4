"""The registry: every client and every resource, in memory.

They change rarely and are asked for with every token, so a process holds all of them. A change
raises a counter in its own transaction; each process asks for the counters many times a second and
reads the registry again when this one has moved.

A row that can't be read harms itself alone: it is left out, logged, counted and shown to
administrators. Its client gets no tokens and its resource is given none, until it is removed or a
version of Carnet that understands it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
import structlog

from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import (
    FIRST_PARTY_CLIENT,
    Client,
    ClientMetadata,
    ClientRefused,
    check_client_id,
    check_metadata,
    client_of,
    hash_secret,
)
from carnet.server.clients.resources import (
    Resource,
    ResourceMetadata,
    check_resource_metadata,
    own_api,
    resource_of,
)
from carnet.server.clients.scopes import ALWAYS_GRANTABLE, ScopeTable
from carnet.server.clock import Clock
from carnet.server.identifiers import new_identifier
from carnet.server.metrics import UNREADABLE_ROWS
from carnet.server.sessions.sessions import Sessions
from carnet.server.settings import Settings
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Registry"]

COUNTER = "directory"
SECRET_SIZE = 32

T = TypeVar("T")

_log = structlog.get_logger()


class Registry:
    """The clients and the resources of the service.

    Args:
        store: where they are kept.
        sessions: those of a client that is removed end with it.
        settings: the issuer, the audiences, the algorithms, and what scopes release.
        clock: gives the microseconds since 1970.

    Attributes:
        audiences: every other service that tokens may be for; the first is the default.
        scopes: what scopes release of an account.
        generation: grows whenever something in the registry changes.
        unreadable_clients: why each client whose row can't be read is left out, by its id.
        unreadable_resources: the same for resources, by their audience.
    """

    def __init__(self, store: Store, sessions: Sessions, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._settings = settings
        self._clock = clock
        self._loading = asyncio.Lock()
        self._clients: dict[str, Client] = {}
        self._resources: dict[str, Resource] = {}
        self._own = {name: Resource(name) for name in settings.audiences}
        self._issuer = own_api(settings.own_url)
        self._known = self._own
        self.audiences: tuple[str, ...] = settings.audiences
        self.scopes = ScopeTable(settings)
        self.generation = 0
        self.unreadable_clients: dict[str, str] = {}
        self.unreadable_resources: dict[str, str] = {}

    def is_unreadable(self, client_id: str) -> bool:
        """Tell whether there is such a client, but its row can't be read."""
        return client_id in self.unreadable_clients

    def client(self, client_id: str) -> Client | None:
        """Give a client, or None where there is none of this id."""
        if client_id == FIRST_PARTY_CLIENT.id:
            return FIRST_PARTY_CLIENT
        return self._clients.get(client_id)

    def resource(self, audience: str) -> Resource | None:
        """Give what tokens may be for, or None where they may not be for that."""
        if audience == self._issuer.audience:
            return self._issuer
        return self._known.get(audience)

    def audiences_of(self, client: Client) -> tuple[str, ...]:
        """Give everything that a client may ask tokens for; the first is its default.

        The service's own API is not among them, unless the client is first-party or was told so.
        """
        listed = client.metadata.resources
        if listed:
            return tuple(name for name in listed if self.resource(name) is not None)
        if client.metadata.first_party:
            return (*self.audiences, self._issuer.audience)
        return self.audiences

    def scopes_of(self, client: Client) -> frozenset[str]:
        """Give the scopes that a client may be granted by a person.

        Those of the service's own API only where the client's own list has them.
        """
        own = client.metadata.scopes
        if own:
            return own | ALWAYS_GRANTABLE
        offered = (
            self._known[name].metadata.scopes
            for name in self.audiences_of(client)
            if name in self._known
        )
        return frozenset(self.scopes.names).union(*offered)

    def permitted(self, client: Client, audience: str, scopes: Iterable[str]) -> frozenset[str]:
        """Give which of some scopes a client may be granted at a resource.

        Args:
            client: who asks.
            audience: the resource; one with a list of scopes knows no others.
            scopes: what is asked for.
        """
        allowed = self.scopes_of(client).intersection(scopes)
        resource = self.resource(audience)
        if resource is not None and resource.metadata.scopes:
            # Those that release claims mean something to the service itself.
            allowed &= {*resource.metadata.scopes, *self.scopes.names}
        return allowed

    def clients(self) -> list[Client]:
        """Give every client, by its id."""
        return sorted(self._clients.values())

    def resources(self) -> list[Resource]:
        """Give every resource that is not in the settings alone, by its audience."""
        return sorted(self._resources.values())

    async def load(self) -> None:
        """Read everything from the database."""
        # One after the other: what was read before a change never replaces what was read after.
        async with self._loading:
            clients = await self._store.read(sql.CLIENTS)
            resources = await self._store.read(sql.RESOURCES)
            self._clients, self.unreadable_clients = _read(
                "client", clients, client_of, self.unreadable_clients
            )
            self._resources, self.unreadable_resources = _read(
                "resource", resources, resource_of, self.unreadable_resources
            )
        known = {**self._own, **self._resources}
        # One that was made before the issuer had this address is not the API.
        known.pop(self._issuer.audience, None)
        self.audiences = tuple(known)
        # What the settings name is no way around a row that may ask for more, such as encryption.
        for audience in self.unreadable_resources:
            known.pop(audience, None)
        self._known = known
        self.generation += 1

    async def add_client(
        self, metadata: ClientMetadata, origin: Origin, client_id: str | None = None
    ) -> tuple[Client, str | None]:
        """Make a client.

        Args:
            metadata: what it is.
            origin: who asked.
            client_id: its id; by default a random one.

        Returns:
            The client, and its secret where it has one: it is told this once.

        Raises:
            ClientRefused: if it can't be made so, or if the id is taken.
        """
        self._check(metadata)
        if client_id is None:
            client_id = new_identifier()
        else:
            check_client_id(client_id)
        secret = new_identifier(SECRET_SIZE) if metadata.has_secret else None
        hashed = None if secret is None else hash_secret(secret)
        now = self._clock()
        row = (client_id, hashed, _text(metadata), now)

        def work() -> Transaction[bool]:
            if not (yield sql.ADD_CLIENT, row):
                return False
            yield from self._changed(Event.CLIENT_CREATED, client_id, origin)
            return True

        if not await self._store.transact(work):
            raise ClientRefused(f"there is a client {client_id} already", code="id_taken")
        await self.load()
        return client_of(row), secret

    async def replace_client(
        self, client_id: str, metadata: ClientMetadata, origin: Origin
    ) -> tuple[Client, str | None]:
        """Give a client other metadata instead of those that it has.

        Returns:
            The client, and its new secret where it had none and needs one now.

        Raises:
            ClientRefused: if it can't be so, or ``unknown_client``.
        """
        self._check(metadata)
        current = self._find(client_id)
        hashed, secret = current.secret_hash, None
        if not metadata.has_secret:
            hashed = None
        elif hashed is None:
            secret = new_identifier(SECRET_SIZE)
            hashed = hash_secret(secret)

        def work() -> Transaction[bool]:
            if not (yield sql.REPLACE_CLIENT, (hashed, _text(metadata), client_id)):
                return False
            yield from self._changed(Event.CLIENT_CHANGED, client_id, origin)
            return True

        await self._change(work, client_id)
        return self._find(client_id), secret

    async def new_secret(self, client_id: str, origin: Origin) -> str:
        """Give a client another secret; the one before is good no more.

        Raises:
            ClientRefused: ``unknown_client``, or ``no_secret`` for one that has none.
        """
        if not self._find(client_id).metadata.has_secret:
            raise ClientRefused(f"the client {client_id} uses no secret", code="no_secret")
        secret = new_identifier(SECRET_SIZE)

        def work() -> Transaction[bool]:
            if not (yield sql.SET_CLIENT_SECRET, (hash_secret(secret), client_id)):
                return False
            yield from self._changed(Event.CLIENT_SECRET_CHANGED, client_id, origin)
            return True

        await self._change(work, client_id)
        return secret

    async def remove_client(self, client_id: str, origin: Origin) -> int:
        """Remove a client, end its sessions, forget who has consented, and give their number.

        Raises:
            ClientRefused: ``unknown_client``.
        """
        ended = 0

        def work() -> Transaction[bool]:
            nonlocal ended
            if not (yield sql.REMOVE_CLIENT, (client_id,)):
                return False
            yield sql.FORGET_CONSENTS_TO_CLIENT, (client_id,)
            yield sql.FORGET_LOGOUT_FAILURE, (client_id,)
            ended = yield from self._sessions.ending_of_client(
                client_id, "client_removed", self._clock(), origin
            )
            yield from self._changed(Event.CLIENT_REMOVED, client_id, origin)
            return True

        await self._change(work, client_id)
        return ended

    async def add_resource(
        self, audience: str, metadata: ResourceMetadata, origin: Origin
    ) -> Resource:
        """Make a resource; one of the settings' audiences can be told more about this way.

        Raises:
            ClientRefused: if it can't be made so, or if there is one already.
        """
        check_resource_metadata(audience, metadata, self._settings)
        row = (audience, _text(metadata), self._clock())

        def work() -> Transaction[bool]:
            if not (yield sql.ADD_RESOURCE, row):
                return False
            yield from self._changed(Event.RESOURCE_CREATED, audience, origin)
            return True

        if not await self._store.transact(work):
            raise ClientRefused(f"there is a resource {audience} already", code="id_taken")
        await self.load()
        return resource_of(row)

    async def replace_resource(
        self, audience: str, metadata: ResourceMetadata, origin: Origin
    ) -> Resource:
        """Give a resource other metadata instead of those that it has.

        Raises:
            ClientRefused: if it can't be so, or ``unknown_resource``.
        """
        if audience not in self._resources:
            raise _unknown_resource(audience)
        check_resource_metadata(audience, metadata, self._settings)

        def work() -> Transaction[bool]:
            if not (yield sql.REPLACE_RESOURCE, (_text(metadata), audience)):
                return False
            yield from self._changed(Event.RESOURCE_CHANGED, audience, origin)
            return True

        if not await self._store.transact(work):
            raise _unknown_resource(audience)
        await self.load()
        return self._resources[audience]

    async def remove_resource(self, audience: str, origin: Origin) -> None:
        """Remove a resource: no more tokens are made for it.

        Raises:
            ClientRefused: ``unknown_resource``.
        """

        def work() -> Transaction[bool]:
            if not (yield sql.REMOVE_RESOURCE, (audience,)):
                return False
            yield from self._changed(Event.RESOURCE_REMOVED, audience, origin)
            return True

        if not await self._store.transact(work):
            raise _unknown_resource(audience)
        await self.load()

    def _check(self, metadata: ClientMetadata) -> None:
        check_metadata(metadata)
        for name in ("resources", "introspects"):
            for audience in getattr(metadata, name):
                may_be = name == "resources" and audience == self._issuer.audience
                if audience not in self.audiences and not may_be:
                    raise ClientRefused(
                        f"{name} names {audience}, which is no audience of this service: "
                        "add the resource first"
                    )

    def _find(self, client_id: str) -> Client:
        client = self._clients.get(client_id)
        if client is None:
            raise _unknown_client(client_id)
        return client

    async def _change(self, work: Callable[[], Transaction[bool]], client_id: str) -> None:
        if not await self._store.transact(work):
            raise _unknown_client(client_id)
        await self.load()

    def _changed(self, event: Event, name: str, origin: Origin) -> Transaction[None]:
        yield sql.NEXT_NUMBER, (COUNTER,)
        yield from record(self._clock(), event, origin, reason=name)


def _read(
    kind: str, rows: Rows, make: Callable[[tuple[object, ...]], T], known: dict[str, str]
) -> tuple[dict[str, T], dict[str, str]]:
    """Make something of each row by its name, and tell which rows can't be read, and why."""
    good: dict[str, T] = {}
    unreadable: dict[str, str] = {}
    for row in rows:
        try:
            good[row[0]] = make(row)
        except Exception as error:
            # Only the kind of the error: its words may quote what stands there.
            unreadable[str(row[0])] = type(error).__name__
            if str(row[0]) not in known:
                _log.error("row_unreadable", kind=kind, name=str(row[0]), exc_info=error)
    UNREADABLE_ROWS.labels(kind).set(len(unreadable))
    return good, unreadable


def _text(metadata: ClientMetadata | ResourceMetadata) -> str:
    return msgspec.json.encode(metadata).decode()


def _unknown_client(client_id: str) -> ClientRefused:
    return ClientRefused(f"there is no client {client_id!r}", code="unknown_client")


def _unknown_resource(audience: str) -> ClientRefused:
    return ClientRefused(f"there is no resource {audience!r}", code="unknown_resource")
