"""The signature operations, each prepared once per key.

A prepared key offers three closures: ``sign(data) -> signature``, ``verify(data, signature) ->
bool`` and ``check(data, text) -> bool``, where ``text`` is the signature's base64url as it stands
in the token. For a MAC, ``check`` encodes the right answer and compares texts in constant time, so
the given one is never decoded and only the canonical text can match.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from hmac import compare_digest
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hmac import HMAC

from carnet.errors import InvalidKey
from carnet.jose.algorithms import Algorithm
from carnet.jose.encoding import b64url_decode

__all__ = ["HASHES", "Operations", "prepare_public", "prepare_secret", "prepare_signing", "proven"]

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - RSA-OAEP is defined with it
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class Operations(NamedTuple):
    """What a key prepared for verifying can do."""

    verify: Verify
    check: Verify


def prepare_secret(algorithm: Algorithm, secret: bytes) -> tuple[Sign, Operations]:
    """Prepare a shared secret for HMAC (RFC 7518 section 3.2)."""
    # The padded key is hashed once, here; each MAC goes on from a copy of that state.
    keyed, compare = HMAC(secret, HASHES[algorithm.hash]), compare_digest
    to_url = bytes.maketrans(b"+/", b"-_")
    start = keyed.copy
    size = (HASHES[algorithm.hash].digest_size * 8 + 5) // 6

    def sign(data: bytes) -> bytes:
        mac = start()
        mac.update(data)
        return mac.finalize()

    def verify(data: bytes, signature: bytes) -> bool:
        return compare(sign(data), signature)

    def check(data: bytes, text: bytes) -> bool:
        mac = start()
        mac.update(data)
        return compare(b2a_base64(mac.finalize()).translate(to_url)[:size], text)

    return sign, Operations(verify, check)


def prepare_public(algorithm: Algorithm, public: Any) -> Operations:
    """Prepare a public key for verifying."""
    verify = _PREPARE_VERIFY[algorithm.family](algorithm, public)

    def check(data: bytes, text: bytes) -> bool:
        return verify(data, b64url_decode(text, "the signature"))

    return Operations(verify, check)


def prepare_signing(algorithm: Algorithm, private: Any) -> Sign:
    """Prepare a private key for signing."""
    return _PREPARE_SIGN[algorithm.family](algorithm, private)


def proven(sign: Sign, verify: Verify, alg: str) -> Sign:
    """Verify the first signature that comes from elsewhere: a wrong key or form is told at once."""
    is_proven = False

    def checked(data: bytes) -> bytes:
        nonlocal is_proven
        signature = sign(data)
        if not is_proven:
            if not isinstance(signature, bytes) or not verify(data, signature):
                raise InvalidKey(
                    f"the signer's signature does not fit its public key: expected the form of "
                    f"{alg} in JWS (RFC 7518 section 3; for ECDSA r and s, not DER)"
                )
            is_proven = True
        return signature

    return checked


def _pss(algorithm: Algorithm) -> tuple[padding.PSS, hashes.HashAlgorithm]:
    function = HASHES[algorithm.hash]
    return padding.PSS(padding.MGF1(function), function.digest_size), function


def _verifying(operation: Callable[..., None], *parameters: Any) -> Verify:
    def verify(data: bytes, signature: bytes) -> bool:
        try:
            operation(signature, data, *parameters)
        except InvalidSignature:
            return False
        return True

    return verify


def _sign_rsa(algorithm: Algorithm, private: Any) -> Sign:
    operation, function, scheme = private.sign, HASHES[algorithm.hash], padding.PKCS1v15()
    return lambda data: operation(data, scheme, function)


def _sign_pss(algorithm: Algorithm, private: Any) -> Sign:
    operation = private.sign
    scheme, function = _pss(algorithm)
    return lambda data: operation(data, scheme, function)


def _sign_ecdsa(algorithm: Algorithm, private: Any) -> Sign:
    operation, scheme, size = private.sign, ec.ECDSA(HASHES[algorithm.hash]), algorithm.size

    def sign(data: bytes) -> bytes:
        der: bytes = operation(data, scheme)
        # SEQUENCE { r INTEGER, s INTEGER }, of which the first length takes one byte or two.
        start = 4 if der[1] < 128 else 5
        end = start + der[start - 1]
        r, s = der[start:end], der[end + 2 :]
        # An integer has a zero byte in front where its first bit is set, and none otherwise.
        return r[-size:].rjust(size, b"\0") + s[-size:].rjust(size, b"\0")

    return sign


def _verify_ecdsa(algorithm: Algorithm, public: Any) -> Verify:
    operation, scheme, size = public.verify, ec.ECDSA(HASHES[algorithm.hash]), algorithm.size

    def verify(data: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * size:
            return False
        integers = _der_integer(signature[:size]) + _der_integer(signature[size:])
        length = b"\x81" if len(integers) > 127 else b""
        try:
            operation(b"\x30%b%c%b" % (length, len(integers), integers), data, scheme)
        except InvalidSignature:
            return False
        return True

    return verify


def _der_integer(number: bytes) -> bytes:
    """Write a number as DER does: without leading zeros, but never with a leading one bit."""
    digits = number.lstrip(b"\0")
    if not digits or digits[0] > 127:
        digits = b"\0" + digits
    return b"\x02%c%b" % (len(digits), digits)


def _verify_rsa(algorithm: Algorithm, public: Any) -> Verify:
    return _verifying(public.verify, padding.PKCS1v15(), HASHES[algorithm.hash])


def _verify_pss(algorithm: Algorithm, public: Any) -> Verify:
    return _verifying(public.verify, *_pss(algorithm))


def _sign_plain(_algorithm: Algorithm, private: Any) -> Sign:
    return private.sign  # type: ignore[no-any-return]


def _verify_plain(_algorithm: Algorithm, public: Any) -> Verify:
    return _verifying(public.verify)


_PREPARE_SIGN: dict[str, Callable[[Algorithm, Any], Sign]] = {
    "RSA-PKCS1": _sign_rsa,
    "RSA-PSS": _sign_pss,
    "ECDSA": _sign_ecdsa,
    "EdDSA": _sign_plain,
    "ML-DSA": _sign_plain,
}

_PREPARE_VERIFY: dict[str, Callable[[Algorithm, Any], Verify]] = {
    "RSA-PKCS1": _verify_rsa,
    "RSA-PSS": _verify_pss,
    "ECDSA": _verify_ecdsa,
    "EdDSA": _verify_plain,
    "ML-DSA": _verify_plain,
}
