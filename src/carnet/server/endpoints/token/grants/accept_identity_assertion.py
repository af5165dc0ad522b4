"""The grant of identity assertions (ID-JAG): a sign-in elsewhere that counts here.

draft-ietf-oauth-identity-assertion-authz-grant section 4.4: a registered confidential client
presents what an issuer has asserted of a person for it and for this service.

    what                    is decided by
    ──────────────────────  ────────────────────────────────────────────────────────────────────
    which issuer            the client's ``identity_issuers``
    which client            ``client_id``, which is the one that has proved who it is
    which account           the identity (``iss``, ``sub``) that an administrator has linked to it
    audience                ``resource``, of those that the client may ask for
    scope                   ``scope``, of what the client may have and the resource knows; an
                            assertion without it gives none
    key                     the client's own, which is the assertion's where that has one
    how often               once

The token belongs to a session of the account's, below the one with the issuer (``identities``).
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from starlette.requests import Request

from carnet.errors import InvalidToken, IssuerUnavailable
from carnet.jwt.claims import Claims
from carnet.jwt.dpop import bound_key
from carnet.jwt.inspection import Inspection
from carnet.jwt.verifier import Verifier
from carnet.server.audit import Origin
from carnet.server.clients.clients import JWT_BEARER, Client
from carnet.server.clients.fetched_keys import Publisher
from carnet.server.clients.scopes import ALWAYS_GRANTABLE
from carnet.server.clock import SECOND
from carnet.server.endpoints.token.grants.checks import (
    check_grant,
    choose_audience,
    choose_scope,
    whole_seconds,
)
from carnet.server.service import Service
from carnet.server.sessions.agents import Subject
from carnet.server.sessions.identities import IdentityRefused
from carnet.server.sessions.session_record import Grant
from carnet.server.tokens.identity_assertions import IDENTITY_ASSERTION_TYPE
from carnet.server.web.bearer import origin_of
from carnet.server.web.client_authentication import authenticate_confidential
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof
from carnet.server.web.requests import RequestRefused

__all__ = ["accept_identity_assertion"]

LEEWAY: Final = 30
LONGEST: Final = 3600
# What an assertion may not say, for it would mean something else than what is read here: a subject
# of a tenant's or in another form, somebody who acts, rights that are no scopes.
NOT_UNDERSTOOD: Final = ("tenant", "aud_tenant", "sub_id", "act", "authorization_details")

_log = structlog.get_logger()


class _Refused(Exception):
    """An assertion is not good; the text is a code for operators."""


async def accept_identity_assertion(
    request: Request, form: dict[str, str], said: Inspection
) -> dict[str, Any]:
    """Give a client a token for the person whom an issuer has asserted, and no refresh token."""
    service: Service = request.app.state.service
    client = await authenticate_confidential(request, form)
    check_grant(client, JWT_BEARER)
    proof = prove_at_token_endpoint(request, client)
    thumbprint = "" if proof is None else proof.thumbprint
    origin = origin_of(request)
    lifetime = whole_seconds(form.get("expires_in"))
    claims: Claims | None = None
    try:
        claims = await _verified(service, client, form["assertion"], said)
        _check(service, client, claims, thumbprint)
        audience = _audience(service, client, claims, form.get("resource"))
        scope = _scope(service, client, audience, claims, form.get("scope"))
        if proof is not None:
            await use_proof(service, proof)
        grant = await _use(service, client, claims, audience, scope, origin)
    except (_Refused, IdentityRefused, InvalidToken) as error:
        reason = error.code if isinstance(error, IdentityRefused | InvalidToken) else str(error)
        # Who it is that has to be linked. Of what is not verified, nothing is told.
        about = {} if claims is None else {"issuer": claims.issuer, "subject": claims.subject}
        address = origin.address
        _log.info(
            "identity_assertion_refused",
            reason=reason,
            client=client.id,
            address=address,
            **about,
        )
        # Which check failed is for the operator: it may concern the person.
        raise RequestRefused(
            "invalid_grant",
            "the assertion is not one that this client may present, was used before, or is "
            "about somebody without a linked account here",
        ) from None
    token, span = service.access_tokens.issue(grant, audience, lifetime, thumbprint)
    content = {
        "access_token": token,
        "token_type": "DPoP" if thumbprint else "Bearer",
        "expires_in": span,
        "resource": audience,
    }
    if scope:
        content["scope"] = scope
    return content


async def _verified(service: Service, client: Client, text: str, said: Inspection) -> Claims:
    """Check signature, issuer, audience, type and dates."""
    issuer, kid = (said.claims or {}).get("iss"), said.header.get("kid")
    own = service.settings.own_url
    if issuer not in client.metadata.identity_issuers or issuer == own:
        raise _Refused("another_issuer")
    publisher = Publisher(issuer=issuer)
    try:
        keys = await service.fetched_keys.keys(publisher, kid if isinstance(kid, str) else None)
    except IssuerUnavailable:
        raise RequestRefused(
            "temporarily_unavailable",
            "the keys of the assertion's issuer can't be fetched at the moment; try again",
            503,
            {"Retry-After": "5"},
        ) from None
    return Verifier(
        keys,
        issuer=issuer,
        audience=own,
        type=IDENTITY_ASSERTION_TYPE,
        leeway=LEEWAY,
        required=("sub", "client_id", "jti", "iat"),
        clock=lambda: service.clock() / SECOND,
    ).verify(text)


def _check(service: Service, client: Client, claims: Claims, thumbprint: str) -> None:
    """Check what an assertion says besides."""
    if len(claims.audience) != 1:
        raise _Refused("several_audiences")
    if claims.client_id != client.id:
        raise _Refused("another_client")
    if (claims.expires_at or 0) - service.clock() / SECOND > LONGEST + LEEWAY:
        raise _Refused("too_long")
    if bound_key(claims) not in (None, thumbprint):
        raise _Refused("another_key")
    if not claims.token_id or not claims.subject or not claims.subject.isprintable():
        raise _Refused("nameless")
    for name in NOT_UNDERSTOOD:
        if name in claims:
            raise _Refused(f"{name}_not_understood")


def _audience(service: Service, client: Client, claims: Claims, requested: str | None) -> str:
    """Choose what the token is for, among what the assertion is for."""
    given = claims.get("resource", [])
    resources = [given] if isinstance(given, str) else given
    if not isinstance(resources, list) or not all(isinstance(one, str) for one in resources):
        raise _Refused("resource_malformed")
    named = [service.registry.spelled(one) for one in resources]
    if requested is None and named:
        allowed = service.registry.audiences_of(client)
        requested = next((one for one in named if one in allowed), named[0])
    audience = choose_audience(service, client, requested)
    # The service's own API is for those who have signed in here.
    if (named and audience not in named) or audience == service.settings.own_url:
        raise RequestRefused("invalid_target", "the assertion is not for this resource")
    return audience


def _scope(
    service: Service, client: Client, audience: str, claims: Claims, requested: str | None
) -> str:
    """Choose what the token allows: what is asked for, or all that there is, of the assertion's."""
    # These belong to who has signed in here: there is no ID token and no refresh token.
    granted = claims.scopes - ALWAYS_GRANTABLE
    scope = choose_scope(service, client, audience, " ".join(granted), requested)
    if claims.scopes and not scope:
        raise RequestRefused("invalid_scope", "none of the assertion's scopes is for this resource")
    return scope


