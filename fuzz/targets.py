"""The targets: one for each entry point that takes a token, a key or a key set.

A target gets bytes and says whether they were accepted. A CarnetError is a refusal; anything else
that escapes is a finding, and so is an accepted input that breaks the rule stated beside it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from carnet import CarnetError, Claims, Key, KeySet, Verifier, inspect
from carnet.jose import jwe, jws
from carnet.jose.encoding import b64url_encode_bytes
from carnet.jwt.dpop import read_proof
from fuzz import seeds

__all__ = ["TARGETS", "Target"]

MAX_INFLATED = 1024


@dataclass(frozen=True)
class Target:
    """An entry point and inputs to start from."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]

    def run(self, data: bytes) -> bool:
        """Say whether the entry point accepts the input.

        Raises:
            AssertionError: if what it accepted breaks a rule.
        """
        try:
            self.read(data)
        except CarnetError:
            return False
        return True


def _text(data: bytes) -> str:
    """Give bytes as text; those that are no UTF-8 become lone surrogates, which are no text."""
    return data.decode("utf-8", "surrogateescape")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(rule)


VERIFIER = Verifier(
    seeds.KEYS, issuer=seeds.ISSUER, audience=seeds.AUDIENCE, clock=lambda: seeds.NOW
)
CACHING = Verifier(
    seeds.KEYS,
    issuer=seeds.ISSUER,
    audience=seeds.AUDIENCE,
    clock=lambda: seeds.NOW,
    cache=100_000,
    decryption=seeds.RECIPIENTS,
)


def _jws_verify(data: bytes) -> None:
    verified = jws.verify(data, seeds.KEYS)
    _require(jws.verify(_text(data), seeds.KEYS) == verified, "text and bytes mean the same")
    _require(verified.header["alg"] in ("HS256", "Ed25519", "EdDSA"), "the key's own algorithm")


def _jws_verify_json(data: bytes) -> None:
    verified = jws.verify_json(data, seeds.KEYS)
    _require(len(verified.signatures) > 0, "a signature held")
    _require(jws.verify_json(_text(data), seeds.KEYS) == verified, "text and bytes mean the same")


def _jwe_decrypt(data: bytes) -> None:
    opened = jwe.decrypt(data, seeds.RECIPIENTS, max_inflated=MAX_INFLATED)
    _require(len(opened.plaintext) <= max(MAX_INFLATED, len(data)), "compression is bounded")


def _jwe_decrypt_json(data: bytes) -> None:
    opened = jwe.decrypt_json(data, seeds.RECIPIENTS, max_inflated=MAX_INFLATED)
    _require(len(opened.plaintext) <= max(MAX_INFLATED, len(data)), "compression is bounded")


def _key_from_jwk(data: bytes) -> None:
    key = Key.from_jwk(_text(data))
    again = Key.from_jwk(key.to_jwk(private=key.is_private), key.alg)
    _require(again == key, "a key is the same after export and import")


def _key_from_pem(data: bytes) -> None:
    for alg in (None, "RS256", "ECDH-ES"):
        try:
            key = Key.from_pem(data, alg)
        except CarnetError:
            continue
        again = Key.from_pem(key.to_pem(private=key.is_private), key.alg)
        _require(again == key, "a key is the same after export and import")
        return
    Key.from_pem(data)


def _key_set_from_jwks(data: bytes) -> None:
    for algorithms in (None, ("RS256", "ES256", "Ed25519", "HS256")):
        for key in KeySet.from_jwks(data, algorithms):
            key.to_jwk(private=key.is_private)
    _require(len(KeySet.from_jwks(_text(data))) == len(KeySet.from_jwks(data)), "text and bytes")


def _verifier(data: bytes) -> None:
    cached = _accepts(CACHING, _text(data))
    again = _accepts(CACHING, _text(data))
    _require(cached == again, "the cache changes nothing")
    claims = VERIFIER.verify(data)
    _require(cached, "text and bytes mean the same")
    _require(claims.issuer == seeds.ISSUER, "the issuer is checked")
    _require(seeds.AUDIENCE in claims.audience, "the audience is checked")


def _accepts(verifier: Verifier[Claims], token: str) -> bool:
    try:
        verifier.verify(token)
    except CarnetError:
        return False
    return True


def _mac(head: bytes, body: bytes) -> bytes:
    data = head + b"." + body
    mac = hmac.digest(bytes(range(32)), data, hashlib.sha256)
    return data + b"." + b64url_encode_bytes(mac)


def _claims(data: bytes) -> None:
    """Sign whatever payload, so that the checks behind the signature are reached."""
    token = _mac(b64url_encode_bytes(b'{"alg":"HS256","kid":"mac"}'), b64url_encode_bytes(data))
    claims = VERIFIER.verify(token)
    _require(isinstance(claims["exp"], int | float), "'exp' is a number")
    _require(claims["exp"] > seeds.NOW, "'exp' lies ahead")


def _header(data: bytes) -> None:
    """Sign whatever header, so that the checks behind the signature are reached."""
    verified = jws.verify(_mac(b64url_encode_bytes(data), b"eyJ9"), seeds.KEYS)
    _require(verified.header["alg"] == "HS256", "the key's own algorithm")


def _inspect(data: bytes) -> None:
    found = inspect(data)
    inspect(_text(data))
    _require(isinstance(found.problems, list), "problems are told")


def _proof(data: bytes) -> None:
    proof = read_proof([_text(data)], "POST", f"{seeds.ISSUER}/token", seeds.NOW)
    _require(0 < len(proof.token_id) <= 256, "a proof has a name")


TARGETS: dict[str, Target] = {
    "jws_verify": Target(_jws_verify, seeds.jws_tokens),
    "jws_verify_json": Target(_jws_verify_json, seeds.jws_documents),
    "jws_header": Target(_header, seeds.headers),
    "jwe_decrypt": Target(_jwe_decrypt, seeds.jwe_tokens),
    "jwe_decrypt_json": Target(_jwe_decrypt_json, seeds.jwe_documents),
    "key_from_jwk": Target(_key_from_jwk, seeds.jwks),
    "key_from_pem": Target(_key_from_pem, seeds.pems),
    "key_set_from_jwks": Target(_key_set_from_jwks, seeds.key_sets),
    "verifier": Target(_verifier, seeds.jwts),
    "verifier_claims": Target(_claims, seeds.claims_texts),
    "dpop_proof": Target(_proof, seeds.proofs),
    "inspect": Target(_inspect, seeds.jws_tokens),
}
