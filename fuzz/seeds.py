"""Keys that stay the same from run to run, and well-formed inputs to start from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from carnet import Key, KeySet, Signer
from carnet.jose import jwe, jws

__all__ = [
    "AUDIENCE",
    "ISSUER",
    "KEYS",
    "NOW",
    "RECIPIENTS",
    "claims_texts",
    "headers",
    "jwe_documents",
    "jwe_tokens",
    "jwks",
    "jws_documents",
    "jws_tokens",
    "jwts",
    "key_sets",
    "pems",
    "proofs",
]

ISSUER = "https://auth.example.com"
AUDIENCE = "orders"
NOW = 1_795_500_000

ED25519 = {  # RFC 8037 appendix A.1
    "kty": "OKP",
    "crv": "Ed25519",
    "alg": "Ed25519",
    "kid": "signer",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
MAC = Key.from_secret(bytes(range(32)), "HS256", kid="mac")
SIGNER = Key.from_jwk(ED25519)
WRAPPING = Key.from_secret(bytes(range(32)), "A256KW", kid="wrapping")
DIRECT = Key.from_secret(bytes(range(32)), "A256GCM", kid="direct")
AGREEING = Key.from_jwk(
    {  # RFC 8037 appendix A.6, Bob's key
        "kty": "OKP",
        "crv": "X25519",
        "alg": "ECDH-ES",
        "kid": "agreeing",
        "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
    }
)
KEYS = KeySet((MAC, SIGNER))
RECIPIENTS = KeySet((WRAPPING, DIRECT, AGREEING))

Texts = Callable[[], Iterator[bytes]]

_CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "1dfee8d8",
    "iat": NOW,
    "exp": NOW + 300,
    "nbf": NOW,
    "jti": "a",
    "roles": ["ADMIN", {"deep": [1, -2.5e-3, None, True, "\u00e9\U0001f600"]}],
}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def claims_texts() -> Iterator[bytes]:
    """Give claim sets as JSON text."""
    yield _json(_CLAIMS)
    yield _json({"iss": ISSUER, "aud": ["billing", AUDIENCE], "exp": NOW + 1})
    yield json.dumps(_CLAIMS, indent=1, ensure_ascii=False).encode()


def headers() -> Iterator[bytes]:
    """Give protected headers as JSON text."""
    yield _json({"alg": "HS256", "kid": "mac", "typ": "JWT"})
    yield _json({"alg": "HS256", "crit": ["b64"], "b64": False})
    yield _json({"alg": "HS256", "jwk": ED25519, "x5c": ["AA=="], "jku": "https://example.com/"})


def jwts() -> Iterator[bytes]:
    """Give tokens that the verifier of the targets accepts."""
    for key in (MAC, SIGNER):
        signer = Signer(key, issuer=ISSUER, audience=AUDIENCE, clock=lambda: NOW)
        yield signer.sign({"sub": "1dfee8d8"}).encode()
        yield signer.sign(_CLAIMS).encode()


def jws_tokens() -> Iterator[bytes]:
    """Give compact JWS."""
    yield from jwts()
    yield jws.sign(b"$02", MAC, {"b64": False, "crit": ["b64"]}).encode()
    yield jws.sign(b"", SIGNER).encode()


def jws_documents() -> Iterator[bytes]:
    """Give JWS in JSON form."""
    yield _json(jws.sign_json(b"payload", MAC))
    yield _json(jws.sign_json(b"payload", [MAC, SIGNER], unprotected={"note": "x"}))
    yield _json(jws.sign_json(b"$02", MAC, {"b64": False, "crit": ["b64"]}))


def jwe_tokens() -> Iterator[bytes]:
    """Give compact JWE."""
    for key in (WRAPPING, AGREEING):
        for enc in ("A256GCM", "A128CBC-HS256"):
            yield jwe.encrypt(b"plaintext", key, enc).encode()
    yield jwe.encrypt(b"plaintext" * 9, DIRECT, zip="DEF").encode()


def jwe_documents() -> Iterator[bytes]:
    """Give JWE in JSON form."""
    yield _json(jwe.encrypt_json(b"plaintext", WRAPPING, aad=b"more", unprotected={"note": "x"}))
    yield _json(jwe.encrypt_json(b"plaintext", [WRAPPING, WRAPPING]))
    yield _json(jwe.encrypt_json(b"plaintext" * 9, AGREEING, zip="DEF"))


def _any_keys() -> Iterator[Key]:
    yield from (MAC, SIGNER, WRAPPING, DIRECT, AGREEING)
    yield Key.generate("RS256", size=2048)
    yield Key.generate("ES256")
    yield Key.generate("ES512")
    yield Key.generate("Ed448")
    yield Key.generate("ECDH-ES+A128KW", crv="P-256")
    yield Key.generate("ML-DSA-44")


def jwks() -> Iterator[bytes]:
    """Give JWKs, private and public."""
    for key in _any_keys():
        yield _json(key.to_jwk(private=True))
        if key.kty != "oct":
            yield _json(key.to_jwk())


def key_sets() -> Iterator[bytes]:
    """Give JWK Sets."""
    members = [json.loads(text) for text in jwks()]
    yield _json({"keys": members[:4]})
    yield _json({"keys": members, "more": None})
    yield _json({"keys": [{**ED25519, "use": "sig", "key_ops": ["verify"]}, {}, None]})


def pems() -> Iterator[bytes]:
    """Give PEM texts, private and public."""
    for key in _any_keys():
        if key.kty != "oct":
            yield key.to_pem(private=True)
            yield key.to_pem()
    yield Key.generate("ES256").to_pem(private=True, password="correct horse battery staple")


def proofs() -> Iterator[bytes]:
    """DPoP proofs of keys of several kinds, for POST to the issuer's token endpoint."""
    claims = {"htm": "POST", "htu": f"{ISSUER}/token", "iat": NOW, "jti": "1", "nonce": "n"}
    for key in (SIGNER, Key.generate("ES256"), Key.generate("RS256", size=2048)):
        shown = {name: value for name, value in key.public.to_jwk().items() if name != "kid"}
        header = {"typ": "dpop+jwt", "jwk": shown}
        yield jws.sign(_json(claims), key, header).encode()
        yield jws.sign(_json({**claims, "htm": "GET"}), key, header).encode()
