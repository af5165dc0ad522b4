"""Reading what an issuer publishes as its keys, in the forms that are found in the world.

A key set (RFC 7517), or a mapping of ``kid`` to certificate, as Google has it; RSA numbers with a
leading zero octet. Certificates beside a key are left out unread: nothing here asks for them, and
what is wrong with one would cost the key. A key that says of which issuer it is, as those that many
tenants share do, is left out where that is another one. The keys of a SPIFFE bundle that are for
JWT-SVIDs are keys for signatures. Keys that are given directly have to be right; this is for what
was fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, get_args

from carnet.errors import InvalidKey, InvalidToken
from carnet.jose.algorithms import ALGORITHMS, AlgorithmName
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet

__all__ = ["PUBLIC_SIGNATURES", "read_published"]

PUBLIC_SIGNATURES: Final[tuple[AlgorithmName, ...]] = tuple(
    name
    for name in get_args(AlgorithmName)
    if name in ALGORITHMS and ALGORITHMS[name].use == "sig" and ALGORITHMS[name].kty != "oct"
)
"""What keys that name no algorithm may be for, by their type, where nothing more is known."""

CERTIFICATE_ALGORITHMS: Final[tuple[AlgorithmName, ...]] = ("RS256",)
"""What keys of certificates are for, which never say it, unless ``algorithms`` does."""

_CERTIFICATES: Final = frozenset(("x5c", "x5t#S256"))
_SPIFFE_USE: Final = "jwt-svid"


def read_published(
    document: Mapping[str, Any],
    algorithms: Collection[AlgorithmName] | None,
    says: Callable[[object], bool],
) -> KeySet:
    """Read the keys of a document.

    Args:
        document: what was published.
        algorithms: binds keys that name no algorithm.
        says: tells whether the name of an issuer is the one whose keys these are.

    Raises:
        InvalidKey: if the document holds no keys in any form.
    """
    if "keys" not in document and document and all(map(_is_pem, document.values())):
        return _certified(document, algorithms or CERTIFICATE_ALGORITHMS)
    members = document.get("keys")
    if isinstance(members, list):
        ours = [jwk for jwk in members if not _is_another_issuers(jwk, says)]
        document = {**document, "keys": [_shortened(_bare(jwk)) for jwk in ours]}
    return KeySet.from_jwks(document, algorithms, public=True)


def _is_another_issuers(jwk: object, says: Callable[[object], bool]) -> bool:
    named = jwk.get("issuer") if isinstance(jwk, Mapping) else None
    return isinstance(named, str) and not says(named)


def _is_pem(value: object) -> bool:
    return isinstance(value, str) and value.startswith("-----BEGIN ")


def _certified(document: Mapping[str, str], algorithms: Collection[AlgorithmName]) -> KeySet:
    keys: list[Key] = []
    reasons: list[InvalidKey] = []
    for kid, text in document.items():
        for alg in algorithms:
            try:
                key = Key.from_pem(text, alg, kid=kid)
                if key.is_private:
                    raise InvalidKey("a published private key proves nothing")
                keys.append(key)
            except InvalidKey as error:
                reasons.append(error)
    if not keys:
        raise reasons[0]
    return KeySet(keys)


def _bare(jwk: object) -> object:
    """Give a JWK without its certificates, and with the ``use`` that RFC 7517 has for it."""
    if not isinstance(jwk, Mapping):
        return jwk
    bare = {name: value for name, value in jwk.items() if name not in _CERTIFICATES}
    return {**bare, "use": "sig"} if bare.get("use") == _SPIFFE_USE else bare


def _shortened(jwk: object) -> object:
    """Give a JWK whose RSA numbers have no leading zero octets (RFC 7518 section 6.3.1).

    Several issuers publish them so, and each number has one meaning only.
    """
    if not isinstance(jwk, Mapping) or jwk.get("kty") != "RSA":
        return jwk
    shortened = dict(jwk)
    for name in ("n", "e"):
        text = jwk.get(name)
        try:
            number = b64url_decode(text) if isinstance(text, str) else b""
        except InvalidToken:
            return jwk
        if number[:1] == b"\0" and number.strip(b"\0"):
            shortened[name] = b64url_encode(number.lstrip(b"\0"))
    return shortened
