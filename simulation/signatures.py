"""Ed25519, in cryptography's place: what a key has signed in this process is not computed again.

A signature follows from the key and the text, and what a key has signed verifies. Histories sign
the same texts again and again. Everything else, such as a text that was changed or another key's
signature, cryptography verifies as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carnet.jose import signatures
from carnet.jose.algorithms import Algorithm
from carnet.jose.signatures import Sign, Verify

__all__ = ["remembered"]

FAMILY: Final = "EdDSA"
MOST: Final = 10_000
"""How many signatures of a key are kept."""


class _Made(dict[bytes, bytes]):
    """What one key has signed, and the signatures."""


_made: Final[WeakValueDictionary[bytes, _Made]] = WeakValueDictionary()
_sign_plain = signatures._PREPARE_SIGN[FAMILY]
_verify_plain = signatures._PREPARE_VERIFY[FAMILY]


@contextmanager
def remembered() -> Iterator[None]:
    """Let the keys that are prepared meanwhile remember what they have signed."""
    signatures._PREPARE_SIGN[FAMILY] = _signing
    signatures._PREPARE_VERIFY[FAMILY] = _verifying
    try:
        yield
    finally:
        signatures._PREPARE_SIGN[FAMILY] = _sign_plain
        signatures._PREPARE_VERIFY[FAMILY] = _verify_plain


def _of(public: Ed25519PublicKey) -> _Made:
    return _made.setdefault(public.public_bytes_raw(), _Made())


def _signing(algorithm: Algorithm, private: Any) -> Sign:
    operation = _sign_plain(algorithm, private)
    if not isinstance(private, Ed25519PrivateKey):
        return operation
    made = _of(private.public_key())

    def sign(data: bytes) -> bytes:
        signature = made.get(data)
        if signature is None:
            if len(made) >= MOST:
                made.clear()
            signature = made[data] = operation(data)
        return signature

    return sign


def _verifying(algorithm: Algorithm, public: Any) -> Verify:
    operation = _verify_plain(algorithm, public)
    if not isinstance(public, Ed25519PublicKey):
        return operation
    made = _of(public)

    def verify(data: bytes, signature: bytes) -> bool:
        return made.get(data) == signature or operation(data, signature)

    return verify
