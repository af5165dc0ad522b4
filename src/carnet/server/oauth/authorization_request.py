"""What a client asks of the authorization endpoint, checked without a database or a clock.

Two kinds of refusal are told apart: until the client and its address are known to be good, an error
is shown to the person and nothing is sent anywhere; after that it goes to the client's address
(RFC 6749 section 4.1.2.1, RFC 9700 section 4.11).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from carnet.errors import CarnetError
from carnet.server.clients.clients import LOOPBACK_HOST, Client
from carnet.server.factors.levels import ACR_VALUES
from carnet.server.oauth.claims_request import BadClaims, read_claims
from carnet.server.oauth.parameter_checks import (
    CHECKS,
    INVALID,
    MAX_TEXT,
    RESPONSE_MODES,
    SIGNED_MODES,
    prompts_of,
)

__all__ = [
    "AuthorizationRefused",
    "AuthorizationRequest",
    "NotTheClient",
    "read_authorization_request",
    "read_client_id",
    "read_query",
    "redirect_matches",
    "refusal",
    "with_parameters",
]

MAX_PARAMETERS: Final = 64
MAX_QUERY: Final = 16 * 1024

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")
_LOOPBACK = re.compile(rf"http://{LOOPBACK_HOST.pattern}(?=[/?]|$)")


class NotTheClient(CarnetError):
    """The client or its address is not known to be good: the person is told, and nobody else."""

    code = "invalid_request"


class AuthorizationRefused(CarnetError):
    """A request of a known client is refused, and the client is told at its address.

    Args:
        error: the OAuth error code.
        description: for the developer of the client; printable ASCII without quotes.
        client: which.
        redirect_uri: its address.
        state: as it sent that, or None.
        response_mode: how it is told.
    """

    def __init__(
        self,
        error: str,
        description: str,
        client: Client,
        redirect_uri: str,
        state: str | None = None,
        response_mode: str = "query",
    ) -> None:
        super().__init__(description, code=error)
        self.client = client
        self.redirect_uri = redirect_uri
        self.state = state
        self.response_mode = response_mode

    @property
    def leads_astray(self) -> bool:
        """Whether the address is a site that a stranger chose, and nobody has agreed to go to.

        Whoever makes such a client and a wrong request would have a link that begins here and ends
        there (RFC 9700 section 4.11.2). What is on the person's own device is no such site.
        """
        return self.client.unregistered and self.redirect_uri.startswith("https://")


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be granted, once it is known who grants it.

    Attributes:
        client_id: who asks.
        redirect_uri: where the answer goes.
        redirect_given: whether the request named that address; the token request does so too then.
        challenge: the ``code_challenge``, of the method S256, or "".
        scope: what is asked for and may be granted, names with spaces between them.
        audience: what the access tokens are for.
        response_mode: how the answer goes there.
        state: comes back with the answer, or None.
        nonce: comes back in the ID token, or None.
        prompts: what the person is to be asked in any case.
        max_age: the most seconds since the password was given, or None.
        acr_values: what the sign-in may amount to, any of them; none for whatever it does.
        login_hint: the username that is expected, or None.
        id_token_hint: an ID token of whoever is expected, or None.
        subjects: the accounts, one of which is expected; empty for any.
        key_thumbprint: of the key that the tokens are to be bound to, or "" (``dpop_jkt``).
    """

    client_id: str
    redirect_uri: str
    redirect_given: bool
    challenge: str
    scope: str
    audience: str
    response_mode: str = "query"
    state: str | None = None
    nonce: str | None = None
    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str | None = None
    id_token_hint: str | None = None
    subjects: frozenset[str] = frozenset()
    key_thumbprint: str = ""

    @property
    def scopes(self) -> list[str]:
        """The names in the scope."""
        return self.scope.split()


