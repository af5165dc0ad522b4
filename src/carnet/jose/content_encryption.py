"""Content encryption: AES-GCM and AES-CBC with HMAC (RFC 7518 section 5)."""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from carnet.jose.algorithms import Encryption

__all__ = ["DecryptionFailed", "decrypt", "encrypt"]

_GCM_IV = 12
_CBC_IV = 16
_PADDINGS = tuple(bytes([size]) * size for size in range(17))
"""PKCS #7 (RFC 5652 section 6.3), by hand: the lines "A128CBC-HS256" of the benchmark
``library``. Whole blocks go in, so nothing is left for the cipher to finish."""


class DecryptionFailed(Exception):
    """Something didn't decrypt; never tells what, and never leaves ``carnet.jose``."""


def encrypt(
    encryption: Encryption, cek: bytes, plaintext: bytes, aad: bytes, iv: bytes | None = None
) -> tuple[bytes, bytes, bytes]:
    """Encrypt, giving initialization vector, ciphertext and tag."""
    if encryption.family == "GCM":
        iv = iv or os.urandom(_GCM_IV)
        sealed = AESGCM(cek).encrypt(iv, plaintext, aad)
        return iv, sealed[:-16], sealed[-16:]
    half = encryption.size // 2
    iv = iv or os.urandom(_CBC_IV)
    encryptor = Cipher(AES(cek[half:]), CBC(iv)).encryptor()
    ciphertext = encryptor.update(plaintext + _PADDINGS[16 - len(plaintext) % 16])
    return iv, ciphertext, _tag(encryption, cek[:half], aad, iv, ciphertext)


def decrypt(
    encryption: Encryption, cek: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes
) -> bytes:
    """Decrypt what ``encrypt`` made.

    Raises:
        DecryptionFailed: for whatever reason.
    """
    if len(cek) != encryption.size or len(tag) != encryption.tag_size:
        raise DecryptionFailed
    if encryption.family == "GCM":
        if len(iv) != _GCM_IV:
            raise DecryptionFailed
        try:
            return AESGCM(cek).decrypt(iv, ciphertext + tag, aad)
        except InvalidTag:
            raise DecryptionFailed from None
    half = encryption.size // 2
    if len(iv) != _CBC_IV or not ciphertext or len(ciphertext) % 16:
        raise DecryptionFailed
    if not hmac.compare_digest(_tag(encryption, cek[:half], aad, iv, ciphertext), tag):
        raise DecryptionFailed
    padded = Cipher(AES(cek[half:]), CBC(iv)).decryptor().update(ciphertext)
    # Whoever could learn something of a wrong padding here has the key: the tag was right.
    size = padded[-1]
    if not 1 <= size <= 16 or not padded.endswith(_PADDINGS[size]):
        raise DecryptionFailed
    return padded[:-size]


def _tag(encryption: Encryption, key: bytes, aad: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    data = aad + iv + ciphertext + (len(aad) * 8).to_bytes(8, "big")
    return hmac.digest(key, data, encryption.hash)[: encryption.tag_size]
