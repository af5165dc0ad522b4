"""Which client sends a request, proved in the way that it is registered with, and no other.

An unknown client, a wrong secret and a method that is not the client's get the same answer.
"""

from __future__ import annotations

import hmac
from binascii import a2b_base64
from typing import Final, TypeAlias

import structlog
from starlette.requests import Request

from carnet.server.clients.clients import FIRST_PARTY_CLIENT, Client, Secrets, hash_secret
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_assertions import NotProved, client_by_assertion
from carnet.server.web.requests import RequestRefused, decoded, header_values

__all__ = ["METHODS", "authenticate", "authenticate_confidential"]

METHODS: Final = (
    *("none", "client_secret_basic", "client_secret_post", "private_key_jwt", "federated_jwt"),
)
NO_SECRET: Final = bytes(32)

# The client_id, the secret and the method; the first is None where no client is named.
_Presented: TypeAlias = tuple[str | None, str | None, str]

_log = structlog.get_logger()


async def authenticate(request: Request, form: dict[str, str]) -> Client:
    """Give the client that sends a request (RFC 6749 section 2.3, RFC 7523 section 2.2).

    Args:
        request: of which the Authorization header counts.
        form: the request's parameters.

    Returns:
        The client; the first-party one where no client is named.

    Raises:
        RequestRefused: ``invalid_client``, or ``invalid_request`` where more than one method is
            used.
    """
    service: Service = request.app.state.service
    header = header_values(request, b"authorization")
    assertion = form.get("client_assertion") or form.get("client_assertion_type")
    if bool(header) + ("client_secret" in form) + (assertion is not None) > 1 or len(header) > 1:
        raise RequestRefused(
            "invalid_request", "use exactly one method of client authentication, once"
        )
    try:
        if assertion is not None:
            return await client_by_assertion(service, form)
        client_id, secret, method = _by_basic(header[0], form) if header else _by_form(form)
        if client_id is None:
            return FIRST_PARTY_CLIENT
        registry = service.registry
        client = registry.client(client_id) or await registry.unregistered.find(client_id)
        return _check(service, client, method, secret)
    except NotProved as error:
        # Only what is registered is named: a stranger's client_id may be anything.
        client_id = None if error.client is None else error.client.id
        address = origin_of(request).address
        _log.info("client_refused", reason=error.reason, client=client_id, address=address)
        raise _refused(basic=error.basic) from None


async def authenticate_confidential(request: Request, form: dict[str, str]) -> Client:
    """Give the client that sends a request, one that has proved who it is.

    Raises:
        RequestRefused: as ``authenticate``, also for public clients.
    """
    client = await authenticate(request, form)
    if client.metadata.is_public:
        address = origin_of(request).address
        _log.info("client_refused", reason="public_client", client=client.id, address=address)
        raise _refused()
    return client


def _by_form(form: dict[str, str]) -> _Presented:
    """Read a client_id, with a secret or without one."""
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if client_id is None and secret is not None:
        raise RequestRefused("invalid_request", "client_secret needs a client_id")
    return client_id, secret, "client_secret_post"


def _by_basic(header: str, form: dict[str, str]) -> _Presented:
    """Read HTTP Basic; id and secret are each form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, credentials = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        pair = a2b_base64(credentials.strip(), strict_mode=True).decode("ascii")
        name, colon, secret = pair.partition(":")
        if not colon:
            raise ValueError
        client_id, secret = decoded(name), decoded(secret)
    except ValueError:
        raise NotProved("malformed_basic", basic=True) from None
    if form.get("client_id", client_id) != client_id:
        raise RequestRefused("invalid_request", "client_id differs from the Authorization header")
    return client_id, secret, "client_secret_basic"


def _check(service: Service, client: Client | None, method: str, secret: str | None) -> Client:
    """Check that a client proves itself in its own way; a public one has nothing to prove."""
    if secret is not None:
        return _check_secret(service, client, method, secret)
    if client is None:
        raise NotProved("unknown_client")
    if not client.metadata.is_public:
        raise NotProved("nothing_proved", client)
    return client


def _check_secret(service: Service, client: Client | None, method: str, secret: str) -> Client:
    """Compare a secret with two, whatever the client has, so that time tells nothing."""
    known = (client.secrets if client is not None else Secrets()).at(service.clock())
    given = hash_secret(secret)
    right = hmac.compare_digest(given, known.current or NO_SECRET)
    right |= hmac.compare_digest(given, known.previous or NO_SECRET)
    basic = method == "client_secret_basic"
    if client is None:
        raise NotProved("unknown_client", basic=basic)
    if client.metadata.token_endpoint_auth_method != method:
        raise NotProved("another_method", client, basic=basic)
    if not right:
        raise NotProved("wrong_secret", client, basic=basic)
    return client


def _refused(*, basic: bool = False) -> RequestRefused:
    return RequestRefused(
        "invalid_client",
        "the client is unknown, or did not authenticate in the way that it is registered for",
        401,
        {"WWW-Authenticate": 'Basic realm="carnet", charset="UTF-8"'} if basic else None,
    )
