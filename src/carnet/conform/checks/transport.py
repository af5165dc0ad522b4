"""The way to the issuer: TLS and redirects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from carnet.conform.checks.keys import key_set
from carnet.conform.findings import Check, Seen
from carnet.conform.probe import NotApplicable, Probe
from carnet.conform.wire import Unfinished

__all__ = ["CHECKS"]


async def plain_http(probe: Probe) -> AsyncIterator[Seen]:
    """Ask for the metadata without TLS."""
    address = next(iter(probe.documents))
    if not address.startswith("https://"):
        raise NotApplicable("the issuer has no https address")
    parts = urlsplit(address)
    plain = parts._replace(scheme="http", netloc=parts.hostname or "").geturl()
    try:
        reply = await probe.wire.send("GET", plain, plain=True)
    except Unfinished:
        # Nothing listens there.
        return
    if reply.status == 200 and reply.document.get("issuer"):
        yield Seen(
            f"{plain} answers with the metadata",
            "nothing, or a redirect to https: anyone on the way can insert other endpoints",
            "serve http:// with a redirect alone",
        )


async def hsts(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether browsers are kept on TLS."""
    reply = next(iter(probe.documents.values()))
    if not reply.url.startswith("https://"):
        raise NotApplicable("the issuer has no https address")
    if not reply.header("strict-transport-security"):
        yield Seen(
            "there is no Strict-Transport-Security",
            "browsers never connect without TLS",
            "send the header with every answer",
        )


async def redirects(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether programs are sent elsewhere."""
    replies = [await key_set(probe)] if probe.names("jwks_uri") else []
    if probe.names("token_endpoint"):
        replies.append(await probe.ask_nameless("token_endpoint", {"grant_type": "none"}))
    for reply in replies:
        if reply.location:
            yield Seen(
                f"{reply.url} answers {reply.status} and leads elsewhere",
                "an answer: what a client sends there can hold its secret, and goes along",
                "publish the address that answers",
            )


CHECKS: Final = (
    Check(
        *("transport.plain_http", "The issuer does not answer without TLS", "RFC 8414", "6.1"),
        *("must", "nothing", plain_http),
    ),
    Check("transport.hsts", "Browsers stay on TLS", "RFC 6797", "6.1", "note", "nothing", hsts),
    Check(
        *("transport.redirects", "Endpoints do not redirect", "RFC 9700", "4.12"),
        *("must", "nothing", redirects),
    ),
)
