"""How one signs in: ``/me/factors``, where second factors are added, named and removed."""

from __future__ import annotations

from typing import Final

import msgspec
import segno
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.factors.factors import FactorRefused
from carnet.server.factors.totp import new_secret, provisioning_uri, written_secret
from carnet.server.identifiers import new_identifier
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import in_words
from carnet.server.pages.signed_in import require_recent, require_session
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession
from carnet.server.web.signed_state import read_state, write_state

__all__ = [
    "add_app",
    "ask_recovery_codes",
    "ask_removal",
    "make_recovery_codes",
    "remove_factor",
    "show_factors",
    "show_new_app",
]

SETUP_SECONDS: Final = 3600
KINDS: Final = {"totp": "Authenticator app"}
DONE: Final = {
    "added": "It is added: you are asked for it from the next sign-in on.",
    "removed": "It is removed, and all your other sessions have ended.",
}


class _Setup(msgspec.Struct, frozen=True, array_like=True):
    """A secret that is shown, and not the account's yet."""

    account_id: str
    factor_id: str
    secret: str


async def show_factors(request: Request) -> Response:
    """Show what one signs in with."""
    service: Service = request.app.state.service
    session = await require_session(request)
    return render(
        request,
        "factors.html",
        session=session,
        factors=await service.factors.of_account(session.account.id),
        kinds=KINDS,
        codes_left=await service.factors.recovery_codes_left(session.account.id),
        done=DONE.get(request.query_params.get("done", ""), ""),
    )


async def show_new_app(request: Request) -> Response:
    """Show a new secret for an authenticator app."""
    session = await require_recent(request)
    setup = _Setup(session.account.id, new_identifier(), b64url_encode(new_secret()))
    return _app_page(request, session, setup)


async def add_app(request: Request) -> Response:
    """Add an authenticator app that shows the right code."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    setup = read_state(service, form["setup"], _Setup)
    if setup is None or setup.account_id != session.account.id:
        # It was shown long ago, or to somebody else.
        return redirect(request, "/me/factors/app")
    is_first = not await service.factors.kinds(session.account.id)
    origin = origin_of(request, session.account.id)
    try:
        await service.factors.add_totp(
            *(session.account, setup.factor_id, b64url_decode(setup.secret, "the secret")),
            *(form["code"], form["name"], origin),
        )
        codes = []
        if is_first:
            codes = await service.factors.make_recovery_codes(session.account, origin)
    except FactorRefused as error:
        return _app_page(request, session, setup, 422, form["name"], error)
    if not codes:
        return redirect(request, "/me/factors?done=added")
    return render(request, "recovery_codes.html", session=session, codes=codes, added=True)


async def ask_recovery_codes(request: Request) -> Response:
    """Ask before the recovery codes are made anew."""
    service: Service = request.app.state.service
    session = await require_recent(request)
    if not await service.factors.kinds(session.account.id):
        return redirect(request, "/me/factors")
    return _ask(
        request,
        session,
        "Make new recovery codes?",
        "Those that you have are no good any more then.",
        "Make new codes",
        "recovery-codes",
    )


async def make_recovery_codes(request: Request) -> Response:
    """Make the recovery codes anew, and show them this once."""
    service: Service = request.app.state.service
    await Form.read(request)
    session = await require_recent(request)
    if not await service.factors.kinds(session.account.id):
        return redirect(request, "/me/factors")
    origin = origin_of(request, session.account.id)
    codes = await service.factors.make_recovery_codes(session.account, origin)
    return render(request, "recovery_codes.html", session=session, codes=codes, added=False)


async def ask_removal(request: Request) -> Response:
    """Ask before a factor is removed."""
    service: Service = request.app.state.service
    session = await require_recent(request)
    factor_id = request.query_params.get("id", "")
    factors = await service.factors.of_account(session.account.id)
    for factor in factors:
        if factor.id == factor_id:
            text = "All your other sessions end with it; you stay signed in here."
            if len(factors) == 1:
                text += " From then on your password alone lets you in, and your recovery codes go."
            title = f"Remove “{factor.name}”?"
            return _ask(request, session, title, text, "Remove it", "remove", factor.id)
    raise HTTPException(404)


async def remove_factor(request: Request) -> Response:
    """Remove a factor; one that is gone already is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_recent(request)
    origin = origin_of(request, session.account.id)
    await service.factors.remove(session.account, form["id"], session.session_id, origin)
    return redirect(request, "/me/factors?done=removed")


def _ask(
    request: Request,
    session: BrowserSession,
    title: str,
    text: str,
    button: str,
    action: str,
    factor_id: str = "",
) -> Response:
    return render(
        request,
        "factor_confirm.html",
        session=session,
        title=title,
        text=text,
        button=button,
        action=action,
        factor_id=factor_id,
    )


def _app_page(
    request: Request,
    session: BrowserSession,
    setup: _Setup,
    status: int = 200,
    name: str = "",
    error: FactorRefused | None = None,
) -> Response:
    service: Service = request.app.state.service
    secret = b64url_decode(setup.secret, "the secret")
    uri = provisioning_uri(secret, service.settings.brand_name, session.account.username)
    # Dark on white in both schemes: many apps read no other.
    picture = segno.make(uri, error="m", micro=False).svg_inline(
        border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
    )
    field = (
        ""
        if error is None
        else {"code_wrong": "code", "name_invalid": "name"}.get(error.code, "page")
    )
    return render(
        request,
        "factor_app.html",
        status,
        session=session,
        setup=write_state(service, setup, SETUP_SECONDS),
        # Of a library's, and of nothing that a person has typed but what the QR code says.
        picture=Markup(picture),  # noqa: S704
        secret=written_secret(secret),
        uri=uri,
        typed_name=name,
        error={field: in_words(error)} if error is not None else {},
    )
