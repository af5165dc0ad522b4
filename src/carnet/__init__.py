"""JSON Web Tokens for Python: the standard, the server, the verifier."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carnet.errors import (
        CarnetError,
        ConfigurationError,
        GrantRefused,
        InvalidKey,
        InvalidToken,
        IssuerBusy,
        IssuerUnavailable,
        ServerError,
    )
    from carnet.jose.key import Key
    from carnet.jose.key_set import KeySet
    from carnet.jwt.claims import Claims
    from carnet.jwt.inspection import Inspection, inspect
    from carnet.jwt.policy import UNCHECKED
    from carnet.jwt.signer import Signer
    from carnet.jwt.verifier import VerifiedToken, Verifier

__all__ = [
    "UNCHECKED",
    "CarnetError",
    "Claims",
    "ConfigurationError",
    "GrantRefused",
    "Inspection",
    "InvalidKey",
    "InvalidToken",
    "IssuerBusy",
    "IssuerUnavailable",
    "Key",
    "KeySet",
    "ServerError",
    "Signer",
    "VerifiedToken",
    "Verifier",
    "inspect",
]
__version__ = "0.1.0"

# Whoever imports a name imports what it needs; the help of the command line needs none of it.
_MODULES = {
    "Claims": "carnet.jwt.claims",
    "Inspection": "carnet.jwt.inspection",
    "Key": "carnet.jose.key",
    "KeySet": "carnet.jose.key_set",
    "Signer": "carnet.jwt.signer",
    "UNCHECKED": "carnet.jwt.policy",
    "VerifiedToken": "carnet.jwt.verifier",
    "Verifier": "carnet.jwt.verifier",
    "inspect": "carnet.jwt.inspection",
}


# As attributes they were always there after `import carnet`.
_SUBMODULES = ("errors", "jose", "jwt")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"carnet.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'carnet' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES.get(name, "carnet.errors")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
