"""For administrators: an account becomes a part of another one, shown before it is done."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import Account, AccountRefused
from carnet.server.pages.admin.users import account_of_address, user_page
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import require_administrator, require_recent
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession

__all__ = ["merge_users", "show_merge"]


async def show_merge(request: Request) -> Response:
    """Show what would happen if an account were merged into another."""
    session = await _session(request)
    account = await account_of_address(request)
    into = request.query_params.get("into", "")
    return await _preview(request, session, account, into)


async def merge_users(request: Request) -> Response:
    """Merge an account into another, as it was shown."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await _session(request)
    account = await account_of_address(request)
    origin = origin_of(request, session.account.id)
    try:
        into = await service.accounts.find(form["into"])
        await service.merges.merge(account.id, into.id, form["digest"], origin)
    except AccountRefused as error:
        if error.code != "account_changed":
            return await _refused(request, session, account, form["into"], error)
        return await _preview(request, session, account, form["into"], 409, in_words(error))
    return redirect(request, f"/admin/users/{quote(into.id)}?done=merged")


async def _preview(
    request: Request,
    session: BrowserSession,
    account: Account,
    into: str,
    status: int = 200,
    error: str = "",
) -> Response:
    service: Service = request.app.state.service
    try:
        stays = await service.accounts.find(into)
        origin = origin_of(request, session.account.id)
        merge = await service.merges.preview(account.id, stays.id, origin)
    except AccountRefused as refused:
        return await _refused(request, session, account, into, refused)
    return render(
        request,
        "admin_merge.html",
        status,
        session=session,
        merge=merge,
        error=error,
        name_of=service.registry.name_of,
    )


async def _refused(
    request: Request, session: BrowserSession, account: Account, into: str, error: AccountRefused
) -> Response:
    errors = {"into": in_words(error)}
    return await user_page(request, session, account, 422, {"into": into}, errors)


async def _session(request: Request) -> BrowserSession:
    """Give the session of an administrator who has signed in some minutes ago."""
    await require_administrator(request)
    return await require_recent(request)
