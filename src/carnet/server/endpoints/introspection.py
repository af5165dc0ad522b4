"""Introspection: what an access token says, and whether it is good now (RFC 7662).

Only for a client that serves the token's audience itself: to everyone else, every token is
inactive. With ``Accept: application/token-introspection+jwt`` the answer is signed (RFC 9701).
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.errors import InvalidToken
from carnet.jose import jws
from carnet.jose.encoding import json_encode
from carnet.jwt.claims import members_of
from carnet.server.clients.clients import Client
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.web.client_authentication import authenticate_confidential
from carnet.server.web.requests import NO_STORE, RequestRefused, answer, header_values, read_form

__all__ = ["introspect_token"]

SIGNED: Final = "application/token-introspection+jwt"
INACTIVE: Final[dict[str, Any]] = {"active": False}


async def introspect_token(request: Request) -> Response:
    """Say what a token says, to the service that it is for."""
    service: Service = request.app.state.service
    form = await read_form(request)
    client = await authenticate_confidential(request, form)
    token = form.get("token")
    if token is None:
        raise RequestRefused("invalid_request", "the parameter token is missing")
    content = await _introspect(service, client, token)
    if not _wants_signed(request):
        return answer(content)
    payload = {
        "iss": service.settings.own_url,
        "aud": client.id,
        "iat": service.clock() // SECOND,
        "token_introspection": content,
    }
    chosen = client.metadata.introspection_signed_response_alg
    key = await service.keys.signing_with(chosen or service.settings.signing_algorithms[0])
    text = jws.sign(json_encode(payload), key, {"typ": "token-introspection+jwt"})
    return Response(text, headers=NO_STORE, media_type=SIGNED)


def _wants_signed(request: Request) -> bool:
    given = header_values(request, b"accept")
    if not given:
        return False
    kinds = ",".join(given).lower().split(",")
    return any(kind.partition(";")[0].strip() == SIGNED for kind in kinds)


async def _introspect(service: Service, client: Client, token: str) -> dict[str, Any]:
    try:
        claims = service.access_tokens.verify(token)
    except InvalidToken:
        return INACTIVE
    served = service.registry.served_by(client)
    said = members_of(claims)
    if served.isdisjoint(claims.audience) or not await _is_good(service, said):
        return INACTIVE
    return {**said, "active": True, "token_type": "DPoP" if "cnf" in said else "Bearer"}


async def _is_good(service: Service, said: dict[str, Any]) -> bool:
    session_id, token_id = said.get("sid"), said["jti"]
    if session_id is not None:
        return await service.sessions.accepts(session_id, said["sub_ver"], token_id)
    # A client's own token is good as long as the client is there.
    client = await service.registry.find(said["client_id"])
    return client is not None and not await service.revocations.is_token_revoked(token_id)
