"""The applications that somebody has let in, and how to turn one away again."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from carnet.server.audit import Event, Origin, record
from carnet.server.service import Service
from carnet.server.store import Transaction
from carnet.server.store import statements as sql

__all__ = ["Application", "connected", "disconnect"]


class Application(NamedTuple):
    """An application, as the one who let it in sees it.

    Attributes:
        client_id: which.
        name: what it calls itself.
        scope: what it may do, at one resource or another; names with spaces between them.
        granted_at: when it was let in last, in microseconds since 1970.
        resources: what it may do at each of the resources that it was let in to; "" is where the
            consent is older than the question for which resource.
    """

    client_id: str
    name: str
    scope: str
    granted_at: int
    resources: dict[str, str]


async def connected(service: Service, account_id: str) -> list[Application]:
    """Give the applications of an account, the newest first."""
    rows = await service.store.read(sql.CONNECTED_APPLICATIONS, account_id)
    found: dict[str, Application] = {}
    for client_id, resource, scope, granted_at, metadata in rows:
        name = _name(metadata) or client_id
        one = found.setdefault(client_id, Application(client_id, name, "", granted_at, {}))
        one.resources[resource] = scope
        whole = " ".join(sorted({*one.scope.split(), *scope.split()}))
        found[client_id] = one._replace(scope=whole)
    return list(found.values())


async def disconnect(service: Service, account_id: str, client_id: str, origin: Origin) -> None:
    """Take back what an application was granted, and end its sessions."""
    now = service.clock()
    reason = "application_disconnected"

    def work() -> Transaction[None]:
        if not (yield sql.WITHDRAW_CONSENT, (account_id, client_id)):
            return
        about = {"account_id": account_id, "reason": client_id}
        yield from record(now, Event.CONSENT_WITHDRAWN, origin, **about)
        values = (now, reason, client_id, account_id)
        for (session_id,) in (yield sql.END_SESSIONS_OF_CLIENT, values):
            yield from service.revocations.revoke_session(session_id, now)
            ended = {"account_id": account_id, "session_id": session_id, "reason": reason}
            yield from record(now, Event.SESSION_ENDED, origin, **ended)

    await service.store.transact(work)


def _name(metadata: str | None) -> str:
    name = msgspec.json.decode(metadata).get("client_name") if metadata else None
    return name if isinstance(name, str) else ""
