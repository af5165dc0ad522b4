"""Connecting a provider with the account that has the same address, once its owner has proved it.

    the provider says        a@example.com, verified, of somebody whom nobody here knows
    an account here has      a@example.com, verified
    the person               signs in to that account as usual, and is asked; only then is it linked

The address is no proof of anything here: it only leads to the question. What the provider has said
stays with the browser meanwhile (``newcomer``), for ten minutes, and is used once.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.pages.forms import Form
from carnet.server.pages.provider_refusal import refused
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import require_recent
from carnet.server.service import Service
from carnet.server.upstream.provider import UpstreamRefused
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import current
from carnet.server.web.provider_sign_in import (
    Arrived,
    forget_newcomer,
    newcomer,
    provider_named,
    use_up,
)

__all__ = ["ask_to_link", "link"]


async def ask_to_link(request: Request) -> Response:
    """Ask somebody to sign in to the account that is there, and then whether it is to be connected.

    Raises:
        RequestRefused: as ``require_recent``.
    """
    service: Service = request.app.state.service
    found = _asked_about(request)
    if found is None:
        return redirect(request, "/sign-in?why=late")
    session = await current(request)
    is_theirs = session is not None and (
        await service.addresses.holder(found.address) == session.account.id
    )
    if is_theirs:
        session = await require_recent(request)
    provider = provider_named(service, found.provider)
    return render(
        request,
        "provider_existing.html",
        session=session,
        is_theirs=is_theirs,
        label=provider.label,
        address=found.address,
        may_be_new=provider.settings.provision == "create",
        following=found.following,
    )


async def link(request: Request) -> Response:
    """Connect the provider with the account that somebody has proved to be theirs.

    Raises:
        RequestRefused: as ``require_recent``.
    """
    service: Service = request.app.state.service
    await Form.read(request)
    found = _asked_about(request)
    if found is None:
        return redirect(request, "/sign-in?why=late")
    session = await require_recent(request)
    origin = origin_of(request, session.account.id)
    try:
        await use_up(service, found)
        await service.people.connect(
            session.account, found.said, found.rights, session.session_id, origin, found.address
        )
        response = redirect(request, found.following)
    except UpstreamRefused as error:
        provider = provider_named(service, found.provider)
        response = refused(request, provider, error, found.following)
    forget_newcomer(request, response)
    return response


def _asked_about(request: Request) -> Arrived | None:
    """Give whom a provider has signed in with this browser, where an account may be theirs."""
    service: Service = request.app.state.service
    found = newcomer(request)
    if found is None or not found.address:
        return None
    # The settings may have changed since then.
    provider = service.upstream.providers.get(found.provider)
    allowed = provider is not None and provider.settings.link == "verified-address"
    return found if allowed else None
