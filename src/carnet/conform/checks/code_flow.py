"""The code flow, with somebody who signs in; a check that spoils a code begins with a new one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Final

from carnet.conform.checks.visits import TOKEN, begin_visit, new_code, refreshed, session_of
from carnet.conform.findings import Check, Seen
from carnet.conform.probe import SILENT, NotApplicable, Probe

__all__ = ["CHECKS", "SPOILING"]


async def answer(probe: Probe) -> AsyncIterator[Seen]:
    """Look at what comes back to the client."""
    visit, _ = await session_of(probe)
    if "code" not in visit.answer or visit.answer.get("state") != visit.request["state"]:
        yield Seen(
            f"{', '.join(visit.answer) or 'nothing'} came back",
            "code, and state as it was sent",
            "answer with both",
        )


async def issuer(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the issuer that the answer names."""
    if probe.metadata.get("authorization_response_iss_parameter_supported") is not True:
        raise NotApplicable("the metadata does not say that answers name the issuer")
    visit, _ = await session_of(probe)
    if visit.answer.get("iss") != probe.metadata.get("issuer"):
        yield Seen(
            f"the answer names {visit.answer.get('iss', 'no issuer')}",
            "iss with the issuer's name",
            "add iss to every answer, as the metadata says",
        )


async def exchanged(probe: Probe) -> AsyncIterator[Seen]:
    """Look at what the code gives."""
    _, reply = await session_of(probe)
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
    visit = await new_code(probe)
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
    visit = await new_code(probe)
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
    visit = await new_code(probe)
    first = await probe.ask(TOKEN, visit.form)
    if first.status != 200:
        raise NotApplicable(f"the code gave nothing: {first.told}")
    second = await probe.ask(TOKEN, visit.form)
    if second.status == 200:
        yield Seen("a code gives tokens twice", "400 invalid_grant", "accept each code once")
        return
    refresh = first.document.get("refresh_token")
    if isinstance(refresh, str) and (await refreshed(probe, refresh)).status == 200:
        yield Seen(
            "the tokens of a code that was used twice still work",
            "they are revoked: one of the two uses may be an attacker's",
            "revoke a code's tokens when it is used again",
            "should",
        )


async def silent(probe: Probe) -> AsyncIterator[Seen]:
    """Ask silently where somebody is signed in."""
    if not probe.offers_openid:
        raise NotApplicable("it is no OpenID provider, or the client does not ask for openid")
    await session_of(probe)
    visit = await begin_visit(probe, {"prompt": "none"})
    if "code" not in visit.answer and visit.answer.get("error") not in SILENT:
        yield Seen(
            f"prompt=none gives {visit.answer.get('error', 'neither code nor error')}",
            "a code, or an error that says what is missing",
            "answer prompt=none without any page",
        )


_CORE: Final = "OpenID Connect Core 1.0"
_OAUTH: Final = "RFC 6749"

CHECKS: Final = (
    Check("code.answer", "The response is complete", _OAUTH, "4.1.2", "must", "person", answer),
    Check("code.issuer", "The answer names the issuer", "RFC 9207", "2", "must", "person", issuer),
    Check("code.tokens", "A code gives tokens", _OAUTH, "4.1.4", "must", "person", exchanged),
)

SPOILING: Final = (
    Check(
        "code.verifier",
        "A code needs its code_verifier",
        "RFC 7636",
        "4.6",
        "must",
        "person",
        verifier,
    ),
    Check(
        "code.address", "A code needs its redirect_uri", _OAUTH, "4.1.3", "must", "person", address
    ),
    Check("code.once", "A code works once", _OAUTH, "4.1.2", "must", "person", once),
    Check("code.silent", "prompt=none shows no page", _CORE, "3.1.2.6", "must", "person", silent),
)
"""Those that come last: some issuers then end everything that the person has granted the client."""
