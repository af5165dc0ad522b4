"""What somebody's sign-in has given: the ID token, UserInfo, refresh tokens, bound tokens."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from carnet.conform.checks.dpop import with_nonce
from carnet.conform.checks.tokens import published_keys
from carnet.conform.checks.visits import TOKEN, given_token, new_code, refreshed, session_of
from carnet.conform.findings import Check, Seen
from carnet.conform.probe import NotApplicable, Probe
from carnet.conform.wire import Reply
from carnet.errors import CarnetError
from carnet.jose.encoding import b64url_encode
from carnet.jwt.inspection import Inspection, inspect
from carnet.jwt.verifier import Verifier

__all__ = ["CHECKS"]

HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
# OpenID Connect names none for it; this is the one within Ed25519.
EDDSA: Final = frozenset(("EdDSA", "Ed25519"))


async def _id_token(probe: Probe) -> tuple[str, Inspection]:
    token = await given_token(probe, "id_token")
    seen = inspect(token)
    if seen.kind == "JWE" or str(seen.header.get("alg")).startswith("HS"):
        raise NotApplicable("the ID token is encrypted, or signed with the client's secret")
    return token, seen


async def id_token(probe: Probe) -> AsyncIterator[Seen]:
    """Check the ID token as a client does."""
    token, seen = await _id_token(probe)
    typ = seen.header.get("typ", "JWT")
    check = Verifier(
        await published_keys(probe),
        issuer=probe.issuer,
        audience=probe.its_client.id,
        type=typ if isinstance(typ, str) else "JWT",
        required=("iat", "sub"),
        leeway=60,
    )
    try:
        check.verify(token)
    except CarnetError as error:
        yield Seen(
            f"the ID token is refused: {error} ({error.code})",
            "a signature by a published key, the issuer's name, and the client in aud",
            "compare the token with what the metadata says",
        )


async def nonce(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the nonce of the ID token with the request's."""
    visit, _ = await session_of(probe)
    _, seen = await _id_token(probe)
    if (seen.claims or {}).get("nonce") != visit.request.get("nonce"):
        yield Seen("nonce is another one, or missing", "the request's", "put it into the ID token")


