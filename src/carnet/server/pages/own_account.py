"""Taking one's data along, and leaving: ``/me/data`` and ``/me/delete``."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.clock import SECOND
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import PAGE_HEADERS, render
from carnet.server.pages.signed_in import require_recent
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession, forget
from carnet.server.web.own_data import own_data

__all__ = ["ask_deletion", "download_data", "show_deletion"]

DAY = 86_400 * SECOND


async def download_data(request: Request) -> Response:
    """Give everything that the service knows of whoever asks, as a file."""
    service: Service = request.app.state.service
    session = await require_recent(request)
    content = msgspec.json.format(msgspec.json.encode(await own_data(service, session.account)))
    headers = {**PAGE_HEADERS, "Content-Disposition": 'attachment; filename="account.json"'}
    return Response(content, 200, headers, media_type="application/json")


async def show_deletion(request: Request) -> Response:
    """Ask once more, before somebody leaves."""
    return _page(request, await require_recent(request))


async def ask_deletion(request: Request) -> Response:
    """Have one's account deleted after a while, and sign it out everywhere."""
    service: Service = request.app.state.service
    await Form.read(request)
    session = await require_recent(request)
    origin = origin_of(request, session.account.id)
    try:
        moment = await service.deletions.ask(session.account, session.session_id, origin)
    except AccountRefused as error:
        return _page(request, session, 409, notice=in_words(error))
    at_once = not service.deletions.pause
    response = render(request, "leaving.html", moment=moment, at_once=at_once)
    forget(request, response)
    return response


def _page(
    request: Request, session: BrowserSession, status: int = 200, *, notice: str = ""
) -> Response:
    service: Service = request.app.state.service
    # A part of a day counts as one: it is no shorter than it says.
    days = -(-service.deletions.pause // DAY)
    return render(request, "delete.html", status, session=session, days=days, notice_text=notice)
