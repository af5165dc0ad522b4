"""Sends requests on to an MCP server over HTTP, and its answers back, as they come.

What goes on is the request without what is meant for this proxy alone: the access token, cookies
(which a browser sends to every port of a host), the person's address, and headers that say who
somebody is; instead come the identity headers. What comes back is the answer without cookies,
without challenges (they would send the client to sign in again), and without CORS headers, which
the proxy sets itself.

Nothing is held back: events leave the moment they come. A client that goes takes its request to
the server with it. Redirects are not followed, and no cookie is kept from one person to the next.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final, Self
from urllib.parse import urlsplit

import anyio
import httpx

from carnet.errors import ConfigurationError
from carnet.mcp_proxy.asgi import Headers, Receive, Scope, Send, answer, token_of
from carnet.verifier.identity_headers import IdentityHeaders

__all__ = ["Forwarding", "check_upstream"]

CONNECT_SECONDS: Final = 10
WRITE_SECONDS: Final = 30
IDLE_CONNECTIONS: Final = 50

# RFC 9110 section 7.6.1; those that Connection names go as well.
HOP_BY_HOP: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "proxy-authenticate", "proxy-authorization"),
    )
)
# For this proxy alone, or of use only to whoever would pretend to be another.
NOT_ONWARD: Final = HOP_BY_HOP | {
    *("authorization", "dpop", "cookie", "host", "origin", "expect"),
    *("forwarded", "via", "x-real-ip", "x-original-uri", "x-original-url", "x-original-method"),
}
NOT_ONWARD_BEGINNINGS: Final = ("x-forwarded-", "sec-fetch-", "access-control-")
NOT_BACK: Final = HOP_BY_HOP | {"set-cookie", "set-cookie2", "www-authenticate", "alt-svc"}
NOT_BACK_BEGINNINGS: Final = ("access-control-",)

_log = logging.getLogger("carnet.mcp_proxy")


class _ClientGone(Exception):
    """The client has closed its connection."""


class Forwarding:
    """The ASGI app; a context that closes its connections.

    Args:
        upstream: the server's address, checked by ``check_upstream``.
        identity: tells the server who asks.
    """

    def __init__(self, upstream: str, identity: IdentityHeaders) -> None:
        self._url = httpx.URL(upstream)
        self._identity = identity
        # A client of httpx would keep cookies and follow what the environment says of proxies.
        self._transport = httpx.AsyncHTTPTransport(
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request on, and its answer back."""
        identity = self._identity.of(scope["carnet.claims"])
        incoming = _Incoming(receive)
        request = httpx.Request(
            scope["method"],
            self._url_with(scope["query_string"]),
            headers=self._onward(scope["headers"], identity),
            content=incoming.stream() if _has_body(scope["headers"]) else None,
            extensions={"timeout": {"connect": CONNECT_SECONDS, "write": WRITE_SECONDS}},
        )
        if not _has_body(scope["headers"]):
            incoming.is_read.set()
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when_gone, incoming, group.cancel_scope)
            await self._exchange(request, incoming, send)
            group.cancel_scope.cancel()

    async def is_there(self) -> bool:
        """Tell whether anything answers at the server's address."""
        request = httpx.Request("GET", self._url, extensions={"timeout": {"connect": 2, "read": 2}})
        try:
            response = await self._transport.handle_async_request(request)
            await response.aclose()
        except httpx.ReadTimeout:
            pass  # a stream without events is an answer too
        except httpx.TransportError:
            return False
        return True

    def _url_with(self, query: bytes) -> httpx.URL:
        if not query:
            return self._url
        own = self._url.query
        return self._url.copy_with(query=own + b"&" + query if own else query)

    def _onward(self, headers: Headers, identity: dict[str, str]) -> list[tuple[bytes, bytes]]:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        token = token_of(headers).decode("latin-1")
        dropped = NOT_ONWARD | _named_by_connection(pairs)
        kept = [
            (name, value)
            for name, value in pairs
            if name not in dropped
            and not name.startswith(NOT_ONWARD_BEGINNINGS)
            and not self._identity.is_reserved(name)
            # Wherever else a client puts it.
            and token not in value
        ]
        # As bytes: a text that is no ASCII is nothing to httpx.
        return [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in (*kept, *identity.items())
        ]

    async def _exchange(self, request: httpx.Request, incoming: _Incoming, send: Send) -> None:
        try:
            response = await self._transport.handle_async_request(request)
        except _ClientGone:
            return
        except httpx.TransportError as error:
            _log.warning("the MCP server at %s does not answer: %s", self._shown, _why(error))
            await answer(
                send, 502, "upstream_unavailable", "the MCP server behind this does not answer"
            )
            return
        # Whatever of the request's body is left, the server does not want.
        incoming.is_read.set()
        async with aclosing(response):
            if refused := _refused(response):
                _log.warning("the MCP server at %s %s", self._shown, refused)
                await answer(
                    send, 502, "upstream_unusable", "the MCP server behind this can't be used"
                )
                return
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status_code,
                    "headers": _back(response.headers),
                }
            )
            try:
                async for chunk in response.aiter_raw():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except httpx.TransportError as error:
                # An answer that is not completed is how HTTP says that it broke off.
                _log.warning("an answer of %s broke off: %s", self._shown, _why(error))
                return
            await send({"type": "http.response.body", "body": b""})

    @property
    def _shown(self) -> str:
        """The address for the log: its query may hold a secret."""
        return str(self._url.copy_with(query=None))


