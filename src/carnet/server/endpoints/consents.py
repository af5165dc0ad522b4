"""What an account has let clients do, and withdrawing that."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of, session_claims
from carnet.server.web.requests import NO_STORE, answer

__all__ = ["list_consents", "withdraw_consent"]


async def list_consents(request: Request) -> Response:
    """Give the consents of whoever asks."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    consents = [
        {
            "client_id": one.client_id,
            "client_name": one.name,
            "scope": one.scope,
            "granted_at": one.granted_at // SECOND,
            "resources": [
                {"resource": resource or None, "scope": scope}
                for resource, scope in sorted(one.resources.items())
            ],
        }
        for one in await service.consents.applications(claims["sub"])
    ]
    return answer({"consents": consents})


async def withdraw_consent(request: Request) -> Response:
    """Withdraw a consent of whoever asks, and end the client's sessions; may be repeated."""
    service: Service = request.app.state.service
    claims = await session_claims(request)
    origin, client_id = origin_of(request, claims["sub"]), request.path_params["client_id"]
    await service.consents.withdraw(claims["sub"], client_id, origin)
    return Response(status_code=204, headers=NO_STORE)
