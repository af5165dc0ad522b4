"""What is answered instead of a resource, and what its challenge says (RFC 6750, RFC 9728)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from carnet.errors import CarnetError, InvalidToken, IssuerUnavailable
from carnet.verifier.protected_resource import PublishedResource

__all__ = [
    "RETRY_SECONDS",
    "Refusal",
    "challenge",
    "missing",
    "present",
    "refusal_of",
    "role_missing",
    "scope_missing",
    "with_advice",
]

T = TypeVar("T")

RETRY_SECONDS: Final = 5

_log = logging.getLogger("carnet.verifier")
_NOT_QUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


@dataclass
class Refusal(Exception):
    """What is answered instead of the resource.

    Attributes:
        status: the HTTP status.
        headers: ``WWW-Authenticate``, or ``Retry-After`` where the issuer can't be reached.
        content: the JSON object of the body, with our stable ``code``.
        reason: what the log is told and the client is not, or "".
    """

    status: int
    headers: dict[str, str]
    content: dict[str, Any]
    reason: str = ""

    @property
    def body(self) -> bytes:
        """The JSON text of the body."""
        return json.dumps(self.content).encode()

    @property
    def code(self) -> str:
        """Why, as a stable name."""
        return str(self.content["code"])

    def log(self, path: str) -> None:
        """Tell the log ``carnet.verifier`` of it: never the token.

        The level is INFO; WARNING with the reason, where the service itself can't go on.
        """
        claim = self.content.get("claim", "-")
        # What a client writes into its path begins no line of the log.
        text = f"refused {self.status} {self.code} claim={claim} path={path!a:.200}"
        if self.reason:
            _log.warning("%s: %s", text, _one_line(self.reason))
        else:
            _log.info("%s", text)


def missing(
    description: str = "send the access token as 'Authorization: Bearer <token>'",
) -> Refusal:
    """Make the answer for a request without a token."""
    # RFC 6750 section 3.1: the challenge has no error code where no token was presented.
    content = {
        "error": "invalid_request",
        "error_description": description,
        "code": "token_missing",
    }
    return Refusal(401, {"WWW-Authenticate": "Bearer"}, content)


def present(found: T | None) -> T:
    """Give what a middleware has found: the claims.

    Raises:
        Refusal: 401, if the request had no token.
    """
    if found is None:
        raise missing()
    return found


def refusal_of(error: CarnetError) -> Refusal:
    """Make the answer for a token that was refused, or could not be checked."""
    if isinstance(error, InvalidToken):
        text = str(error)
        if (error.code, error.claim) == ("type_mismatch", "typ"):
            text += "; the option 'type' says which ones this service takes"
        return challenge(
            401, "invalid_token", text, error.code, claim=error.claim, expected=error.expected
        )
    if isinstance(error, IssuerUnavailable):
        content = {
            "error": "temporarily_unavailable",
            "error_description": "tokens can't be checked at this moment; try again shortly",
            "code": error.code,
        }
        return Refusal(503, {"Retry-After": str(RETRY_SECONDS)}, content, str(error))
    raise error


def role_missing(role: str) -> Refusal:
    """Make the answer for a token without a role."""
    text = f"this needs the role {role}"
    return challenge(403, "insufficient_scope", text, "role_missing", claim="roles", expected=role)


def scope_missing(scope: str) -> Refusal:
    """Make the answer for a token without the scopes that are needed: it names all of them."""
    return challenge(
        403,
        "insufficient_scope",
        f"this needs the scope {scope}",
        "scope_missing",
        {"scope": scope},
        claim="scope",
        expected=scope,
    )


def with_advice(
    refusal: Refusal, resource: PublishedResource | None = None, scope: str = ""
) -> Refusal:
    """Add to a refusal's challenge what a client has to know to get a token that will do.

    Args:
        refusal: the refusal.
        resource: says where the metadata of the resource are (RFC 9728 section 5.1).
        scope: all that is needed at this place, where that is known: named to who has no token
            (401), and to who lacks one of them (403), so that one sign-in is enough. Where it is
            not, who has no token is told those without which the resource is of no use at all.
    """
    if scope and refusal.code == "scope_missing":
        refusal = scope_missing(scope)
    told = refusal.headers.get("WWW-Authenticate")
    if told is None or (resource is None and not scope):
        return refusal
    scheme, _, held = told.partition(" ")
    asked = scope or (resource.scope if resource is not None else "")
    parts = {
        "scope": asked if asked and refusal.status == 401 else None,
        "resource_metadata": None if resource is None else resource.url,
    }
    said = [*([held] if held else []), *_quoted(parts)]
    schemes = {scheme: ""} if resource is None else {scheme: "", **resource.schemes}
    challenges = [
        f"{name} {', '.join(filter(None, [own, *said]))}".rstrip() for name, own in schemes.items()
    ]
    headers = {**refusal.headers, "WWW-Authenticate": ", ".join(challenges)}
    return Refusal(refusal.status, headers, refusal.content, refusal.reason)


def challenge(
    status: int,
    error: str,
    description: str,
    code: str | None = None,
    asked: Mapping[str, str | None] | None = None,
    **more: str | None,
) -> Refusal:
    """Make the answer for a token that does not do.

    Args:
        status: the HTTP status.
        error: the error code of RFC 6750 section 3.1.
        description: for people.
        code: our stable name of it; ``error`` unless given.
        asked: what the challenge says besides.
        more: what the body says besides.
    """
    parts = {"error": error, "error_description": description, **(asked or {})}
    content: dict[str, str | None] = {
        "error": error,
        "error_description": description,
        "code": code or error,
        **more,
    }
    return Refusal(
        status,
        {"WWW-Authenticate": f"Bearer {', '.join(_quoted(parts))}"},
        {name: value for name, value in content.items() if value is not None},
    )


def _quoted(parts: Mapping[str, str | None]) -> list[str]:
    return [
        f'{name}="{_NOT_QUOTABLE.sub("?", value.replace(chr(34), chr(39)))}"'
        for name, value in parts.items()
        if value is not None
    ]


def _one_line(text: str) -> str:
    """Make a line of what may hold an issuer's own words."""
    return "".join(char if char.isprintable() else "?" for char in text)[:500]
