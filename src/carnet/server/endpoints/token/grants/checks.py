"""The checks that the grants share."""

from __future__ import annotations

from carnet.server.clients.clients import FIRST_PARTY_CLIENT, Client
from carnet.server.service import Service
from carnet.server.web.requests import RequestRefused

__all__ = ["check_grant", "choose_audience", "choose_scope", "required", "whole_seconds"]


def check_grant(client: Client, name: str) -> None:
    """Check that a client, authenticated, may use a grant.

    Raises:
        RequestRefused: ``unauthorized_client``, or ``invalid_client`` where no client is named.
    """
    if name not in client.metadata.grant_types:
        if client is FIRST_PARTY_CLIENT:
            raise RequestRefused("invalid_client", f"the grant {name} needs a client", 401)
        raise RequestRefused("unauthorized_client", f"this client may not use the grant {name}")


def required(form: dict[str, str], name: str) -> str:
    """Give a parameter that a grant needs.

    Raises:
        RequestRefused: ``invalid_request`` where it is missing.
    """
    value = form.get(name)
    if value is None:
        raise RequestRefused("invalid_request", f"the parameter {name} is missing")
    return value


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


def choose_audience(
    service: Service,
    client: Client,
    resource: str | None,
    granted: str | None = None,
    *,
    bound: bool = False,
) -> str:
    """Choose what a token is for (RFC 8707 section 2.2).

    Args:
        service: the service.
        client: who asks.
        resource: what is asked for, or None.
        granted: what was granted, for where nothing is asked for; by default the client's first,
            or else the service's.
        bound: whether what was granted is all that there is to choose from.

    Raises:
        RequestRefused: ``invalid_target``.
    """
    allowed = service.registry.audiences_of(client)
    granted = service.registry.spelled(granted or next(iter(allowed), ""))
    audience = service.registry.spelled(resource) if resource else granted
    if audience not in allowed or (bound and audience != granted):
        names = f": {', '.join(allowed)}" if client.metadata.first_party else ""
        raise RequestRefused(
            "invalid_target", f"the resource must be one that this client may ask for{names}"
        )
    return audience


def choose_scope(
    service: Service, client: Client, audience: str, granted: str, requested: str | None = None
) -> str:
    """Choose what a token allows: what is asked for, or everything that there is.

    Args:
        service: the service.
        client: who asks.
        audience: what the token is for.
        granted: what was granted, names with spaces between them; the client may have less now.
        requested: what is asked for, or None for everything.

    Raises:
        RequestRefused: ``invalid_scope`` where more is asked for.
    """
    if requested is None:
        return service.registry.left_of(client, audience, granted)
    allowed = service.registry.permitted(client, audience, granted.split())
    names = frozenset(requested.split(" "))
    if not names <= allowed:
        raise RequestRefused("invalid_scope", "the scope goes beyond what was granted")
    return " ".join(sorted(names))
