"""The device authorization endpoint (RFC 8628 section 3.1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.throttle import Delayed
from carnet.server.clients.clients import DEVICE_CODE, Client
from carnet.server.endpoints.token.grants.checks import check_grant, choose_audience
from carnet.server.oauth.device_codes import INTERVAL_SECONDS, LIFETIME_SECONDS, written
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof
from carnet.server.web.requests import RequestRefused, answer, read_form

__all__ = ["authorize_device"]


async def authorize_device(request: Request) -> Response:
    """Give a device the code that it shows, and the one that it asks for tokens with."""
    service: Service = request.app.state.service
    form = await read_form(request)
    client = await authenticate(request, form)
    check_grant(client, DEVICE_CODE)
    proof = prove_at_token_endpoint(request, client, required=False)
    audience = choose_audience(service, client, form.get("resource"))
    scope = _scope(service, client, audience, form.get("scope"))
    origin = origin_of(request)
    try:
        await service.throttle.device_codes(client.id, origin.address)
    except Delayed as error:
        raise RequestRefused(
            "temporarily_unavailable",
            "too many devices are waiting; try again later",
            429,
            {"Retry-After": str(error.seconds)},
        ) from None
    if proof is not None:
        await use_proof(service, proof)
    thumbprint = "" if proof is None else proof.thumbprint

    made = await service.device_codes.issue(client, audience, scope, thumbprint, origin)
    page, user_code = f"{service.settings.own_url}/device", written(made.user_code)
    return answer(
        {
            "device_code": made.device_code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={user_code}",
            "expires_in": LIFETIME_SECONDS,
            "interval": INTERVAL_SECONDS,
        }
    )


def _scope(service: Service, client: Client, audience: str, asked: str | None) -> str:
    """Give what may be granted of what is asked for, as the authorization endpoint does.

    Raises:
        RequestRefused: ``invalid_scope`` where that is nothing.
    """
    names = dict.fromkeys((client.metadata.scope if asked is None else asked).split())
    allowed = service.registry.permitted(client, audience, names)
    if names and not allowed:
        raise RequestRefused(
            "invalid_scope", "the client is not allowed any of these scopes for this resource"
        )
    return " ".join(name for name in names if name in allowed)
