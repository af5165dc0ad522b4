"""Clients that register themselves, and manage what they have registered (RFC 7591, RFC 7592)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.throttle import Delayed
from carnet.server.clients.clients import ClientRefused
from carnet.server.clients.registration_request import registered_members
from carnet.server.clients.registrations import NotManaged, Registered, RegistrationsFull
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.settings import Settings
from carnet.server.web.bearer import origin_of
from carnet.server.web.requests import (
    NO_STORE,
    RequestRefused,
    answer,
    header_values,
    read_json,
)

__all__ = ["manage_registration", "register_client", "registration_metadata"]

FULL_SECONDS: Final = 3600


def registration_metadata(settings: Settings) -> dict[str, Any]:
    """Tell where clients register themselves, where they may (RFC 8414 section 2)."""
    if settings.client_registration == "off":
        return {}
    return {"registration_endpoint": f"{settings.own_url}/registration"}


async def register_client(request: Request) -> Response:
    """Register the client that sends the request."""
    service = _service(request)
    async with _refusing(request):
        given = await _members(request)
        made = await service.registrations.register(given, origin_of(request), _token(request))
    return answer(_document(service, made), 201)


async def manage_registration(request: Request) -> Response:
    """Show, change or remove the client that sends the request."""
    _service(request)
    manage = _MANAGING.get(request.method)
    if manage is None:
        raise HTTPException(405)
    async with _refusing(request):
        token = _token(request)
        if token is None:
            raise NotManaged(
                "send the registration access token as 'Authorization: Bearer <token>'"
            )
        return await manage(request, request.path_params["client_id"], token)


async def _show(request: Request, client_id: str, token: str) -> Response:
    service = _service(request)
    return answer(_document(service, await service.registrations.find(client_id, token)))


async def _replace(request: Request, client_id: str, token: str) -> Response:
    service = _service(request)
    asked = (client_id, token, await _members(request), origin_of(request))
    return answer(_document(service, await service.registrations.replace(*asked)))


async def _remove(request: Request, client_id: str, token: str) -> Response:
    await _service(request).registrations.remove(client_id, token, origin_of(request))
    return Response(status_code=204, headers=NO_STORE)


_MANAGING: Final[dict[str, Callable[[Request, str, str], Awaitable[Response]]]] = {
    "GET": _show,
    "HEAD": _show,
    "PUT": _replace,
    "DELETE": _remove,
}


def _service(request: Request) -> Service:
    """Give the service, where clients may register themselves."""
    service: Service = request.app.state.service
    if service.settings.client_registration == "off":
        raise HTTPException(404)
    return service


async def _members(request: Request) -> dict[str, Any]:
    try:
        return await read_json(request, dict[str, Any])
    except RequestRefused as error:
        if error.status != 400:
            raise
        raise ClientRefused(str(error)) from None


def _token(request: Request) -> str | None:
    values = header_values(request, b"authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _document(service: Service, registered: Registered) -> dict[str, Any]:
    """Write a client as it is told of itself (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
    client, issuer = registered.client, service.settings.own_url
    secret = {}
    if registered.secret is not None:
        # It goes with the client, and not before.
        secret = {"client_secret": registered.secret, "client_secret_expires_at": 0}
    return {
        "client_id": client.id,
        "client_id_issued_at": client.created_at // SECOND,
        **secret,
        "registration_access_token": registered.token,
        "registration_client_uri": f"{issuer}/registration/{client.id}",
        **registered_members(client.metadata),
    }


@asynccontextmanager
async def _refusing(request: Request) -> AsyncIterator[None]:
    """Answer what is refused as RFC 7591 section 3.2.2 and RFC 6750 section 3 say."""
    try:
        yield
    except ClientRefused as error:
        raise RequestRefused(error.code, str(error).replace('"', "'")) from None
    except NotManaged as error:
        challenge = 'Bearer error="invalid_token"'
        if not header_values(request, b"authorization"):
            challenge = "Bearer"
        raise RequestRefused(error.code, str(error), 401, {"WWW-Authenticate": challenge}) from None
    except Delayed as error:
        text = "too many registrations; wait before the next one"
        headers = {"Retry-After": str(error.seconds)}
        raise RequestRefused("temporarily_unavailable", text, 429, headers) from None
    except RegistrationsFull as error:
        headers = {"Retry-After": str(FULL_SECONDS)}
        raise RequestRefused(error.code, str(error), 503, headers) from None
