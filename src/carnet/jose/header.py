"""What every JOSE header must satisfy, for JWS and JWE alike (section 4 of RFC 7515 and 7516).

Keys and addresses that a token brings along (``jwk``, ``jku``, ``x5u``, ``x5c``) are never looked
at. ``kid`` is an opaque, bounded text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from carnet.errors import CarnetError, ConfigurationError, InvalidToken

__all__ = [
    "MAX_HEADER",
    "Extensions",
    "check_crit",
    "check_extensions",
    "check_header",
    "handle_extensions",
    "invalid",
    "media_type",
]

Extensions = Mapping[str, Callable[[Any], bool]]
"""Extensions that a caller understands: by the name in ``crit``, a function of the parameter's
value that handles it and gives True."""


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
_BUILT_IN = REGISTERED | {"b64"}
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


def check_extensions(extensions: Extensions | None) -> Extensions:
    """Check a caller's own extensions; what None stands for is that there are none.

    Raises:
        ConfigurationError: if they are no functions by their names, or one is no extension.
    """
    if extensions is None:
        return {}
    if not isinstance(extensions, Mapping) or not all(
        isinstance(name, str) and callable(handle) for name, handle in extensions.items()
    ):
        raise ConfigurationError("extensions must map names in 'crit' to functions of their values")
    if not _BUILT_IN.isdisjoint(extensions):
        raise ConfigurationError("extensions names a parameter that the standards define")
    return extensions


def handle_extensions(header: Mapping[str, Any], extensions: Extensions) -> None:
    """Have a caller handle its own extensions, once the header that asks for them is verified.

    Raises:
        InvalidToken: ``header_invalid``, where a function does not give True.
    """
    for name in header.get("crit", ()):
        handle = extensions.get(name)
        if handle is None:
            continue  # one that is handled here
        try:
            handled = handle(header[name])
        except CarnetError:
            raise
        except Exception as error:
            raise invalid(name, "a value that this service can handle") from error
        if handled is not True:
            raise invalid(name, "a value that this service accepts")


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
