"""What every grant is given, and the checks that they share."""

from __future__ import annotations

from typing import NamedTuple

from carnet.server.audit import Origin
from carnet.server.clients.clients import Client
from carnet.server.service import Service
from carnet.server.web.requests import RequestRefused

__all__ = ["TokenRequest", "choose_audience", "choose_scope", "whole_seconds"]


class TokenRequest(NamedTuple):
    """A request for tokens, of a client that has proved who it is.

    Attributes:
        service: the service.
        form: the request's parameters, each given once.
        client: who asks.
        origin: from where.
        key_thumbprint: of the key that the client has proved to hold, or "" (RFC 9449).
    """

    service: Service
    form: dict[str, str]
    client: Client
    origin: Origin
    key_thumbprint: str

    def required(self, name: str) -> str:
        """Give a parameter that the grant needs.

        Raises:
            RequestRefused: ``invalid_request`` where it is missing.
        """
        value = self.form.get(name)
        if value is None:
            raise RequestRefused("invalid_request", f"the parameter {name} is missing")
        return value


def choose_audience(asked: TokenRequest, granted: str | None = None, *, bound: bool = False) -> str:
    """Choose what a token is for, by ``resource`` (RFC 8707 section 2.2).

    Args:
        asked: the request.
        granted: what was granted, for where it names none; by default the client's first, or else
            the service's.
        bound: whether what was granted is all that there is to choose from.

    Raises:
        RequestRefused: ``invalid_target``.
    """
    allowed = asked.service.registry.audiences_of(asked.client)
    audience = asked.form.get("resource") or granted or next(iter(allowed), "")
    if audience not in allowed or (bound and audience != granted):
        told = f": {', '.join(allowed)}" if asked.client.metadata.first_party else ""
        raise RequestRefused(
            "invalid_target", f"the resource must be one that this client may ask for{told}"
        )
    return audience


def choose_scope(
    asked: TokenRequest, granted: str, audience: str, wanted: str | None = None
) -> str:
    """Choose what a token allows: what is asked for, or everything that there is.

    Args:
        asked: the request.
        granted: what was granted, names with spaces between them; the client may have less now.
        audience: what the token is for.
        wanted: what is asked for, or None for everything.

    Raises:
        RequestRefused: ``invalid_scope`` where more is asked for.
    """
    allowed = asked.service.registry.permitted(asked.client, audience, granted.split())
    if wanted is None:
        return " ".join(sorted(allowed))
    names = frozenset(wanted.split(" "))
    if not names <= allowed:
        raise RequestRefused("invalid_scope", "the scope is more than what is granted")
    return " ".join(sorted(names))


def whole_seconds(text: str | None) -> int | None:
    """Read ``expires_in``, how long a client wants a token to be good for at most.

    Raises:
        RequestRefused: ``invalid_request``.
    """
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise RequestRefused("invalid_request", "expires_in must be a whole number of seconds")
    return int(text)
