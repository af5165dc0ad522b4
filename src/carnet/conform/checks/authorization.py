"""The authorization endpoint, without anybody who signs in.

With ``prompt=none`` a good request is answered at once, at the client's address, with an error that
says that only the person is missing. So whatever gets that same error has been found good.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

from carnet.conform.authorization import Landing, landing_of
from carnet.conform.findings import Check, Look, Seen, Severity
from carnet.conform.probe import NO_CLIENT, NotApplicable, Probe
from carnet.conform.wire import Reply

__all__ = ["CHECKS", "ELSEWHERE", "is_framed"]

AUTHORIZE: Final = "authorization_endpoint"
ELSEWHERE: Final = "https://elsewhere.example/callback"
STATE: Final = "a b&c=d+e/%2F~é"
PAGES: Final[tuple[dict[str, str], ...]] = (
    {},
    {"prompt": "none"},
    {"response_type": "token"},
    {"response_type": "none-such"},
    {"response_mode": "form_post", "prompt": "none"},
)
"""Requests that mislead some servers."""


def _strangers_request(changes: Mapping[str, str]) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": NO_CLIENT,
        "redirect_uri": ELSEWHERE,
        "scope": "openid",
        "state": "state",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        **changes,
    }


async def unknown_client(probe: Probe) -> AsyncIterator[Seen]:
    """Ask as a client that nobody knows, with its own address."""
    address = probe.endpoint(AUTHORIZE)
    for changes in PAGES:
        landing = landing_of(await probe.wire.get(address, _strangers_request(changes)))
        if landing.leads_to(ELSEWHERE):
            yield Seen(
                f"with {_written(changes)}, {landing.told}",
                "an error page of the issuer: that address is not registered",
                "show the person an error page if the client or the redirect URI is not known, "
                "and do not redirect",
            )


async def unregistered(probe: Probe) -> AsyncIterator[Seen]:
    """Ask as the client, with an address that is not its own."""
    for changes in PAGES:
        landing = await probe.authorize({"prompt": None, "redirect_uri": ELSEWHERE, **changes})
        if landing.leads_to(ELSEWHERE):
            yield Seen(
                f"with {_written(changes)}, {landing.told}",
                "a page of the issuer's own: a link to it leads anywhere otherwise",
                "check the redirect_uri first, and redirect nowhere where it is wrong",
            )


def is_framed(reply: Reply) -> bool:
    """Tell whether a page of another origin may show this one in a frame."""
    policy = reply.header("content-security-policy").lower()
    return "frame-ancestors" not in policy and not reply.header("x-frame-options")


async def frames(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether the pages can be shown in a frame."""
    address = probe.endpoint(AUTHORIZE)
    # On the page that tells a stranger of an error there is nothing to click on.
    pages: list[tuple[str, dict[str, str], Severity | None]] = [
        ("tells an error", _strangers_request({}), "should")
    ]
    if probe.client is not None and probe.client.redirect_uri is not None:
        pages.append(("signs people in", probe.request({"prompt": None}), None))
    for purpose, query, severity in pages:
        reply = await probe.wire.page(address, query)
        if reply.media_type == "text/html" and not reply.location and is_framed(reply):
            yield Seen(
                f"the page that {purpose}, to which {address} leads, may be framed",
                "Content-Security-Policy: frame-ancestors 'none'",
                "send that header, and X-Frame-Options: DENY, with every page",
                severity,
            )


