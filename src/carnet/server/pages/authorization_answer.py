"""Answering a client at its address, by a redirect or by a form (RFC 6749 section 4.1.2).

The answer names the issuer (RFC 9207), so that a client of several servers can't be led to take the
code of one to another. A client that wants it signed gets one parameter, a JWT of all others, which
names the issuer too (JARM).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from carnet.server.clients.clients import Client
from carnet.server.oauth.authorization_request import with_parameters
from carnet.server.pages.rendering import render
from carnet.server.service import Service

__all__ = ["answer_client"]

REDIRECT_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
# The client learns which site the form is from, and not the address, which holds its request.
FORM_HEADERS: Final = {"Referrer-Policy": "strict-origin"}


async def answer_client(
    request: Request,
    client: Client,
    address: str,
    response_mode: str,
    parameters: Mapping[str, str | None],
) -> Response:
    """Send the browser back to a client.

    Args:
        request: what is answered.
        client: which.
        address: the client's, checked.
        response_mode: a value of ``RESPONSE_MODES``.
        parameters: what the client is told; None stands for nothing.
    """
    service: Service = request.app.state.service
    told = {name: text for name, text in parameters.items() if text is not None}
    way, _, signed = response_mode.partition(".")
    if signed:
        told = {"response": await service.id_tokens.answer(client, told)}
    else:
        told["iss"] = service.settings.own_url
    return _WAYS[way](request, address, told)


def _by_query(_request: Request, address: str, told: Mapping[str, str]) -> Response:
    location = with_parameters(address, told)
    # 303: what was typed here never goes on to the client (RFC 9700 section 4.12).
    response = RedirectResponse(location, 303, REDIRECT_HEADERS)
    # Starlette would encode it again; the client gets its address as it has registered it.
    response.headers["location"] = location
    return response


def _by_form(request: Request, address: str, told: Mapping[str, str]) -> Response:
    """Let the browser post the answer (OAuth 2.0 Form Post Response Mode)."""
    return render(
        request,
        "form_post.html",
        headers=FORM_HEADERS,
        address=address,
        goes_to=urlsplit(address).netloc,
        told=told,
    )


_WAYS: Final = {"query": _by_query, "form_post": _by_form}
