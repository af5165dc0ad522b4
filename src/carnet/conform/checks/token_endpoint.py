"""The token endpoint, before it gives anything (RFC 6749 sections 2.3, 3.2 and 5.2)."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote_plus

from carnet.conform.findings import Check, Seen
from carnet.conform.probe import NO_CLIENT, NotApplicable, Probe
from carnet.conform.wire import Reply

__all__ = ["CHECKS", "ERROR_TEXT", "basic"]

TOKEN: Final = "token_endpoint"
UNKNOWN_GRANT: Final = "urn:example:no-such-grant"
ERROR_TEXT: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")


def basic(client_id: str, secret: str) -> dict[str, str]:
    """Give the header of HTTP Basic authentication (RFC 6749 section 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _wrong(reply: Reply, expected: tuple[str, ...], change: str) -> list[Seen]:
    """Compare an answer with the errors that it may be."""
    if reply.status in (400, 401) and reply.error in expected:
        return []
    return [Seen(reply.told, f"400 or 401 with {' or '.join(expected)}", change)]


async def get(probe: Probe) -> AsyncIterator[Seen]:
    """Ask with GET, whose parameters stand in an address."""
    query = {"grant_type": UNKNOWN_GRANT, "client_id": NO_CLIENT}
    reply = await probe.wire.get(probe.endpoint(TOKEN), query)
    if reply.status < 400 or reply.error not in ("", "invalid_request", "method_not_allowed"):
        yield Seen(
            f"a GET is read: {reply.told}",
            "405: addresses are logged",
            "accept only POST at the token endpoint",
        )


async def grant(probe: Probe) -> AsyncIterator[Seen]:
    """Ask with a grant that does not exist."""
    if probe.client is not None and probe.client.is_confidential:
        reply = await probe.ask(TOKEN, {"grant_type": UNKNOWN_GRANT})
        # What a client may not use need not be known.
        expected: tuple[str, ...] = ("unsupported_grant_type", "unauthorized_client")
    else:
        reply = await probe.ask_nameless(TOKEN, {"grant_type": UNKNOWN_GRANT})
        expected = ("unsupported_grant_type", "invalid_client", "invalid_request")
    for seen in _wrong(reply, expected, "answer unsupported_grant_type to what is not known"):
        yield seen


async def missing(probe: Probe) -> AsyncIterator[Seen]:
    """Ask without a grant."""
    reply = await probe.ask_nameless(TOKEN, {"client_id": NO_CLIENT})
    # DPoP and others have codes of their own, none of which is for this.
    expected = ("invalid_request", "invalid_client")
    for seen in _wrong(reply, expected, "answer invalid_request where grant_type is missing"):
        yield seen


async def form(probe: Probe) -> AsyncIterator[Seen]:
    """Look at the form of an error."""
    reply = await probe.ask_nameless(TOKEN, {"grant_type": UNKNOWN_GRANT})
    if reply.media_type != "application/json" or not reply.error:
        yield Seen(
            f"an error is answered with {reply.told}",
            "application/json with the member error",
            "answer errors as JSON",
        )
    description = reply.document.get("error_description", "")
    if not isinstance(description, str) or not ERROR_TEXT.fullmatch(description):
        yield Seen(
            "error_description has characters that it may not have",
            "printable ASCII without quotes and backslashes",
            "write error_description in plain ASCII",
        )


async def twice(probe: Probe) -> AsyncIterator[Seen]:
    """Give one parameter twice."""
    if probe.client is not None and probe.client.is_confidential:
        headers, proof = probe.authenticated()
        pairs = [*probe.own_grant.items(), *proof.items(), ("grant_type", "client_credentials")]
        reply = await probe.wire.post(probe.endpoint(TOKEN), pairs, headers)
        probe.wire.keep_secret(reply.document.get("access_token"))
    else:
        pairs = [("grant_type", UNKNOWN_GRANT)] * 2
        reply = await probe.ask_nameless(TOKEN, pairs)
    if reply.status == 200 or reply.error in ("unsupported_grant_type", "unauthorized_client"):
        yield Seen(
            f"a repeated parameter is accepted: {reply.told}",
            "400 invalid_request: whoever checks one and uses the other is deceived",
            "refuse requests with a repeated parameter",
        )


async def unknown_client(probe: Probe) -> AsyncIterator[Seen]:
    """Ask as a client that nobody knows."""
    form = {"grant_type": "client_credentials", "client_id": NO_CLIENT, "client_secret": "x" * 32}
    reply = await probe.ask_nameless(TOKEN, form)
    for seen in _wrong(reply, ("invalid_client",), "answer invalid_client to unknown clients"):
        yield seen


async def challenge(probe: Probe) -> AsyncIterator[Seen]:
    """Ask as such a client with HTTP Basic."""
    methods = probe.listed("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if "client_secret_basic" not in methods:
        raise NotApplicable("the issuer takes no HTTP Basic")
    form = {"grant_type": "client_credentials"}
    header = basic(NO_CLIENT, "x" * 32)
    reply = await probe.wire.post(probe.endpoint(TOKEN), form, header)
    if reply.status != 401 or "basic" not in reply.header("www-authenticate").lower():
        yield Seen(
            f"{reply.told}, WWW-Authenticate {reply.header('www-authenticate') or '(none)'}",
            "401 with WWW-Authenticate: Basic to a client that has used it",
            "answer 401 and name the scheme",
        )


async def wrong_secret(probe: Probe) -> AsyncIterator[Seen]:
    """Ask as the client, with another secret."""
    client = probe.its_client
    if client.secret is None:
        raise NotApplicable("the client has no secret")
    headers, form = probe.authenticated()
    wrong = secrets.token_urlsafe(24)
    if headers:
        headers = basic(client.id, wrong)
    else:
        form = {**form, "client_secret": wrong}
    reply = await probe.wire.post(probe.endpoint(TOKEN), {**probe.own_grant, **form}, headers)
    for seen in _wrong(reply, ("invalid_client",), "compare the secret with the client's"):
        yield seen


async def nothing_proved(probe: Probe) -> AsyncIterator[Seen]:
    """Ask as the client, and prove nothing."""
    client = probe.its_client
    reply = await probe.ask_nameless(TOKEN, {**probe.own_grant, "client_id": client.id})
    for seen in _wrong(
        reply, ("invalid_client", "unauthorized_client"), "ask confidential clients for a proof"
    ):
        yield seen


async def both(probe: Probe) -> AsyncIterator[Seen]:
    """Prove who the client is in two ways at once."""
    client = probe.its_client
    if client.secret is None:
        raise NotApplicable("the client has no secret")
    form = {**probe.own_grant, "client_id": client.id, "client_secret": client.secret}
    headers = basic(client.id, client.secret)
    probe.wire.keep_secret(headers["Authorization"])
    reply = await probe.wire.post(probe.endpoint(TOKEN), form, headers)
    probe.wire.keep_secret(reply.document.get("access_token"))
    for seen in _wrong(
        reply,
        ("invalid_request", "invalid_client"),
        "refuse requests with more than one way of client authentication",
    ):
        yield seen


async def unknown_code(probe: Probe) -> AsyncIterator[Seen]:
    """Bring a code that nobody has given."""
    form = {"grant_type": "authorization_code", "code": secrets.token_urlsafe()}
    form |= {"redirect_uri": probe.redirect_uri, "code_verifier": secrets.token_urlsafe(32)}
    reply = await probe.ask(TOKEN, form)
    for seen in _wrong(
        reply, ("invalid_grant", "unauthorized_client"), "answer invalid_grant to unknown codes"
    ):
        yield seen


async def unknown_refresh_token(probe: Probe) -> AsyncIterator[Seen]:
    """Bring a refresh token that nobody has given."""
    form = {"grant_type": "refresh_token", "refresh_token": secrets.token_urlsafe()}
    reply = await probe.ask(TOKEN, form)
    for seen in _wrong(
        reply, ("invalid_grant", "unauthorized_client"), "answer invalid_grant to unknown tokens"
    ):
        yield seen


_OAUTH: Final = "RFC 6749"

CHECKS: Final = (
    Check(
        "token.get", "The token endpoint accepts only POST", _OAUTH, "3.2", "should", "nothing", get
    ),
    Check("token.grant", "An unknown grant is refused", _OAUTH, "5.2", "must", "nothing", grant),
    Check(
        "token.missing",
        "A missing grant_type is refused",
        _OAUTH,
        "5.2",
        "must",
        "nothing",
        missing,
    ),
    Check("token.form", "Errors are JSON", _OAUTH, "5.2", "must", "nothing", form),
    Check(
        "token.twice", "Repeated parameters are refused", _OAUTH, "3.2", "must", "nothing", twice
    ),
    Check(
        *("token.unknown_client", "An unknown client is refused", _OAUTH, "5.2"),
        *("must", "nothing", unknown_client),
    ),
    Check(
        *(
            "token.challenge",
            "The response to failed Basic authentication names the scheme",
            _OAUTH,
            "5.2",
        ),
        *("must", "nothing", challenge),
    ),
    Check(
        *("token.wrong_secret", "A wrong secret is refused", _OAUTH, "2.3.1"),
        *("must", "credentials", wrong_secret),
    ),
    Check(
        *("token.nothing_proved", "A confidential client has to authenticate", _OAUTH, "3.2.1"),
        *("must", "credentials", nothing_proved),
    ),
    Check(
        *("token.both", "A client uses one authentication method at a time", _OAUTH, "2.3"),
        *("should", "credentials", both),
    ),
    Check(
        *("token.unknown_code", "An unknown code is refused", _OAUTH, "5.2"),
        *("must", "client", unknown_code),
    ),
    Check(
        *("token.unknown_refresh_token", "An unknown refresh token is refused", _OAUTH, "5.2"),
        *("must", "client", unknown_refresh_token),
    ),
)
