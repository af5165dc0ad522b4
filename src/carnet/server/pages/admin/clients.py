"""For administrators: what asks for tokens and what they are for, ``/admin/clients``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clients.clients import (
    DEVICE_CODE,
    FIRST_PARTY_CLIENT,
    JWT_BEARER,
    TOKEN_EXCHANGE,
    Client,
    ClientMetadata,
    ClientRefused,
)
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.clients.unregistered import unregistered_kind
from carnet.server.identifiers import new_identifier
from carnet.server.languages import gettext, marked
from carnet.server.pages.admin.recipes import recipe_values, recipes_for
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import NO_ERRORS
from carnet.server.pages.signed_in import require_administrator
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.settings import Algorithm
from carnet.server.tokens.logout_notices import LogoutFailure
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession

__all__ = [
    "add_client",
    "add_resource",
    "ask",
    "list_clients",
    "make_secret",
    "remove_client",
    "remove_previous_secret",
    "remove_resource",
    "show_client",
    "show_new_client",
    "show_new_resource",
]

DONE: Final = {
    "removed": marked("The client is removed, and its sessions have ended."),
    "resource": marked("The resource is made."),
    "resource-removed": marked("The resource is removed; no more tokens are made for it."),
}
RESOURCE: Final = "admin_resource_new.html"
CLIENT_FIELDS: Final = (
    *("redirect_uris", "resources", "federated_credentials"),
    *("exchange_from", "exchange_to", "identity_issuers"),
)
"""Where in the form of a client an error about a member of its metadata is shown."""
RESOURCE_FIELDS: Final = {"scopes": "scopes", "scope_claims": "scopes", "claims": "claims"}
"""Where in the form of a resource an error about a member of its metadata is shown."""
NO_CLAIMS: Final = "-"
CODE: Final = ("authorization_code", "refresh_token")
KINDS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "web": (
        marked("A web application on a server, with a secret"),
        {"grant_types": CODE, "token_endpoint_auth_method": "client_secret_basic"},
    ),
    "app": (
        marked("An app in a browser or on a phone, which can't keep a secret"),
        {"grant_types": CODE, "token_endpoint_auth_method": "none"},
    ),
    "device": (
        marked("A command line or a device without a browser, where people type a code elsewhere"),
        {
            "grant_types": (DEVICE_CODE, "refresh_token"),
            "token_endpoint_auth_method": "none",
        },
    ),
    "service": (
        marked("A service that acts for itself"),
        {
            "grant_types": ("client_credentials",),
            "token_endpoint_auth_method": "client_secret_basic",
        },
    ),
    "workload": (
        marked("A job or a workload that has a token of another issuer, and no secret"),
        {
            "grant_types": ("client_credentials", JWT_BEARER),
            "token_endpoint_auth_method": "federated_jwt",
        },
    ),
    "agent": (
        marked("A service, a job or an agent that acts for people with their tokens"),
        {"grant_types": (TOKEN_EXCHANGE,), "token_endpoint_auth_method": "client_secret_basic"},
    ),
    "vouched": (
        marked("A program whose users another identity provider vouches for"),
        {"grant_types": (JWT_BEARER,), "token_endpoint_auth_method": "client_secret_basic"},
    ),
}
# For how many seconds the current secret works on beside a new one.
KEPT: Final[dict[str, int | None]] = {
    "0": 0,
    "86400": 86_400,
    "604800": 604_800,
    "until-removed": None,
}
KEEP: Final = {
    "name": "keep_previous",
    "label": marked("The current secret"),
    "options": {
        "0": marked("stops working now"),
        "86400": marked("works for another day"),
        "604800": marked("works for another week"),
        "until-removed": marked("works until it is removed"),
    },
}
# What is asked before it is done: title, text, button.
QUESTIONS: Final = {
    "remove": (
        marked("Remove the client {}?"),
        marked("It can get no more tokens, and all of its sessions end. This can't be undone."),
        marked("Remove the client"),
    ),
    "secret": (
        marked("Make a new secret for {}?"),
        marked(
            "It is shown once. The client can't ask for tokens without it when the current secret "
            "has stopped working."
        ),
        marked("Make a new secret"),
    ),
    "remove-previous-secret": (
        marked("Remove the previous secret of {}?"),
        marked("It stops working: whatever still uses it can't ask for tokens."),
        marked("Remove the previous secret"),
    ),
    "remove-resource": (
        marked("Remove the resource {}?"),
        marked("No more tokens are made for it. This can't be undone."),
        marked("Remove the resource"),
    ),
}


async def list_clients(request: Request) -> Response:
    """Show the clients and the resources."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    made = service.registry.resources()
    after = request.query_params.get("after", "")
    if not after.isascii() or not after.isprintable():
        raise HTTPException(404)
    unregistered, unreadable, last = await service.registry.unregistered.page(after)
    names = {resource.audience for resource in made}
    return render(
        request,
        "admin_clients.html",
        session=session,
        clients=service.registry.clients(),
        failures=await service.logout_notices.failures(),
        unregistered=unregistered,
        after=after,
        last=last,
        unreadable=sorted({**service.registry.unreadable_clients, **unreadable}.items()),
        unreadable_resources=sorted(service.registry.unreadable_resources.items()),
        resources=made,
        settled=[
            name
            for name in service.settings.audiences
            if name not in names and name not in service.registry.unreadable_resources
        ],
        done=gettext(DONE.get(request.query_params.get("done", ""), "")),
    )


