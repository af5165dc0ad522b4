"""Putting an issuer in memory in the place of a service's own, and finding that service's verifier.

The checks stay the service's: audience, types, algorithms, exact claims, leeway, where the roles
are, whether revocations count. Only the keys, what is revoked and the clock are the test's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from carnet.errors import ConfigurationError
from carnet.verifier.access_token import Issuers
from carnet.verifier.trusted_issuer import TrustedIssuer

__all__ = ["Override", "verifiers_of"]

PARTS: Final = (
    "_verifier",  # every adapter
    "app",  # what a middleware of ASGI wraps
    "_app",  # what one of Carnet's wraps
    "wsgi_app",  # Flask's, which a middleware of WSGI may wrap
    "backend",  # of Starlette's AuthenticationMiddleware
    "middleware_stack",  # Starlette and FastAPI
    "router",
    "routes",
    "original_router",  # FastAPI: a router that was included, and with what
    "include_context",
    "dependant",  # FastAPI: what a route depends on
    "dependencies",
    "call",
    "dependency",
    "plugins",  # Litestar
    "init",
    "extensions",  # Flask
)
"""Where a verifier, or the way to one, stands in an app."""

EXTENSION: Final = "carnet"


class Override:
    """A verifier's issuers, exchanged until ``restore``, or until the end of a with statement."""

    def __init__(self) -> None:
        self._exchanged: list[tuple[Issuers[Any], TrustedIssuer, TrustedIssuer]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Put each issuer back into its place; nothing where that is done."""
        while self._exchanged:
            verifier, issuer, other = self._exchanged.pop()
            verifier.exchange(other, issuer)

    def exchange(
        self,
        verifier: Issuers[Any],
        is_meant: Callable[[TrustedIssuer], bool],
        stand_in: Callable[[TrustedIssuer], TrustedIssuer],
    ) -> bool:
        """Exchange the issuers that are meant, and tell whether there is one."""
        meant = [issuer for issuer in verifier.issuers if is_meant(issuer)]
        for issuer in meant:
            other = stand_in(issuer)
            verifier.exchange(issuer, other)
            self._exchanged.append((verifier, issuer, other))
        return bool(meant)


def verifiers_of(target: object) -> list[Issuers[Any]]:
    """Find the verifiers of an app, or of a part of one.

    Args:
        target: a verifier; what an adapter gives: a bearer, a backend, a middleware, a plugin, an
            interceptor; an app of FastAPI, Starlette, Litestar, Flask or Django; Django's settings.

    Raises:
        ConfigurationError: if there is none.
    """
    found = _of_django(target) or _within(target)
    if not found:
        raise ConfigurationError(
            f"no verifier of Carnet's is found in this {type(target).__name__}: give override the "
            "verifier, or what an adapter gave (the bearer, backend, middleware, plugin or "
            "interceptor)"
        )
    return found


def _within(target: object) -> list[Issuers[Any]]:
    found: list[Issuers[Any]] = []
    # Those that were seen are held, so that none gets the id of another.
    seen: dict[int, object] = {}
    ahead = [target]
    while ahead:
        part = ahead.pop()
        if part is None or id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, Issuers):
            found.append(part)
        elif isinstance(part, list | tuple):
            ahead.extend(part)
        elif isinstance(part, Mapping):
            ahead.append(part.get(EXTENSION))
        else:
            _build_middleware(part)
            ahead.extend(getattr(part, name, None) for name in PARTS)
    return found


def _build_middleware(app: Any) -> None:
    """Make the middlewares of a Starlette or FastAPI app, as its first request would."""
    build = getattr(app, "build_middleware_stack", None)
    if build is not None and getattr(app, "middleware_stack", None) is None:
        app.middleware_stack = build()


def _of_django(target: object) -> list[Issuers[Any]]:
    if "django" not in sys.modules:
        return []
    from django.conf import LazySettings
    from django.core.handlers.base import BaseHandler

    if not isinstance(target, LazySettings | BaseHandler):
        return []
    from carnet.verifier.adapters import django

    return [django.verifier(), django.async_verifier()]
