"""The page that says what went wrong: in words, and with what was typed still there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.languages import gettext, marked
from carnet.server.pages.forms import typed
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.words import field_label, in_words
from carnet.server.web.requests import RequestRefused

__all__ = ["error_page", "page_of_refusal", "resend_page"]

WORDS = {
    "cross_site": (
        marked("This came from another site"),
        marked(
            "This service accepts forms only from its own pages. Open the page here and try again."
        ),
    ),
    404: (
        marked("There is nothing here"),
        marked("The address may be misspelt, or the page no longer exists."),
    ),
    405: (
        marked("This can't be opened"),
        marked("The address is only for forms. Go back and use the form."),
    ),
    408: (
        marked("That took too long"),
        marked("The form arrived too slowly. Go back and send it again."),
    ),
    413: (
        marked("That was too long"),
        marked(
            "What you sent is longer than this form accepts. Go back, shorten it and send it again."
        ),
    ),
    500: (
        marked("Something went wrong"),
        marked("It is not your doing. Go back and try again in a moment."),
    ),
}
UNAVAILABLE = (
    marked("The service can't do this at the moment"),
    marked("Its database does not answer. Try again in a moment; sending it twice does no harm."),
)
EXPIRED = (
    marked("Your session has ended"),
    marked(
        "Nothing has been changed. Sign in again, come back to this page and send what you have "
        "typed."
    ),
)
AGAIN = (
    marked("Sign in again"),
    marked(
        "Nothing has been changed. This needs a sign-in within the last ten minutes: "
        "sign in again, come back to this page and send it once more."
    ),
)
OTHERWISE = marked("This can't be done")
SIGN_IN: Final[Mapping[str, tuple[tuple[str, str], str, Mapping[str, str]]]] = {
    "sign_in_needed": (EXPIRED, "/sign-in", {}),
    "recent_sign_in_needed": (AGAIN, "/sign-in", {"why": "again"}),
    "second_factor_needed": (AGAIN, "/sign-in/once-more", {}),
}
"""What leads to signing in: in which words, to which page, and with which parameters."""


def error_page(
    request: Request,
    title: str,
    text: str,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make a page that says what went wrong and what to do.

    Args:
        request: what is answered.
        title: a few words.
        text: what to do, in a sentence or two.
        status: the HTTP status.
        headers: more headers of the answer.
    """
    return render(request, "error.html", status, headers, title=title, text=text)


def page_of_refusal(request: Request, error: RequestRefused) -> Response:
    """Show a person why a request was refused."""
    if error.code in SIGN_IN:
        words, page, more = SIGN_IN[error.code]
        if request.method == "POST":
            query = f"?{urlencode(more)}" if more else ""
            return resend_page(request, *words, 401, sign_in_at=page + query)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return redirect(request, f"{page}?{urlencode({'continue': path, **more})}")
    if error.status == 503:
        return resend_page(request, *UNAVAILABLE, 503)
    title, text = WORDS.get(error.code) or WORDS.get(error.status) or (OTHERWISE, "")
    said = gettext(text) if text else in_words(error)
    return error_page(request, gettext(title), said, error.status, error.headers)


def resend_page(
    request: Request, title: str, text: str, status: int, *, sign_in_at: str = ""
) -> Response:
    """Show what was typed, ready to be sent again to where it was sent; no password is kept.

    Args:
        request: what is answered.
        title: a few words, marked for the catalogs.
        text: what to do, marked too.
        status: the HTTP status.
        sign_in_at: the page to sign in at before that, or "" where that is not the trouble.
    """
    secrets = [name for name in getattr(request.state, "typed", {}) if "password" in name]
    return render(
        request,
        "resend.html",
        status,
        {"Retry-After": "2"} if status == 503 else None,
        title=gettext(title),
        text=gettext(text),
        label_of=field_label,
        values=typed(request),
        secrets=secrets,
        posted=request.method == "POST",
        sign_in_at=sign_in_at,
        action=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
    )
