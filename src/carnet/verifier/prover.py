"""A program's key, by which its tokens are bound to it: it makes the proofs (RFC 9449)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.key import Key
from carnet.jwt.dpop import ALGORITHMS_ACCEPTED, make_proof

__all__ = ["Prover"]

PREFERRED: Final[tuple[AlgorithmName, ...]] = (
    *("ES256", "Ed25519", "EdDSA"),
    *("ES384", "ES512", "PS256", "RS256"),
)
"""What proofs are signed with: the first of these that all who read them take."""


class Prover:
    """Makes the proofs of one key, with the nonces that the servers want in them.

    Args:
        key: the private key.
        clock: gives seconds since 1970.

    Attributes:
        thumbprint: of the key (RFC 7638, SHA-256).

    Raises:
        ConfigurationError: if the key makes no proofs.
    """

    def __init__(self, key: Key, clock: Callable[[], float] = time.time) -> None:
        if not isinstance(key, Key) or not key.is_private or key.alg not in ALGORITHMS_ACCEPTED:
            raise ConfigurationError(
                "the key must be a private key that signs, such as Key.generate('ES256')"
            )
        self._key = key
        self._clock = clock
        self._nonces: dict[tuple[str, bool], str] = {}
        self.thumbprint = key.thumbprint()

    @classmethod
    def new(cls, *taken: Sequence[str]) -> Prover | None:
        """Make a key, or give None where no algorithm is taken by all.

        Args:
            taken: the algorithms that each of those takes who will read the proofs.
        """
        for name in PREFERRED:
            if all(name in names for names in taken):
                return cls(Key.generate(name))
        return None

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Prover:
        """Take up a key that was kept.

        Raises:
            InvalidKey: if it is none.
            ConfigurationError: if it makes no proofs.
        """
        return cls(Key.from_jwk(jwk))

    def to_jwk(self) -> dict[str, Any]:
        """Give the private key, to be kept."""
        return self._key.to_jwk(private=True)

    def prove(self, method: str, url: str, access_token: str | None = None) -> str:
        """Give the DPoP header of one request.

        Args:
            method: the request's method.
            url: the address that it is sent to.
            access_token: the token that goes with it, where one does.
        """
        nonce = self._nonces.get(_server(url, access_token))
        return make_proof(self._key, method, url, self._clock(), access_token, nonce)

    def hear(self, url: str, access_token: str | None, nonce: str | None) -> bool:
        """Take the nonce that a server has answered with, and tell whether it is another.

        Args:
            url: the address that has answered.
            access_token: the token that was sent there, where one was.
            nonce: the header DPoP-Nonce, or None.
        """
        server = _server(url, access_token)
        if not nonce or self._nonces.get(server) == nonce:
            return False
        self._nonces[server] = nonce
        return True


def _server(url: str, access_token: str | None) -> tuple[str, bool]:
    """Tell servers apart: who gives tokens and who takes them may be at one place.

    A nonce of one is none for the other (RFC 9449 sections 8 and 9).
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}", access_token is not None
