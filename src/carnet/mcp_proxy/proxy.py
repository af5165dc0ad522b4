"""The proxy as one ASGI app: what comes is looked at from the outside in.

    Host       one of the proxy's own names, where it listens on this machine only: a page can make
               its own name lead here (DNS rebinding)                                          421
    path       the MCP endpoint, or the metadata of the protected resource (RFC 9728)          404
    Origin     none, the endpoint's own, one that was allowed, or on this machine where the endpoint
               is too                                                                          403
    token      a good one for this endpoint, with the scopes that it needs                401, 403
    session    begun with a token of the same person, issuer and client                        404

Then the request goes on, without the token.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware

from carnet.mcp_proxy.asgi import App, Receive, Scope, Send, answer, token_of, values_of
from carnet.mcp_proxy.session_ids import OwnSessions
from carnet.verifier.access import on_loopback
from carnet.verifier.asgi import BearerMiddleware
from carnet.verifier.bearer import check_scope
from carnet.verifier.issuer import Trusted
from carnet.verifier.protected_resource import ProtectedResource

__all__ = ["McpProxy"]

METHODS: Final = ("GET", "POST", "DELETE")
# A page's own origin, where it is served on this machine.
LOOPBACK_ORIGIN: Final = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
EXPOSED: Final = ("WWW-Authenticate", "Mcp-Session-Id", "Mcp-Protocol-Version")
# Clients in browsers look for metadata in several places, and have to see that nothing is there.
ANYWHERE: Final = ((b"access-control-allow-origin", b"*"),)
PREFLIGHT_SECONDS: Final = 600


class McpProxy:
    """Requires a good access token, and hands the request on without it.

    Args:
        upstream: the MCP server, as an ASGI app.
        public_url: the MCP endpoint's address, as clients are told it: the audience of its tokens.
        issuer: whom to trust.
        hosts: the values of Host that are the proxy's own; none is any.
        origins: the origins of pages that may ask, besides the endpoint's own.
        scopes: what a token must have.
        options: as for ``carnet.verifier.AsyncAccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        upstream: App,
        public_url: str,
        issuer: Trusted,
        *,
        hosts: Collection[str] = (),
        origins: Collection[str] = (),
        scopes: Collection[str] = (),
        **options: Any,
    ) -> None:
        resource = ProtectedResource(public_url, scopes_supported=tuple(scopes) or None)
        self._bearer = BearerMiddleware(
            OwnSessions(self._checked), issuer, audience=public_url, resource=resource, **options
        )
        self._metadata = self._bearer.metadata
        parts = urlsplit(public_url)
        self._upstream = upstream
        self._scopes = " ".join(scopes)
        self._path = parts.path or "/"
        self._own = (parts.scheme, parts.netloc.encode())
        self._hosts = frozenset(host.lower().encode() for host in (*hosts, parts.netloc))
        self._any_host = not hosts
        self._origins = frozenset((*origins, f"{parts.scheme}://{parts.netloc}"))
        self._loopback = re.compile(LOOPBACK_ORIGIN if on_loopback(public_url) else r"(?!)")
        self._endpoint = CORSMiddleware(
            self._from_known_origin,
            allow_origins=sorted(self._origins),
            allow_origin_regex=self._loopback.pattern,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
            max_age=PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        hosts = values_of(scope["headers"], b"host")
        if not self._any_host and [host.lower() in self._hosts for host in hosts] != [True]:
            await answer(send, 421, "host_unknown", "this is not the server of that name")
            return
        # Proofs of possession (RFC 9449) are for the address that clients know.
        scheme, netloc = self._own
        others = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope = {**scope, "scheme": scheme, "headers": [*others, (b"host", netloc)]}
        if scope["path"] == self._path:
            await self._endpoint(scope, receive, send)
        elif self._metadata.is_meant(scope):
            await self._metadata(scope, receive, send)
        else:
            await answer(send, 404, "not_found", f"the MCP endpoint is {self._path}", ANYWHERE)

    async def aclose(self) -> None:
        """Stop following the revocations."""
        await self._bearer.aclose()

    async def _from_known_origin(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = [one.decode("latin-1") for one in values_of(scope["headers"], b"origin")]
        if any(
            one not in self._origins and self._loopback.fullmatch(one) is None for one in origins
        ):
            await answer(send, 403, "origin_unknown", "pages of this origin may not ask here")
        elif scope["method"] not in METHODS:
            allow = (b"allow", ", ".join(METHODS).encode())
            await answer(
                send, 405, "method_unknown", "MCP knows GET, POST and DELETE here", [allow]
            )
        else:
            await self._bearer(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what is allowed to a token that is good."""
        if self._scopes:
            check_scope(scope["carnet.claims"], self._scopes)
        if token_of(scope["headers"]) in scope["query_string"]:
            await answer(
                send, 400, "token_in_address", "a token belongs into the Authorization header alone"
            )
            return
        await self._upstream(scope, receive, send)
