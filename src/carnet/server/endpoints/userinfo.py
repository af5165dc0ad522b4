"""Who a client's token is about (OpenID Connect Core section 5.3)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.service import Service
from carnet.server.web.bearer import insufficient_scope, session_holder
from carnet.server.web.requests import NO_STORE, answer, has_form, read_form

__all__ = ["user_info"]


async def user_info(request: Request) -> Response:
    """Give the claims that the scopes of the access token release.

    The token stands in the header or, in a form, in the body (RFC 6750 section 2.2).
    """
    service: Service = request.app.state.service
    # The token is for whichever service the client calls; what is told here depends on its scope
    # alone (OpenID Connect Core section 5.3.1).
    claims, account_id = await session_holder(
        request, "openid", any_audience=True, posted=await _posted(request)
    )
    account = await service.accounts.by_id(account_id)
    if account is None or "openid" not in claims.scopes:
        raise insufficient_scope("this needs an access token with the scope openid", "openid")
    released = service.registry.scopes.released(account, sorted(claims.scopes), "userinfo")
    told = {"sub": claims["sub"], **released}
    client = await service.registry.find(claims["client_id"])
    signed = None if client is None else await service.id_tokens.userinfo(client, told)
    if signed is None:
        return answer(told)
    return Response(signed, headers=NO_STORE, media_type="application/jwt")


async def _posted(request: Request) -> str | None:
    if request.method != "POST" or not has_form(request):
        return None
    return (await read_form(request)).get("access_token")