async def cors(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether scripts of other origins may read what the endpoint answers."""
    headers = {"Origin": "https://elsewhere.example"}
    reply = await probe.wire.get(probe.endpoint(AUTHORIZE), _strangers_request({}), headers)
    allowed = reply.header("access-control-allow-origin")
    if allowed:
        yield Seen(
            f"Access-Control-Allow-Origin: {allowed}",
            "no CORS here: browsers are led to this endpoint, and no script asks it",
            "leave the authorization endpoint out of CORS",
        )


def _refuses(
    changes: Mapping[str, str | None],
    expected: str,
    change: str,
    more: tuple[tuple[str, str], ...] = (),
    confidential: Severity | None = None,
) -> Look:
    """Make a check of a request that is wrong.

    Args:
        changes: what is wrong with it.
        expected: what it should get.
        change: what to do where it is found good.
        more: parameters that are added to those that are there.
        confidential: the severity where the client proves who it is.
    """

    async def look(probe: Probe) -> AsyncIterator[Seen]:
        landing = await probe.authorize(changes, more)
        if await probe.accepts(landing):
            severity = confidential if probe.its_client.is_confidential else None
            yield Seen(landing.told, expected, change, severity)

    return look


async def unknown_type(probe: Probe) -> AsyncIterator[Seen]:
    """Ask for a kind of answer that does not exist."""
    landing = await probe.authorize({"response_type": "none-such"})
    error = landing.answer.get("error", "")
    # Some tell such a mistake on a page (RFC 6749 leaves that open for a wrong request).
    at_client = landing.is_at(probe.redirect_uri)
    if at_client and error not in ("unsupported_response_type", "invalid_request"):
        yield Seen(landing.told, "unsupported_response_type", "tell the client with that code")


async def state(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the state of an error with the one that was sent."""
    landing = await probe.authorize({"state": STATE})
    _at_client(probe, landing)
    if landing.answer.get("state") != STATE:
        yield Seen(
            "state comes back as another text" if "state" in landing.answer else "state is gone",
            "exactly what was sent, errors included",
            "put the state as it came into every answer, escaped as a parameter",
        )


async def issuer(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the issuer that an error names."""
    if probe.metadata.get("authorization_response_iss_parameter_supported") is not True:
        raise NotApplicable("the metadata does not say that answers name the issuer")
    landing = await probe.authorize()
    _at_client(probe, landing)
    if landing.answer.get("iss") != probe.metadata.get("issuer"):
        yield Seen(
            f"an error names {landing.answer.get('iss', 'no issuer')}",
            "iss with the issuer's name, in errors as well",
            "add iss to every answer, as the metadata says",
        )


async def silent(probe: Probe) -> AsyncIterator[Seen]:
    """Ask silently where nobody is signed in."""
    if not probe.offers_openid:
        raise NotApplicable("it is no OpenID provider, or the client does not ask for openid")
    landing = await probe.authorize()
    if probe.is_registered_here and not landing.target:
        raise NotApplicable(
            "nobody need be led to where a client leads that has registered itself (RFC 9700 "
            "section 4.11.2)"
        )
    if not probe.is_accepted(landing):
        yield Seen(
            landing.told,
            "a redirect to the client with login_required, and never a page",
            "answer prompt=none without any page",
        )


async def post_redirect(probe: Probe) -> AsyncIterator[Seen]:
    """Look at the kind of redirect."""
    landing = await probe.authorize()
    if landing.reply.status in (307, 308):
        yield Seen(
            f"a redirect with {landing.reply.status}",
            "303, or 302: with 307 a browser sends a form, and its password, on to the client",
            "redirect with 303",
        )


def _at_client(probe: Probe, landing: Landing) -> None:
    if not landing.is_at(probe.redirect_uri):
        raise NotApplicable("prompt=none is not answered at the client's address")


def _written(changes: Mapping[str, str]) -> str:
    return " ".join(f"{name}={text}" for name, text in changes.items()) or "an ordinary request"


_OAUTH: Final = "RFC 6749"
_BCP: Final = "RFC 9700"

CHECKS: Final = (
    Check(
        *("authorization.unknown_client", "An unknown client is not redirected", _BCP, "4.11"),
        *("must", "nothing", unknown_client),
    ),
    Check(
        *(
            "authorization.unregistered",
            "An unknown redirect URI is not redirected to",
            _BCP,
            "4.11",
        ),
        *("must", "client", unregistered),
    ),
    Check("authorization.frames", "No page can be framed", _BCP, "4.16", "must", "nothing", frames),
    Check(
        "authorization.cors",
        "The authorization endpoint is closed to CORS",
        _BCP,
        "2.6",
        "must",
        "nothing",
        cors,
    ),
    Check(
        *("authorization.pkce", "Codes are protected by PKCE", _BCP, "2.1.1", "must", "client"),
        _refuses(
            {"code_challenge": None, "code_challenge_method": None, "nonce": None},
            "invalid_request where code_challenge is missing",
            "demand PKCE of every client",
            confidential="should",
        ),
    ),
    Check(
        *("authorization.plain", "PKCE's plain method is refused", "RFC 7636", "7.2"),
        *("should", "client"),
        _refuses(
            {"code_challenge_method": "plain"},
            "invalid_request: whoever reads the request has the verifier",
            "accept only S256",
        ),
    ),
    Check(
        *("authorization.no_method", "A challenge without a method is refused", "RFC 7636", "4.3"),
        *("should", "client"),
        _refuses(
            {"code_challenge_method": None},
            "invalid_request: without a method it is plain",
            "accept only S256",
        ),
    ),
    Check(
        *(
            "authorization.twice",
            "Repeated parameters are refused",
            _OAUTH,
            "3.1",
            "must",
            "client",
        ),
        _refuses(
            {},
            "invalid_request",
            "refuse requests with a repeated parameter",
            (("nonce", "another"), ("code_challenge_method", "S256")),
        ),
    ),
    Check(
        *("authorization.implicit", "No access token is returned in an address", _BCP, "2.1.2"),
        *("should", "client"),
        _refuses(
            {"response_type": "token", "code_challenge": None, "code_challenge_method": None},
            "unsupported_response_type or unauthorized_client",
            "give clients codes alone",
        ),
    ),
    Check(
        *("authorization.unknown_type", "An unknown response_type is refused", _OAUTH, "4.1.2.1"),
        *("must", "client", unknown_type),
    ),
    Check(
        *("authorization.state", "The state is returned unchanged", _OAUTH, "4.1.2.1"),
        *("must", "client", state),
    ),
    Check(
        *("authorization.issuer", "Errors name the issuer", "RFC 9207", "2", "must", "client"),
        issuer,
    ),
    Check(
        *(
            "authorization.silent",
            "prompt=none shows no page",
            "OpenID Connect Core 1.0",
            "3.1.2.6",
        ),
        *("must", "client", silent),
    ),
    Check(
        *("authorization.redirect", "Redirects turn a POST into a GET", _BCP, "4.12"),
        *("must", "client", post_redirect),
    ),
)
