"""The pushed authorization request endpoint (RFC 9126 section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.jwt.dpop import Proof
from carnet.jwt.inspection import inspect
from carnet.server.oauth.authorization_request import (
    AuthorizationRefused,
    NotTheClient,
    read_authorization_request,
)
from carnet.server.oauth.counting_parameters import NotCounting, signed_parameters
from carnet.server.oauth.pushed_requests import LIFETIME_SECONDS, BadRequestUri
from carnet.server.service import Service
from carnet.server.web.client_assertions import own_keys
from carnet.server.web.client_authentication import authenticate
from carnet.server.web.dpop import prove_at_token_endpoint, use_proof
from carnet.server.web.requests import RequestRefused, answer, read_form

__all__ = ["push_request"]

# How the client has proved who it is, which is no part of its request.
PROOFS: Final = frozenset(("client_secret", "client_assertion", "client_assertion_type"))


async def push_request(request: Request) -> Response:
    """Check a request as the authorization endpoint does, and give the address that names it."""
    service: Service = request.app.state.service
    form = await read_form(request)
    client = await authenticate(request, form)
    if "request_uri" in form:
        raise RequestRefused("invalid_request", "a pushed request can't contain request_uri")
    sent = {name: [text] for name, text in form.items() if name not in PROOFS}
    proof = prove_at_token_endpoint(request, client, required=False)
    registry, issuer, now = service.registry, service.settings.own_url, service.clock()
    try:
        keys = (
            await own_keys(service, client, inspect(form["request"])) if "request" in form else None
        )
        given = {
            **signed_parameters(sent, client, issuer, now, keys=keys),
            "client_id": [client.id],
        }
        if proof is not None:
            _bind(given, proof)
        read_authorization_request(
            given, client, registry.audiences_of, registry.permitted, registry.spelled
        )
        pushed = {name: values[0] for name, values in given.items()}
        request_uri = service.pushed_requests.push(client.id, pushed)
    except (AuthorizationRefused, NotCounting, NotTheClient) as error:
        raise RequestRefused(error.code, str(error)) from None
    except BadRequestUri as error:
        raise RequestRefused("invalid_request", str(error), 413) from None
    if proof is not None:
        await use_proof(service, proof)
    return answer({"request_uri": request_uri, "expires_in": LIFETIME_SECONDS}, 201)


def _bind(given: dict[str, Sequence[str]], proof: Proof) -> None:
    """Bind the code to the key of a proof (RFC 9449 section 10.1)."""
    key = [proof.thumbprint]
    if given.get("dpop_jkt", key) != key:
        raise RequestRefused("invalid_dpop_proof", "dpop_jkt names another key than the proof")
    given["dpop_jkt"] = key
