"""The grant of devices that a person allows in a browser elsewhere (RFC 8628 section 3.4)."""

from __future__ import annotations

from typing import Any, Final

import structlog
from starlette.requests import Request

from carnet.server.clients.clients import DEVICE_CODE
from carnet.server.endpoints.token.answer import token_answer
from carnet.server.endpoints.token.grants.checks import (
    check_grant,
    choose_audience,
    choose_scope,
    required,
    whole_seconds,
)
from carnet.server.oauth.device_codes import DeviceCodeRefused
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof
from carnet.server.web.requests import RequestRefused

__all__ = ["grant_device_code"]

# What the device is told (RFC 8628 section 3.5).
_TOLD: Final = frozenset(("authorization_pending", "slow_down", "access_denied", "expired_token"))

_log = structlog.get_logger()


async def grant_device_code(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Give a device its tokens, once somebody has allowed it."""
    service: Service = request.app.state.service
    client = await authenticate(request, form)
    check_grant(client, DEVICE_CODE)
    proof = prove_at_token_endpoint(request, client)
    thumbprint = "" if proof is None else proof.thumbprint
    code = required(form, "device_code")
    lifetime = whole_seconds(form.get("expires_in"))
    origin = origin_of(request)

    try:
        presented = await service.device_codes.read(code, client, thumbprint)
        if proof is not None:
            # Not while the device waits: that costs no write. Before the code is judged: a request
            # that is sent twice does not end the session as a code in two hands does.
            await use_proof(service, proof)
        # What can't be given is refused while the code is still good.
        granted = presented.request
        audience = choose_audience(
            service, client, form.get("resource"), granted.audience, bound=True
        )
        scope = choose_scope(service, client, audience, granted.scope)
        if granted.scope and not scope:
            raise RequestRefused("invalid_scope", "none of the granted scopes is allowed any more")
        grant = await service.device_codes.exchange(presented, client, thumbprint, origin)
    except DeviceCodeRefused as error:
        if error.code in _TOLD:
            raise RequestRefused(error.code, str(error)) from None
        _log.info("device_code_refused", reason=error.code, address=origin.address)
        # Which check failed is for the operator: telling it here would help a thief.
        raise RequestRefused(
            "invalid_grant",
            "the device code has expired, was used already, or belongs to another client",
        ) from None

    # The session keeps what was granted: what the client has less now, it may have again.
    grant = grant._replace(scope=scope)
    content = token_answer(service, grant, audience, lifetime, thumbprint)
    if "openid" in scope.split():
        content["id_token"] = await service.id_tokens.issue(
            grant, presented.account, client, content["access_token"]
        )
    if "refresh_token" not in client.metadata.grant_types:
        del content["refresh_token"]
    return content
