"""Bearer tokens in HTTP requests, and what is answered without a good one (RFC 6750)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from carnet.errors import CarnetError, InvalidToken, IssuerUnavailable
from carnet.jwt.claims import Claims

__all__ = ["Refusal", "bearer_token", "check_role", "check_scope", "refusal_of"]

MAX_HEADER: Final = 64 * 1024
RETRY_SECONDS: Final = 5

_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_NOT_QUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


@dataclass
class Refusal(Exception):
    """What is answered instead of the resource.

    Attributes:
        status: the HTTP status.
        headers: ``WWW-Authenticate``, or ``Retry-After`` where the issuer can't be reached.
        content: the JSON object of the body; empty where nothing was presented.
    """

    status: int
    headers: dict[str, str]
    content: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The JSON text of the body."""
        return json.dumps(self.content).encode()


def bearer_token(values: Sequence[str], scheme: str = "Bearer") -> str:
    """Take the token out of a request's Authorization headers (RFC 6750 section 2.1).

    Args:
        values: the header's values, one for each time that it stands in the request.
        scheme: ``Bearer``, or ``DPoP`` where a proof comes with it (RFC 9449 section 7.1).

    Raises:
        Refusal: 401 where there is no such token, 400 where the header is malformed.
    """
    if not values:
        raise _challenge(401, None, "send the access token as 'Authorization: Bearer <token>'")
    if len(values) > 1:
        raise _challenge(400, "invalid_request", "there is more than one Authorization header")
    given, _, token = values[0].partition(" ")
    if given.lower() != scheme.lower():
        raise _challenge(401, None, f"the Authorization header must have the scheme {scheme}")
    token = token.strip(" ")
    if len(token) > MAX_HEADER or _B64TOKEN.fullmatch(token) is None:
        raise _challenge(400, "invalid_request", "the Authorization header holds no bearer token")
    return token


def check_role(claims: Claims, role: str) -> None:
    """Check that a token carries a role.

    Raises:
        Refusal: 403.
    """
    if role not in claims.roles:
        raise _forbidden("role_missing", "roles", role, f"this needs the role {role}", None)


def check_scope(claims: Claims, scope: str) -> None:
    """Check that a token carries a scope, or several with spaces between them.

    Raises:
        Refusal: 403, naming the scope in the challenge (RFC 6750 section 3.1).
    """
    if not claims.scopes.issuperset(scope.split()):
        raise _forbidden("scope_missing", "scope", scope, f"this needs the scope {scope}", scope)


def refusal_of(error: CarnetError) -> Refusal:
    """Make the answer for a token that was refused, or could not be checked."""
    if isinstance(error, InvalidToken):
        return _challenge(
            401, "invalid_token", str(error), error.code, claim=error.claim, expected=error.expected
        )
    if isinstance(error, IssuerUnavailable):
        content = {
            "error": "temporarily_unavailable",
            "error_description": "tokens can't be checked at this moment; try again shortly",
            "code": error.code,
        }
        return Refusal(503, {"Retry-After": str(RETRY_SECONDS)}, content)
    raise error


def _forbidden(code: str, claim: str, expected: str, text: str, scope: str | None) -> Refusal:
    return _challenge(403, "insufficient_scope", text, code, scope, claim=claim, expected=expected)


def _challenge(
    status: int,
    error: str | None,
    description: str,
    code: str | None = None,
    scope: str | None = None,
    **more: str | None,
) -> Refusal:
    if error is None:
        # RFC 6750 section 3.1: no error code where no token was presented.
        missing = {"error": "invalid_request", "error_description": description}
        return Refusal(status, {"WWW-Authenticate": "Bearer"}, missing)
    parts = {"error": error, "error_description": description, "scope": scope}
    quoted = [
        f'{name}="{_NOT_QUOTABLE.sub("?", value.replace(chr(34), chr(39)))}"'
        for name, value in parts.items()
        if value is not None
    ]
    content: dict[str, str | None] = {
        "error": error,
        "error_description": description,
        "code": code or error,
        **more,
    }
    return Refusal(
        status,
        {"WWW-Authenticate": f"Bearer {', '.join(quoted)}"},
        {name: value for name, value in content.items() if value is not None},
    )
