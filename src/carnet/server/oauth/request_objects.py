"""Requests that a client has signed (RFC 9101, OpenID Connect Core section 6.1).

What stands in the signed object is the whole request. Of the parameters beside it ``client_id``
counts and no other, for whoever changes the address could change those (RFC 9101 section 6.3). An
object that nobody has signed is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from carnet.errors import InvalidToken
from carnet.jose.encoding import json_encode
from carnet.jose.key_set import KeySet
from carnet.jwt.policy import number
from carnet.jwt.verifier import Verifier
from carnet.server.clients.clients import Client
from carnet.server.clients.profiles import LONGEST_REQUEST, signing_keys

__all__ = ["BadRequestObject", "open_request_object"]

TYPES: Final = ("oauth-authz-req+jwt", "JWT")
LEEWAY: Final = 60
# What the object says of itself, and no parameter.
ABOUT_ITSELF: Final = frozenset(("iss", "aud", "sub", "exp", "nbf", "iat", "jti"))
# An object in an object would have to be opened without end (RFC 9101 section 4).
NOT_INSIDE: Final = ("request", "request_uri")


class BadRequestObject(ValueError):
    """The object is not one that the client has signed for this service."""


def open_request_object(
    given: Mapping[str, Sequence[str]],
    client: Client,
    issuer: str,
    seen_at: float,
    *,
    keys: KeySet | None = None,
    accept_expired: bool = False,
) -> dict[str, list[str]]:
    """Give the parameters that a client has signed, each with its value.

    Args:
        given: the parameters of the request, ``request`` among them.
        client: who asks, as its id names it.
        issuer: for whom the object is to be.
        seen_at: when the service has seen it first, in seconds since 1970.
        keys: the client's, where they are published and were fetched; by default those of its
            ``jwks``.
        accept_expired: whether its end has been looked at before.

    Raises:
        BadRequestObject: saying what the object has to be.
    """
    keys = signing_keys(client.metadata, client.keys) if keys is None else keys
    twice = next((name for name, values in given.items() if len(values) > 1), None)
    if twice is not None:
        raise BadRequestObject("no parameter can be given twice beside the parameter request")
    if not len(keys):
        raise BadRequestObject("the client has registered no key (jwks) to check the request with")
    try:
        claims = Verifier(
            keys,
            issuer=client.id,
            audience=issuer,
            type=TYPES,
            leeway=LEEWAY,
            accept_expired=accept_expired,
            accept_no_expiry=True,
            clock=lambda: seen_at,
        ).verify(given["request"][0])
        if client.metadata.profile is not None:
            _check_dates(claims, seen_at)
    except InvalidToken as error:
        raise BadRequestObject(
            f"the request must be a JWT signed by the client, with its id as iss and {issuer} as "
            f"aud: {error}"
        ) from None
    # A client signs its assertions with the same keys: none of those is a request, nor the other
    # way round (RFC 9101 section 10.8).
    if "sub" in claims:
        raise BadRequestObject("a signed request can't have sub")
    if claims.get("client_id", client.id) != client.id:
        raise BadRequestObject("the client_id in the request differs from the one beside it")
    if any(name in claims for name in NOT_INSIDE):
        raise BadRequestObject("a signed request can't contain another one")
    told = {name: _texts(name, said) for name, said in claims.items() if name not in ABOUT_ITSELF}
    return {name: values for name, values in told.items() if values} | {"client_id": [client.id]}


def _check_dates(claims: Mapping[str, Any], seen_at: float) -> None:
    """Hold an object to what the profiles say of its life (FAPI 2.0 Message Signing section 5.3.1).

    Raises:
        BadRequestObject: if it is good for too long, or does not say for how long.
        InvalidToken: if a date is none.
    """
    begins, ends = (number(claims, name, needed=True) for name in ("nbf", "exp"))
    if ends - begins > LONGEST_REQUEST or begins < seen_at - LONGEST_REQUEST:
        raise BadRequestObject(
            "a signed request needs an nbf within the last hour, and an exp within 60 minutes of it"
        )


def _texts(name: str, said: Any) -> list[str]:
    """Write a member as the parameter that it stands for; what has no value is not given."""
    if isinstance(said, list) and name == "resource":
        return [text for text in said if isinstance(text, str)]
    if isinstance(said, bool) or not isinstance(said, str | int | dict):
        raise BadRequestObject("the members of a signed request must be texts, numbers or objects")
    text = json_encode(said).decode() if isinstance(said, dict) else str(said)
    return [text] if text else []
