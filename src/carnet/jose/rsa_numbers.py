"""The numbers of an RSA key, bounded and compared with each other before OpenSSL works with them.

OpenSSL looks for primes before anything else, which takes 50 ms for 2048 bits and grows with the
fourth power of their number. Whoever sends numbers that only look like a key must not cause that,
so everything that plain arithmetic can tell comes first, and what has more than 8192 bits is no key
here: none is needed (NIST SP 800-57 ends at 15360 bits for the strength of AES-256, for which
there are elliptic curves), and one verification with it would take as long as ten with 2048 bits.
"""

from __future__ import annotations

import secrets
from math import gcd

from cryptography.hazmat.primitives.asymmetric import rsa

from carnet.errors import InvalidKey

__all__ = [
    "RSA_MAX_BITS",
    "RSA_MIN_BITS",
    "check_private_numbers",
    "check_public_numbers",
    "recover_private_numbers",
]

RSA_MIN_BITS = 2048
RSA_MAX_BITS = 8192

MAX_EXPONENT = (1 << 32) - 1
"""The largest public exponent: 65537 is what all use, and each bit costs who verifies."""

_UNBALANCED = 128
"""Bits by which a prime may be longer than half of the modulus."""

_ATTEMPTS = 64


def check_public_numbers(modulus: int, exponent: int) -> None:
    """Check the sizes of a modulus and a public exponent.

    Raises:
        InvalidKey: if the modulus has fewer than 2048 or more than 8192 bits or is even, or the
            exponent is even, less than 3, or longer than 32 bits.
    """
    bits = modulus.bit_length()
    if bits < RSA_MIN_BITS:
        raise InvalidKey(f"the RSA key has {bits} bits, at least {RSA_MIN_BITS} are needed")
    if bits > RSA_MAX_BITS:
        raise InvalidKey(f"the RSA key has more than {RSA_MAX_BITS} bits")
    if not modulus & 1:
        raise InvalidKey("the RSA modulus must be odd")
    if not 3 <= exponent <= MAX_EXPONENT or not exponent & 1:
        raise InvalidKey("the RSA public exponent must be odd, from 3 up to 32 bits")


def check_private_numbers(numbers: rsa.RSAPrivateNumbers) -> None:
    """Check that private numbers belong to each other; whether p and q are prime is OpenSSL's part.

    Raises:
        InvalidKey: if they don't (RFC 8017 section 3.2).
    """
    modulus, exponent = numbers.public_numbers.n, numbers.public_numbers.e
    check_public_numbers(modulus, exponent)
    p, q, d = numbers.p, numbers.q, numbers.d
    longest = (modulus.bit_length() + 1) // 2 + _UNBALANCED
    if (
        p == q
        or p < 3
        or max(p.bit_length(), q.bit_length()) > longest
        or p * q != modulus
        or not 1 < d < modulus
        or (exponent * d - 1) % (p - 1)
        or (exponent * d - 1) % (q - 1)
        or numbers.dmp1 != d % (p - 1)
        or numbers.dmq1 != d % (q - 1)
        or not 0 < numbers.iqmp < p
        or numbers.iqmp * q % p != 1
    ):
        raise InvalidKey("the RSA key's private numbers do not belong to its modulus and exponent")


def recover_private_numbers(public: rsa.RSAPublicNumbers, d: int) -> rsa.RSAPrivateNumbers:
    """Find the primes of a key of which only ``d`` is known (NIST SP 800-56B appendix C).

    Takes a handful of exponentiations, also where the numbers are no key.

    Args:
        public: modulus and exponent, already bounded.
        d: the private exponent.

    Raises:
        InvalidKey: if ``d`` does not belong to them.
    """
    modulus = public.n
    if 1 < d < modulus:
        p = _factor(modulus, public.e * d - 1)
        if p is not None:
            p, q = max(p, modulus // p), min(p, modulus // p)
            dmp1, dmq1 = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q)
            return rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, pow(q, -1, p), public)
    raise InvalidKey("the RSA key's 'd' does not belong to its modulus and exponent")


def _factor(modulus: int, multiple: int) -> int | None:
    """Find a factor of a modulus with a multiple of the order of its group.

    A random number raised to the odd part of the multiple and squared until it is 1 shows, just
    before, a root of 1. Half of all numbers show one that is neither 1 nor -1, and with it a factor
    — if the modulus has two different primes. If it has not, as a prime has none, no number ever
    does; so when the first has shown nothing, that is looked into (Fermat). If the multiple is not
    one of the order, half of all numbers or more never come to 1.
    """
    twos = (multiple & -multiple).bit_length() - 1
    for attempt in range(_ATTEMPTS):
        base = secrets.randbelow(modulus - 3) + 2
        root = pow(base, multiple >> twos, modulus)
        for _ in range(twos):
            square = root * root % modulus
            if square == 1 and root not in (1, modulus - 1):
                return gcd(root - 1, modulus)
            root = square
        if root != 1:
            return None
        if attempt == 0 and gcd(pow(2, modulus, modulus) - 2, modulus) != 1:
            return None
    return None  # pragma: no cover  # one in 2 ** 64
