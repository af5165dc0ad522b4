"""Tokens that are bound to a key (RFC 9449), at the token endpoint."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from carnet.conform.findings import Check, Look, Seen
from carnet.conform.probe import NotApplicable, Probe
from carnet.conform.proofs import Prover
from carnet.conform.wire import Reply
from carnet.jwt.inspection import inspect

__all__ = ["CHECKS", "with_nonce"]

TOKEN: Final = "token_endpoint"
Proof = Callable[[str | None], str]


async def with_nonce(proof: Proof, send: Callable[[str], Any]) -> Reply:
    """Send a request with a proof, and once more where the server wants its nonce in it.

    Args:
        proof: makes a proof with a nonce, or without one.
        send: sends the request with a proof.
    """
    reply: Reply = await send(proof(None))
    nonce = reply.header("dpop-nonce")
    if nonce and (reply.error == "use_dpop_nonce" or "use_dpop_nonce" in _challenge(reply)):
        reply = await send(proof(nonce))
    return reply


def _challenge(reply: Reply) -> str:
    return reply.header("www-authenticate")


async def _ask(probe: Probe, proof: Proof) -> Reply:
    async def send(text: str) -> Reply:
        probe.wire.keep_secret(text)
        return await probe.ask(TOKEN, probe.own_grant, {"DPoP": text})

    return await with_nonce(proof, send)


async def _bound(probe: Probe) -> tuple[Prover, Reply]:
    """Give the answer to a request with a good proof; it is sent once."""
    prover = await probe.prover()
    url = probe.endpoint(TOKEN)

    async def ask() -> Reply:
        return await _ask(probe, lambda nonce: prover.proof(url, nonce=nonce))

    reply: Reply = await probe.once("bound_token", ask)
    if reply.error in ("unauthorized_client", "unsupported_grant_type", "invalid_scope"):
        raise NotApplicable(f"the client gets no token for itself: {reply.told}")
    return prover, reply


async def bound(probe: Probe) -> AsyncIterator[Seen]:
    """Look at a token that was asked for with a proof."""
    prover, reply = await _bound(probe)
    if reply.status != 200 or str(reply.document.get("token_type")).lower() != "dpop":
        yield Seen(
            f"{reply.told}, token_type {reply.document.get('token_type', '(none)')}",
            "a token with the token_type DPoP",
            "bind tokens to the key of the proof",
        )
        return
    claims = inspect(str(reply.document.get("access_token"))).claims
    confirmation = {} if claims is None else claims.get("cnf")
    said = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    if claims is not None and said != prover.thumbprint:
        yield Seen(
            "cnf.jkt is not the thumbprint of the proof's key",
            "the SHA-256 thumbprint of RFC 7638",
            "add cnf with jkt to the token",
        )


def _refuses(wrong: Callable[[Prover], Mapping[str, Any]], change: str) -> Look:
    """Make a check of a proof that is wrong in one way."""

    async def look(probe: Probe) -> AsyncIterator[Seen]:
        prover, good = await _bound(probe)
        if good.status != 200:
            raise NotApplicable("a good proof is not taken either")
        given = {"url": probe.endpoint(TOKEN), **wrong(prover)}
        reply = await _ask(probe, lambda nonce: prover.proof(**{"nonce": nonce, **given}))
        if reply.status == 200 or reply.error != "invalid_dpop_proof":
            yield Seen(
                "the proof is taken" if reply.status == 200 else reply.told,
                "400 invalid_dpop_proof",
                change,
                None if reply.status == 200 else "should",
            )

    return look


async def replay(probe: Probe) -> AsyncIterator[Seen]:
    """Send one proof twice."""
    prover, good = await _bound(probe)
    if good.status != 200:
        raise NotApplicable("a good proof is not taken either")
    used: list[str] = []

    def proof(nonce: str | None) -> str:
        used.append(prover.proof(probe.endpoint(TOKEN), nonce=nonce))
        return used[-1]

    await _ask(probe, proof)
    again = await probe.ask(TOKEN, probe.own_grant, {"DPoP": used[-1]})
    if again.status == 200:
        yield Seen(
            "a proof is taken twice",
            "once, by its jti",
            "keep the jti of proofs as long as they are taken",
        )


async def two(probe: Probe) -> AsyncIterator[Seen]:
    """Send something that is no proof at all."""
    await _bound(probe)
    reply = await probe.ask(TOKEN, probe.own_grant, {"DPoP": "no.such.proof"})
    if reply.status == 200 or reply.error not in ("invalid_dpop_proof", "use_dpop_nonce"):
        yield Seen(
            "a token is given" if reply.status == 200 else reply.told,
            "400 invalid_dpop_proof",
            "read the DPoP header wherever it comes, and refuse what is no proof",
        )


WRONG: Final[tuple[tuple[str, str, str, Look], ...]] = (
    (
        *("method", "A proof for another method is refused", "4.3"),
        _refuses(lambda _: {"method": "GET"}, "compare htm with the request's method"),
    ),
    (
        *("address", "A proof for another address is refused", "4.3"),
        _refuses(
            lambda _: {"url": "https://elsewhere.example/token"}, "compare htu with the address"
        ),
    ),
    (
        *("old", "An old proof is refused", "4.3"),
        _refuses(lambda _: {"iat": int(time.time()) - 86_400}, "refuse proofs that are not recent"),
    ),
    (
        *("type", "A proof without its type is refused", "4.3"),
        _refuses(lambda _: {"header": {"typ": "JWT"}}, "demand typ dpop+jwt"),
    ),
    (
        *("signature", "A proof signed with another key is refused", "4.3"),
        _refuses(lambda prover: {"signer": prover.stranger()}, "verify with the jwk of the header"),
    ),
    (
        *("nameless", "A proof without jti is refused", "4.3"),
        _refuses(lambda _: {"jti": None}, "demand jti"),
    ),
)

CHECKS: Final = (
    Check("dpop.bound", "A proof binds the token", "RFC 9449", "5", "must", "credentials", bound),
    *(
        Check(f"dpop.{name}", title, "RFC 9449", section, "must", "credentials", look)
        for name, title, section, look in WRONG
    ),
    Check(
        "dpop.malformed",
        "A malformed proof is refused",
        "RFC 9449",
        "5",
        "must",
        "credentials",
        two,
    ),
    Check("dpop.replay", "A proof works once", "RFC 9449", "11.1", "should", "credentials", replay),
)