async def show_client(request: Request) -> Response:
    """Show a client, and whether it can be told of ended sessions."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    client = await _client(request, request.query_params.get("id", ""))
    failure = (await service.logout_notices.failures()).get(client.id)
    return _client_page(request, session, client, None, failure=failure)


async def show_new_client(request: Request) -> Response:
    """Ask what a new client is."""
    return _new_page(request, await require_administrator(request), {"id": new_identifier()})


async def add_client(request: Request) -> Response:
    """Make a client, once for each form; its secret is shown with the answer and never again."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    members = {
        "client_name": form["client_name"],
        "redirect_uris": form["redirect_uris"].split(),
        "scope": " ".join(form["scope"].split()),
        "resources": form["resources"].split(),
        "federated_credentials": _credentials(form),
        "exchange_from": form["exchange_from"].split(),
        "exchange_to": form["exchange_to"].split(),
        "identity_issuers": form["identity_issuers"].split(),
        "required_acr": form["required_acr"] or "aal1",
        "first_party": form["first_party"] == "yes",
        "plain_http": form["plain_http"] == "yes",
        "require_pkce": form["no_pkce"] != "yes",
        "id_token_signed_response_alg": form["id_token_signed_response_alg"] or None,
        **KINDS.get(form["kind"], KINDS["web"])[1],
    }
    origin = origin_of(request, session.account.id)
    try:
        metadata = msgspec.convert(members, ClientMetadata)
        client, secret = await service.registry.add_client(metadata, origin, form["id"] or None)
    except msgspec.ValidationError as error:
        text = f"{str(error).replace('`', '')}."
        return _new_page(request, session, form.values, 422, {"form": text})
    except ClientRefused as error:
        made = service.registry.client(form["id"])
        if error.code == "id_taken" and made is not None:
            return _client_page(request, session, made, None, again=True)
        field = error.member if error.member in CLIENT_FIELDS else "form"
        return _new_page(request, session, form.values, 422, {field: in_words(error)})
    return _client_page(request, session, client, secret, 201)


async def ask(request: Request) -> Response:
    """Ask once more, before what can't be undone."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    change, name = request.path_params["change"], request.query_params.get("id", "")
    if change not in QUESTIONS:
        raise HTTPException(404)
    back = f"/admin/clients/client?{urlencode({'id': name})}"
    shown = name
    registry = service.registry
    if change == "remove-resource":
        back = "/admin/clients"
        if registry.resource(name) is None and name not in registry.unreadable_resources:
            raise HTTPException(404)
    elif change == "remove" and (
        registry.is_unreadable(name) or unregistered_kind(name) is not None
    ):
        back = "/admin/clients"
    else:
        shown = (await _client(request, name)).metadata.client_name or name
    title, text, button = QUESTIONS[change]
    return render(
        request,
        "confirm.html",
        session=session,
        title=gettext(title).format(shown),
        text=gettext(text),
        button=gettext(button),
        values={"id": name},
        choice=KEEP if change == "secret" else None,
        back=back,
        action=f"/admin/clients/{change}",
    )


async def make_secret(request: Request) -> Response:
    """Give a client another secret, and show it once."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    client = await _client(request, form["id"])
    if client.unregistered or not client.metadata.has_secret:
        raise HTTPException(404)
    origin = origin_of(request, session.account.id)
    kept = KEPT.get(form["keep_previous"], 0)
    secret = await service.registry.new_secret(client.id, origin, kept)
    return _client_page(request, session, await _client(request, client.id), secret)


