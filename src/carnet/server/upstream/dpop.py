"""Binding a provider's access tokens to a key of this process's own (DPoP, RFC 9449).

Whoever steals one on its way can't use it. Such a token is used at once, for UserInfo, so the key
is made when it is needed, and never kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from carnet.jose.algorithms import AlgorithmName
from carnet.jose.key import Key
from carnet.jwt.dpop import make_proof
from carnet.server.clock import SECOND, Clock

__all__ = ["ALGORITHM", "Prover"]

ALGORITHM: Final[AlgorithmName] = "ES256"
MOST_NONCE: Final = 256


class Prover:
    """Makes the proofs for one provider.

    Args:
        clock: gives the microseconds since 1970.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # One for each server of the provider's (RFC 9449 section 8); it has two or three.
        self._nonces: dict[str, str] = {}

    def prove(self, method: str, url: str, token: str | None = None) -> str:
        """Give the proof for a request.

        Args:
            method: of the request.
            url: where it goes.
            token: the access token that goes with it, or None.
        """
        nonce = self._nonces.get(urlsplit(url).netloc)
        return make_proof(self._key, method, url, self._clock() / SECOND, token, nonce)

    def is_to_repeat(self, url: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take over the nonce of an answer, and tell whether the request has to be sent with it.

        Args:
            url: where the request went.
            headers: of the answer.
            body: of the answer.
        """
        given, host = headers.get("dpop-nonce", ""), urlsplit(url).netloc
        if not given or len(given) > MOST_NONCE or given == self._nonces.get(host):
            return False
        self._nonces[host] = given
        asked = headers.get("www-authenticate", "").encode() + body
        return b"use_dpop_nonce" in asked

    @cached_property
    def _key(self) -> Key:
        return Key.generate(ALGORITHM)
