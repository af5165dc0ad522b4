"""The addresses of the pages."""

from __future__ import annotations

from starlette.routing import Route

from carnet.server.pages.sign_in import show_sign_in, sign_in, sign_out
from carnet.server.pages.static_files import serve_static

__all__ = ["PAGES"]

PAGES = [
    Route("/static/{name}", serve_static, methods=["GET"]),
    Route("/sign-in", show_sign_in, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
