"""Tokens of ours are accepted by other packages, and theirs by us."""

import time

import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import pytest

from carnet import Key, Signer, Verifier

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
ALGORITHMS = [
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
]
KEYS = {alg: Key.generate(alg, size=2048 if alg[1] == "S" else None) for alg in ALGORITHMS[3:9]}
KEYS |= {alg: Key.generate(alg) for alg in ALGORITHMS if alg not in KEYS}


def claims():
    now = int(time.time())
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 60}


def verifier(key):
    return Verifier(key if key.kty == "oct" else key.public, issuer=ISSUER, audience=AUDIENCE)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_pyjwt_accepts_ours_and_we_accept_pyjwts(alg):
    key = KEYS[alg]
    theirs = pyjwt.PyJWK(key.to_jwk(private=True), alg)
    public = theirs if key.kty == "oct" else pyjwt.PyJWK(key.public.to_jwk(), alg)
    ours = Signer(key, issuer=ISSUER, audience=AUDIENCE).sign({"sub": "ada"})
    decoded = pyjwt.decode(ours, public, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE)
    assert decoded["sub"] == "ada"
    token = pyjwt.encode(claims(), theirs, alg, {"kid": key.kid})
    assert verifier(key).verify(token).subject == "ada"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_joserfc_accepts_ours_and_we_accept_joserfcs(alg):
    key = KEYS[alg]
    theirs = joserfc.jwk.import_key(key.to_jwk(private=True))
    ours = Signer(key, issuer=ISSUER, audience=AUDIENCE).sign({"sub": "ada"})
    assert joserfc.jwt.decode(ours, theirs, algorithms=[alg]).claims["sub"] == "ada"
    token = joserfc.jwt.encode({"alg": alg, "kid": key.kid}, claims(), theirs, algorithms=[alg])
    assert verifier(key).verify(token).subject == "ada"
