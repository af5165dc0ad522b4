"""The programs that act for an account, and stopping them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of, session_claims
from carnet.server.web.requests import NO_STORE, answer

__all__ = ["list_agents", "stop_agent"]


async def list_agents(request: Request) -> Response:
    """Give the programs that act for whoever asks, the one used last first."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    agents = [
        {
            "id": one.id,
            "client_id": one.client_id,
            "client_name": service.registry.name_of(one.client_id),
            "resource": one.resource,
            "scope": one.scope,
            "address": one.address,
            "since": one.created_at // SECOND,
            "used_at": one.used_at // SECOND,
            "expires_at": one.expires_at // SECOND,
        }
        for one in await service.agents.of_account(claims["sub"])
    ]
    return answer({"agents": agents})


async def stop_agent(request: Request) -> Response:
    """End all that a program does for whoever asks; may be repeated."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    origin, client_id = origin_of(request, claims["sub"]), request.path_params["client_id"]
    await service.agents.stop(claims["sub"], client_id, origin)
    return Response(status_code=204, headers=NO_STORE)
