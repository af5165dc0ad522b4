"""What a page of another origin may ask, and with which headers (the Fetch standard's CORS)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = [
    "EXPOSED",
    "FROM_ANYWHERE",
    "MANAGED_FROM_ANYWHERE",
    "from_anywhere",
    "options_answered",
]

EXPOSED: Final = ("DPoP-Nonce", "WWW-Authenticate")

# Names of fields (RFC 9110 section 5.1), as many and as long as programs have use for.
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
_MOST_NAMES: Final = 32
# With it, cookies would count. Only the service's own pages have use for it.
_OWN_PAGES_ONLY: Final = frozenset({"carnet-session"})


class _AnyHeader(CORSMiddleware):
    """CORS that allows whatever headers a program sends: those of tracing, for example.

    A header that no endpoint reads does nothing, and what endpoints read is theirs to judge.
    """

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight request."""
        asked = request_headers.get("access-control-request-headers", "").split(",")
        names = [name.strip().lower() for name in asked if name.strip()]
        good = all(_NAME.fullmatch(name) and name not in _OWN_PAGES_ONLY for name in names)
        if len(names) > _MOST_NAMES or not good:
            headers = {"Vary": self.preflight_headers["Vary"]}
            return PlainTextResponse("Disallowed CORS headers", 400, headers)
        return super().preflight_response(request_headers)


def from_anywhere(app: ASGIApp, methods: Sequence[str] = ("GET", "POST")) -> ASGIApp:
    """Give an application that scripts of every origin may ask, and read the answers of."""
    return _AnyHeader(
        app,
        allow_origins=["*"],
        allow_methods=methods,
        allow_headers=["*"],
        expose_headers=EXPOSED,
    )


def options_answered(app: ASGIApp, methods: Sequence[str]) -> ASGIApp:
    """Give an application that no OPTIONS request reaches (RFC 9110 section 9.3.7).

    One that is no preflight is passed on by CORS, and endpoints take it for what they are for.

    Args:
        app: the application.
        methods: what may be asked of it.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_options = scope["method"] == "OPTIONS"
        await (Response(None, 204, allow) if is_options else app)(scope, receive, send)

    allow = {"Allow": ", ".join(methods)}
    return answer


# What an app in a browser asks from its own origin. None of these looks at a cookie, so that a page
# gets nothing from them that it could not get without the browser (RFC 9700 section 2.6).
FROM_ANYWHERE: Final = [Middleware(from_anywhere)]
MANAGED_FROM_ANYWHERE: Final = [Middleware(from_anywhere, methods=("GET", "PUT", "DELETE"))]
