"""Who a client's token is about (OpenID Connect Core section 5.3)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.authentication import signed_in
from carnet.server.http import RequestRefused, answer
from carnet.server.scopes import released
from carnet.server.service import Service

__all__ = ["user_info"]


async def user_info(request: Request) -> Response:
    """Give the claims that the scopes of the access token release."""
    service: Service = request.app.state.service
    claims = await signed_in(request, "openid")
    account = await service.accounts.by_id(claims["sub"])
    if account is None or "openid" not in claims.scopes:
        text = "this needs an access token with the scope openid"
        raise RequestRefused("insufficient_scope", text, 403)
    return answer({"sub": account.id, **released(account, sorted(claims.scopes))})
