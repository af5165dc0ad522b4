"""Registration by clients themselves (RFC 7591, RFC 7592); what is made here is removed again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from carnet.conform.findings import Check, Seen
from carnet.conform.probe import KnownClient, NotApplicable, Probe
from carnet.conform.wire import Reply

__all__ = ["CHECKS", "LAST", "register", "remove"]

REGISTER: Final = "registration_endpoint"
DANGEROUS: Final = ("javascript:alert(1)", "https://app.example/callback#fragment")


def _metadata(redirect_uri: str, **more: Any) -> dict[str, Any]:
    return {
        "client_name": "carnet conform",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        **more,
    }


async def _post(probe: Probe, document: dict[str, Any], token: str | None = None) -> Reply:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    reply = await probe.wire.post_json(probe.endpoint(REGISTER), document, headers)
    said = reply.document
    probe.wire.keep_secret(said.get("client_secret"), said.get("registration_access_token"))
    return reply


async def _manage(probe: Probe, method: str, made: Reply) -> Reply | None:
    """Ask for a client, or remove it; None where that is not offered."""
    address = made.document.get("registration_client_uri")
    token = made.document.get("registration_access_token")
    if not isinstance(address, str) or not isinstance(token, str):
        return None
    return await probe.wire.send(method, address, {"Authorization": f"Bearer {token}"})


async def register(probe: Probe, redirect_uri: str, scope: str | None) -> None:
    """Register the client of this run, where a token for that is given."""
    methods = probe.listed("token_endpoint_auth_methods_supported")
    more: dict[str, Any] = {} if scope is None else {"scope": scope}
    if "client_secret_basic" in methods:
        more["token_endpoint_auth_method"] = "client_secret_basic"
    reply = await _post(probe, _metadata(redirect_uri, **more), probe.registration_token)

    async def made() -> Reply:
        return reply

    await probe.once("registered", made)
    client_id, secret = reply.document.get("client_id"), reply.document.get("client_secret")
    if reply.status == 201 and isinstance(client_id, str):
        probe.is_registered_here = True
        probe.client = KnownClient(
            client_id,
            secret if isinstance(secret, str) else None,
            redirect_uri=redirect_uri,
            scope=scope,
        )


async def remove(probe: Probe) -> None:
    """Remove the client that ``register`` has made, where a check has not done so."""
    made = await probe.once("registered", _nothing)
    if made is not None and made.status == 201 and not await probe.once("removed", _nothing):
        await _manage(probe, "DELETE", made)


async def _nothing() -> None:
    return None


async def _registered(probe: Probe) -> Reply:
    made: Reply | None = await probe.once("registered", _nothing)
    if made is None:
        raise NotApplicable("a client was given, and none was registered")
    return made


async def dangerous(probe: Probe) -> AsyncIterator[Seen]:
    """Register addresses that must not be led to."""
    for redirect_uri in DANGEROUS:
        reply = await _post(probe, _metadata(redirect_uri), probe.registration_token)
        if reply.status < 400:
            await _manage(probe, "DELETE", reply)
            yield Seen(
                f"{redirect_uri} is registered",
                "400 invalid_redirect_uri",
                "take https addresses without a fragment, loopback ones, and schemes of apps",
            )


async def answer(probe: Probe) -> AsyncIterator[Seen]:
    """Look at what a registration is answered."""
    made = await _registered(probe)
    said = made.document
    missing = [name for name in ("client_id", "redirect_uris") if name not in said]
    if "client_secret" in said and "client_secret_expires_at" not in said:
        missing.append("client_secret_expires_at")
    if made.status != 201 or missing:
        yield Seen(
            f"{made.told}{', without ' if missing else ''}{', '.join(missing)}",
            "201 with the client as it was registered",
            "answer as the specification has it",
        )


async def cache(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether an answer with a secret may be kept."""
    made = await _registered(probe)
    if made.status == 201 and "no-store" not in made.header("cache-control").lower():
        yield Seen("no Cache-Control: no-store", "no-store", "send it with every answer")


async def removed(probe: Probe) -> AsyncIterator[Seen]:
    """Remove the client, and ask for it."""
    made = await _registered(probe)
    gone = await _manage(probe, "DELETE", made)
    if gone is None:
        raise NotApplicable("clients can't be managed there")

    async def yes() -> bool:
        return True

    await probe.once("removed", yes)
    left = await _manage(probe, "GET", made)
    if gone.status != 204 or left is None or left.status < 400:
        yield Seen(
            f"DELETE is answered {gone.status}, and a GET after it {left and left.status}",
            "204, and then 401",
            "remove the client, its tokens and its registration access token",
        )


_DYNAMIC: Final = "RFC 7591"

CHECKS: Final = (
    Check(
        *("registration.dangerous", "Dangerous addresses are refused", _DYNAMIC, "3.2.2"),
        *("must", "nothing", dangerous),
    ),
    Check(
        *("registration.answer", "The response is complete", _DYNAMIC, "3.2.1"),
        *("must", "registration", answer),
    ),
    Check(
        *("registration.cache", "Responses with secrets are not cached", _DYNAMIC, "3.2.1"),
        *("must", "registration", cache),
    ),
)
"""Without the one that removes the client, which comes last."""

LAST: Final = (
    Check(
        *("registration.removed", "A client can be removed", "RFC 7592", "2.3"),
        *("must", "registration", removed),
    ),
)
