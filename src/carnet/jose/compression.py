"""Compression before encryption: raw DEFLATE, bounded while it inflates (RFC 7516 4.1.3)."""

from __future__ import annotations

import zlib

from carnet.errors import InvalidToken
from carnet.jose.header import invalid

__all__ = ["deflate", "failed", "inflate"]


def deflate(plaintext: bytes, method: object) -> bytes:
    """Compress with raw DEFLATE where ``zip`` asks for it (RFC 7516 section 4.1.3)."""
    if method is None:
        return plaintext
    if method != "DEF":
        raise invalid("zip", "'DEF'")
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(plaintext) + compressor.flush()


def inflate(data: bytes, limit: int) -> bytes:
    """Decompress raw DEFLATE into at most ``limit`` bytes."""
    decompressor = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        plaintext = decompressor.decompress(data, limit)
    except zlib.error:
        if _begins_like_zlib(data):
            raise invalid(
                "zip",
                "raw DEFLATE (RFC 7516 section 4.1.3), not the zlib format, which python-jose "
                "writes under the same name",
            ) from None
        raise failed() from None
    if decompressor.unconsumed_tail or (not decompressor.eof and decompressor.decompress(b"", 1)):
        raise InvalidToken(
            "the decompressed plaintext is too large",
            code="too_large",
            expected=f"at most {limit} bytes",
        )
    if not decompressor.eof or decompressor.unused_data:
        raise failed()
    return plaintext


def _begins_like_zlib(data: bytes) -> bool:
    """Tell whether two bytes say so: method 8, and a multiple of 31 (RFC 1950 section 2.2)."""
    return data[:1] != b"" and data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0


def failed() -> InvalidToken:
    """Make the one error of every decryption that fails."""
    return InvalidToken(
        "the token can't be decrypted",
        code="decryption_failed",
        expected="a token encrypted to a key of this service and unchanged since",
    )
