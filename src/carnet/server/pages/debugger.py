"""The token debugger: a page that does all of its work in the browser."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.pages.rendering import render

__all__ = ["show_debugger"]


async def show_debugger(request: Request) -> Response:
    """Show the debugger; no token ever comes here."""
    return render(request, "debugger.html")
