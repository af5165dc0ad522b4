"""Content encryption: AES-GCM and AES-CBC with HMAC (RFC 7518 section 5)."""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from carnet.jose.algorithms import Encryption

__all__ = ["DecryptionFailed", "decrypt", "encrypt"]

_GCM_IV = 12
_CBC_IV = 16


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
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(cek[half:]), CBC(iv)).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
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
    decryptor = Cipher(AES(cek[half:]), CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise DecryptionFailed from None


def _tag(encryption: Encryption, key: bytes, aad: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    data = aad + iv + ciphertext + (len(aad) * 8).to_bytes(8, "big")
    return hmac.digest(key, data, encryption.hash)[: encryption.tag_size]
