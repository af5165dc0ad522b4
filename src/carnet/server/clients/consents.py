"""Consents: which client an account allows, for which resource, and to do what.

Who has consented once is asked no more, until the consent is withdrawn; then the client's sessions
end. A client of the service's own operator, first-party, needs no consent; for one that nobody has
registered, people are asked each time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from carnet.server.audit import Event, Origin, record
from carnet.server.clients.clients import Client
from carnet.server.clock import Clock
from carnet.server.sessions.sessions import Sessions
from carnet.server.store import Rows, Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["ConnectedApplication", "Consents", "hold_consent"]


class ConnectedApplication(NamedTuple):
    """A client, as the one who let it in sees it.

    Attributes:
        client_id: which.
        name: what it calls itself.
        scope: what it may do, at one resource or another; names with spaces between them.
        granted_at: when it was last allowed, in microseconds since 1970.
        resources: what it may do at each of the resources that it was given access to; "" is
            where the consent is older than the question for which resource.
    """

    client_id: str
    name: str
    scope: str
    granted_at: int
    resources: dict[str, str]


class Consents:
    """The consents of all accounts, remembered until they are withdrawn.

    Args:
        store: where they are kept.
        sessions: those that a consent allowed end when it is withdrawn.
        clock: gives the microseconds since 1970.
    """

    def __init__(self, store: Store, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock

    async def is_needed(
        self, account_id: str, client: Client, redirect_uri: str, resource: str, scope: str
    ) -> bool:
        """Tell whether somebody must be asked before a client gets what it asks for.

        Args:
            account_id: who would be asked.
            client: who asks.
            redirect_uri: where the answer goes.
            resource: what its tokens would be for.
            scope: what they would allow, names with spaces between them.
        """
        if client.metadata.first_party:
            return False
        # What is known of it is what it says of itself, and may be something else by now.
        if client.unregistered:
            return True
        # Any program on a device may claim to be a client that can't prove who it is: a consent to
        # one is no consent to the other (RFC 8252 section 8.6).
        if client.metadata.is_public and not redirect_uri.startswith("https://"):
            return True
        rows = await self._store.read(sql.CONSENT, account_id, client.id, resource)
        return not _covers(_scopes(rows), scope)

    async def grant(
        self, account_id: str, client_id: str, resource: str, scope: str, origin: Origin
    ) -> None:
        """Remember a consent; what was granted before stays granted."""
        now = self._clock()

        def work() -> Transaction[None]:
            # Of two consents at once, none is lost; and whoever merges the account has shown them
            # all, or waits.
            yield sql.SETTLE_ACCOUNT, (account_id,)
            before = _scopes((yield sql.CONSENT, (account_id, client_id, resource)))
            whole = " ".join(sorted({*scope.split()}.union(*before)))
            yield sql.ADD_CONSENT, (client_id, resource, whole, now, account_id)
            yield sql.FORGET_CONSENT_TO_NO_RESOURCE, (account_id, client_id)
            about = {"account_id": account_id, "reason": client_id}
            yield from record(now, Event.CONSENT_GIVEN, origin, **about)

        await self._store.transact(work)

    async def applications(self, account_id: str) -> list[ConnectedApplication]:
        """Give the clients that an account allows, newest first."""
        rows = await self._store.read(sql.CONNECTED_APPLICATIONS, account_id)
        found: dict[str, ConnectedApplication] = {}
        for client_id, resource, scope, granted_at, metadata in rows:
            name = _name(metadata) or client_id
            new = ConnectedApplication(client_id, name, "", granted_at, {})
            one = found.setdefault(client_id, new)
            one.resources[resource] = scope
            whole = " ".join(sorted({*one.scope.split(), *scope.split()}))
            found[client_id] = one._replace(scope=whole)
        return list(found.values())

    async def withdraw(self, account_id: str, client_id: str, origin: Origin) -> None:
        """Take back what a client was granted, and end its sessions."""
        now = self._clock()

        def work() -> Transaction[None]:
            # Whoever merges the account waits. And it may be withdrawn already: to be sure of that
            # is to write.
            yield sql.SETTLE_ACCOUNT, (account_id,)
            if not (yield sql.WITHDRAW_CONSENT, (account_id, client_id)):
                return
            about = {"account_id": account_id, "reason": client_id}
            yield from record(now, Event.CONSENT_WITHDRAWN, origin, **about)
            yield from self._sessions.ending_with_client(
                account_id, client_id, "application_disconnected", now, origin
            )

        await self._store.transact(work)


def hold_consent(account_id: str, client: Client, resource: str, scope: str) -> Transaction[bool]:
    """Tell whether an account allows a client a scope, and keep it so until the transaction ends.

    A consent that is withdrawn meanwhile waits for the transaction.
    """
    if client.metadata.first_party:
        return True
    return _covers(_scopes((yield sql.HOLD_CONSENT, (account_id, client.id, resource))), scope)


def _scopes(rows: Rows) -> list[set[str]]:
    """Read what the rows of a consent, one or none, allow."""
    return [set(scope.split()) for (scope,) in rows]


def _covers(granted: list[set[str]], scope: str) -> bool:
    return any(set(scope.split()) <= one for one in granted)


def _name(metadata: str | None) -> str:
    """Give what a client calls itself; "" where it is gone, or its row can't be read."""
    try:
        name = msgspec.json.decode(metadata or "{}", type=dict[str, Any]).get("client_name")
    except (msgspec.MsgspecError, UnicodeError):
        return ""
    return name if isinstance(name, str) else ""
