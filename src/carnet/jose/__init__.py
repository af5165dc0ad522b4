"""JSON Object Signing and Encryption: bytes in, bytes out, with no clock and no I/O."""

from carnet.jose import jwe, jws
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet, SkippedKey

__all__ = ["Key", "KeySet", "SkippedKey", "jwe", "jws"]
