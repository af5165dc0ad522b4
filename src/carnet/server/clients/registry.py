"""The registry: what is registered, and every change of it.

A change is one transaction; this process reads everything again after its own, and each other
process soon does (``registered``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from carnet.server.audit import Event, Origin
from carnet.server.clients.clients import (
    Client,
    ClientMetadata,
    ClientRefused,
    Secrets,
    check_client_id,
    hash_secret,
)
from carnet.server.clients.configuration import Change, Configuration, Plan, with_members
from carnet.server.clients.kinds import columns_of
from carnet.server.clients.planning import Planner
from carnet.server.clients.records import COUNTER
from carnet.server.clients.registered import Registered
from carnet.server.clients.resources import Resource, ResourceMetadata, check_resource_metadata
from carnet.server.clients.sectors import check_sector
from carnet.server.clients.unregistered import unregistered_kind
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.sessions.sessions import Sessions
from carnet.server.settings import Settings
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql
from carnet.server.store.counters import read_counters

__all__ = ["Registry"]

SECRET_SIZE: Final = 32

T = TypeVar("T")


class Registry(Registered):
    """The clients and the resources of the service.

    Args:
        store: where they are kept.
        sessions: those of a client that is removed end with it.
        settings: the issuer, the audiences, the algorithms, and what scopes release.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, sessions: Sessions, settings: Settings, clock: Clock) -> None:
        super().__init__(store, sessions, settings, clock)
        self._planner = Planner(self._clients, self._resources, sessions, settings, clock)

    async def add_client(
        self, metadata: ClientMetadata, origin: Origin, client_id: str | None = None
    ) -> tuple[Client, str | None]:
        """Make a client.

        Args:
            metadata: what it is.
            origin: who asked.
            client_id: its id; by default a random one.

        Returns:
            The client, and its secret where it has one: shown this once.

        Raises:
            ClientRefused: if it can't be made so, or if the id is taken.
        """
        self._planner.check(metadata, self.audiences)
        await check_sector(metadata, self._settings)
        if client_id is None:
            client_id = new_identifier()
        else:
            check_client_id(client_id)
        secret = new_identifier(SECRET_SIZE) if metadata.has_secret else None
        row = columns_of(Client(client_id, _secrets(secret), metadata))
        client = await self._change(lambda: self._clients.adding(client_id, *row, origin=origin))
        return client, secret

    async def replace_client(
        self, client_id: str, metadata: ClientMetadata, origin: Origin
    ) -> tuple[Client, str | None]:
        """Give a client other metadata instead of those that it has.

        Returns:
            The client, and its new secret where it had none and needs one now.

        Raises:
            ClientRefused: if it can't be so, ``unknown_client``, or ``registry_changed``.
        """
        # What nothing can be is told first, whichever client it is for.
        self._planner.check(metadata, self.audiences)
        return await self._change_client(client_id, lambda _: metadata, origin)

    async def edit_client(
        self, client_id: str, members: Mapping[str, Any], origin: Origin
    ) -> tuple[Client, str | None]:
        """Change some members of a client's metadata, and leave the others as they are.

        Args:
            client_id: which.
            members: their new values, as JSON holds them.
            origin: who asked.

        Returns:
            As ``replace_client``.

        Raises:
            ClientRefused: as ``replace_client``.
        """
        return await self._change_client(
            client_id, lambda before: with_members(before, members), origin
        )

    async def new_secret(
        self, client_id: str, origin: Origin, keep_previous: int | None = 0
    ) -> str:
        """Give a client another secret.

        Args:
            client_id: which.
            origin: who asked.
            keep_previous: for how many seconds the current secret goes on working; None for until
                it is removed. One that was kept before stops in any case.

        Raises:
            ClientRefused: ``unknown_client``, or ``no_secret`` for one that has none.
        """
        if not self._clients.find(client_id).metadata.has_secret:
            raise ClientRefused(f"the client {client_id} has no secret", code="no_secret")
        secret = new_identifier(SECRET_SIZE)
        change: tuple[Any, ...] = (sql.SET_CLIENT_SECRET, client_id, hash_secret(secret))
        if keep_previous != 0:
            until = None if keep_previous is None else self._clock() + keep_previous * SECOND
            change = (sql.ADD_CLIENT_SECRET, client_id, until, hash_secret(secret))
        event = Event.CLIENT_SECRET_CHANGED
        await self._change(lambda: self._clients.changing(*change, event=event, origin=origin))
        return secret

    async def remove_previous_secret(self, client_id: str, origin: Origin) -> None:
        """End the secret that a client had before its current one.

        Raises:
            ClientRefused: ``unknown_client``, or ``no_secret`` where there is none any more.
        """
        if self._clients.find(client_id).secrets.previous is None:
            raise ClientRefused(f"the client {client_id} has no previous secret", code="no_secret")
        statement, event = sql.REMOVE_PREVIOUS_SECRET, Event.CLIENT_SECRET_REMOVED
        await self._change(
            lambda: self._clients.changing(statement, client_id, event=event, origin=origin)
        )

    async def remove_client(self, client_id: str, origin: Origin) -> int:
        """Remove a client, end its sessions, forget who has consented, and give their number.

        Raises:
            ClientRefused: ``unknown_client``.
        """
        known = client_id in self._clients.known or client_id in self._clients.unreadable
        if unregistered_kind(client_id) is not None and not known:
            return await self.unregistered.remove(client_id, origin)
        return await self._change(lambda: self._planner.removing_client(client_id, origin))

    async def add_resource(
        self, audience: str, metadata: ResourceMetadata, origin: Origin
    ) -> Resource:
        """Make a resource; one of the settings' audiences can be described further this way.

        Raises:
            ClientRefused: if it can't be made so, or if there is one already.
        """
        check_resource_metadata(audience, metadata, self._settings)
        row = columns_of(Resource(audience, metadata))
        return await self._change(
            lambda: self._planner.adding_resource(audience, *row, origin=origin)
        )

    async def replace_resource(
        self, audience: str, metadata: ResourceMetadata, origin: Origin
    ) -> Resource:
        """Give a resource other metadata instead of those that it has.

        Raises:
            ClientRefused: if it can't be so, or ``unknown_resource``.
        """
        self._resources.find(audience)
        check_resource_metadata(audience, metadata, self._settings)
        row = columns_of(Resource(audience, metadata))
        await self._change(lambda: self._resources.replacing(audience, *row, origin=origin))
        return self._resources.find(audience)

    async def edit_resource(
        self, audience: str, members: Mapping[str, Any], origin: Origin
    ) -> Resource:
        """Change some members of a resource's metadata, and leave the others as they are.

        Raises:
            ClientRefused: as ``replace_resource``, or ``registry_changed``.
        """
        number = await self._load_numbered()
        before = self._resources.find(audience)
        metadata = with_members(before.metadata, members)
        check_resource_metadata(audience, metadata, self._settings)
        after = before._replace(metadata=metadata)
        change = Change("resource", audience, before, after)
        await self.apply(Plan([change] if change.differs else [], number), origin)
        return self._resources.find(audience)

    async def remove_resource(self, audience: str, origin: Origin) -> None:
        """Remove a resource: no more tokens are made for it.

        Raises:
            ClientRefused: ``unknown_resource``.
        """
        await self._change(lambda: self._resources.removing(audience, origin))

    async def plan(self, wanted: Configuration, *, prune: bool = False) -> Plan:
        """Find out what makes the registry as it is to be; nothing is changed yet.

        Args:
            wanted: what there is to be.
            prune: whether everything else is removed.

        Raises:
            EntryRefused: naming the client or resource that can't be so.
        """
        number = await self._load_numbered()
        return self._planner.plan(wanted, number, prune=prune)

    async def apply(self, plan: Plan, origin: Origin) -> None:
        """Make all changes of a plan in one transaction.

        Raises:
            ClientRefused: ``registry_changed`` where something has changed since the plan was made.
        """
        for change in plan.changes:
            if isinstance(change.after, Client):
                before = change.before.metadata if isinstance(change.before, Client) else None
                await check_sector(change.after.metadata, self._settings, before)
        if plan.changes:
            await self._change(lambda: self._planner.applying(plan, origin))

    async def _change_client(
        self, client_id: str, change: Callable[[ClientMetadata], ClientMetadata], origin: Origin
    ) -> tuple[Client, str | None]:
        """Change a client's metadata, where nobody changes the client meanwhile.

        Its row holds its secrets too: written from what another process has replaced by now, it
        would bring back a secret that was given up.
        """
        number = await self._load_numbered()
        before = self._clients.find(client_id)
        metadata = change(before.metadata)
        self._planner.check(metadata, self.audiences)
        after, secret = _with(before, metadata)
        planned = Change("client", client_id, before, after)
        await self.apply(Plan([planned] if planned.differs else [], number), origin)
        return self._clients.find(client_id), secret

    async def _change(self, work: Callable[[], Transaction[T]]) -> T:
        result = await self._store.transact(work)
        await self.load()
        return result

    async def _load_numbered(self) -> int:
        """Read everything, and give the number of the last change that is surely in it."""
        number = (await read_counters(self._store))[COUNTER]
        await self.load()
        return number


def _with(client: Client, metadata: ClientMetadata) -> tuple[Client, str | None]:
    """Give a client with other metadata, and its new secret where it had none and needs one."""
    if not metadata.has_secret:
        return client._replace(metadata=metadata, secrets=Secrets()), None
    if client.secrets.current is not None:
        return client._replace(metadata=metadata), None
    secret = new_identifier(SECRET_SIZE)
    return client._replace(metadata=metadata, secrets=_secrets(secret)), secret


def _secrets(secret: str | None) -> Secrets:
    return Secrets() if secret is None else Secrets(hash_secret(secret))
