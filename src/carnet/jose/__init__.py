"""JSON Object Signing and Encryption: bytes in, bytes out, with no clock and no I/O."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from carnet.jose.key import Key
from carnet.jose.key_set import KeySet, SkippedKey

if TYPE_CHECKING:
    from carnet.jose import jwe, jws

__all__ = ["Key", "KeySet", "SkippedKey", "jwe", "jws"]


def __getattr__(name: str) -> Any:
    # A signed JWT needs neither: the line "carnet, used" of the benchmark ``library``.
    if name in ("jwe", "jws"):
        return import_module(f"carnet.jose.{name}")
    raise AttributeError(f"module 'carnet.jose' has no attribute {name!r}")
