"""The page where a person lets a device in that has no browser (RFC 8628 section 3.3).

Only who is signed in may look for a code, so that each guess counts against somebody. An address
that has the code in it leads to the same question: whoever sends such an address to others wants
them to let the wrong device in, so nothing is decided before the person has seen what asks.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.throttle import Delayed
from carnet.server.clients.acting import programs_that_may_act
from carnet.server.clients.clients import Client
from carnet.server.clients.own_pages import own_pages
from carnet.server.factors.levels import acr_of, demanded_of, highest, reaches
from carnet.server.languages import gettext, marked
from carnet.server.oauth.device_codes import Undecided
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import render
from carnet.server.pages.sign_in import step_up
from carnet.server.pages.signed_in import require_session
from carnet.server.pages.words import duration
from carnet.server.service import Service
from carnet.server.user_agents import device_name
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession

__all__ = ["decide", "show_device"]

NOT_FOUND: Final = marked(
    "No device is waiting with this code. Check what your device shows: a code works once, for "
    "ten minutes."
)

_log = structlog.get_logger()


class _NotFound(Exception):
    """There is no device to decide about; the page says so.

    Args:
        text: what to do.
        status: the HTTP status.
        headers: more headers of the answer.
    """

    def __init__(self, text: str, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


async def show_device(request: Request) -> Response:
    """Ask for the code that the device shows, or whether to let that device in."""
    session = await require_session(request)
    typed = request.query_params.get("user_code", "")
    if not typed:
        return render(request, "device.html", session=session, typed="", error="")
    try:
        device, client = await _find(request, session, typed)
    except _NotFound as error:
        return _again(request, session, typed, error)
    if not _is_strong(request, session, client):
        return await step_up(request, session, f"/device?{urlencode({'user_code': typed})}")
    return _ask(request, session, device, client)


async def decide(request: Request) -> Response:
    """Take what the person has decided about the device that was shown."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_session(request)
    typed = form["user_code"]
    try:
        device, client = await _find(request, session, typed)
        if not _is_strong(request, session, client):
            return await step_up(request, session, f"/device?{urlencode({'user_code': typed})}")
        if form["account"] != session.account.id:
            # Somebody else has signed in since the page was shown, or it was not shown at all.
            return _ask(request, session, device, client)
        allowed = form["decision"] == "allow"
        asked, origin = device.request, origin_of(request, session.account.id)
        if allowed and not client.metadata.first_party:
            await service.consents.grant(
                session.account.id, client.id, asked.audience, asked.scope, origin
            )
        if not await service.device_codes.decide(
            *(device, session.account, session.authenticated_at, session.amr, origin),
            allowed=allowed,
        ):
            raise _NotFound(gettext(NOT_FOUND), 422)
    except _NotFound as error:
        return _again(request, session, typed, error)
    return render(
        request,
        "device_decided.html",
        session=session,
        allowed=allowed,
        client_name=_name(client),
    )


async def _find(request: Request, session: BrowserSession, typed: str) -> tuple[Undecided, Client]:
    """Find the device that shows a code; where there is none, that counts as a guess.

    Raises:
        _NotFound: if there is none, or the account or the network has guessed too often.
    """
    service: Service = request.app.state.service
    address = origin_of(request).address
    try:
        async with service.throttle.user_code(session.account.id, address) as attempt:
            device = await service.device_codes.find(typed)
            client = None if device is None else service.registry.client(device.client_id)
            if device is not None and client is not None:
                attempt.succeed()
                return device, client
    except Delayed as error:
        text = gettext("Too many codes were wrong. Wait {wait}, then try again.").format(
            wait=duration(error.seconds)
        )
        raise _NotFound(text, 429, {"Retry-After": str(error.seconds)}) from None
    _log.info("user_code_refused", account=session.account.id, address=address)
    raise _NotFound(gettext(NOT_FOUND), 422)


def _is_strong(request: Request, session: BrowserSession, client: Client) -> bool:
    """Tell whether the sign-in amounts to what the client and the role demand."""
    service: Service = request.app.state.service
    demanded = demanded_of(session.account.roles, service.settings)
    return reaches(acr_of(session.amr), highest(client.metadata.required_acr, demanded))


def _ask(request: Request, session: BrowserSession, device: Undecided, client: Client) -> Response:
    """Ask whether to let a device in."""
    registry, asked = request.app.state.service.registry, device.request
    scopes = asked.scope.split()
    return render(
        request,
        "device_consent.html",
        session=session,
        client_name=_name(client),
        user_code=device.user_code,
        address=asked.address,
        program=device_name(asked.user_agent),
        user_agent=asked.user_agent,
        asked_at=asked.asked_at,
        audience=asked.audience,
        scopes=registry.scopes.describe(scopes, registry.resource(asked.audience)),
        programs=programs_that_may_act(registry, asked.audience, scopes),
        own_pages=own_pages(client),
    )


def _again(request: Request, session: BrowserSession, typed: str, error: _NotFound) -> Response:
    return render(
        request,
        "device.html",
        error.status,
        error.headers,
        session=session,
        typed=typed,
        error=str(error),
    )


def _name(client: Client) -> str:
    return client.metadata.client_name or client.id
