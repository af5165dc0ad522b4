"""JSON Web Tokens for Python: the standard, the server, the verifier."""

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
