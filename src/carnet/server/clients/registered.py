"""What is registered: every client and every resource, in memory.

They change rarely and are asked for with every token, so a process holds all of them, except the
clients that no administrator has registered (``unregistered``). A change raises a counter in its
own transaction; each process asks for the counters many times a second and reads everything again
when this one has moved.

The client of a row that can't be read gets no tokens, and its resource is given none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from carnet.server.clients.clients import FIRST_PARTY_CLIENT, Client, ClientMetadata
from carnet.server.clients.kinds import CLIENTS, RESOURCES
from carnet.server.clients.profiles import ALGORITHMS
from carnet.server.clients.records import Records
from carnet.server.clients.resources import Resource, own_api
from carnet.server.clients.scopes import ALWAYS_GRANTABLE, ScopeTable
from carnet.server.clients.unregistered import UnregisteredClients
from carnet.server.clock import Clock
from carnet.server.resource_urls import canonical_resource
from carnet.server.sessions.sessions import Sessions
from carnet.server.settings import Settings
from carnet.server.store import Store

__all__ = ["Registered"]

MOST_DECISIONS: Final = 64
"""Of how many grants it is remembered for a client what it gets of them."""


class _Offer(NamedTuple):
    """What there is for a client to ask for, as its metadata say.

    Attributes:
        metadata: those.
        audiences: what it may ask tokens for.
        scopes: what it may be granted.
        decided: the audience and the scope that it gets, by those that were granted to a session.
        served: the audiences that it serves itself.
    """

    metadata: ClientMetadata
    audiences: tuple[str, ...]
    scopes: frozenset[str]
    decided: dict[tuple[str, str], tuple[str, str]]
    served: frozenset[str] = frozenset()


class Registered:
    """What is registered, as this process knows it.

    Args:
        store: where they are kept.
        sessions: those of an unregistered client that is removed end with it.
        settings: the issuer, the audiences, the algorithms, and what scopes release.
        clock: gives the microseconds since 1970.

    Attributes:
        audiences: every other service that tokens may be for; the first is the default.
        scopes: what scopes release of an account.
        unregistered: the clients that no administrator has registered.
        open_audiences: the services that those may ask tokens for.
        exchanging: the clients that may exchange people's tokens.
        generation: grows whenever something in the registry changes.
    """

    def __init__(self, store: Store, sessions: Sessions, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._loading = asyncio.Lock()
        self._clients = Records(CLIENTS, store, clock)
        self._resources = Records(RESOURCES, store, clock)
        self._own = {name: Resource(name) for name in settings.audiences}
        self._issuer = own_api(settings.own_url)
        self._known = self._own
        self._spellings: dict[str, str] = {}
        self._offers: dict[str, _Offer] = {}
        self._trusting: dict[str, tuple[Client, ...]] = {}
        self._open_scopes: frozenset[str] = frozenset()
        self.open_audiences: tuple[str, ...] = ()
        self.exchanging: tuple[Client, ...] = ()
        self.unregistered = UnregisteredClients(store, sessions, clock)
        self.audiences: tuple[str, ...] = settings.audiences
        self.scopes = ScopeTable(settings)
        self.generation = 0

    @property
    def unreadable_clients(self) -> dict[str, str]:
        """Why each client whose row can't be read is left out, by its id."""
        return self._clients.unreadable

    @property
    def unreadable_resources(self) -> dict[str, str]:
        """The same for resources, by their audience."""
        return self._resources.unreadable

    def is_unreadable(self, client_id: str) -> bool:
        """Tell whether there is such a client, but its row can't be read."""
        return client_id in self._clients.unreadable

    async def find(self, client_id: str) -> Client | None:
        """Give a client, or None where there is none of this id.

        For a registered one ``client`` does the same without waiting.
        """
        return self.client(client_id) or await self.unregistered.find(client_id)

    def client(self, client_id: str) -> Client | None:
        """Give a client that is registered, or None where none of this id is."""
        if client_id == FIRST_PARTY_CLIENT.id:
            return FIRST_PARTY_CLIENT
        return self._clients.known.get(client_id)

    def trusting(self, issuer: str) -> tuple[Client, ...]:
        """Give the clients that may prove themselves with tokens of an issuer."""
        return self._trusting.get(issuer, ())

    def name_of(self, client_id: str) -> str:
        """Give what a client calls itself, or its id where it says nothing, or is gone."""
        client = self.client(client_id)
        return (client.metadata.client_name if client is not None else "") or client_id

    def resource(self, audience: str) -> Resource | None:
        """Give what tokens may be for, or None where they may not be for that."""
        if audience == self._issuer.audience:
            return self._issuer
        return self._known.get(audience)

    def signing_alg(self, audience: str) -> str:
        """Give what access tokens for an audience are signed with."""
        alg = self._settings.audience_algorithms.get(audience)
        resource = self.resource(audience)
        if resource is not None:
            alg = resource.metadata.signing_alg or alg
        known = self._settings.signing_algorithms
        return alg if alg in known else known[0]

    def spelled(self, audience: str) -> str:
        """Give the registered spelling of what a client has named; of an unknown name, itself.

        It is what tokens name: a service compares their ``aud`` with the one text that its operator
        has written here and there, whichever spelling the client has used.
        """
        if audience in self._known or audience == self._issuer.audience:
            return audience
        return self._spellings.get(canonical_resource(audience), audience)

    def audiences_of(self, client: Client) -> tuple[str, ...]:
        """Give everything that a client may ask tokens for; the first is its default.

        The service's own API is not among them, unless the client is first-party or names it.
        """
        return self._offer(client).audiences

    def served_by(self, client: Client) -> frozenset[str]:
        """Give the audiences that a client serves itself, and whose tokens it may ask about."""
        return self._offer(client).served

    def scopes_of(self, client: Client) -> frozenset[str]:
        """Give the scopes that a client may be granted by a person.

        Those of the service's own API only where the client's own list has them.
        """
        return self._offer(client).scopes

    def permitted(self, client: Client, audience: str, scopes: Iterable[str]) -> frozenset[str]:
        """Give which of some scopes a client may be granted at a resource.

        Args:
            client: who asks.
            audience: the resource; one with a list of scopes knows no others. One without knows
                those that the client's own list has, and so none of another resource's for a
                client that has no list.
            scopes: what is asked for.
        """
        asked = set(scopes)
        # A single claim is allowed by the scopes that release it, and by nothing else.
        single = {name: self.scopes.wider[name] for name in asked if name in self.scopes.wider}
        allowed = self.scopes_of(client).intersection(asked.union(*single.values()))
        resource = self.resource(audience)
        narrowed = bool(client.metadata.scope) and not client.unregistered
        if resource is not None and (resource.metadata.scopes or not narrowed):
            # Those that release claims mean something to the service itself.
            allowed &= {*resource.metadata.scopes, *self.scopes.names}
        claims = {name for name, wider in single.items() if not wider.isdisjoint(allowed)}
        return allowed.intersection(asked).difference(single) | claims

    def left_of(self, client: Client, audience: str, granted: str) -> str:
        """Give what a client may still have of what was granted, names with spaces between them."""
        return " ".join(sorted(self.permitted(client, audience, granted.split())))

    def decided_for(self, client: Client) -> dict[tuple[str, str], tuple[str, str]]:
        """Give the audiences and scopes that a client gets, by those that were granted.

        It is for whoever decides of them by nothing but the client and the registry to remember
        them, until something changes: the line "refresh" of the benchmark ``requests``.
        """
        decided = self._offer(client).decided
        if len(decided) >= MOST_DECISIONS:
            decided.clear()
        return decided

    def _offer(self, client: Client) -> _Offer:
        """Give what there is for a client; it is found out once, until something changes."""
        metadata = client.metadata
        if client.unregistered:
            return _Offer(metadata, self.open_audiences, self._open_scopes, {})
        found = self._offers.get(client.id)
        if found is not None and found.metadata is metadata:
            return found
        if metadata.resources:
            named = dict.fromkeys(self.spelled(name) for name in metadata.resources)
            audiences = tuple(name for name in named if self.resource(name) is not None)
        elif metadata.first_party:
            audiences = (*self.audiences, self._issuer.audience)
        else:
            audiences = self.audiences
        if metadata.profile is not None:
            audiences = tuple(one for one in audiences if self.signing_alg(one) in ALGORITHMS)
        if metadata.scopes:
            scopes = metadata.scopes | ALWAYS_GRANTABLE
        else:
            known = (self._known[name] for name in audiences if name in self._known)
            scopes = self._offered(resource.metadata.scopes for resource in known)
        served = frozenset(self.spelled(name) for name in metadata.introspects)
        found = self._offers[client.id] = _Offer(metadata, audiences, scopes, {}, served)
        return found

    def _offered(self, scopes: Iterable[Iterable[str]]) -> frozenset[str]:
        """Give what resources with these scopes offer to a client without a list of its own.

        None of the service's own API's, even if another resource knows one of that name.
        """
        offered = frozenset(self.scopes.names).union(*scopes)
        return offered.difference(self._issuer.metadata.scopes)

    def clients(self) -> list[Client]:
        """Give every client, by its id."""
        return sorted(self._clients.known.values())

    def resources(self) -> list[Resource]:
        """Give every resource that is not in the settings alone, by its audience."""
        return sorted(self._resources.known.values())

    async def load(self) -> None:
        """Read everything from the database."""
        # One after the other: what was read before a change never replaces what was read after.
        async with self._loading:
            clients, resources = await self._clients.read(), await self._resources.read()
            self._clients.take(clients)
            self._resources.take(resources)
        known_clients = self._clients.known.values()
        self.exchanging = tuple(one for one in known_clients if one.metadata.exchange_from)
        rows = (*self._resources.known, *self.unreadable_resources)
        spellings = {canonical_resource(name): name for name in rows}
        # What the settings name is no way around a row that may ask for more, such as encryption:
        # not in another spelling either.
        own = {
            name: one
            for name, one in self._own.items()
            if spellings.get(canonical_resource(name), name) == name
        }
        # One that was made before the issuer had this address is not the API.
        issuer = canonical_resource(self._issuer.audience)
        known = {
            name: one
            for name, one in {**own, **self._resources.known}.items()
            if canonical_resource(name) != issuer
        }
        self.audiences = tuple(known)
        for audience in self.unreadable_resources:
            known.pop(audience, None)
        self._known = known
        is_open = {
            name: one.metadata.scopes
            for name, one in known.items()
            if one.metadata.unregistered_clients
        }
        self.open_audiences = tuple(sorted(is_open))
        self._open_scopes = self._offered(is_open.values())
        self._spellings = {
            canonical_resource(name): name for name in (*known, self._issuer.audience)
        }
        self._offers = {}
        trusting: dict[str, dict[str, Client]] = {}
        for client in self._clients.known.values():
            for credential in client.metadata.federated_credentials:
                trusting.setdefault(credential.issuer, {})[client.id] = client
        self._trusting = {issuer: tuple(one.values()) for issuer, one in trusting.items()}
        self.generation += 1
