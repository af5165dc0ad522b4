"""Requests that are pushed before (RFC 9126)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from carnet.conform.authorization import landing_of
from carnet.conform.checks.authorization import ELSEWHERE
from carnet.conform.findings import Check, Seen, Severity
from carnet.conform.probe import NO_CLIENT, NotApplicable, Probe
from carnet.conform.wire import Reply

__all__ = ["CHECKS"]

PUSH: Final = "pushed_authorization_request_endpoint"
MADE_UP: Final = "urn:ietf:params:oauth:request_uri:nobody-has-pushed-this"


async def unknown_client(probe: Probe) -> AsyncIterator[Seen]:
    """Push as a client that nobody knows."""
    form = {"client_id": NO_CLIENT, "response_type": "code", "redirect_uri": ELSEWHERE}
    reply = await probe.ask_nameless(PUSH, form)
    if reply.status not in (400, 401) or reply.error not in ("invalid_client", "invalid_request"):
        yield Seen(
            reply.told, "401 invalid_client", "authenticate clients as at the token endpoint"
        )


async def _pushed(probe: Probe) -> Reply:
    async def push() -> Reply:
        return await probe.ask(PUSH, probe.request({"prompt": None}))

    reply: Reply = await probe.once("pushed", push)
    if reply.error:
        raise NotApplicable(f"the client can't push a request: {reply.told}")
    return reply


async def answer(probe: Probe) -> AsyncIterator[Seen]:
    """Look at what a request is answered."""
    reply = await _pushed(probe)
    lifetime = reply.document.get("expires_in")
    if (
        reply.status != 201
        or not isinstance(reply.document.get("request_uri"), str)
        or lifetime.__class__ is not int
        or not lifetime > 0
    ):
        yield Seen(
            f"{reply.told}, expires_in {lifetime!r}",
            "201 with request_uri, and expires_in as a whole number of seconds",
            "answer as the specification has it",
        )


async def short(probe: Probe) -> AsyncIterator[Seen]:
    """Look how long a request is good for."""
    lifetime = (await _pushed(probe)).document.get("expires_in")
    if isinstance(lifetime, int) and lifetime > 600:
        yield Seen(f"{lifetime} seconds", "5 to 600", "let pushed requests end within minutes")


async def nested(probe: Probe) -> AsyncIterator[Seen]:
    """Push a request that names another one."""
    probe.endpoint(PUSH)
    reply = await probe.ask(PUSH, {**probe.request({"prompt": None}), "request_uri": MADE_UP})
    if reply.status < 400:
        yield Seen(reply.told, "400 invalid_request", "refuse request_uri in what is pushed")


async def address(probe: Probe) -> AsyncIterator[Seen]:
    """Push a request with an address that is not the client's."""
    probe.endpoint(PUSH)
    if not probe.its_client.is_confidential:
        raise NotApplicable("the client can't prove who it is")
    reply = await probe.ask(PUSH, probe.request({"prompt": None, "redirect_uri": ELSEWHERE}))
    if reply.status < 400:
        # A server may take other addresses of clients that prove who they are (section 2.4).
        yield Seen(
            reply.told,
            "400 invalid_request",
            "compare the redirect_uri with the registered ones, or see that this is what you want",
            "note",
        )


async def _used(probe: Probe, client_id: str, request_uri: str, change: str) -> AsyncIterator[Seen]:
    """Use an address that is not the client's."""
    if probe.is_registered_here:
        raise NotApplicable("a client that has registered itself may be looked at after a sign-in")
    query = {"client_id": client_id, "request_uri": request_uri}
    landing = landing_of(await probe.wire.get(probe.endpoint("authorization_endpoint"), query))
    if landing.reply.status < 400 and not landing.answer.get("error"):
        # It may be looked at after the sign-in.
        severity: Severity | None = None if landing.is_at(probe.redirect_uri) else "should"
        yield Seen(landing.told, "an error, at once", change, severity)


async def made_up(probe: Probe) -> AsyncIterator[Seen]:
    """Name a request that nobody has pushed."""
    probe.endpoint(PUSH)
    change = "refuse a request_uri that was not given"
    async for seen in _used(probe, probe.its_client.id, MADE_UP, change):
        yield seen


async def foreign(probe: Probe) -> AsyncIterator[Seen]:
    """Use the client's request as another client."""
    request_uri = str((await _pushed(probe)).document.get("request_uri"))
    change = "bind a request_uri to the client that has pushed it"
    async for seen in _used(probe, NO_CLIENT, request_uri, change):
        yield seen


_PAR: Final = "RFC 9126"

CHECKS: Final = (
    Check(
        *("pushed.unknown_client", "An unknown client can't push a request", _PAR, "2.1"),
        *("must", "nothing", unknown_client),
    ),
    Check(
        "pushed.answer",
        "A pushed request gets a request_uri",
        _PAR,
        "2.2",
        "must",
        "client",
        answer,
    ),
    Check("pushed.short", "The request_uri expires soon", _PAR, "2.2", "should", "client", short),
    Check(
        "pushed.nested",
        "A pushed request can't contain a request_uri",
        _PAR,
        "2.1",
        "must",
        "client",
        nested,
    ),
    Check("pushed.address", "Redirect URIs are compared", _PAR, "2.3", "must", "client", address),
    Check(
        "pushed.made_up", "An unknown request_uri is refused", _PAR, "4", "must", "client", made_up
    ),
    Check(
        "pushed.foreign",
        "A request_uri works only for its client",
        _PAR,
        "2.2",
        "must",
        "client",
        foreign,
    ),
)
