"""Token exchange for an access token: programs that act for somebody (RFC 8693).

A program proves who it is, presents an access token of a person's, and gets one of its own that
names both: the person as ``sub``, the program as ``act``. That allows never more than the token it
came from, and nothing where the program's registration does not say so.

    what                    the new token has
    ──────────────────────  ────────────────────────────────────────────────────────────────────
    audience                one of the program's ``exchange_to``, for a token whose audience is
                            among its ``exchange_from``
    scope                   what is asked for, of what the token has, the program may have and
                            the resource knows
    claims of the person    those of the token that the resource is told at all
    life                    no longer than the token's
    key                     the program's own; a token that is bound to a key gives none that
                            is not
    act                     the program, and inside it those before it
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import structlog
from starlette.requests import Request

from carnet.errors import InvalidToken
from carnet.jwt.claims import Claims
from carnet.jwt.dpop import Proof, bound_key
from carnet.server.clients.acting import MOST_ACTORS
from carnet.server.clients.clients import Client
from carnet.server.clients.scopes import ALWAYS_GRANTABLE
from carnet.server.endpoints.token.grants.checks import (
    choose_audience,
    choose_scope,
    required,
    whole_seconds,
)
from carnet.server.service import Service
from carnet.server.sessions.agents import Subject
from carnet.server.web.bearer import origin_of
from carnet.server.web.dpop import use_proof
from carnet.server.web.requests import RequestRefused

__all__ = ["ACCESS_TOKEN", "exchange_to_act"]

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # a type

_log = structlog.get_logger()


async def exchange_to_act(
    request: Request, form: dict[str, str], client: Client, proof: Proof | None
) -> dict[str, Any]:
    """Give a program a token with which it acts for a person, and no refresh token."""
    service: Service = request.app.state.service
    thumbprint = "" if proof is None else proof.thumbprint
    origin = origin_of(request)
    lifetime = whole_seconds(form.get("expires_in"))

    subject = _presented(service, form, "subject_token")
    if bound_key(subject) is not None and not thumbprint:
        _refuse("subject_token", "is bound to a key: send a DPoP proof by a key of your own")
    await _check_actor_token(service, client, form, thumbprint)
    _check_policy(service, client, subject)
    actors = _actors(client, subject)
    audience = _audience(service, client, form)
    scope = _scope(service, client, audience, subject, form.get("scope"))
    if proof is not None:
        await use_proof(service, proof)

    presented = Subject(subject["jti"], subject["sid"], subject["sub"], subject["sub_ver"])
    grant = await service.agents.act(presented, client.id, audience, scope, origin)
    left = service.access_tokens.seconds_left(subject)
    if grant is None or left < 1:
        _log.info("exchange_refused", client=client.id, address=origin.address)
        # Which of them it is concerns the person, not the program.
        _refuse(
            "subject_token",
            "is no longer valid: its session has ended, it was revoked, its account has "
            "changed, or this client was stopped",
        )
    token, span = service.access_tokens.issue_to_agent(
        grant, subject, actors, min(lifetime or left, left), thumbprint
    )
    content = {
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "DPoP" if thumbprint else "Bearer",
        "expires_in": span,
    }
    if scope:
        content["scope"] = scope
    return content


def _presented(service: Service, form: dict[str, str], name: str) -> Claims:
    """Read a token that is presented, an access token of this issuer and no other."""
    text = required(form, name)
    if required(form, f"{name}_type") != ACCESS_TOKEN:
        raise RequestRefused("invalid_request", f"the {name}_type can only be {ACCESS_TOKEN}")
    try:
        return service.access_tokens.verify(text)
    except InvalidToken as error:
        _refuse(name, f"is not a valid access token of this issuer: {error}".replace('"', "'"))


async def _check_actor_token(
    service: Service, client: Client, form: dict[str, str], thumbprint: str
) -> None:
    """Check that an ``actor_token``, where there is one, says no other than the client itself."""
    if "actor_token" not in form:
        if "actor_token_type" in form:
            raise RequestRefused("invalid_request", "actor_token_type goes with an actor_token")
        return
    actor = _presented(service, form, "actor_token")
    if actor.subject != client.id or actor.client_id != client.id or "sid" in actor:
        _refuse("actor_token", "was not issued to this client: a program can act only by itself")
    key = bound_key(actor)
    if key is not None and key != thumbprint:
        _refuse("actor_token", "is bound to another key than that of the DPoP proof")
    if await service.revocations.is_token_revoked(actor["jti"]):
        _refuse("actor_token", "was revoked")


def _check_policy(service: Service, client: Client, subject: Claims) -> None:
    """Check that a client may present a token."""
    allowed = set(map(service.registry.spelled, client.metadata.exchange_from))
    if not subject.audience or not allowed.issuperset(subject.audience):
        _refuse("subject_token", "is for a service whose tokens this client may not exchange")
    if subject.session_id is None:
        _refuse("subject_token", "belongs to a program: only a person's token can be exchanged")
    if "may_act" not in subject:
        return
    # RFC 8693 section 4.4: who may act, where the token says so, and nobody else.
    actor = subject["may_act"]
    known = {"sub": client.id, "client_id": client.id, "iss": subject.issuer}
    named = isinstance(actor, dict) and not actor.keys().isdisjoint(("sub", "client_id"))
    if not named or not actor.items() <= known.items():
        _refuse("subject_token", "names in may_act who may act, and this client is not it")


def _actors(client: Client, subject: Claims) -> dict[str, Any]:
    """Make the claim ``act``: the client, and inside it those who act already."""
    before = subject.actors
    if client.id in before:
        _refuse("subject_token", "already names this client as actor")
    if len(before) >= MOST_ACTORS:
        _refuse("subject_token", f"has passed through {MOST_ACTORS} programs: no more may follow")
    actors = {"sub": client.id}
    return {**actors, "act": subject["act"]} if before else actors


def _audience(service: Service, client: Client, form: dict[str, str]) -> str:
    """Choose what the new token is for, by ``resource`` or ``audience``."""
    allowed = tuple(map(service.registry.spelled, client.metadata.exchange_to))
    resource = form.get("resource", form.get("audience"))
    if form.get("audience", resource) != resource:
        raise RequestRefused("invalid_target", "ask for one resource or audience at a time")
    chosen = choose_audience(service, client, resource, next(iter(allowed), None))
    if chosen not in allowed:
        raise RequestRefused(
            "invalid_target", "the resource must be one for which this client may exchange tokens"
        )
    return chosen


def _scope(
    service: Service, client: Client, audience: str, subject: Claims, requested: str | None
) -> str:
    """Choose what the new token allows."""
    # These belong to who has signed in: there is no ID token and no refresh token here.
    granted = subject.scopes - ALWAYS_GRANTABLE
    scope = choose_scope(service, client, audience, " ".join(granted), requested)
    if subject.scopes and not scope:
        raise RequestRefused("invalid_scope", "none of the token's scopes is for this resource")
    return scope


def _refuse(name: str, reason: str) -> NoReturn:
    raise RequestRefused("invalid_request", f"the {name} {reason}")
