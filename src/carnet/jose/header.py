"""What every JOSE header must satisfy, for JWS and JWE alike (section 4 of RFC 7515 and 7516).

Keys and addresses that a token brings along (``jwk``, ``jku``, ``x5u``, ``x5c``) are never looked
at. ``kid`` is an opaque, bounded text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from carnet.errors import InvalidToken

__all__ = ["MAX_HEADER", "check_crit", "check_header", "invalid", "media_type"]

MAX_HEADER = 8 * 1024
"""Characters of base64url that a protected header may have."""

MAX_KID = 256

# The header parameters of RFC 7515, 7516 and 7518: 'crit' must not name them.
REGISTERED = frozenset(
    [
        "alg",
        "enc",
        "zip",
        "jku",
        "jwk",
        "kid",
        "x5u",
        "x5c",
        "x5t",
        "x5t#S256",
        "typ",
        "cty",
        "crit",
        "epk",
        "apu",
        "apv",
        "iv",
        "tag",
        "p2s",
        "p2c",
    ]
)
_TEXTS = ("kid", "typ", "cty", "enc", "zip")


def check_header(header: Mapping[str, Any]) -> None:
    """Check the parameters that every header shares.

    Raises:
        InvalidToken: ``header_invalid``, naming the parameter in ``claim``.
    """
    if not isinstance(header.get("alg"), str):
        raise invalid("alg", "a text that names the algorithm")
    for name in _TEXTS:
        if name in header and not isinstance(header[name], str):
            raise invalid(name, "a text")
    if len(header.get("kid", "")) > MAX_KID:
        raise invalid("kid", f"at most {MAX_KID} characters")


def check_crit(header: Mapping[str, Any], understood: Collection[str]) -> None:
    """Check ``crit`` of a protected header (RFC 7515 section 4.1.11).

    Raises:
        InvalidToken: ``header_invalid``, or ``crit_unsupported`` for an extension not understood.
    """
    if "crit" not in header:
        return
    names = header["crit"]
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) for name in names)
        or len(set(names)) != len(names)
    ):
        raise invalid("crit", "a list of different names, not empty")
    for name in names:
        if name in REGISTERED or name not in header:
            raise invalid("crit", "only names of extensions that stand in this protected header")
        if name not in understood:
            raise InvalidToken(
                "the token needs an extension that is not supported",
                code="crit_unsupported",
                claim="crit",
                expected=", ".join(understood) or "no critical extension",
            )


def media_type(value: str) -> str:
    """Give a ``typ`` or ``cty`` in the one form to compare it in (RFC 7515 section 4.1.9).

    ``application/`` may be left out where nothing else has a slash, so only there it is taken off.
    """
    value = value.lower()
    short = value.removeprefix("application/")
    return value if "/" in short else short


def invalid(name: str, expected: str) -> InvalidToken:
    """Make the error for a header parameter."""
    return InvalidToken(
        f"the header's '{name}' is not acceptable: expected {expected}",
        code="header_invalid",
        claim=name,
        expected=expected,
    )