def read_query(text: str) -> dict[str, list[str]]:
    """Take a query or a form apart; a parameter without a value counts as not given.

    Raises:
        NotTheClient: if it is not well-formed.
    """
    if len(text) > MAX_QUERY:
        raise NotTheClient(f"the request is longer than {MAX_QUERY} characters")
    try:
        pairs = parse_qsl(
            text, strict_parsing=bool(text), errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError:
        raise NotTheClient("the request is not a well-formed query") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def read_client_id(given: Mapping[str, Sequence[str]]) -> str:
    """Give the id of the client that a request names.

    Args:
        given: the parameters, each with all the values that it was given.

    Raises:
        NotTheClient: if it names none, or several.
    """
    values = given.get("client_id", ())
    if len(values) != 1:
        raise NotTheClient("the request names no client, or more than one")
    return values[0]


def read_authorization_request(
    given: Mapping[str, Sequence[str]],
    client: Client,
    audiences_of: Callable[[Client], Sequence[str]],
    permitted: Callable[[Client, str, Iterable[str]], frozenset[str]],
    spelled: Callable[[str], str] = str,
) -> AuthorizationRequest:
    """Check a request (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1).

    Args:
        given: the parameters, each with all the values that it was given.
        client: who asks, as its id names it.
        audiences_of: gives everything that a client may ask tokens for; the first is the default.
        permitted: gives which of some scopes a client may be granted at a resource.
        spelled: gives the registered spelling of a resource; by default the one that is given.

    Raises:
        NotTheClient: the address of the client is not known to be good.
        AuthorizationRefused: anything else is wrong.
    """
    redirect_uri = _redirect_uri(given, client)
    response_mode = _response_mode(given, client, redirect_uri)
    refused = partial(refusal, given, client)
    for name, values in given.items():
        if len(values) > 1:
            if name == "resource":
                # RFC 8707 section 2 allows several; here a token, and what is granted, is for one.
                raise refused("invalid_target", "ask for one resource at a time")
            text = f"the parameter {_printable(name)} is given more than once"
            raise refused("invalid_request", text)
    one = {name: values[0] for name, values in given.items()}
    for name, holds, error, text in CHECKS:
        if not holds(one.get(name), client, one):
            raise refused(error, text)
    asked = one.get("response_mode")
    if asked is not None and RESPONSE_MODES[asked] != response_mode:
        text = "the response_mode form_post needs a redirect_uri with http:// or https://"
        if client.metadata.needs_signed_answers:
            text = f"the response_mode of this client must be one of {', '.join(SIGNED_MODES)}"
        raise refused(INVALID, text)
    try:
        claims = read_claims(one.get("claims"))
    except BadClaims as error:
        raise refused(INVALID, str(error)) from None
    # What acr_values ask for is voluntary, and left out where there is no such level (OpenID
    # Connect Core section 3.1.2.1); an essential claim is not.
    if claims.essential_acr and set(ACR_VALUES).isdisjoint(claims.essential_acr):
        raise refused(
            "unmet_authentication_requirements", f"acr must be one of: {' '.join(ACR_VALUES)}"
        )
    max_age = one.get("max_age")
    resource = one.get("resource")
    audience = _audience(resource and spelled(resource), audiences_of(client), refused)
    return AuthorizationRequest(
        client_id=client.id,
        redirect_uri=redirect_uri,
        redirect_given="redirect_uri" in one,
        challenge=one.get("code_challenge", ""),
        scope=_scope(one.get("scope"), claims.scopes, client, audience, permitted, refused),
        audience=audience,
        response_mode=response_mode,
        state=one.get("state"),
        nonce=one.get("nonce"),
        prompts=prompts_of(one.get("prompt")),
        max_age=None if max_age is None else int(max_age),
        acr_values=claims.essential_acr or tuple(one.get("acr_values", "").split()),
        login_hint=one.get("login_hint"),
        id_token_hint=one.get("id_token_hint"),
        subjects=claims.subjects,
        key_thumbprint=one.get("dpop_jkt", ""),
    )


def refusal(
    given: Mapping[str, Sequence[str]], client: Client, error: str, description: str
) -> AuthorizationRefused:
    """Make the error that a client is told at its address.

    Args:
        given: the parameters of its request, which may be wrong.
        client: who asks, as its id names it.
        error: the OAuth error code.
        description: for the developer of the client; printable ASCII without quotes.

    Raises:
        NotTheClient: the address of the client is not known to be good.
    """
    redirect_uri, states = _redirect_uri(given, client), given.get("state", ())
    return AuthorizationRefused(
        error,
        description,
        client,
        redirect_uri,
        states[0] if len(states) == 1 and len(states[0]) <= MAX_TEXT else None,
        _response_mode(given, client, redirect_uri),
    )


def redirect_matches(registered: str, given: str) -> bool:
    """Compare a client's addresses, character by character.

    Only the port of an address on this very machine may differ (RFC 8252 section 7.3): a native
    app takes whichever is free.
    """
    if registered == given:
        return True
    one, other = _LOOPBACK.match(registered), _LOOPBACK.match(given)
    return (
        one is not None
        and other is not None
        and one[1] == other[1]
        and registered[one.end() :] == given[other.end() :]
    )


def with_parameters(address: str, parameters: Mapping[str, str | None]) -> str:
    """Add parameters to an address, after those that it has; None stands for none."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    if not query:
        return address
    return f"{address}{'&' if '?' in address else '?'}{query}"


def _redirect_uri(given: Mapping[str, Sequence[str]], client: Client) -> str:
    values, registered = given.get("redirect_uri", ()), client.metadata.redirect_uris
    if len(values) > 1:
        raise NotTheClient("the request names more than one address to go back to")
    if not values:
        is_openid = any("openid" in scope.split() for scope in given.get("scope", ()))
        if len(registered) != 1 or is_openid or client.metadata.profile is not None:
            raise NotTheClient("the request does not name the address to go back to")
        return registered[0]
    if not any(redirect_matches(known, values[0]) for known in registered):
        raise NotTheClient("the address to go back to is not one that the client has registered")
    return values[0]


def _response_mode(given: Mapping[str, Sequence[str]], client: Client, redirect_uri: str) -> str:
    """Give how the answer goes back, an error with the request included."""
    asked = given.get("response_mode", ())
    mode = RESPONSE_MODES.get(asked[0], "query") if len(asked) == 1 else "query"
    if not redirect_uri.startswith(("https://", "http://")):
        mode = mode.replace("form_post", "query")
    if client.metadata.needs_signed_answers and mode not in SIGNED_MODES:
        mode = f"{mode}.jwt"
    return mode


def _scope(
    asked: str | None,
    claims: Sequence[str],
    client: Client,
    audience: str,
    permitted: Callable[[Client, str, Iterable[str]], frozenset[str]],
    refused: Callable[[str, str], AuthorizationRefused],
) -> str:
    """Give what may be granted of what is asked for; the client is told what that is."""
    if asked is None:
        asked = client.metadata.scope
    elif _SCOPE.fullmatch(asked) is None:
        raise refused("invalid_scope", "scope must be a list of names, each separated by one space")
    requested = dict.fromkeys(asked.split())
    if "openid" in requested:
        requested |= dict.fromkeys(claims)
    allowed = permitted(client, audience, requested)
    if requested and not allowed:
        raise refused(
            "invalid_scope", "the client is not allowed any of these scopes for this resource"
        )
    return " ".join(name for name in requested if name in allowed)


def _audience(
    resource: str | None,
    allowed: Sequence[str],
    refused: Callable[[str, str], AuthorizationRefused],
) -> str:
    audience = next(iter(allowed), None) if resource is None else resource
    if audience is None or audience not in allowed:
        raise refused("invalid_target", "the client may not ask for tokens for this resource")
    return audience


def _printable(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_.\-]{1,64}", name) else "of that name"