class _Incoming:
    """The body of a request, and whether all of it has been read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_read = anyio.Event()

    async def stream(self) -> AsyncIterator[bytes]:
        """Give the body as it comes.

        Raises:
            _ClientGone: if the client goes before its end.
        """
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body", False):
                self.is_read.set()
                return

    async def gone(self) -> None:
        """Wait until the client has gone."""
        await self.is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            continue


async def _cancel_when_gone(incoming: _Incoming, scope: anyio.CancelScope) -> None:
    await incoming.gone()
    scope.cancel()


def check_upstream(address: str) -> None:
    """Check the address of an MCP server.

    Raises:
        ConfigurationError: saying what was expected.
    """
    try:
        parts = urlsplit(address)
        good = (
            parts.scheme in ("http", "https")
            and parts.hostname
            and parts.port != 0
            and "@" not in parts.netloc
            and not parts.fragment
            and address.isascii()
            and address.isprintable()
            and " " not in address
        )
    except ValueError:
        good = False
    if not good:
        raise ConfigurationError(
            "name the MCP server's address, such as http://127.0.0.1:9000/mcp, or its command "
            "after two dashes: carnet mcp protect -- npx some-server"
        )


def _has_body(headers: Headers) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


def _named_by_connection(headers: list[tuple[str, str]] | Any) -> set[str]:
    values = [value for name, value in headers if name.lower() == "connection"]
    return {name.strip().lower() for value in values for name in value.split(",")}


def _back(headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    dropped = NOT_BACK | _named_by_connection(headers.multi_items())
    kept = [
        (name.lower(), value)
        for name, value in headers.raw
        if (text := name.decode("latin-1").lower()) not in dropped
        and not text.startswith(NOT_BACK_BEGINNINGS)
    ]
    if headers.get("content-type", "").startswith("text/event-stream"):
        # Proxies in front of this one hold nothing back either.
        kept = [pair for pair in kept if pair[0] != b"x-accel-buffering"]
        kept.append((b"x-accel-buffering", b"no"))
    return kept


def _refused(response: httpx.Response) -> str:
    """Say why an answer can't be given to the client, or ""."""
    if response.status_code in (401, 407):
        # The client would take it for a word on its own token, and sign in again and again.
        return f"asks for a credential of its own ({response.status_code})"
    if response.has_redirect_location:
        location = response.headers["location"].partition("?")[0]
        return f"redirects to {location[:200]!a}: give the address where it is"
    return ""


def _why(error: httpx.TransportError) -> str:
    return f"{type(error).__name__} {error}".strip()[:200]
