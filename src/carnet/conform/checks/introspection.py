"""Introspection and revocation (RFC 7662, RFC 7009)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Final

from carnet.conform.findings import Check, Seen
from carnet.conform.probe import NO_CLIENT, NotApplicable, Probe

__all__ = ["CHECKS"]

INTROSPECT: Final = "introspection_endpoint"
REVOKE: Final = "revocation_endpoint"


async def introspects_for_all(probe: Probe) -> AsyncIterator[Seen]:
    """Ask about a token, and prove nothing."""
    reply = await probe.ask_nameless(INTROSPECT, {"token": secrets.token_urlsafe()})
    if reply.status < 400:
        yield Seen(
            reply.told,
            "401: whoever may ask can look for good tokens",
            "authenticate who asks",
        )


async def introspects_unknown(probe: Probe) -> AsyncIterator[Seen]:
    """Ask about a token that nobody has given."""
    reply = await probe.ask(INTROSPECT, {"token": secrets.token_urlsafe()})
    if reply.status in (401, 403) or reply.error in ("unauthorized_client", "invalid_client"):
        raise NotApplicable(f"the client may not introspect: {reply.told}")
    if reply.status != 200 or reply.document != {"active": False}:
        yield Seen(
            f"{reply.told}, {', '.join(map(str, reply.document)) or 'no members'}",
            '200 with {"active": false} and nothing else',
            "answer the same to every token that is not good",
        )


async def revokes_for_all(probe: Probe) -> AsyncIterator[Seen]:
    """Revoke as a client that nobody knows."""
    form = {"token": secrets.token_urlsafe(), "client_id": NO_CLIENT, "client_secret": "x" * 32}
    reply = await probe.ask_nameless(REVOKE, form)
    if reply.status < 400:
        yield Seen(
            reply.told, "401 invalid_client", "authenticate clients before anything else is done"
        )


async def revokes_unknown(probe: Probe) -> AsyncIterator[Seen]:
    """Revoke a token that nobody has given."""
    reply = await probe.ask(REVOKE, {"token": secrets.token_urlsafe()})
    if reply.status != 200:
        yield Seen(
            reply.told,
            "200: what is not known is not good, which is what was asked for",
            "answer 200 to tokens that are not known",
        )


async def effect(probe: Probe) -> AsyncIterator[Seen]:
    """Revoke a token of the client's own, and ask about it."""
    for name in (INTROSPECT, REVOKE):
        probe.endpoint(name)
    given = await probe.ask("token_endpoint", probe.own_grant)
    token = given.document.get("access_token")
    if not isinstance(token, str):
        raise NotApplicable(f"the client gets no token for itself: {given.told}")
    before = await probe.ask(INTROSPECT, {"token": token})
    if before.document.get("active") is not True:
        raise NotApplicable("the client may not introspect its own token")
    reply = await probe.ask(REVOKE, {"token": token})
    if reply.error == "unsupported_token_type":
        raise NotApplicable("access tokens can't be revoked there")
    after = await probe.ask(INTROSPECT, {"token": token})
    if after.document.get("active") is not False:
        yield Seen(
            "a revoked token is active", "inactive, at once", "look revoked tokens up when asked"
        )


CHECKS: Final = (
    Check(
        *("introspection.anonymous", "Introspection needs authentication", "RFC 7662", "2.1"),
        *("must", "nothing", introspects_for_all),
    ),
    Check(
        *("introspection.unknown", "An unknown token is inactive", "RFC 7662", "2.2"),
        *("must", "credentials", introspects_unknown),
    ),
    Check(
        *("revocation.anonymous", "Revocation needs authentication", "RFC 7009", "2.1"),
        *("must", "nothing", revokes_for_all),
    ),
    Check(
        *("revocation.unknown", "An unknown token is no error", "RFC 7009", "2.2"),
        *("must", "client", revokes_unknown),
    ),
    Check(
        *("revocation.effect", "A revoked token is inactive", "RFC 7009", "2"),
        *("must", "credentials", effect),
    ),
)
