"""Signing out at a client's request (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from carnet.errors import InvalidToken
from carnet.server.clients.clients import Client
from carnet.server.languages import gettext
from carnet.server.oauth.authorization_request import NotTheClient, read_query, with_parameters
from carnet.server.pages.error_page import error_page
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.words import cause_in_words
from carnet.server.service import Service
from carnet.server.web.browser_session import current, end
from carnet.server.web.requests import NO_STORE, read_form

__all__ = ["confirm_logout", "forward_logout", "log_out"]


class _LogoutRequest(NamedTuple):
    """What a client asks for.

    Attributes:
        subject: whom its ID token names, or None where it has sent none that is good.
        client: whose ID token that is, where there still is such a client.
        address: where to go on to, or None.
    """

    subject: str | None
    client: Client | None
    address: str | None

    def names(self, service: Service, account_id: str) -> bool:
        """Tell whether the ID token names an account."""
        if self.client is None:
            return self.subject == account_id
        return self.subject == service.subjects.of(self.client, account_id)


async def log_out(request: Request) -> Response:
    """Sign the browser out; first ask whoever has no ID token to prove that it may ask for that."""
    try:
        asked = await _read(request, request.url.query)
    except NotTheClient as error:
        return _not_signed_out(request, error)
    service: Service = request.app.state.service
    session = await current(request)
    # A page elsewhere can't have the ID token, and so can't sign anybody out (section 6).
    if session is not None and not asked.names(service, session.account.id):
        query = request.url.query
        return render(request, "sign_out.html", session=session, query=query)
    return await _finish(request, asked)


async def forward_logout(request: Request) -> Response:
    """Take a request in a form to where it is one in a query.

    A browser does not send the cookie with another site's form, and would look signed out.
    """
    return redirect(request, f"/logout?{urlencode(await read_form(request))}")


async def confirm_logout(request: Request) -> Response:
    """Sign the browser out, as the person has confirmed."""
    form = await Form.read(request)
    try:
        return await _finish(request, await _read(request, form["request"]))
    except NotTheClient as error:
        return _not_signed_out(request, error)


async def _read(request: Request, query: str) -> _LogoutRequest:
    """Check a request; an address must be one that the client has registered, exactly.

    Raises:
        NotTheClient: if it is not.
    """
    service: Service = request.app.state.service
    given = read_query(query)
    if any(len(values) > 1 for values in given.values()):
        raise NotTheClient("a parameter is given more than once")
    one = {name: values[0] for name, values in given.items()}
    client_id, subject = one.get("client_id"), None
    if "id_token_hint" in one:
        try:
            hint = service.id_tokens.read_hint(one["id_token_hint"])
        except InvalidToken:
            pass  # as if there were none: the person is asked
        else:
            if client_id not in (None, hint["aud"]):
                raise NotTheClient("the ID token belongs to another client")
            client_id, subject = hint["aud"], hint.subject
    address = one.get("post_logout_redirect_uri")
    client = None if client_id is None else await service.registry.find(client_id)
    if address is None:
        return _LogoutRequest(subject, client, None)
    # Where a client that nobody has registered leads to, nobody here vouches for.
    if (
        client is None
        or client.unregistered
        or address not in client.metadata.post_logout_redirect_uris
    ):
        raise NotTheClient("the address to go on to is not one that a known client has registered")
    return _LogoutRequest(subject, client, with_parameters(address, {"state": one.get("state")}))


async def _finish(request: Request, asked: _LogoutRequest) -> Response:
    if asked.address is None:
        response = render(request, "signed_out.html")
    else:
        response = RedirectResponse(asked.address, 303, NO_STORE)
        response.headers["location"] = asked.address
    await end(request, response)
    return response


def _not_signed_out(request: Request, error: NotTheClient) -> Response:
    return error_page(
        request,
        gettext("You are not signed out"),
        gettext("{cause} To sign out here, open the page of your account.").format(
            cause=cause_in_words(str(error))
        ),
        400,
    )