async def remove_previous_secret(request: Request) -> Response:
    """End the secret before the current one; done already, it is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    try:
        origin = origin_of(request, session.account.id)
        await service.registry.remove_previous_secret(form["id"], origin)
    except ClientRefused as error:
        if error.code == "unknown_client":
            raise HTTPException(404) from None
    return redirect(request, f"/admin/clients/client?{urlencode({'id': form['id']})}")


async def remove_client(request: Request) -> Response:
    """Remove a client; done already, it is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    try:
        origin = origin_of(request, session.account.id)
        await service.registry.remove_client(form["id"], origin)
    except ClientRefused as error:
        if error.code != "unknown_client":
            raise
    return redirect(request, "/admin/clients?done=removed")


async def show_new_resource(request: Request) -> Response:
    """Ask what a new resource is."""
    return _new_page(request, await require_administrator(request), {}, template=RESOURCE)


async def add_resource(request: Request) -> Response:
    """Make a resource."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    origin = origin_of(request, session.account.id)
    try:
        metadata = msgspec.convert(_resource_members(form), ResourceMetadata)
        await service.registry.add_resource(form["audience"], metadata, origin)
    except msgspec.ValidationError as error:
        text = f"{str(error).replace('`', '')}."
        return _new_page(request, session, form.values, 422, {"scopes": text}, RESOURCE)
    except ClientRefused as error:
        errors = {RESOURCE_FIELDS.get(error.member, "audience"): in_words(error)}
        return _new_page(request, session, form.values, 422, errors, RESOURCE)
    return redirect(request, "/admin/clients?done=resource")


async def remove_resource(request: Request) -> Response:
    """Remove a resource; done already, it is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    origin = origin_of(request, session.account.id)
    try:
        await service.registry.remove_resource(form["id"], origin)
    except ClientRefused as error:
        if error.code != "unknown_resource":
            raise
    return redirect(request, "/admin/clients?done=resource-removed")


def _credentials(form: Form) -> list[dict[str, Any]]:
    """Read whose tokens prove who a client is; other rules are made at the command line."""
    issuer, subject = form["issuer"].strip(), form["subject"].strip()
    return [{"issuer": issuer, "claims": {"sub": subject}}] if issuer or subject else []


def _resource_members(form: Form) -> dict[str, Any]:
    """Read what a resource is to be: a scope stands with the claims that it releases."""
    released, scopes = {}, []
    for text in form["scopes"].split():
        scope, _, claims = text.partition("=")
        scopes.append(scope)
        if claims:
            released[scope] = [name for name in claims.split(",") if name]
    members: dict[str, Any] = {
        "scopes": scopes,
        "scope_claims": released,
        "unregistered_clients": form["unregistered_clients"] == "yes",
    }
    if form["claims"].strip():
        members["claims"] = [name for name in form["claims"].split() if name != NO_CLAIMS]
    return members


async def _client(request: Request, client_id: str) -> Client:
    service: Service = request.app.state.service
    found = await service.registry.find(client_id)
    if found is None or found is FIRST_PARTY_CLIENT:
        raise HTTPException(404)
    return found


def _client_page(
    request: Request,
    session: BrowserSession,
    client: Client,
    secret: str | None,
    status: int = 200,
    *,
    again: bool = False,
    failure: LogoutFailure | None = None,
) -> Response:
    service: Service = request.app.state.service
    return render(
        request,
        "admin_client.html",
        status,
        session=session,
        client=client,
        secret=secret,
        secrets=client.secrets.at(service.clock()),
        again=again,
        failure=failure,
        recipes=[] if client.unregistered else recipes_for(client),
        **recipe_values(client, service.settings.own_url),
    )


def _new_page(
    request: Request,
    session: BrowserSession,
    values: Mapping[str, str],
    status: int = 200,
    errors: Mapping[str, str] = NO_ERRORS,
    template: str = "admin_client_new.html",
) -> Response:
    kinds = {name: text for name, (text, _) in KINDS.items()}
    return render(
        request,
        template,
        status,
        session=session,
        values=values,
        errors=errors,
        kinds=kinds,
        algorithms=get_args(Algorithm),
    )
