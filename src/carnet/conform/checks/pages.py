"""Signing out and UserInfo (OpenID Connect), for those who have nothing to show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from carnet.conform.authorization import landing_of
from carnet.conform.checks.authorization import ELSEWHERE, is_framed
from carnet.conform.findings import Check, Seen
from carnet.conform.probe import Probe

__all__ = ["CHECKS"]

LOGOUT: Final = "end_session_endpoint"
HINTLESS: Final = {"post_logout_redirect_uri": ELSEWHERE, "state": "state"}


async def leads_nowhere(probe: Probe) -> AsyncIterator[Seen]:
    """Sign out with an address that nobody has registered."""
    more = {} if probe.client is None else {"client_id": probe.client.id}
    for query in (HINTLESS, {**HINTLESS, **more}):
        landing = landing_of(await probe.wire.get(probe.endpoint(LOGOUT), query))
        if landing.leads_to(ELSEWHERE):
            yield Seen(
                landing.told,
                "a page of the issuer's own",
                "redirect only to addresses that the client has registered, compared exactly",
            )
            return


async def takes_both(probe: Probe) -> AsyncIterator[Seen]:
    """Sign out with GET and with POST."""
    address = probe.endpoint(LOGOUT)
    replies = {"GET": await probe.wire.get(address), "POST": await probe.wire.post(address, {})}
    for method, reply in replies.items():
        if reply.status in (404, 405, 501):
            yield Seen(f"{method} is answered {reply.status}", "both methods", f"take {method}")


async def frames(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether the page can be shown in a frame."""
    address = probe.endpoint(LOGOUT)
    reply = await probe.wire.page(address)
    if reply.media_type == "text/html" and not reply.location and is_framed(reply):
        yield Seen(
            f"the page that {address} leads to may be framed",
            "Content-Security-Policy: frame-ancestors 'none'",
            "send that header, and X-Frame-Options: DENY, with every page",
        )


async def userinfo(probe: Probe) -> AsyncIterator[Seen]:
    """Ask who it is, without a token and with one that is none."""
    address = probe.endpoint("userinfo_endpoint")
    for headers in ({}, {"Authorization": "Bearer no-such-token"}):
        reply = await probe.wire.get(address, headers=headers)
        challenge = reply.header("www-authenticate")
        if reply.status != 401 or not challenge.lower().startswith(("bearer", "dpop")):
            yield Seen(
                f"{reply.told}, WWW-Authenticate {challenge or '(none)'}",
                "401 with WWW-Authenticate: Bearer",
                "answer 401 and name the scheme",
            )
            return


_LOGOUT: Final = "OpenID Connect RP-Initiated Logout 1.0"

CHECKS: Final = (
    Check(
        "logout.address",
        "Logout does not redirect to unknown addresses",
        _LOGOUT,
        "3",
        "must",
        "nothing",
        leads_nowhere,
    ),
    Check("logout.methods", "GET and POST sign out", _LOGOUT, "2", "must", "nothing", takes_both),
    Check(
        *("logout.frames", "No page can be framed", "RFC 9700", "4.16"),
        *("must", "nothing", frames),
    ),
    Check(
        *("userinfo.anonymous", "UserInfo needs a token", "RFC 6750", "3"),
        *("must", "nothing", userinfo),
    ),
)
