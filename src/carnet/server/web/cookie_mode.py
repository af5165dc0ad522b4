"""Cookie mode of the service itself: a browser's tokens in cookies that no script can read.

A page on the service's own origin, such as an app behind the same reverse proxy, sends the header
``Carnet-Session: cookie`` with ``POST /sessions``, ``POST /token`` and ``DELETE
/sessions/current``. The tokens then travel in the cookies that ``carnet.verifier.cookies`` reads,
and in no body.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.browser.cookies import TokenCookies
from carnet.errors import ConfigurationError
from carnet.server.service import Service
from carnet.server.web.browser_session import check_same_origin
from carnet.server.web.requests import RequestRefused, answer, header_values

__all__ = ["cookie_mode", "forget_tokens", "held_refresh_token", "tokens_in_cookies"]

HEADER: Final = b"carnet-session"


def cookie_mode(request: Request) -> bool:
    """Tell whether a request's tokens travel in cookies.

    Raises:
        RequestRefused: ``cross_site`` if they do and another site sends it, ``invalid_request`` if
            the header says something else.
    """
    values = header_values(request, HEADER)
    if not values:
        return False
    if values != ["cookie"]:
        raise RequestRefused("invalid_request", "the header Carnet-Session can only be: cookie")
    check_same_origin(request)
    return True


def held_refresh_token(request: Request) -> str | None:
    """Give the refresh token of a request's cookie, or None."""
    return _cookies(request).read(header_values(request, b"cookie")).refresh


def tokens_in_cookies(request: Request, content: dict[str, Any], status: int = 200) -> Response:
    """Answer with tokens in cookies, and with the rest of the content in the body.

    Raises:
        RequestRefused: ``cookie_too_large``.
    """
    service: Service = request.app.state.service
    try:
        values = _cookies(request).set(
            content["access_token"],
            content["refresh_token"],
            service.settings.session_idle_lifetime,
        )
    except ConfigurationError as error:
        raise RequestRefused(error.code, str(error), 500) from None
    hidden = ("access_token", "refresh_token", "token_type")
    response = answer({k: v for k, v in content.items() if k not in hidden}, status)
    for value in values:
        response.headers.append("Set-Cookie", value)
    return response


def forget_tokens(request: Request, response: Response) -> Response:
    """Take both cookies away with a response."""
    for value in _cookies(request).clear():
        response.headers.append("Set-Cookie", value)
    return response


def _cookies(request: Request) -> TokenCookies:
    service: Service = request.app.state.service
    return TokenCookies(service.settings.own_url.startswith("https://"))
