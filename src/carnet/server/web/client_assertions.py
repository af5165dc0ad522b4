"""The signed assertions that clients prove themselves with (RFC 7523).

method             whose token             says              is taken
─────────────────  ──────────────────────  ────────────────  ─────────────────────────────────
private_key_jwt    the client's own        sub: the client   once
federated_jwt      a trusted issuer's,     client_id in the  until it ends: such tokens often
                   of a workload           form              have no ``jti``, and serve many

Either is for this service alone, and over within an hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jose.key_set import KeySet
from carnet.jwt.claims import Claims
from carnet.jwt.inspection import Inspection, inspect
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.verifier import Verifier
from carnet.server.clients.clients import Client
from carnet.server.clients.federated_credentials import issuers_named
from carnet.server.clients.fetched_keys import FetchedKeys, Publisher
from carnet.server.clients.profiles import signing_keys
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.web.requests import RequestRefused

__all__ = ["NotProved", "client_by_assertion", "client_of_workload", "own_keys"]

BY_JWT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BY_SVID: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
"""For a JWT-SVID, whose issuer is a trust domain (draft-ietf-oauth-spiffe-client-auth)."""

# An hour is what Authlib's clients take and clusters give.
LONGEST_ASSERTION: Final = 3600
LEEWAY: Final = 30
OWN_TYPE: Final = "client-authentication+jwt"
# What tokens of workloads call themselves, if anything: no access token, and no logout token.
WORKLOAD_TYPES: Final = ("JWT", "JOSE")


class NotProved(Exception):
    """A client is unknown, or has not proved who it is.

    Args:
        reason: why, for operators.
        client: which, where it is known.
        basic: whether it tried HTTP Basic.
    """

    def __init__(self, reason: str, client: Client | None = None, *, basic: bool = False) -> None:
        self.reason = reason
        self.client = client
        self.basic = basic


async def client_by_assertion(service: Service, form: dict[str, str]) -> Client:
    """Give the client of a ``client_assertion`` (RFC 7523 section 3).

    Args:
        service: the service.
        form: the request's parameters.

    Raises:
        NotProved: if it proves nothing.
        RequestRefused: ``invalid_request``; ``temporarily_unavailable`` where the keys to check it
            with can't be fetched.
    """
    text, kind = form.get("client_assertion", ""), form.get("client_assertion_type")
    if kind not in (BY_JWT, BY_SVID) or not text:
        raise RequestRefused(
            "invalid_request",
            f"client_assertion goes with the client_assertion_type {BY_JWT}, or {BY_SVID}",
        )
    said = inspect(text)
    named = form.get("client_id")
    client = service.registry.client(named) if named is not None else None
    if client is not None and client.metadata.federated_credentials:
        return await client_of_workload(service, text, said, (client,))
    if kind == BY_SVID:
        raise NotProved("another_method" if client is not None else "unknown_client", client)
    return await _by_own_key(service, text, said, named)


async def client_of_workload(
    service: Service, text: str, said: Inspection, clients: Iterable[Client]
) -> Client:
    """Give the client whose credentials a token of another issuer meets.

    Args:
        service: the service.
        text: the token.
        said: what it says, which nobody has verified.
        clients: of which one it may be.

    Raises:
        NotProved: if it is none of them, or more than one.
        RequestRefused: ``temporarily_unavailable``.
    """
    clients, claims = tuple(clients), said.claims or {}
    only = clients[0] if len(clients) == 1 else None
    # What is compared here counts once the signature under it is known to be the issuer's.
    found = [
        (client, credential, keys)
        for client in clients
        for credential, keys in zip(
            client.metadata.federated_credentials, client.credential_keys, strict=True
        )
        if credential.matches(claims)
    ]
    if not found:
        raise NotProved("no_credential_matches" if issuers_named(claims) else "no_issuer", only)
    if len({client.id for client, _, _ in found}) > 1:
        raise NotProved("several_clients_match")
    client, credential, keys = found[0]
    if credential.jwks is None:
        keys = await _fetched(service.fetched_keys, credential.publisher, said)
    issuer = UNCHECKED if credential.is_spiffe else credential.issuer
    _verified(service, client, text, keys, issuer, WORKLOAD_TYPES)
    return client


async def _by_own_key(service: Service, text: str, said: Inspection, named: str | None) -> Client:
    client_id = (said.claims or {}).get("sub")
    client = await service.registry.find(client_id) if isinstance(client_id, str) else None
    if client is None:
        raise NotProved("unknown_client")
    if client.metadata.token_endpoint_auth_method != "private_key_jwt":
        raise NotProved("another_method", client)
    typed = str(said.header.get("typ", "")).lower() == OWN_TYPE
    keys = await own_keys(service, client, said)
    claims = _verified(service, client, text, keys, client.id, OWN_TYPE if typed else "JWT")
    if client.metadata.profile is not None and claims["aud"] != service.settings.own_url:
        # The issuer alone, and no list (FAPI 2.0 Security Profile section 5.3.2.1): an address of
        # an endpoint may be another server's that a client was led to.
        raise NotProved("assertion_too_wide", client)
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not token_id:
        raise NotProved("assertion_too_wide", client)
    if named not in (None, client.id):
        raise RequestRefused("invalid_request", "client_id differs from the assertion's sub")
    kept = int(_left(service, claims) + 2 * LEEWAY) * SECOND
    if not await service.used_once.first_use("assertion", client.id, token_id, microseconds=kept):
        raise NotProved("assertion_used_before", client)
    return client


async def own_keys(service: Service, client: Client, said: Inspection) -> KeySet:
    """Give the keys that sign a client's assertions, and the requests that it pushes.

    Args:
        service: the service.
        client: whose.
        said: what the client has signed, which nobody has verified.

    Raises:
        NotProved: if nobody has let the client in yet.
        RequestRefused: ``temporarily_unavailable`` where the keys can't be fetched.
    """
    return signing_keys(client.metadata, await _published(service, client, said))


async def _published(service: Service, client: Client, said: Inspection) -> KeySet:
    address = client.metadata.jwks_uri
    if address is None:
        return client.keys
    fetched = service.fetched_keys
    if client.unregistered:
        # It is asked for its keys once a person has let it in, and never before.
        known = await service.registry.unregistered.look_up(client.id)
        if known is None or known.used_at is None:
            raise NotProved("let_in_by_nobody", client)
        fetched = service.strangers_keys
    return await _fetched(fetched, Publisher(jwks_uri=address), said)


async def _fetched(fetched: FetchedKeys, publisher: Publisher, said: Inspection) -> KeySet:
    kid = said.header.get("kid")
    try:
        return await fetched.keys(publisher, kid if isinstance(kid, str) else None)
    except IssuerUnavailable:
        raise RequestRefused(
            "temporarily_unavailable",
            "the keys for checking the assertion can't be fetched right now",
            503,
            {"Retry-After": "5"},
        ) from None


def _verified(
    service: Service, client: Client, text: str, keys: KeySet, issuer: Any, kinds: Any
) -> Claims:
    """Check an assertion: it is for this service alone, and soon over."""
    own = service.settings.own_url
    try:
        claims = Verifier(
            keys,
            issuer=issuer,
            audience=(own, f"{own}/token"),
            type=kinds,
            leeway=LEEWAY,
            clock=lambda: service.clock() / SECOND,
        ).verify(text)
        several = len(claims.audience) != 1
    except InvalidToken as error:
        raise NotProved(f"assertion_{error.code}", client) from None
    # An assertion that is for somebody else too could be passed on by them.
    if several or _left(service, claims) > LONGEST_ASSERTION + LEEWAY:
        raise NotProved("assertion_too_wide", client)
    return claims


def _left(service: Service, claims: Claims) -> float:
    return (claims.expires_at or 0) - service.clock() / SECOND
