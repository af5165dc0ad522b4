"""Token exchange for an identity assertion (ID-JAG): a sign-in here, carried elsewhere.

draft-ietf-oauth-identity-assertion-authz-grant section 4.3: a client to which somebody has signed
in here shows its ID token, or its refresh token, and gets an assertion of who that is, for one
other authorization server and for the client that it is there. Where to, for what and for whom is
said by the client's registration (``identity_assertions``) and by nobody else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import structlog
from starlette.requests import Request

from carnet.errors import InvalidToken
from carnet.jwt.dpop import Proof
from carnet.server.clients.clients import Client
from carnet.server.clients.identity_policy import IdentityAssertionRule
from carnet.server.endpoints.token.grants.checks import required
from carnet.server.service import Service
from carnet.server.sessions.identities import SignedIn
from carnet.server.sessions.sessions import RefreshRefused
from carnet.server.tokens.identity_assertions import IDENTITY_ASSERTION
from carnet.server.web.bearer import origin_of
from carnet.server.web.dpop import use_proof
from carnet.server.web.requests import RequestRefused

__all__ = ["issue_identity_assertion"]

# Without these the assertion would say less than was asked for.
NOT_SUPPORTED: Final = ("actor_token", "actor_token_type", "authorization_details")

_log = structlog.get_logger()


async def issue_identity_assertion(
    request: Request, form: dict[str, str], client: Client, proof: Proof | None
) -> dict[str, Any]:
    """Give a client an assertion of who has signed in to it."""
    service: Service = request.app.state.service
    thumbprint = "" if proof is None else proof.thumbprint
    for name in NOT_SUPPORTED:
        if name in form:
            raise RequestRefused("invalid_request", f"{name} is not supported here")
    audience = required(form, "audience")
    rule = client.metadata.identity_assertions.get(audience)
    if rule is None or audience == service.settings.own_url:
        raise RequestRefused(
            "invalid_target",
            "the audience must be the issuer of an authorization server to which this client may "
            "carry people's identity",
        )
    resource = form.get("resource", rule.resources[0])
    if resource not in rule.resources:
        raise RequestRefused(
            "invalid_target", "the resource must be one that this client may ask for there"
        )
    scope = _scope(rule, form.get("scope"))
    text = required(form, "subject_token")
    read = _SUBJECTS.get(required(form, "subject_token_type"))
    if read is None:
        raise RequestRefused(
            "invalid_request", f"the subject_token_type must be one of: {', '.join(_SUBJECTS)}"
        )
    try:
        signed_in = await read(request, client, text)
        if rule.roles and not set(rule.roles) & set(signed_in.account.roles):
            raise _SubjectRefused("role_missing")
    except _SubjectRefused as error:
        address = origin_of(request).address
        _log.info(
            "identity_assertion_not_issued",
            reason=str(error),
            client=client.id,
            audience=audience,
            address=address,
        )
        # Which of them it is concerns the person, not the program.
        raise RequestRefused(
            "invalid_grant",
            "the subject_token belongs to another client, is no longer valid, or is for a "
            "person whose identity this client can't pass on there",
        ) from None
    if proof is not None:
        await use_proof(service, proof)

    assertion, span = service.identity_assertions.issue(
        signed_in, audience, rule.client_id, resource, scope, thumbprint
    )
    content = {
        "access_token": assertion,
        "issued_token_type": IDENTITY_ASSERTION,
        "token_type": "N_A",
        "expires_in": span,
    }
    if scope:
        content["scope"] = scope
    return content


class _SubjectRefused(Exception):
    """A subject_token is not good, or is somebody's who may not be named; the text is a code."""


async def _by_id_token(request: Request, client: Client, text: str) -> SignedIn:
    """Give whom an ID token names, which was given to this client and still is good."""
    service: Service = request.app.state.service
    try:
        claims = service.id_tokens.verify(text, client)
    except InvalidToken as error:
        raise _SubjectRefused(f"id_token_{error.code}") from None
    signed_in = await _signed_in(service, claims["sid"], client)
    if service.subjects.of(client, signed_in.account.id) != claims.subject:
        raise _SubjectRefused("session_mismatch")
    return signed_in


async def _by_refresh_token(request: Request, client: Client, text: str) -> SignedIn:
    """Give whose session a refresh token carries on; the token stays as it is."""
    service: Service = request.app.state.service
    try:
        session_id = await service.sessions.present(text, origin_of(request), client.id)
    except RefreshRefused as error:
        raise _SubjectRefused(f"refresh_token_{error.code}") from None
    return await _signed_in(service, session_id, client)


async def _signed_in(service: Service, session_id: str, client: Client) -> SignedIn:
    found = await service.identities.signed_in(session_id, client.id)
    if found is None:
        raise _SubjectRefused("session_ended")
    if "openid" not in found.scope.split():
        # The client was never told who it is.
        raise _SubjectRefused("openid_missing")
    return found


_Subject: TypeAlias = Callable[[Request, Client, str], Awaitable[SignedIn]]
_SUBJECTS: Final[dict[str, _Subject]] = {
    "urn:ietf:params:oauth:token-type:id_token": _by_id_token,
    "urn:ietf:params:oauth:token-type:refresh_token": _by_refresh_token,
}
"""By ``subject_token_type``."""


def _scope(rule: IdentityAssertionRule, requested: str | None) -> str:
    """Choose the scope: what is asked for, or everything that there is."""
    if requested is None:
        return " ".join(sorted(rule.scopes))
    names = set(requested.split(" "))
    if not names <= set(rule.scopes):
        raise RequestRefused(
            "invalid_scope", "the scope goes beyond what this client is allowed there"
        )
    return " ".join(sorted(names))
