"""DPoP on the server: tokens bound to a key that the client proves to hold (RFC 9449).

At the token endpoint a proof carries a nonce of the server's, so that none can be made ahead of
time. A nonce is a time step and its MAC under a key that comes from the peppers: every replica
makes and knows the same ones, and nothing is kept. A proof is taken once, by its ``jti``; that is
kept only once everything else about the request is good, for anybody can make proofs.
"""

from __future__ import annotations

import hmac
import struct
from typing import Final

from starlette.requests import Request

from carnet.errors import InvalidToken
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.jwt.dpop import WINDOW, Proof, read_proof
from carnet.server.clients.clients import Client
from carnet.server.clients.profiles import may_sign
from carnet.server.clock import SECOND
from carnet.server.service import Service
from carnet.server.web.requests import RequestRefused, header_values

__all__ = [
    "NONCE_HEADER",
    "new_nonce",
    "prove_at_token_endpoint",
    "prove_with_token",
    "use_proof",
]

HEADER: Final = b"dpop"
NONCE_HEADER: Final = "DPoP-Nonce"
STEP_SECONDS: Final = 60
STEPS_ACCEPTED: Final = 5

_NONCE = struct.Struct(">Q16s")


def prove_at_token_endpoint(
    request: Request, client: Client, *, required: bool | None = None
) -> Proof | None:
    """Give the proof that comes with a request for tokens, or None; it is not used up yet.

    Args:
        request: the request.
        client: who sends it.
        required: whether there has to be one; by default as the client is registered.

    Raises:
        RequestRefused: ``invalid_dpop_proof``, or ``use_dpop_nonce`` with the nonce to use.
    """
    service: Service = request.app.state.service
    if not header_values(request, HEADER):
        if client.metadata.dpop_bound_access_tokens if required is None else required:
            raise RequestRefused(
                "invalid_dpop_proof", "this client gets tokens only with a DPoP proof"
            )
        return None
    try:
        proof = _read(request, client)
    except InvalidToken as error:
        raise _refused(error) from None
    if proof.nonce is None or not _knows(service, proof.nonce):
        raise RequestRefused(
            "use_dpop_nonce",
            "make a new DPoP proof, with the nonce from the DPoP-Nonce header",
            400,
            {NONCE_HEADER: new_nonce(service)},
        )
    return proof


async def use_proof(service: Service, proof: Proof) -> None:
    """Use a proof up, once what else comes with it is good.

    Raises:
        RequestRefused: ``invalid_dpop_proof`` if it was used before.
    """
    try:
        await _use_once(service, proof)
    except InvalidToken as error:
        raise _refused(error) from None


async def prove_with_token(
    request: Request, client: Client | None, token: str, thumbprint: str
) -> None:
    """Check that a request with an access token proves to hold the key that it is bound to.

    Args:
        request: the request.
        client: who was given the token, where an administrator has registered it.
        token: the access token.
        thumbprint: of the key that it is bound to.

    Raises:
        InvalidToken: if it does not.
    """
    proof = _read(request, client, token)
    if not hmac.compare_digest(proof.thumbprint, thumbprint):
        raise InvalidToken(
            "the proof was signed with another key than the token's",
            code="proof_invalid",
            claim="cnf",
            expected="a proof by the key that the token is bound to",
        )
    await _use_once(request.app.state.service, proof)


def new_nonce(service: Service) -> str:
    """Make the nonce of this moment (RFC 9449 section 8)."""
    return _nonce(service, service.clock() // SECOND // STEP_SECONDS, service.keys.pepper_id)


def _read(request: Request, client: Client | None, token: str | None = None) -> Proof:
    service: Service = request.app.state.service
    values = header_values(request, HEADER)
    url = f"{service.settings.own_url}{request.url.path}"
    held = client is not None and client.metadata.profile is not None
    accepts = may_sign if held else None
    return read_proof(values, request.method, url, service.clock() / SECOND, token, accepts)


def _knows(service: Service, nonce: str) -> bool:
    try:
        step, _ = _NONCE.unpack(b64url_decode(nonce, "the nonce"))
    except (InvalidToken, struct.error):
        return False
    now = service.clock() // SECOND // STEP_SECONDS
    if not now - STEPS_ACCEPTED <= step <= now + 1:
        return False
    return any(
        hmac.compare_digest(_nonce(service, step, pepper_id), nonce)
        for pepper_id in service.keys.peppers
    )


def _nonce(service: Service, step: int, pepper_id: int) -> str:
    key = hmac.digest(service.keys.peppers[pepper_id], b"carnet dpop nonce", "sha256")
    mac = hmac.digest(key, struct.pack(">Q", step), "sha256")
    return b64url_encode(_NONCE.pack(step, mac[:16]))


async def _use_once(service: Service, proof: Proof) -> None:
    kept = 2 * WINDOW * SECOND
    names = ("dpop", proof.thumbprint, proof.token_id)
    if not await service.used_once.first_use(*names, microseconds=kept):
        raise InvalidToken(
            "the proof was used before",
            code="proof_invalid",
            claim="jti",
            expected="a new proof for each request",
        )


def _refused(error: InvalidToken) -> RequestRefused:
    return RequestRefused("invalid_dpop_proof", str(error).replace('"', "'"))
