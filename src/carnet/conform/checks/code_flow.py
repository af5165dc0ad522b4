"""The code flow, with somebody who signs in: the code and what it gives.

Each check that spoils a code or a session begins with a new one; the browser's session lasts, so
that the person signs in once.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from carnet.conform.authorization import PkcePair, parameters_of
from carnet.conform.checks.dpop import with_nonce
from carnet.conform.checks.tokens import published_keys
from carnet.conform.findings import Check, Seen
from carnet.conform.probe import SILENT, NotApplicable, Probe
from carnet.conform.wire import Reply, Unfinished
from carnet.errors import CarnetError
from carnet.jose.encoding import b64url_encode
from carnet.jwt.inspection import Inspection, inspect
from carnet.jwt.verifier import Verifier

__all__ = ["CHECKS"]

TOKEN: Final = "token_endpoint"
HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
# OpenID Connect names none for it; this is the one within Ed25519.
EDDSA: Final = frozenset(("EdDSA", "Ed25519"))


class _Visit(NamedTuple):
    """What a visit has brought.

    Attributes:
        request: the parameters that were sent.
        answer: the parameters that came back.
        pair: of PKCE.
    """

    request: Mapping[str, str]
    answer: Mapping[str, str]
    pair: PkcePair

    @property
    def form(self) -> dict[str, str]:
        """The token request for its code."""
        return {
            "grant_type": "authorization_code",
            "code": self.answer.get("code", ""),
            "redirect_uri": self.request["redirect_uri"],
            "code_verifier": self.pair.verifier,
        }


async def _visit(probe: Probe, changes: Mapping[str, str | None] | None = None) -> _Visit:
    """Have the person's browser open an authorization request."""
    if probe.visit is None:
        raise NotApplicable("nobody signs in")
    pair = PkcePair.make()
    request = probe.request({"prompt": None, **(changes or {})}, pair)
    address = probe.endpoint("authorization_endpoint")
    end = await probe.visit(f"{address}{'&' if '?' in address else '?'}{urlencode(request)}")
    if end is None:
        probe.visit = None
        raise Unfinished("nobody has signed in")
    answer = parameters_of(end)
    probe.wire.keep_secret(answer.get("code"), pair.verifier)
    return _Visit(request, answer, pair)


async def _code(probe: Probe) -> _Visit:
    visit = await _visit(probe)
    if "code" not in visit.answer:
        raise NotApplicable(f"no code was given: {visit.answer.get('error', 'no answer')}")
    return visit


async def _session(probe: Probe) -> tuple[_Visit, Reply]:
    """Give the visit of which the session is, and what its code gave; both are made once."""

    async def begin() -> tuple[_Visit, Reply]:
        visit = await _visit(probe)
        return visit, await probe.ask(TOKEN, visit.form)

    return await probe.once("session", begin)  # type: ignore[no-any-return]  # it is made there


async def _given(probe: Probe, name: str) -> str:
    """Give a token of the session."""
    _, reply = await _session(probe)
    token = reply.document.get(name)
    if not isinstance(token, str):
        raise NotApplicable(f"the code gave no {name}: {reply.told}")
    return token


async def _refresh(probe: Probe, token: str) -> Reply:
    return await probe.ask(TOKEN, {"grant_type": "refresh_token", "refresh_token": token})


async def answer(probe: Probe) -> AsyncIterator[Seen]:
    """Look at what comes back to the client."""
    visit, _ = await _session(probe)
    if "code" not in visit.answer or visit.answer.get("state") != visit.request["state"]:
        yield Seen(
            f"{', '.join(visit.answer) or 'nothing'} came back",
            "code, and state as it was sent",
            "answer with both",
        )


