"""Making a page of a template: autoescaped, complete, and with the headers of every page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from carnet.server.clock import SECOND
from carnet.server.languages import offered, translate_templates, written_moment
from carnet.server.pages.brand import LOGO, SHEET, files
from carnet.server.pages.static_files import static_url
from carnet.server.service import Service
from carnet.server.web.browser_session import BrowserSession

__all__ = ["PAGE_HEADERS", "redirect", "render"]

# No form-action: Chromium applies it to the redirects after a form too, and a form that grants
# something ends with a redirect to the client. The referrer policy is not no-referrer: browsers
# would send "Origin: null" with our own forms.
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def render(
    request: Request,
    name: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    session: BrowserSession | None = None,
    **context: Any,
) -> Response:
    """Make a page.

    Args:
        request: what is answered.
        name: of the template.
        status: the HTTP status.
        headers: more headers of the answer.
        session: whoever is signed in; the page then has its navigation.
        context: what the template shows; a name that it misses is an error.
    """
    service: Service = request.app.state.service
    settings = service.settings
    made = files(settings)
    query = f"?{request.url.query}" if request.url.query else ""
    # Where a form has led, or what is refused, there need be no page to go back to.
    here = request.url.path + query if request.method == "GET" and status == 200 else ""
    text = (
        _environment()
        .get_template(name)
        .render(
            context,
            base=_base(service),
            brand_name=settings.brand_name,
            brand_logo=static_url(service, LOGO) if LOGO in made else "",
            brand_sheet=static_url(service, SHEET) if SHEET in made else "",
            host=urlsplit(settings.own_url).netloc,
            here=here,
            languages=offered().values(),
            is_admin=session is not None and settings.admin_role in session.account.roles,
            path=request.url.path,
            session=session,
            mail=service.outbox.is_open,
            sign_up=settings.sign_up,
            static=lambda file: _base(service) + static_url(service, file),
        )
    )
    return Response(
        text, status, {**PAGE_HEADERS, **(headers or {})}, media_type="text/html; charset=utf-8"
    )


def redirect(request: Request, path: str) -> Response:
    """Send the browser to a path of this service, which it gets by GET."""
    service: Service = request.app.state.service
    return RedirectResponse(_base(service) + path, 303, {"Cache-Control": "no-store"})


def _base(service: Service) -> str:
    """Give the path under which a proxy has put the service, or ""."""
    return urlsplit(service.settings.own_url).path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("carnet.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translate_templates(environment)
    environment.filters["json"] = lambda value: msgspec.json.encode(value).decode()
    environment.filters["when"] = _when
    return environment


def _when(moment: int | None) -> Markup:
    """Write a moment, in microseconds since 1970, for people."""
    if moment is None:
        return Markup("")
    written = written_moment(moment)
    try:
        time = datetime.fromtimestamp(moment // SECOND, UTC)
    except (ValueError, OverflowError, OSError):
        return Markup.escape(written)
    return Markup('<time datetime="{}">{}</time>').format(
        time.strftime("%Y-%m-%dT%H:%M:%SZ"), written
    )
