"""DPoP proofs and client assertions, good ones and such as are wrong in one way."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from carnet.errors import InvalidKey
from carnet.jose import jws
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.jose.key import Key
from carnet.jwt.dpop import ALGORITHMS_ACCEPTED

__all__ = ["Prover", "sign_assertion"]

PREFERRED: Final = ("ES256", "PS256", "RS256", "EdDSA", "Ed25519")
_MINUTE: Final = 60


class Prover:
    """Holds a key, and proves it (RFC 9449 section 4.2).

    Args:
        key: a private key.
    """

    def __init__(self, key: Key) -> None:
        self._key = key
        self.thumbprint = key.public.thumbprint()

    @classmethod
    def make(cls, algorithms: Sequence[str]) -> Prover:
        """Make a key for the first of some algorithms that is usual."""
        usable = [name for name in (*PREFERRED, *algorithms) if name in algorithms]
        known = [name for name in usable if name in ALGORITHMS_ACCEPTED]
        return cls(Key.generate(cast("AlgorithmName", next(iter(known), "ES256"))))

    def proof(
        self,
        url: str,
        method: str = "POST",
        *,
        token: str | None = None,
        header: Mapping[str, Any] | None = None,
        signer: Key | None = None,
        **claims: Any,
    ) -> str:
        """Make a proof.

        Args:
            url: the address that it is for.
            method: the method.
            token: the access token that it goes with, or None.
            header: header parameters that are otherwise.
            signer: the key that signs, where it is not the one that the header shows.
            claims: claims that are otherwise; None leaves one out.
        """
        said: dict[str, Any] = {
            "htm": method,
            "htu": url,
            "iat": int(time.time()),
            "jti": secrets.token_hex(8),
        }
        if token is not None:
            said["ath"] = b64url_encode(hashlib.sha256(token.encode()).digest())
        said = {name: value for name, value in {**said, **claims}.items() if value is not None}
        head = {"typ": "dpop+jwt", "jwk": self._key.public.to_jwk(), **(header or {})}
        return jws.sign(json_encode(said), signer or self._key, head)

    def stranger(self) -> Key:
        """Make another key for the same algorithm."""
        return Key.generate(cast("AlgorithmName", self._key.alg))


def sign_assertion(
    client_id: str,
    audience: str,
    key: Key,
    *,
    header: Mapping[str, Any] | None = None,
    **claims: Any,
) -> str:
    """Make a client assertion (RFC 7523 section 3).

    Args:
        client_id: whose it is.
        audience: the issuer.
        key: the private key that signs.
        header: more header parameters.
        claims: claims that are otherwise; None leaves one out.

    Raises:
        InvalidKey: if the key can't sign.
    """
    if not key.is_private:
        raise InvalidKey("a client signs with a private key")
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + _MINUTE,
        "jti": secrets.token_hex(8),
        **claims,
    }
    said = {name: value for name, value in said.items() if value is not None}
    return jws.sign(json_encode(said), key, header)
