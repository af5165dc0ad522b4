"""The parameter ``claims``: single claims of an account, asked for by name.

Who is asked for single claims is asked no other questions than for scopes, so they become scopes:
``userinfo:name`` releases the claim ``name`` at UserInfo, ``id_token:name`` in ID tokens
(``ScopeTable``). A client may have such a one where it may have a scope that releases the same
claim there; what is not known is left out, for no claim is ever an error (OpenID Connect Core
section 5.5).
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from carnet.errors import InvalidToken
from carnet.jose.encoding import json_decode

__all__ = ["BadClaims", "ClaimsRequest", "read_claims"]

MOST_CLAIMS: Final = 64


class _Wish(msgspec.Struct, frozen=True):
    """What is asked for of one claim (OpenID Connect Core section 5.5.1)."""

    essential: bool = False
    value: Any = None
    values: tuple[Any, ...] = ()

    @property
    def texts(self) -> frozenset[str]:
        """The texts that it may be."""
        given = self.values if self.value is None else (self.value, *self.values)
        return frozenset(text for text in given if isinstance(text, str))


_Wishes = Annotated[dict[str, _Wish | None], Meta(max_length=MOST_CLAIMS)]


class _Parameter(msgspec.Struct, frozen=True):
    """What is asked for, in each of the two places; other members mean nothing here."""

    userinfo: _Wishes | None = None
    id_token: _Wishes | None = None


class BadClaims(ValueError):
    """The parameter has another form."""


class ClaimsRequest(msgspec.Struct, frozen=True):
    """What a client asks for by the parameter ``claims``.

    Attributes:
        scopes: the single claims, as scopes, in the order in which they are asked for.
        subjects: one of these has to be signed in; empty for anybody.
        essential_acr: how the person has to have signed in, one of these; empty for anyhow.
    """

    scopes: tuple[str, ...] = ()
    subjects: frozenset[str] = frozenset()
    essential_acr: tuple[str, ...] = ()


def read_claims(text: str | None) -> ClaimsRequest:
    """Read the parameter.

    Args:
        text: its JSON, or None where it is not given.

    Raises:
        BadClaims: saying what it has to be.
    """
    if text is None:
        return ClaimsRequest()
    try:
        asked = msgspec.convert(json_decode(text.encode()), _Parameter)
    except (InvalidToken, UnicodeError, msgspec.ValidationError):
        raise BadClaims(
            "claims must be a JSON object whose members userinfo and id_token are objects of "
            "claims, "
            "each null or an object (OpenID Connect Core section 5.5)"
        ) from None
    places = {"userinfo": asked.userinfo or {}, "id_token": asked.id_token or {}}
    subject = places["id_token"].get("sub") or places["userinfo"].get("sub") or _Wish()
    acr = places["id_token"].get("acr") or _Wish()
    return ClaimsRequest(
        tuple(f"{place}:{name}" for place, wishes in places.items() for name in wishes),
        subject.texts,
        tuple(sorted(acr.texts)) if acr.essential else (),
    )
