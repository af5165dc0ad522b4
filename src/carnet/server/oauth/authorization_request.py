"""What a client asks of the authorization endpoint, checked without a database or a clock.

Two kinds of refusal are told apart: until the client and its address are known to be good, an error
is shown to the person and nothing is sent anywhere; after that it goes to the client's address
(RFC 6749 section 4.1.2.1, RFC 9700 section 4.11).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from carnet.errors import CarnetError
from carnet.server.clients.clients import LOOPBACK_HOST, Client

__all__ = [
    "MARK",
    "AuthorizationRefused",
    "AuthorizationRequest",
    "NotTheClient",
    "read_authorization_request",
    "read_query",
    "redirect_matches",
    "with_parameters",
]

MAX_PARAMETERS: Final = 64
MAX_QUERY: Final = 16 * 1024
MAX_TEXT: Final = 2048
MARK: Final = "signed_in_since"
PROMPTS: Final = frozenset(("none", "login", "consent", "select_account"))

_CHALLENGE = re.compile(r"[A-Za-z0-9_\-]{43}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")
_LOOPBACK = re.compile(rf"http://{LOOPBACK_HOST.pattern}(?=[/?]|$)")
_REFUSED_PARAMETERS = ("request", "request_uri", "registration")


class NotTheClient(CarnetError):
    """The client or its address is not known to be good: the person is told, and nobody else."""

    code = "invalid_request"


class AuthorizationRefused(CarnetError):
    """A request of a known client is refused, and the client is told at its address.

    Args:
        error: the OAuth error code.
        description: for the developer of the client; printable ASCII without quotes.
        redirect_uri: the client's address.
        state: as the client sent it, or None.
    """

    def __init__(
        self, error: str, description: str, redirect_uri: str, state: str | None = None
    ) -> None:
        super().__init__(description, code=error)
        self.redirect_uri = redirect_uri
        self.state = state


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be granted, once it is known who grants it.

    Attributes:
        client_id: who asks.
        redirect_uri: where the answer goes.
        redirect_given: whether the request named that address; the token request does so too then.
        challenge: the ``code_challenge``, of the method S256.
        scope: what is asked for and may be granted, names with spaces between them.
        audience: what the access tokens are for.
        state: comes back with the answer, or None.
        nonce: comes back in the ID token, or None.
        prompts: what the person is to be asked in any case.
        max_age: the most seconds since the password was given, or None.
        login_hint: the username that is expected, or None.
        id_token_hint: an ID token of whoever is expected, or None.
        key_thumbprint: of the key that the tokens are to be bound to, or "" (``dpop_jkt``).
        mark: what the service has added to the address that the sign-in page leads back to, or "":
            the moment after which a password is new enough, authenticated.
    """

    client_id: str
    redirect_uri: str
    redirect_given: bool
    challenge: str
    scope: str
    audience: str
    state: str | None = None
    nonce: str | None = None
    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    id_token_hint: str | None = None
    key_thumbprint: str = ""
    mark: str = ""

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


