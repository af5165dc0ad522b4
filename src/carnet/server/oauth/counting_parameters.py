"""Which parameters of a request count: those that were pushed, or signed, where some were.

Whoever sends the person can change everything else (RFC 9101 section 6.3, RFC 9126 section 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from carnet.errors import CarnetError
from carnet.jose.key_set import KeySet
from carnet.server.clients.clients import Client
from carnet.server.clock import SECOND
from carnet.server.oauth.pushed_requests import PREFIX, BadRequestUri, PushedRequests
from carnet.server.oauth.request_objects import BadRequestObject, open_request_object

__all__ = ["NotCounting", "pushed_parameters", "pushed_uri", "signed_parameters"]

_Parameters = Mapping[str, Sequence[str]]


class NotCounting(CarnetError):
    """What counts can't be read, or was to be pushed or signed; the code is OAuth's."""

    code = "invalid_request"


def pushed_uri(given: _Parameters) -> str | None:
    """Give the address of the request that the client has pushed, or None."""
    values = given.get("request_uri", ())
    return values[0] if len(values) == 1 and values[0].startswith(PREFIX) else None


def pushed_parameters(
    given: _Parameters, client: Client, requests: PushedRequests, seen_at: int, *, decided: bool
) -> _Parameters | None:
    """Give the parameters that a client has pushed, or None where it has not, and need not.

    Args:
        given: what the browser brings.
        client: who asks.
        requests: reads what was pushed.
        seen_at: when the browser came with it first, in microseconds since 1970.
        decided: whether this is the answer of a person who has been asked.

    Raises:
        NotCounting: if it is not what the client has pushed, or nothing where it has to push.
    """
    uri = pushed_uri(given)
    if uri is None and client.metadata.require_pushed_authorization_requests:
        raise NotCounting("the client has to push its requests")
    if uri is None:
        return None
    try:
        found = requests.read(uri, client.id, seen_at, decided=decided)
    except BadRequestUri as error:
        raise NotCounting(str(error), code="invalid_request_uri") from None
    return {name: [text] for name, text in found.items()}


def signed_parameters(
    given: _Parameters,
    client: Client,
    issuer: str,
    seen_at: int,
    *,
    keys: KeySet | None = None,
    decided: bool = False,
) -> _Parameters:
    """Give the parameters that a client has signed; all, where it has not and need not.

    Args:
        given: what it sends, or the browser brings.
        client: who asks.
        issuer: for whom a signed request is to be.
        seen_at: when it came first, in microseconds since 1970.
        keys: the client's, where they are published and were fetched.
        decided: whether this is the answer of a person who has been asked.

    Raises:
        NotCounting: if it is not what the client has signed, or nothing where it has to sign.
    """
    if "request" not in given:
        if client.metadata.require_signed_request_object:
            raise NotCounting("the client has to sign its requests")
        return given
    try:
        return open_request_object(
            given, client, issuer, seen_at / SECOND, keys=keys, accept_expired=decided
        )
    except BadRequestObject as error:
        raise NotCounting(str(error), code="invalid_request_object") from None
