"""What an account has let clients do, and taking that back."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.authentication import origin_of, signed_in
from carnet.server.clock import SECOND
from carnet.server.http import NO_STORE, RequestRefused, answer
from carnet.server.service import Service

__all__ = ["list_consents", "take_consent_back"]


async def list_consents(request: Request) -> Response:
    """Give the consents of whoever asks."""
    service: Service = request.app.state.service
    claims = await signed_in(request)
    consents = []
    for consent in await service.consents.of_account(claims["sub"]):
        client = service.directory.client(consent.client_id)
        consents.append(
            {
                "client_id": consent.client_id,
                "client_name": "" if client is None else client.metadata.client_name,
                "scope": consent.scope,
                "granted_at": consent.granted_at // SECOND,
            }
        )
    return answer({"consents": consents})


async def take_consent_back(request: Request) -> Response:
    """Take a consent of whoever asks back; the client's sessions of the account end."""
    service: Service = request.app.state.service
    claims = await signed_in(request)
    origin, client_id = origin_of(request, claims["sub"]), request.path_params["client_id"]
    if not await service.consents.take_back(claims["sub"], client_id, origin):
        raise RequestRefused("invalid_request", "you have given no such consent", 404)
    return Response(status_code=204, headers=NO_STORE)
