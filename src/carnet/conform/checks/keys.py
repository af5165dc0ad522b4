"""The keys that an issuer publishes (RFC 7517, RFC 7518)."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from carnet.conform.findings import Check, Seen
from carnet.conform.probe import NotApplicable, Probe
from carnet.conform.wire import Reply
from carnet.errors import InvalidKey, InvalidToken
from carnet.jose.encoding import b64url_decode
from carnet.jose.key_set import KeySet
from carnet.jose.key_types import PRIVATE_MEMBERS
from carnet.jwt.published_keys import PUBLIC_SIGNATURES, read_published

__all__ = ["CHECKS", "key_set"]

LEAST_BITS: Final = 2048


async def key_set(probe: Probe) -> Reply:
    """Give the answer with the keys; it is asked for once."""

    async def ask() -> Reply:
        return await probe.wire.get(
            probe.endpoint("jwks_uri"), headers={"Origin": "https://conform.example"}
        )

    return await probe.once("keys", ask)  # type: ignore[no-any-return]  # it is made there


async def _keys(probe: Probe) -> list[dict[str, Any]]:
    members = (await key_set(probe)).document.get("keys")
    found = [one for one in members if isinstance(one, dict)] if isinstance(members, list) else []
    if not found:
        raise NotApplicable("there are no keys")
    return found


def _name(jwk: dict[str, Any]) -> str:
    return f"the {jwk.get('kty')} key {str(jwk.get('kid'))[:40]!r}"


async def served(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether there are keys, and whether they can be used."""
    reply = await key_set(probe)
    members = reply.document.get("keys")
    if reply.status != 200 or not isinstance(members, list) or not members:
        yield Seen(
            f"{reply.url} answered {reply.told}, without keys",
            "200 with a JSON object whose keys is a list",
            "publish the public keys at the jwks_uri",
        )
        return
    signing = [one for one in members if isinstance(one, dict) and one.get("use") != "enc"]
    # That a private half is among them is another finding.
    public = [
        {name: value for name, value in one.items() if name not in PRIVATE_MEMBERS or name == "k"}
        for one in signing
        if one.get("kty") != "oct"
    ]
    keys, reasons = KeySet(), ["there is none for signatures"]
    with suppress(InvalidKey):
        keys = read_published({"keys": public}, PUBLIC_SIGNATURES, lambda _: True)
        reasons = sorted({skipped.reason for skipped in keys.skipped}) if keys else reasons
    if reasons:
        yield Seen(
            f"not every key can be used: {'; '.join(reasons)}",
            "keys of RFC 7518, whose members are right",
            "publish each key as its type has it, and leave others out",
            # Whoever reads a set leaves out what it does not know (RFC 7517 section 5).
            "should" if keys else None,
        )


async def public(probe: Probe) -> AsyncIterator[Seen]:
    """Look for private keys and secrets."""
    for jwk in await _keys(probe):
        shown = sorted(PRIVATE_MEMBERS & jwk.keys())
        if shown or jwk.get("kty") == "oct":
            yield Seen(
                f"{_name(jwk)} is published with {', '.join(shown) or 'a secret'}",
                "public keys alone",
                "replace this key everywhere now: whoever has read it can sign as the issuer",
            )


async def named(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether a token can name its key."""
    keys = await _keys(probe)
    nameless = [jwk for jwk in keys if not isinstance(jwk.get("kid"), str) or not jwk["kid"]]
    if nameless and len(keys) > 1:
        yield Seen(
            f"{len(nameless)} of {len(keys)} keys have no kid",
            "a kid for each, where there are several",
            "give each key a kid, and put it into the tokens' headers",
        )


async def distinct(probe: Probe) -> AsyncIterator[Seen]:
    """Look for names that two keys have."""
    counted = Counter(jwk["kid"] for jwk in await _keys(probe) if isinstance(jwk.get("kid"), str))
    for kid, count in counted.items():
        if count > 1:
            yield Seen(f"{count} keys have the kid {kid[:40]!r}", "one", "give each its own")


async def use(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether keys for two purposes can be told apart."""
    keys = await _keys(probe)
    uses = [jwk.get("use") for jwk in keys]
    if "enc" in uses and None in uses:
        yield Seen(
            "there are keys for encryption, and keys without use",
            "a use for each, where there are both kinds",
            "give each key its use: sig or enc",
        )


async def algorithm(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether a key says what it is for."""
    for jwk in await _keys(probe):
        if "alg" not in jwk:
            yield Seen(
                f"{_name(jwk)} names no alg",
                "the one algorithm that it is for: whoever checks tokens has to guess otherwise",
                "publish each key with its alg",
            )


async def strong(probe: Probe) -> AsyncIterator[Seen]:
    """Look for keys that are too short."""
    for jwk in await _keys(probe):
        if jwk.get("kty") != "RSA":
            continue
        with suppress(InvalidToken, TypeError):
            bits = int.from_bytes(b64url_decode(jwk.get("n", ""))).bit_length()
            if bits < LEAST_BITS:
                yield Seen(
                    f"{_name(jwk)} has {bits} bits",
                    f"at least {LEAST_BITS}",
                    "rotate to a longer key, or to ES256",
                )


async def cors(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether pages of other origins may read the keys."""
    reply = await key_set(probe)
    if reply.header("access-control-allow-origin") not in ("*", "https://conform.example"):
        yield Seen(
            "the keys have no Access-Control-Allow-Origin",
            "a page of any origin may read them",
            "send Access-Control-Allow-Origin: * with them",
        )


_JWK: Final = "RFC 7517"

CHECKS: Final = (
    Check(
        "keys.served",
        "The issuer publishes keys for signatures",
        _JWK,
        "5",
        "must",
        "nothing",
        served,
    ),
    Check("keys.public", "No private key is published", _JWK, "9.2", "must", "nothing", public),
    Check(
        *("keys.named", "Each of several keys has a kid", "OpenID Connect Core 1.0", "10.1"),
        *("must", "nothing", named),
    ),
    Check(
        "keys.distinct", "Key identifiers are unique", _JWK, "4.5", "should", "nothing", distinct
    ),
    Check("keys.use", "Keys state their use", "RFC 8414", "2", "must", "nothing", use),
    Check("keys.algorithm", "Keys name their algorithm", _JWK, "4.4", "note", "nothing", algorithm),
    Check("keys.strong", "Keys are long enough", "RFC 7518", "3.3", "must", "nothing", strong),
    Check("keys.cors", "Pages may read the keys", "RFC 9700", "2.6", "note", "nothing", cors),
)