async def token_hash(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the hash of the access token in the ID token."""
    _, seen = await _id_token(probe)
    said, alg = (seen.claims or {}).get("at_hash"), str(seen.header.get("alg"))
    hashing = HASHES["512"] if alg in EDDSA else HASHES.get(alg[-3:])
    if said is None or hashing is None:
        raise NotApplicable("the ID token has no at_hash, which the code flow does not need")
    digest = hashing((await given_token(probe, "access_token")).encode()).digest()
    if said != b64url_encode(digest[: len(digest) // 2]):
        yield Seen(
            "at_hash is not of this access token",
            f"the left half of its hash, as {alg} has it",
            "hash the access token that goes with the ID token",
        )


async def _userinfo(probe: Probe, headers: Mapping[str, str]) -> Reply:
    return await probe.wire.get(probe.endpoint("userinfo_endpoint"), headers=headers)


async def subject(probe: Probe) -> AsyncIterator[Seen]:
    """Compare who it is in UserInfo and in the ID token."""
    _, seen = await _id_token(probe)
    token = await given_token(probe, "access_token")
    reply = await _userinfo(probe, {"Authorization": f"Bearer {token}"})
    if reply.media_type == "application/jwt":
        raise NotApplicable("UserInfo is signed or encrypted")
    if reply.status != 200 or reply.document.get("sub") != (seen.claims or {}).get("sub"):
        yield Seen(
            f"{reply.told}, sub {'differs' if 'sub' in reply.document else 'is missing'}",
            "200 with the ID token's sub",
            "answer with the sub that the client knows",
        )


async def rotation(probe: Probe) -> AsyncIterator[Seen]:
    """Refresh, and look whether the refresh token is another one."""
    old = await given_token(probe, "refresh_token")
    reply = await probe.once("refreshed", lambda: refreshed(probe, old))
    if reply.status != 200:
        yield Seen(reply.told, "200 with an access token", "see the issuer's log")
        return
    if reply.document.get("refresh_token", old) == old:
        yield Seen(
            "a refresh token can be used any number of times",
            "a new one with each use, or one that is bound to a key (RFC 9449)",
            "rotate the refresh tokens of public clients",
            "note" if probe.its_client.is_confidential else None,
        )


async def reuse(probe: Probe) -> AsyncIterator[Seen]:
    """Bring a refresh token that was followed by two others."""
    old = await given_token(probe, "refresh_token")
    reply = await probe.once("refreshed", lambda: refreshed(probe, old))
    second = reply.document.get("refresh_token")
    if not isinstance(second, str) or second == old:
        raise NotApplicable("refresh tokens are not rotated")
    third = (await refreshed(probe, second)).document.get("refresh_token", second)
    if (await refreshed(probe, old)).status == 200:
        yield Seen(
            "an old refresh token is accepted",
            "400 invalid_grant",
            "refuse a refresh token that was used",
        )
    elif (await refreshed(probe, third)).status == 200:
        yield Seen(
            "the session goes on after an old refresh token has come again",
            "the session is ended: one of the two who hold its tokens may be an attacker",
            "revoke the whole session when a used refresh token comes",
            "should",
        )


async def proved(probe: Probe) -> AsyncIterator[Seen]:
    """Use a bound token with proofs that are wrong, and with none."""
    prover, address = await probe.prover(), probe.endpoint("userinfo_endpoint")
    if not probe.offers_openid:
        raise NotApplicable("it is no OpenID provider, or the client does not ask for openid")
    visit = await new_code(probe)

    async def exchange(proof: str) -> Reply:
        return await probe.ask(TOKEN, visit.form, {"DPoP": proof})

    url = probe.endpoint(TOKEN)
    given = await with_nonce(lambda nonce: prover.proof(url, nonce=nonce), exchange)
    token = given.document.get("access_token")
    if str(given.document.get("token_type")).lower() != "dpop" or not isinstance(token, str):
        raise NotApplicable(f"the code gave no bound token: {given.told}")

    async def ask(**wrong: Any) -> Reply:
        async def send(proof: str) -> Reply:
            return await _userinfo(probe, {"Authorization": f"DPoP {token}", "DPoP": proof})

        return await with_nonce(
            lambda nonce: prover.proof(address, "GET", nonce=nonce, **wrong), send
        )

    if (await ask(token=token)).status != 200:
        raise NotApplicable("UserInfo takes no bound token")
    replies = {
        "without ath": await ask(),
        "with the ath of another token": await ask(token=f"{token}-"),
        "by another key": await ask(token=token, signer=prover.stranger()),
        "as Bearer, without a proof": await _userinfo(probe, {"Authorization": f"Bearer {token}"}),
    }
    for said, reply in replies.items():
        if reply.status < 400:
            yield Seen(
                f"a bound token is taken {said}",
                "401",
                "check the proof wherever a bound token is taken",
            )


_CORE: Final = "OpenID Connect Core 1.0"
_BCP: Final = "RFC 9700"

CHECKS: Final = (
    Check("id_token.valid", "The ID token is valid", _CORE, "3.1.3.7", "must", "person", id_token),
    Check(
        "id_token.nonce", "The ID token has the nonce", _CORE, "3.1.2.1", "must", "person", nonce
    ),
    Check(
        "id_token.at_hash",
        "at_hash matches the access token",
        _CORE,
        "3.1.3.6",
        "must",
        "person",
        token_hash,
    ),
    Check("userinfo.subject", "UserInfo agrees", _CORE, "5.3.2", "must", "person", subject),
    Check("refresh.rotation", "Refresh tokens rotate", _BCP, "4.14.2", "must", "person", rotation),
    Check(
        "refresh.reuse", "A used refresh token is refused", _BCP, "4.14.2", "must", "person", reuse
    ),
    Check("dpop.proved", "A bound token needs proof", "RFC 9449", "7.1", "must", "person", proved),
)
