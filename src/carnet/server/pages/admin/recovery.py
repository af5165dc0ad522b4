"""For administrators: links that give accounts back, invitations, and addresses of accounts."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.one_time_links import RESET
from carnet.server.pages.admin.handed_link import link_page
from carnet.server.pages.admin.users import account_of_address, user_page
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect
from carnet.server.pages.signed_in import require_administrator
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of

__all__ = ["add_email", "make_reset_link", "remove_email"]


async def make_reset_link(request: Request) -> Response:
    """Make a link with which somebody sets another password, and show it this once."""
    service: Service = request.app.state.service
    await Form.read(request)
    session = await require_administrator(request)
    account = await account_of_address(request)
    origin = origin_of(request, session.account.id)
    handed = await service.recovery.hand_over(account.id, RESET, origin)
    return link_page(request, session, account, handed)


async def add_email(request: Request) -> Response:
    """Add an address of which the administrator knows that it is the account's."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    account = await account_of_address(request)
    origin = origin_of(request, session.account.id)
    try:
        await service.addresses.add_verified(account.id, form["email"], origin)
    except AccountRefused as error:
        errors = {"email": in_words(error)}
        return await user_page(request, session, account, 422, form.values, errors)
    return redirect(request, f"/admin/users/{quote(account.id)}?done=email")


async def remove_email(request: Request) -> Response:
    """Remove an address; one that is gone already is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    account = await account_of_address(request)
    origin = origin_of(request, session.account.id)
    try:
        await service.addresses.remove(account.id, form["email"], origin)
    except AccountRefused as error:
        errors = {"account": in_words(error)}
        return await user_page(request, session, account, 422, form.values, errors)
    return redirect(request, f"/admin/users/{quote(account.id)}?done=remove-email")
