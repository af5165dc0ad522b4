"""Where a provider tells that somebody's session there is over (OpenID Connect's back channel).

What began with it ends here, in one transaction with its revocation, and so at every service that
follows the revocations.
"""

from __future__ import annotations

from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.upstream.openid import OpenIdProvider
from carnet.server.upstream.provider import UpstreamRefused
from carnet.server.web.bearer import origin_of
from carnet.server.web.provider_sign_in import provider_named
from carnet.server.web.requests import NO_STORE, RequestRefused, read_form
from carnet.server.web.session_begin import PROVIDER_SESSION_OVER

__all__ = ["end_at_provider"]

# As long as such a token may be good for.
REMEMBERED: Final = 3600 * SECOND

_log = structlog.get_logger()


async def end_at_provider(request: Request) -> Response:
    """End the sessions that began with the one that is over."""
    service: Service = request.app.state.service
    provider = provider_named(service, request.path_params["name"])
    speaking = service.upstream.speaking(provider)
    if not isinstance(speaking, OpenIdProvider):
        raise RequestRefused("invalid_request", "this provider gives no tokens", 404)
    origin = origin_of(request)
    token = (await read_form(request)).get("logout_token", "")
    try:
        claims = await speaking.read_logout(token)
        issuer = provider.issuer_of(claims)
        names = ("provider logout", issuer, str(claims.token_id))
        if not await service.used_once.first_use(*names, microseconds=REMEMBERED):
            raise UpstreamRefused("the logout token was sent before")
    except UpstreamRefused as error:
        _log.info(
            "provider_logout_refused",
            provider=provider.name,
            cause=str(error),
            address=origin.address,
        )
        if error.code == "unavailable":
            raise RequestRefused(
                "temporarily_unavailable",
                "its keys can't be fetched now",
                503,
                {"Retry-After": "5"},
            ) from None
        raise RequestRefused("invalid_request", "the logout token is not good") from None
    said = claims.get("sid")
    session_id = said if isinstance(said, str) else None
    if session_id is not None:
        # Whoever types the code of a second factor at this moment gets no further.
        over = (PROVIDER_SESSION_OVER, issuer, session_id)
        await service.used_once.first_use(*over, microseconds=REMEMBERED)
    await service.people.signed_out(issuer, claims.subject, session_id, origin)
    return Response(status_code=200, headers=NO_STORE)
