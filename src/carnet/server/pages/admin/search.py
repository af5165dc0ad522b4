"""For administrators: one field that finds users, clients and sessions, ``/admin/search``."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_list import AccountSummary, summaries
from carnet.server.clients.clients import Client
from carnet.server.pages.rendering import render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.service import Service
from carnet.server.sessions.session_search import FoundSession, find_sessions
from carnet.server.user_agents import device_kind, device_name

__all__ = ["search_all"]

SHOWN: Final = 20
LONGEST: Final = 300
"""Characters of a search: nothing that can be found is longer."""


async def search_all(request: Request) -> Response:
    """Show the users, the clients and the sessions that a text finds."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    text = request.query_params.get("q", "").strip()
    users: list[AccountSummary] = []
    clients: list[Client] = []
    sessions: list[FoundSession] = []
    if text and text.isprintable() and len(text) <= LONGEST:
        about = service.store, service.settings, service.clock()
        users = await summaries(*about, text, limit=SHOWN + 1)
        clients = await _clients(service, text)
        sessions = await find_sessions(service.store, text, SHOWN + 1)
    return render(
        request,
        "admin_search.html",
        session=session,
        searched=text,
        users=users[:SHOWN],
        clients=clients[:SHOWN],
        sessions=sessions[:SHOWN],
        is_cut=max(len(users), len(clients), len(sessions)) > SHOWN,
        device_kind=device_kind,
        device_name=device_name,
        name_of=service.registry.name_of,
        now=service.clock(),
    )


async def _clients(service: Service, text: str) -> list[Client]:
    """Give the clients with a text in their names or ids; unregistered ones by the whole id."""
    part = text.casefold()
    found = [
        client
        for client in service.registry.clients()
        if part in client.id.casefold() or part in client.metadata.client_name.casefold()
    ]
    unregistered = await service.registry.unregistered.find(text)
    return [*found, unregistered] if unregistered is not None else found
