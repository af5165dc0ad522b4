"""What the token endpoint gives (RFC 6749 section 5.1, RFC 9068)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from carnet.conform.checks.keys import key_set
from carnet.conform.findings import Check, Seen
from carnet.conform.probe import NotApplicable, Probe
from carnet.errors import CarnetError, InvalidKey
from carnet.jose.header import media_type
from carnet.jose.key_set import KeySet
from carnet.jwt.inspection import Inspection, inspect
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.published_keys import PUBLIC_SIGNATURES, read_published
from carnet.jwt.verifier import Verifier

__all__ = ["CHECKS", "published_keys"]

REQUIRED: Final = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")


async def published_keys(probe: Probe) -> KeySet:
    """Give the issuer's keys.

    Raises:
        NotApplicable: if there is none that can be used.
    """
    try:
        keys = read_published((await key_set(probe)).document, PUBLIC_SIGNATURES, lambda _: True)
    except InvalidKey:
        keys = KeySet()
    if not keys:
        raise NotApplicable("the issuer publishes no key that can be used")
    return keys


async def _access_token(probe: Probe) -> tuple[str, Inspection]:
    """Give the client's own access token, which is a JWT."""
    token: str = (await probe.own_token()).document["access_token"]
    seen = inspect(token)
    if seen.kind != "JWS" or seen.claims is None:
        raise NotApplicable("its access tokens are no signed JWTs")
    return token, seen


async def answer(probe: Probe) -> AsyncIterator[Seen]:
    """Look at the answer that holds a token."""
    said = (await probe.own_token()).document
    if not isinstance(said.get("token_type"), str):
        yield Seen("there is no token_type", "Bearer or DPoP", "add token_type to the answer")
    lifetime = said.get("expires_in")
    if lifetime.__class__ is not int or lifetime <= 0:
        yield Seen(
            f"expires_in is {lifetime!r}",
            "the seconds that the token is good for, a number",
            "add expires_in to the answer",
            "should" if lifetime is None else None,
        )


async def cache(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether an answer with a token may be kept."""
    said = (await probe.own_token()).header("cache-control")
    if "no-store" not in said.lower():
        yield Seen(
            f"Cache-Control: {said or '(none)'}",
            "no-store",
            "send Cache-Control: no-store with every answer that holds a token",
        )


async def no_refresh_token(probe: Probe) -> AsyncIterator[Seen]:
    """Look for a refresh token where the client needs none."""
    if "refresh_token" in (await probe.own_token()).document:
        yield Seen(
            "a client gets a refresh token for itself",
            "an access token alone: it can ask again",
            "give refresh tokens only where a person has signed in",
        )


async def type_(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether an access token says what it is."""
    _, seen = await _access_token(probe)
    typ = seen.header.get("typ", "")
    if media_type(typ if isinstance(typ, str) else "") != "at+jwt":
        yield Seen(
            f"the header's typ is {typ!r}",
            "at+jwt: an ID token could be taken for an access token otherwise",
            "sign access tokens with typ at+jwt",
        )


async def claims(probe: Probe) -> AsyncIterator[Seen]:
    """Look for what an access token has to say."""
    _, seen = await _access_token(probe)
    said: dict[str, Any] = seen.claims or {}
    missing = [name for name in REQUIRED if name not in said]
    if missing:
        yield Seen(f"the token lacks {', '.join(missing)}", "these claims", "add them to the token")
    if said.get("client_id", probe.its_client.id) != probe.its_client.id:
        yield Seen("client_id names another client", "the client that has asked", "put it right")


async def signature(probe: Probe) -> AsyncIterator[Seen]:
    """Check the token as a service does."""
    token, seen = await _access_token(probe)
    typ = seen.header.get("typ", "JWT")
    verifier = Verifier(
        await published_keys(probe),
        issuer=probe.issuer,
        audience=UNCHECKED,
        type=typ if isinstance(typ, str) else "JWT",
        leeway=60,
    )
    try:
        verifier.verify(token)
    except CarnetError as error:
        yield Seen(
            f"a service refuses the token: {error} ({error.code})",
            "a token that the published keys accept, of this issuer and good now",
            "sign with a key that is published, and compare iss and the clock",
        )


_JWT: Final = "RFC 9068"
_OAUTH: Final = "RFC 6749"

CHECKS: Final = (
    Check(
        "tokens.answer", "The response is complete", _OAUTH, "5.1", "must", "credentials", answer
    ),
    Check(
        "tokens.cache",
        "Responses with tokens are not cached",
        _OAUTH,
        "5.1",
        "must",
        "credentials",
        cache,
    ),
    Check(
        *("tokens.no_refresh_token", "Client credentials give no refresh token", _OAUTH, "4.4.3"),
        *("should", "credentials", no_refresh_token),
    ),
    Check(
        *("tokens.signature", "A verifier accepts the token", _JWT, "4"),
        *("must", "credentials", signature),
    ),
    Check("tokens.type", "A token states its type", _JWT, "2.1", "should", "credentials", type_),
    Check(
        *("tokens.claims", "A token names its client and its audience", _JWT, "2.2"),
        *("should", "credentials", claims),
    ),
)
