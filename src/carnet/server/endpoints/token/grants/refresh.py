"""The grant that carries a session on (RFC 6749 section 6)."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.audit import Origin
from carnet.server.clients.clients import Client
from carnet.server.endpoints.token.answer import token_answer
from carnet.server.endpoints.token.grants.checks import (
    check_grant,
    choose_audience,
    choose_scope,
    required,
    whole_seconds,
)
from carnet.server.metrics import REFRESHES
from carnet.server.service import Service
from carnet.server.sessions.sessions import RefreshRefused
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.cookie_mode import forget_tokens, held_refresh_token, tokens_in_cookies
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof
from carnet.server.web.requests import RequestRefused, refusal

__all__ = ["grant_refresh", "refresh_in_cookies"]

ACCEPTED = REFRESHES.labels("accepted")

_log = structlog.get_logger()


async def grant_refresh(request: Request, form: dict[str, str]) -> dict[str, Any]:
    """Exchange a refresh token of the client's for its successor and an access token."""
    service: Service = request.app.state.service
    client = await authenticate(request, form)
    check_grant(client, "refresh_token")
    proof = prove_at_token_endpoint(request, client)
    thumbprint = "" if proof is None else proof.thumbprint
    text = required(form, "refresh_token")
    lifetime = whole_seconds(form.get("expires_in"))
    resource, requested = form.get("resource"), form.get("scope")
    origin = origin_of(request)

    chosen = None
    narrows = resource is not None or requested is not None
    if narrows or proof is not None:
        granted = await service.sessions.audience_and_scope(text, client.id)
        if granted is not None and narrows:
            # What can't be given is refused before the token is used: a client that asks better the
            # next time still has it.
            chosen = _choose(service, client, granted, resource, requested)
        if granted is not None and proof is not None:
            await use_proof(service, proof)

    # A confidential client's refresh tokens are bound to the client (RFC 9449 section 5).
    bound_to = thumbprint if thumbprint and client.metadata.is_public else ""
    try:
        # What is bound to a client that signs needs no rotation, and a client that loses an answer
        # loses nothing (FAPI 2.0 Security Profile section 5.3.2.1).
        stays = client.metadata.profile is not None
        grant = await service.sessions.refresh(text, origin, client.id, bound_to, rotates=not stays)
    except RefreshRefused as error:
        raise _refuse(error.code, origin) from None
    if chosen is None:
        try:
            chosen = _choose(service, client, (grant.audience, grant.scope), resource, requested)
        except RequestRefused:
            # The client has nothing of it any more, whatever it asks for: not this resource, or no
            # scope. What is left would be a session without a token.
            await service.sessions.end(grant.session_id, "grant_withdrawn", origin)
            raise _refuse("withdrawn", origin) from None
    if client.unregistered:
        await service.registry.unregistered.note_use(client)
    ACCEPTED.inc()

    audience, scope = chosen
    if scope != grant.scope:
        grant = grant._replace(scope=scope)
    content = token_answer(service, grant, audience, lifetime, thumbprint)
    if "openid" in scope.split():
        account = await service.accounts.by_id(grant.account_id)
        if account is not None:
            # Without the nonce, which belongs to the request of the code (OpenID Connect Core
            # section 12.2).
            content["id_token"] = await service.id_tokens.issue(
                grant, account, client, content["access_token"]
            )
    return content


async def refresh_in_cookies(request: Request, form: dict[str, str]) -> Response:
    """Answer a request in cookie mode: a refresh whose tokens come and go in cookies."""
    if form.get("grant_type") != "refresh_token" or "refresh_token" in form:
        raise RequestRefused(
            "invalid_request",
            "with Carnet-Session: cookie the grant_type is refresh_token, and its token is the "
            "cookie's",
        )
    held = held_refresh_token(request)
    if held is None:
        raise RequestRefused("invalid_grant", "there is no cookie of a session: sign in")
    form["refresh_token"] = held
    try:
        content = await grant_refresh(request, form)
    except RequestRefused as error:
        if error.code != "invalid_grant":
            raise
        return forget_tokens(request, refusal(error))
    return tokens_in_cookies(request, content)


def _choose(
    service: Service,
    client: Client,
    granted: tuple[str, str],
    resource: str | None,
    requested: str | None,
) -> tuple[str, str]:
    """Choose audience and scope of an access token, among what was granted to the session."""
    if resource is not None or requested is not None:
        return _decide(service, client, granted, resource, requested)
    decided = service.registry.decided_for(client)
    found = decided.get(granted)
    if found is None:
        found = decided[granted] = _decide(service, client, granted, None, None)
    return found


def _decide(
    service: Service,
    client: Client,
    granted: tuple[str, str],
    resource: str | None,
    requested: str | None,
) -> tuple[str, str]:
    audience, scope = granted
    # A person let the client in to one resource. Nobody is asked about first-party ones: to these
    # the session's resource is a default, and any of their own will do.
    bound = not client.metadata.first_party
    is_own = service.registry.spelled(audience) in service.registry.audiences_of(client)
    default = audience if bound or is_own else None
    chosen = choose_audience(service, client, resource, default, bound=bound)
    left = choose_scope(service, client, chosen, scope, requested)
    if scope and not left:
        raise RequestRefused("invalid_scope", "none of the granted scopes is for this resource")
    return chosen, left


def _refuse(reason: str, origin: Origin) -> RequestRefused:
    REFRESHES.labels(reason).inc()
    _log.info("refresh_refused", reason=reason, address=origin.address)
    # Which check failed is for the operator: telling it here would help a thief.
    text = "the refresh token is no longer valid; sign in again"
    return RequestRefused("invalid_grant", text)