async def _use(
    service: Service, client: Client, claims: Claims, audience: str, scope: str, origin: Origin
) -> Grant:
    """Use an assertion that was checked, and give the client a session of whom it is about."""
    await _use_once(service, claims)
    signed_in = await service.identities.sign_in(
        str(claims.issuer), str(claims.subject), _authenticated_at(claims), origin
    )
    account = signed_in.account
    if claims.get("aud_sub", account.id) != account.id:
        raise _Refused("another_aud_sub")
    presented = Subject("", signed_in.session_id, account.id, account.version)
    grant = await service.agents.act(presented, client.id, audience, scope, origin)
    if grant is None:
        raise _Refused("stopped_since")
    return grant


async def _use_once(service: Service, claims: Claims) -> None:
    left = (claims.expires_at or 0) - service.clock() / SECOND
    names = ("identity_assertion", str(claims.issuer), str(claims.token_id))
    kept = int(left + 2 * LEEWAY) * SECOND
    if not await service.used_once.first_use(*names, microseconds=kept):
        raise _Refused("used_before")


def _authenticated_at(claims: Claims) -> int | None:
    moment = claims.authenticated_at
    if moment is None:
        return None
    # Whatever number stands there, it is a moment that had been by the issuer's own clock. By the
    # one here it may come: it is the same moment each time, whichever process is asked.
    return int(min(max(moment, 0), max(claims.issued_at or 0, 0)) * SECOND)
