"""What a reverse proxy has made of a request: whose it is, and the path that it is for.

A proxy that is trusted says in ``X-Forwarded-For`` from where a request came. Each proxy writes the
address that it sees behind those that are there already, so the list is read from its end, up to
the first address that is no trusted proxy's: what stands before that, anybody may have written.

An issuer with a path, such as ``https://example.com/auth``, is behind a proxy that hands on what is
under that path. The proxy may take the path off or leave it: both are understood.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from carnet.server.networks import Networks, ip_address_of
from carnet.server.settings import Settings
from carnet.server.web.requests import last_values

__all__ = ["WELL_KNOWN", "BehindProxies"]

FORWARDED_FOR: Final = b"x-forwarded-for"
WELL_KNOWN: Final = "/.well-known/"

_log = structlog.get_logger()


class BehindProxies:
    """ASGI application: another one, to which requests look as if no proxy stood between.

    Args:
        app: the other one.
        settings: the issuer and the trusted proxies.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._trusted = Networks(settings.trusted_proxies)
        self._prefix = unquote(urlsplit(settings.own_url).path)
        self._told = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on."""
        if scope["type"] == "http":
            if FORWARDED_FOR in last_values(scope):
                self._read_forwarded(scope)
            if self._prefix:
                scope["path"] = self._without_prefix(scope["path"])
        return self._app(scope, receive, send)

    def _read_forwarded(self, scope: Scope) -> None:
        client = scope.get("client")
        if client is None:
            return
        if client[0] not in self._trusted:
            if not self._told:
                self._told = True
                _log.warning(
                    "forwarded_for_ignored",
                    proxy=client[0],
                    hint="only proxies that the setting trusted_proxies names are believed",
                )
            return
        values = (value for name, value in scope["headers"] if name == FORWARDED_FOR)
        scope["client"] = (_origin(client[0], values, self._trusted), 0)

    def _without_prefix(self, path: str) -> str:
        """Take the issuer's path off, and from the end of a well-known address (RFC 8414)."""
        if path.startswith(WELL_KNOWN):
            return path.removesuffix(self._prefix)
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            return path[len(self._prefix) :] or "/"
        return path


def _origin(proxy: str, values: Iterable[bytes], trusted: Networks) -> str:
    """Give the address that trusted proxies say a request comes from, the last of them first."""
    found = proxy
    for text in reversed(b",".join(values).decode("latin-1").split(",")):
        address = _address(text.strip())
        if address is None:
            break
        found = address
        if found not in trusted:
            break
    return found


def _address(text: str) -> str | None:
    """Read an address, which may have a port behind it; one of IPv6 then stands in brackets."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return ip_address_of(text)