async def issuer(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the issuer that the answer names."""
    if probe.metadata.get("authorization_response_iss_parameter_supported") is not True:
        raise NotApplicable("the metadata do not say that answers name the issuer")
    visit, _ = await _session(probe)
    if visit.answer.get("iss") != probe.metadata.get("issuer"):
        yield Seen(
            f"the answer names {visit.answer.get('iss', 'no issuer')}",
            "iss with the issuer's name",
            "add iss to every answer, as the metadata say",
        )


async def exchanged(probe: Probe) -> AsyncIterator[Seen]:
    """Look at what the code gives."""
    _, reply = await _session(probe)
    said = reply.document
    if reply.status != 200 or not isinstance(said.get("access_token"), str):
        yield Seen(reply.told, "200 with an access token", "see the issuer's log")
    elif "no-store" not in reply.header("cache-control").lower():
        yield Seen(
            f"Cache-Control: {reply.header('cache-control') or '(none)'}",
            "no-store",
            "send Cache-Control: no-store with every answer that holds a token",
        )


async def verifier(probe: Probe) -> AsyncIterator[Seen]:
    """Exchange a code without its verifier, and with another one."""
    visit = await _code(probe)
    bare = {name: text for name, text in visit.form.items() if name != "code_verifier"}
    for said, form in {
        "no verifier": bare,
        "another verifier": {**bare, "code_verifier": secrets.token_urlsafe(32)},
    }.items():
        reply = await probe.ask(TOKEN, form)
        if reply.status == 200:
            yield Seen(
                f"tokens are given with {said}",
                "400 invalid_grant: whoever stole the code has no verifier",
                "compare the hash of code_verifier with the code_challenge of the request",
            )
            return


async def address(probe: Probe) -> AsyncIterator[Seen]:
    """Exchange a code with another address than the request's."""
    visit = await _code(probe)
    elsewhere = f"{visit.request['redirect_uri']}/elsewhere"
    reply = await probe.ask(TOKEN, {**visit.form, "redirect_uri": elsewhere})
    if reply.status == 200:
        yield Seen(
            "tokens are given with another redirect_uri",
            "400 invalid_grant",
            "keep the redirect_uri with the code, and compare it",
        )


async def once(probe: Probe) -> AsyncIterator[Seen]:
    """Exchange a code twice, and look whether what it gave still works."""
    visit = await _code(probe)
    first = await probe.ask(TOKEN, visit.form)
    if first.status != 200:
        raise NotApplicable(f"the code gave nothing: {first.told}")
    second = await probe.ask(TOKEN, visit.form)
    if second.status == 200:
        yield Seen("a code gives tokens twice", "400 invalid_grant", "take each code once")
        return
    refresh = first.document.get("refresh_token")
    if isinstance(refresh, str) and (await _refresh(probe, refresh)).status == 200:
        yield Seen(
            "the tokens of a code that was used twice go on working",
            "they end: one of the two uses was a thief's",
            "revoke what a code has given when it comes again",
            "should",
        )


async def silent(probe: Probe) -> AsyncIterator[Seen]:
    """Ask silently where somebody is signed in."""
    if not probe.offers_openid:
        raise NotApplicable("it is no OpenID provider, or the client does not ask for openid")
    await _session(probe)
    visit = await _visit(probe, {"prompt": "none"})
    if "code" not in visit.answer and visit.answer.get("error") not in SILENT:
        yield Seen(
            f"prompt=none gives {visit.answer.get('error', 'neither code nor error')}",
            "a code, or an error that says what is missing",
            "answer prompt=none without any page",
        )


async def _id_token(probe: Probe) -> tuple[str, Inspection]:
    token = await _given(probe, "id_token")
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
            "compare the token with what the metadata say",
        )


async def nonce(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the nonce of the ID token with the request's."""
    visit, _ = await _session(probe)
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
    digest = hashing((await _given(probe, "access_token")).encode()).digest()
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
    token = await _given(probe, "access_token")
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
    old = await _given(probe, "refresh_token")
    reply = await probe.once("refreshed", lambda: _refresh(probe, old))
    if reply.status != 200:
        yield Seen(reply.told, "200 with an access token", "see the issuer's log")
        return
    if reply.document.get("refresh_token", old) == old:
        yield Seen(
            "a refresh token is good as often as one likes",
            "another one with each use, or one that is bound to a key (RFC 9449)",
            "rotate the refresh tokens of public clients",
            "note" if probe.its_client.is_confidential else None,
        )


async def reuse(probe: Probe) -> AsyncIterator[Seen]:
    """Bring a refresh token that was followed by two others."""
    old = await _given(probe, "refresh_token")
    reply = await probe.once("refreshed", lambda: _refresh(probe, old))
    second = reply.document.get("refresh_token")
    if not isinstance(second, str) or second == old:
        raise NotApplicable("refresh tokens are not rotated")
    third = (await _refresh(probe, second)).document.get("refresh_token", second)
    if (await _refresh(probe, old)).status == 200:
        yield Seen(
            "a refresh token from before is good",
            "400 invalid_grant",
            "refuse a refresh token that was used",
        )
    elif (await _refresh(probe, third)).status == 200:
        yield Seen(
            "the session goes on after an old refresh token has come again",
            "it ends: one of the two who hold its tokens is a thief",
            "revoke the whole session when a used refresh token comes",
            "should",
        )


async def proved(probe: Probe) -> AsyncIterator[Seen]:
    """Use a bound token with proofs that are wrong, and with none."""
    prover, address = await probe.prover(), probe.endpoint("userinfo_endpoint")
    if not probe.offers_openid:
        raise NotApplicable("it is no OpenID provider, or the client does not ask for openid")
    visit = await _code(probe)

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
_OAUTH: Final = "RFC 6749"
_BCP: Final = "RFC 9700"

CHECKS: Final = (
    Check("code.answer", "The answer is whole", _OAUTH, "4.1.2", "must", "person", answer),
    Check("code.issuer", "The answer names the issuer", "RFC 9207", "2", "must", "person", issuer),
    Check("code.tokens", "A code gives tokens", _OAUTH, "4.1.4", "must", "person", exchanged),
    Check("id_token.valid", "The ID token is good", _CORE, "3.1.3.7", "must", "person", id_token),
    Check("id_token.nonce", "It has the nonce", _CORE, "3.1.2.1", "must", "person", nonce),
    Check("id_token.at_hash", "It fits its token", _CORE, "3.1.3.6", "must", "person", token_hash),
    Check("userinfo.subject", "UserInfo agrees", _CORE, "5.3.2", "must", "person", subject),
    Check("refresh.rotation", "Refresh tokens rotate", _BCP, "4.14.2", "must", "person", rotation),
    Check("refresh.reuse", "A used one is refused", _BCP, "4.14.2", "must", "person", reuse),
    Check(
        "code.verifier", "A code needs its verifier", "RFC 7636", "4.6", "must", "person", verifier
    ),
    Check("code.address", "A code needs its address", _OAUTH, "4.1.3", "must", "person", address),
    Check("code.once", "A code counts once", _OAUTH, "4.1.2", "must", "person", once),
    Check("dpop.proved", "A bound token needs proof", "RFC 9449", "7.1", "must", "person", proved),
    Check("code.silent", "Silent means silent", _CORE, "3.1.2.6", "must", "person", silent),
)
