"""What a service needs that trusts an issuer: its keys, kept fresh, and a check of every token."""

from carnet.jwt.key_source import Health
from carnet.verifier.access_token import AccessTokenVerifier, AsyncAccessTokenVerifier
from carnet.verifier.issuer import Issuer
from carnet.verifier.protected_resource import ProtectedResource

__all__ = [
    "AccessTokenVerifier",
    "AsyncAccessTokenVerifier",
    "Health",
    "Issuer",
    "ProtectedResource",
]