def read_authorization_request(
    given: Mapping[str, Sequence[str]],
    client_by_id: Callable[[str], Client | None],
    audiences_of: Callable[[Client], Sequence[str]],
    permitted: Callable[[Client, str, Iterable[str]], frozenset[str]],
) -> AuthorizationRequest:
    """Check a request (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1).

    Args:
        given: the parameters, each with all the values that it was given.
        client_by_id: finds a client.
        audiences_of: gives everything that a client may ask tokens for; the first is the default.
        permitted: gives which of some scopes a client may be granted at a resource.

    Raises:
        NotTheClient: the client or its address is not known to be good.
        AuthorizationRefused: anything else is wrong.
    """
    client = _client(given, client_by_id)
    redirect_uri = _redirect_uri(given, client)
    states = given.get("state", ())
    state = states[0] if len(states) == 1 and len(states[0]) <= MAX_TEXT else None

    def refused(error: str, description: str) -> AuthorizationRefused:
        return AuthorizationRefused(error, description, redirect_uri, state)

    for name, values in given.items():
        if len(values) > 1:
            if name == "resource":
                # RFC 8707 section 2 allows several; here a token, and what is granted, is for one.
                raise refused("invalid_target", "ask for one resource at a time")
            text = f"the parameter {_printable(name)} is given more than once"
            raise refused("invalid_request", text)
    one = {name: values[0] for name, values in given.items()}
    for name in _REFUSED_PARAMETERS:
        if name in one:
            raise refused(f"{name}_not_supported", f"the parameter {name} is not supported")
    for name in ("state", "nonce", "login_hint"):
        if len(one.get(name, "")) > MAX_TEXT:
            raise refused("invalid_request", f"{name} is longer than {MAX_TEXT} characters")
    response_type = one.get("response_type")
    if response_type is None:
        raise refused("invalid_request", "the parameter response_type is missing")
    if response_type != "code":
        raise refused("unsupported_response_type", "the response_type must be code")
    if "authorization_code" not in client.metadata.grant_types:
        raise refused("unauthorized_client", "the client may not use the authorization code grant")
    if one.get("response_mode", "query") != "query":
        raise refused("invalid_request", "the response_mode must be query")
    challenge = one.get("code_challenge")
    if challenge is None:
        raise refused("invalid_request", "the parameter code_challenge is missing (RFC 7636)")
    # Without a method the challenge would be the verifier itself (RFC 7636 section 4.3).
    if one.get("code_challenge_method") != "S256":
        raise refused("invalid_request", "the code_challenge_method must be S256")
    if _CHALLENGE.fullmatch(challenge) is None:
        raise refused("invalid_request", "the code_challenge must be 43 characters of base64url")
    prompts = frozenset(one.get("prompt", "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise refused(
            "invalid_request", "prompt is none alone, or some of login, consent, select_account"
        )
    max_age = one.get("max_age")
    if max_age is not None and _NUMBER.fullmatch(max_age) is None:
        raise refused("invalid_request", "max_age must be a whole number of seconds")
    thumbprint = one.get("dpop_jkt", "")
    if thumbprint and _CHALLENGE.fullmatch(thumbprint) is None:
        raise refused("invalid_request", "dpop_jkt must be the SHA-256 thumbprint of a key")
    audience = _audience(one.get("resource"), audiences_of(client), refused)
    return AuthorizationRequest(
        client_id=client.id,
        redirect_uri=redirect_uri,
        redirect_given="redirect_uri" in one,
        challenge=challenge,
        scope=_scope(one.get("scope"), client, audience, permitted, refused),
        audience=audience,
        state=state,
        nonce=one.get("nonce"),
        prompts=prompts,
        max_age=None if max_age is None else int(max_age),
        login_hint=one.get("login_hint"),
        id_token_hint=one.get("id_token_hint"),
        key_thumbprint=thumbprint,
        mark=one.get(MARK, ""),
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


def _client(
    given: Mapping[str, Sequence[str]], client_by_id: Callable[[str], Client | None]
) -> Client:
    values = given.get("client_id", ())
    if len(values) != 1:
        raise NotTheClient("the request names no client, or more than one")
    client = client_by_id(values[0])
    if client is None:
        raise NotTheClient("the client that sent you here is not known", code="invalid_client")
    return client


def _redirect_uri(given: Mapping[str, Sequence[str]], client: Client) -> str:
    values, registered = given.get("redirect_uri", ()), client.metadata.redirect_uris
    if len(values) > 1:
        raise NotTheClient("the request names more than one address to go back to")
    if not values:
        is_openid = any("openid" in scope.split() for scope in given.get("scope", ()))
        if len(registered) != 1 or is_openid:
            raise NotTheClient("the request does not name the address to go back to")
        return registered[0]
    if not any(redirect_matches(known, values[0]) for known in registered):
        raise NotTheClient("the address to go back to is not one that the client has registered")
    return values[0]


def _scope(
    asked: str | None,
    client: Client,
    audience: str,
    permitted: Callable[[Client, str, Iterable[str]], frozenset[str]],
    refused: Callable[[str, str], AuthorizationRefused],
) -> str:
    """Give what may be granted of what is asked for; the client is told what that is."""
    if asked is None:
        asked = client.metadata.scope
    elif _SCOPE.fullmatch(asked) is None:
        raise refused("invalid_scope", "scope is a list of names with one space between them")
    wanted = dict.fromkeys(asked.split())
    allowed = permitted(client, audience, wanted)
    if wanted and not allowed:
        raise refused(
            "invalid_scope", "the client may ask for nothing that is in the scope, at this resource"
        )
    return " ".join(name for name in wanted if name in allowed)


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
