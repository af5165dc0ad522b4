"""The cookies of this service's own pages: their names, and the flags that all of them have."""

from __future__ import annotations

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from carnet.browser.cookies import read_cookie
from carnet.server.service import Service
from carnet.server.web.requests import header_values

__all__ = ["SESSION", "forget_cookie", "held_cookie", "set_own_cookie"]

SESSION = "carnet"
"""The cookie of somebody who is signed in; the others are named after it."""


def held_cookie(request: Request, name: str) -> str:
    """Give what a browser holds, or "" where there is none of that name, or more than one."""
    service: Service = request.app.state.service
    return read_cookie(header_values(request, b"cookie"), _whole(service, name)) or ""


def set_own_cookie(
    request: Request,
    response: Response,
    name: str,
    value: str,
    seconds: int,
    samesite: Literal["lax", "strict"] = "lax",
) -> None:
    """Give the browser a cookie that no script reads and no other host gets.

    Args:
        request: from that browser.
        response: to it.
        name: of the cookie, without the prefix.
        value: what it holds.
        seconds: for how long.
        samesite: lax, unless the browser need not send it when another site has led it here.
    """
    service: Service = request.app.state.service
    response.set_cookie(
        _whole(service, name),
        value,
        max_age=seconds,
        path="/",
        secure=_is_secure(service),
        httponly=True,
        samesite=samesite,
    )


def forget_cookie(request: Request, response: Response, name: str) -> None:
    """Take a cookie away."""
    service: Service = request.app.state.service
    response.delete_cookie(
        _whole(service, name), path="/", secure=_is_secure(service), httponly=True, samesite="lax"
    )


def _is_secure(service: Service) -> bool:
    return service.settings.own_url.startswith("https://")


def _whole(service: Service, name: str) -> str:
    # Browsers refuse the prefix on a connection without TLS, which only loopback may use.
    return f"__Host-{name}" if _is_secure(service) else name
