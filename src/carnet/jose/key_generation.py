"""New keys: what an algorithm leaves open, and what it is by default."""

from __future__ import annotations

from typing import Any

from carnet.errors import InvalidKey
from carnet.jose.algorithms import ENCRYPTIONS, Algorithm
from carnet.jose.key_binding import find_algorithm
from carnet.jose.key_types import generate
from carnet.jose.rsa_numbers import RSA_MAX_BITS, RSA_MIN_BITS

__all__ = ["generated"]

MAX_SECRET = 1024
"""Bytes of the longest secret that is made here."""


def generated(alg: str, size: int | None, crv: str | None) -> tuple[Algorithm, str | None, Any]:
    """Make the material of a new private key or secret.

    Args:
        alg: a JOSE algorithm.
        size: bits, where the algorithm leaves them open.
        crv: the curve, where the algorithm leaves it open.

    Returns:
        The algorithm, the content encryption that it is bound to, and the material.

    Raises:
        InvalidKey: if the algorithm or a parameter is unknown.
    """
    row, encryption = find_algorithm(alg)
    if crv is not None and not isinstance(crv, str):
        raise InvalidKey("crv must be the name of a curve, such as 'X25519'")
    kty, curve = row.kty, crv or (row.curves[0] if len(row.curves) == 1 else None)
    if kty == "AKP":
        curve = alg
    elif kty == "*" or alg == "EdDSA":
        curve = crv or ("X25519" if kty == "*" else "Ed25519")
        kty = "EC" if curve.startswith("P-") else "OKP"
    if row.curves and curve not in row.curves:
        raise InvalidKey(f"{alg} works on the curves {', '.join(row.curves)}")
    amount = ENCRYPTIONS[encryption].size if encryption is not None else row.size
    if size is not None and (size.__class__ is not int or size < 1):
        raise InvalidKey("size must be a whole number of bits")
    if kty == "RSA":
        amount = 3072 if size is None else size
        if not RSA_MIN_BITS <= amount <= RSA_MAX_BITS:
            raise InvalidKey(f"size must be from {RSA_MIN_BITS} to {RSA_MAX_BITS} bits for RSA")
    elif amount == 0:
        amount = (256 if size is None else min(size, 8 * MAX_SECRET)) // 8
    return row, encryption, generate(kty, curve, amount)
