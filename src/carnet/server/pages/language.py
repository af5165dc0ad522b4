"""Choosing the language of the pages: ``/language``, to which the menu at a page's foot leads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.languages import offered
from carnet.server.pages.forms import Form, local_path
from carnet.server.pages.rendering import redirect
from carnet.server.web.browser_session import current
from carnet.server.web.page_language import choose_language, keep_language

__all__ = ["change_language"]


async def change_language(request: Request) -> Response:
    """Keep the language that somebody has chosen, and go back to the page."""
    form = await Form.read(request)
    following, code = local_path(form["back"], "/"), form["language"]
    response = redirect(request, following)
    if code in offered():
        choose_language(request, response, code, following)
        session = await current(request)
        if session is not None:
            await keep_language(request, session.account.id, code)
    return response
