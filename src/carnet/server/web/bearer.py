"""Who sends a request: its access token, checked, and where it comes from.

The service's own API has an audience of its own, the issuer: a token for another service, which
that service has seen, opens nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request

from carnet.errors import InvalidToken
from carnet.jwt.claims import Claims
from carnet.jwt.dpop import bound_key
from carnet.server.audit import Origin
from carnet.server.clients.resources import ADMINISTRATION
from carnet.server.factors.levels import demanded_of, reaches
from carnet.server.service import Service
from carnet.server.sessions.sessions import FIRST_PARTY
from carnet.server.web.dpop import prove_with_token
from carnet.server.web.requests import RequestRefused, header_values

__all__ = [
    "Holder",
    "administrator_claims",
    "insufficient_scope",
    "origin_of",
    "session_claims",
    "session_holder",
    "token_claims",
]


def origin_of(request: Request, actor: str | None = None) -> Origin:
    """Tell from where a request came, for the audit log."""
    client = request.scope.get("client")
    agents = header_values(request, b"user-agent")
    return Origin(client[0] if client else "", agents[0] if agents else "", actor)


class Holder(NamedTuple):
    """Whose access token comes with a request.

    Attributes:
        claims: the token's; they may call the account otherwise than by its id.
        account_id: whose session it is.
    """

    claims: Claims
    account_id: str


async def session_claims(request: Request, scope: str | None = None) -> Claims:
    """Give the claims of a request's access token, of a session that lives.

    Their ``sub`` is the id of the account, whatever the token calls it.

    Args:
        request: the request.
        scope: as for ``session_holder``.

    Raises:
        RequestRefused: as ``session_holder``.
    """
    claims, account_id = await session_holder(request, scope)
    return claims if claims["sub"] == account_id else Claims({**claims, "sub": account_id})


async def session_holder(
    request: Request,
    scope: str | None = None,
    *,
    any_audience: bool = False,
    posted: str | None = None,
) -> Holder:
    """Give whose access token comes with a request, of a session that lives.

    Args:
        request: the request.
        scope: what lets other clients than the first party do this, too; None lets no other.
        any_audience: whether the token may be for another service than this one.
        posted: an access token that stands in the body, or None.

    Raises:
        RequestRefused: 401 where there is no such token, 400 where there are two, 403 where it is
            another client's and has not the scope.
    """
    service: Service = request.app.state.service
    claims = await token_claims(request, any_audience=any_audience, posted=posted)
    if claims.client_id != FIRST_PARTY and scope not in claims.scopes:
        raise insufficient_scope("this client's tokens are not accepted for this", scope)
    about = claims["sid"], claims["sub_ver"], claims["jti"]
    account_id = await service.sessions.account_of_token(*about)
    if account_id is None:
        raise _invalid_token(
            "the session has ended, or the token was revoked or is older than its account"
        )
    return Holder(claims, account_id)


async def administrator_claims(request: Request) -> Claims:
    """Give the claims of a request's access token, of somebody who may manage other accounts.

    Raises:
        RequestRefused: 401 as ``session_claims``, or where the sign-in was with less than the role
            demands, 403 where the role is missing.
    """
    service: Service = request.app.state.service
    claims = await session_claims(request, ADMINISTRATION)
    role = service.settings.admin_role
    if role not in claims.roles:
        raise insufficient_scope(f"this needs the role {role}")
    demanded = demanded_of(claims.roles, service.settings)
    if not reaches(claims.get("acr"), demanded):
        raise _insufficient_authentication(demanded)
    return claims


async def token_claims(
    request: Request, *, any_audience: bool = False, posted: str | None = None
) -> Claims:
    """Give the claims of a request's access token, whether or not its session still lives.

    Args:
        request: the request.
        any_audience: whether the token may be for another service than this one.
        posted: an access token that stands in the body, or None.

    Raises:
        RequestRefused: 401 where there is no good token, 400 where there are two.
    """
    service: Service = request.app.state.service
    scheme, token = _read_token(request, posted)
    try:
        tokens = service.access_tokens
        claims = tokens.verify(token) if any_audience else tokens.verify_own(token)
        thumbprint = bound_key(claims)
        if thumbprint is None and scheme == "dpop":
            raise InvalidToken("the token is not bound to a key: send it as a Bearer token")
        if thumbprint is not None:
            if scheme != "dpop":
                raise InvalidToken("the token is bound to a key: send it with a DPoP proof")
            client = service.registry.client(claims.client_id or "")
            await prove_with_token(request, client, token, thumbprint)
    except InvalidToken as error:
        raise _refused(error, service.settings.own_url, scheme) from None
    if claims.session_id is None:
        raise _invalid_token("the token belongs to no session", scheme)
    return claims


def insufficient_scope(text: str, scope: str | None = None) -> RequestRefused:
    """Make the refusal of a good token that does not allow what is asked (RFC 6750 section 3.1)."""
    challenge = f'Bearer error="insufficient_scope", error_description="{text}"'
    if scope is not None:
        challenge += f', scope="{scope}"'
    return RequestRefused("insufficient_scope", text, 403, {"WWW-Authenticate": challenge})


def _insufficient_authentication(acr: str) -> RequestRefused:
    """Make the refusal of a token whose sign-in was not enough (RFC 9470 section 3)."""
    name, text = "insufficient_user_authentication", "this needs a sign-in with a second factor"
    challenge = f'Bearer error="{name}", error_description="{text}", acr_values="{acr}"'
    return RequestRefused(name, text, 401, {"WWW-Authenticate": challenge})


def _refused(error: InvalidToken, issuer: str, scheme: str) -> RequestRefused:
    text = str(error)
    if error.code == "audience_mismatch":
        text += f"; ask for one for this service, with resource={issuer}"
    found = {"code": error.code, "claim": error.claim, "expected": error.expected}
    return _invalid_token(text, scheme, {name: said for name, said in found.items() if said})


def _invalid_token(
    description: str, scheme: str = "bearer", details: Mapping[str, str] | None = None
) -> RequestRefused:
    text = description.replace('"', "'")
    name = "DPoP" if scheme == "dpop" else "Bearer"
    challenge = f'{name} error="invalid_token", error_description="{text}"'
    headers = {"WWW-Authenticate": challenge}
    return RequestRefused("invalid_token", text, 401, headers, details)


def _read_token(request: Request, posted: str | None) -> tuple[str, str]:
    """Read scheme and access token of a request (RFC 6750 section 2, RFC 9449 section 7.1).

    Raises:
        RequestRefused: 401 where there is none, 400 where there are two.
    """
    values = header_values(request, b"authorization")
    if len(values) > 1:
        raise RequestRefused("invalid_request", "there is more than one Authorization header")
    if posted is not None and values:
        raise RequestRefused("invalid_request", "the access token is sent in two ways")
    if posted is not None:
        return "bearer", posted
    scheme, _, token = values[0].partition(" ") if values else ("", "", "")
    if scheme.lower() not in ("bearer", "dpop") or not token:
        raise RequestRefused(
            "invalid_request",
            "send the access token as 'Authorization: Bearer <token>', or DPoP with a proof",
            401,
            {"WWW-Authenticate": "Bearer"},
        )
    return scheme.lower(), token.strip()
