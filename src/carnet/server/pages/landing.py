"""The page at the service's own address: what it is, and where to go from there."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.pages.rendering import render
from carnet.server.service import Service
from carnet.server.web.browser_session import current

__all__ = ["show_landing"]


async def show_landing(request: Request) -> Response:
    """Show what this service is for, to anybody."""
    service: Service = request.app.state.service
    return render(
        request,
        "landing.html",
        session=await current(request),
        issuer=service.settings.own_url,
    )
