"""Clients that sign (RFC 7523 section 3)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from carnet.conform.findings import Check, Look, Seen
from carnet.conform.probe import KnownClient, NotApplicable, Probe
from carnet.conform.proofs import sign_assertion
from carnet.conform.wire import Reply
from carnet.jose.key import Key

__all__ = ["CHECKS"]

TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def _client(probe: Probe) -> tuple[KnownClient, Key]:
    client = probe.its_client
    if client.key is None:
        raise NotApplicable("the client has no key")
    return client, client.key


async def _present(probe: Probe, assertion: str) -> Reply:
    probe.wire.keep_secret(assertion)
    form = {"client_assertion_type": TYPE, "client_assertion": assertion}
    reply = await probe.ask_nameless("token_endpoint", {**probe.own_grant, **form})
    probe.wire.keep_secret(reply.document.get("access_token"))
    return reply


def _refuses(
    claims: Callable[[], Mapping[str, Any]], change: str, *, by_stranger: bool = False
) -> Look:
    """Make a check of an assertion that is wrong in one way."""

    async def look(probe: Probe) -> AsyncIterator[Seen]:
        client, key = _client(probe)
        # What is refused for another reason would say nothing.
        await probe.own_token()
        said = dict(claims())
        signer = Key.generate(key.alg, kid=key.kid) if by_stranger else key  # type: ignore[arg-type]
        audience = said.pop("aud", probe.issuer)
        reply = await _present(probe, sign_assertion(client.id, audience, signer, **said))
        if reply.status == 200:
            yield Seen("the assertion is taken", "401 invalid_client", change)

    return look


async def replay(probe: Probe) -> AsyncIterator[Seen]:
    """Present one assertion twice."""
    client, key = _client(probe)
    await probe.own_token()
    assertion = sign_assertion(client.id, probe.issuer, key)
    if (await _present(probe, assertion)).status != 200:
        raise NotApplicable("an assertion for the issuer's name is not taken")
    if (await _present(probe, assertion)).status == 200:
        yield Seen(
            "an assertion is taken twice",
            "once: whoever has read it can't use it",
            "keep the jti of assertions until they end",
        )


WRONG: Final[tuple[tuple[str, str, Look], ...]] = (
    (
        *("audience", "An assertion for another server is refused"),
        _refuses(lambda: {"aud": "https://elsewhere.example"}, "compare aud with the own name"),
    ),
    (
        *("expired", "An expired assertion is refused"),
        _refuses(lambda: {"exp": int(time.time()) - 3600}, "check exp"),
    ),
    (
        *("endless", "An assertion without exp is refused"),
        _refuses(lambda: {"exp": None}, "refuse assertions without exp"),
    ),
    (
        *("subject", "An assertion about another client is refused"),
        _refuses(lambda: {"sub": "somebody-else"}, "compare sub with the client's id"),
    ),
    (
        *("signature", "An assertion signed with another key is refused"),
        _refuses(dict, "verify the signature with the client's keys", by_stranger=True),
    ),
)

CHECKS: Final = (
    *(
        Check(f"assertion.{name}", title, "RFC 7523", "3", "must", "credentials", look)
        for name, title, look in WRONG
    ),
    Check(
        *("assertion.replay", "An assertion works once", "RFC 7523", "3"),
        *("note", "credentials", replay),
    ),
)
