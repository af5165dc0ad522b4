"""Planning what makes the registry as it is to be, and carrying a plan out in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import (
    Client,
    ClientMetadata,
    ClientRefused,
    check_client_id,
)
from carnet.server.clients.configuration import SECRET, Change, Configuration, Plan, refusing
from carnet.server.clients.kinds import columns_of
from carnet.server.clients.metadata_checks import check_metadata
from carnet.server.clients.records import COUNTER, Records
from carnet.server.clients.resources import Resource, check_resource_metadata
from carnet.server.clock import Clock
from carnet.server.resource_urls import canonical_resource
from carnet.server.sessions.sessions import Sessions
from carnet.server.settings import Settings
from carnet.server.store import Transaction
from carnet.server.store import statements as sql

__all__ = ["Planner"]


class Planner:
    """Makes plans, and their parts of transactions.

    Args:
        clients: those that there are.
        resources: the same.
        sessions: those of a client that is removed end with it.
        settings: the issuer, the audiences and the algorithms.
        clock: gives the microseconds since 1970.
    """

    def __init__(
        self,
        clients: Records[Client],
        resources: Records[Resource],
        sessions: Sessions,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._resources = resources
        self._sessions = sessions
        self._settings = settings
        self._clock = clock

    def plan(self, wanted: Configuration, number: int, *, prune: bool) -> Plan:
        """Find out what makes what is known as it is to be.

        Args:
            wanted: what there is to be.
            number: of the last change that is surely known.
            prune: whether everything else is removed.

        Raises:
            EntryRefused: naming the client or resource that can't be so.
        """
        kept = () if prune else self._resources.known
        audiences = (*self._settings.audiences, *kept, *wanted.resources)
        changes = []
        for audience, metadata in wanted.resources.items():
            with refusing("resource", audience, self._resources.unreadable):
                check_resource_metadata(audience, metadata, self._settings)
                self._check_spelling(audience, (*audiences, *self._resources.unreadable))
            before = self._resources.known.get(audience)
            changes.append(Change("resource", audience, before, Resource(audience, metadata)))
        for client_id, described in wanted.clients.items():
            with refusing("client", client_id, self._clients.unreadable):
                check_client_id(client_id)
                self.check(described.metadata, audiences)
                known = self._clients.known.get(client_id)
                after = described.after(client_id, known, self._clock())
            if known is not None:
                known = known._replace(secrets=known.secrets.at(self._clock()))
            changes.append(Change("client", client_id, known, after))
        # Resources come before the clients that may ask for them, and go after those.
        others = [
            *(Change("client", one.id, one) for one in sorted(self._clients.known.values())),
            *(
                Change("resource", one.audience, one)
                for one in sorted(self._resources.known.values())
            ),
        ]
        others = [one for one in others if one.name not in wanted.of(one.kind)]
        changes = [one for one in changes if one.differs]
        return Plan([*changes, *others], number) if prune else Plan(changes, number, others)

    def applying(self, plan: Plan, origin: Origin) -> Transaction[None]:
        """Make all changes of a plan.

        Raises:
            ClientRefused: ``registry_changed``.
        """
        # Whoever changes something meanwhile waits here, or has done so before.
        if not (yield sql.NEXT_NUMBER_AFTER, (COUNTER, plan.number)):
            raise ClientRefused(
                "clients or resources were changed at the same moment, and nothing was changed "
                "here; check them, then try again",
                code="registry_changed",
            )
        for change in plan.changes:
            yield from self._making(change, origin)

    def _making(self, change: Change, origin: Origin) -> Transaction[None]:
        records = self._clients if change.kind == "client" else self._resources
        name, before, after = change.name, change.before, change.after
        if after is None and change.kind == "client":
            yield from self.removing_client(name, origin)
        elif after is None:
            yield from records.removing(name, origin)
        elif before is None:
            yield from records.adding(name, *columns_of(after), origin=origin)
        else:
            yield from records.replacing(name, *columns_of(after), origin=origin)
        if SECRET in change.members and before is not None and after is not None:
            yield from record(self._clock(), Event.CLIENT_SECRET_CHANGED, origin, reason=name)

    def adding_resource(
        self, audience: str, *columns: Any, origin: Origin
    ) -> Transaction[Resource]:
        """Add a resource, unless there is the same in another spelling.

        Raises:
            ClientRefused: ``id_taken``.
        """
        made = yield from self._resources.adding(audience, *columns, origin=origin)
        # After the number of the change is taken: whoever adds the other spelling at the same
        # moment either has done so, or waits for this.
        rows = yield sql.RESOURCES, ()
        self._check_spelling(audience, (*self._settings.audiences, *(row[0] for row in rows)))
        return made

    def _check_spelling(self, audience: str, others: Iterable[str]) -> None:
        canonical = canonical_resource(audience)
        for other in others:
            if other != audience and canonical_resource(other) == canonical:
                raise ClientRefused(
                    f"{audience} is another spelling of the resource {other}",
                    code="id_taken",
                    member="audience",
                )

    def removing_client(self, client_id: str, origin: Origin) -> Transaction[int]:
        """Remove a client and what is its own, and give how many sessions end."""
        yield from self._clients.removing(client_id, origin)
        yield sql.FORGET_CONSENTS_TO_CLIENT, (client_id,)
        yield sql.FORGET_LOGOUT_FAILURE, (client_id,)
        about = (client_id, "client_removed", self._clock(), origin)
        return (yield from self._sessions.ending_of_client(*about))

    def check(self, metadata: ClientMetadata, audiences: Collection[str]) -> None:
        """Check a client's metadata, and that what it names may have tokens.

        Raises:
            ClientRefused: naming the member at fault and what was expected.
        """
        check_metadata(metadata)
        spellings = {canonical_resource(audience) for audience in audiences}
        own = canonical_resource(self._settings.own_url)
        for name in ("identity_assertions", "identity_issuers"):
            if own in map(canonical_resource, getattr(metadata, name)):
                raise ClientRefused(
                    f"{name} names this service itself: it takes no assertions of its own",
                    member=name,
                )
        for name in ("resources", "introspects", "exchange_from", "exchange_to"):
            for audience in getattr(metadata, name):
                canonical = canonical_resource(audience)
                may_be = name == "resources" and canonical == own
                if canonical not in spellings and not may_be:
                    raise ClientRefused(
                        f"{name} names {audience}, which is no audience of this service: "
                        "add the resource first",
                        member=name,
                    )
