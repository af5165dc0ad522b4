"""Tokens of ours are accepted by other packages, and theirs by us, claims and all."""

import json
import time

import joserfc.jwk
import joserfc.jwt
import jwcrypto.jwk
import jwcrypto.jws
import jwcrypto.jwt
import jwt as pyjwt
import pytest
from joserfc.jws import JWSRegistry

from carnet import InvalidToken, Key, Signer, Verifier
from carnet.jose.algorithms import ALGORITHMS

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
OURS = [row.name for row in ALGORITHMS.values() if row.use == "sig"]
ENCRYPTIONS = [
    *("RSA-OAEP", "RSA-OAEP-256", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A256GCMKW"),
    *("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW", "dir"),
]
CONTENTS = [
    *("A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"),
]
MORE = {
    "sub": "ada",
    "roles": ["ADMIN"],
    "name": "Ada \u00c5\U0001f600",
    "n": 2**53,
    "x": {"y": None},
}


def generate(alg):
    size = {"R": 2048, "P": 2048}.get(alg[0])
    return Key.generate(alg, size=size, crv="P-256" if alg.startswith("ECDH") else None)


KEYS = {alg: generate(alg) for alg in [*OURS, *ENCRYPTIONS]}
SIGNED_WITH = KEYS["ES256"]


class PyJwt:
    algorithms = pyjwt.algorithms.get_default_algorithms()

    @staticmethod
    def _key(key):
        return pyjwt.PyJWK(key.to_jwk(private=key.is_private), key.alg)

    def sign(self, claims, key):
        return pyjwt.encode(claims, self._key(key), key.alg, {"kid": key.kid})

    def verify(self, token, key):
        return pyjwt.decode(
            token,
            self._key(key),
            [key.alg],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp"]},
        )


class Joserfc:
    algorithms = JWSRegistry.algorithms
    registry = joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}
    )

    @staticmethod
    def _key(key):
        return joserfc.jwk.import_key(key.to_jwk(private=key.is_private))

    def sign(self, claims, key):
        header = {"alg": key.alg, "kid": key.kid}
        return joserfc.jwt.encode(header, claims, self._key(key), algorithms=[key.alg])

    def verify(self, token, key):
        found = joserfc.jwt.decode(token, self._key(key), algorithms=[key.alg])
        self.registry.validate(found.claims)
        return found.claims


class Jwcrypto:
    algorithms = jwcrypto.jws.default_allowed_algs

    @staticmethod
    def _key(key):
        return jwcrypto.jwk.JWK(**key.to_jwk(private=key.is_private))

    def sign(self, claims, key):
        made = jwcrypto.jwt.JWT(
            header={"alg": key.alg, "kid": key.kid}, claims=claims, algs=[key.alg]
        )
        made.make_signed_token(self._key(key))
        return made.serialize()

    def verify(self, token, key):
        checked = {"iss": ISSUER, "aud": AUDIENCE, "exp": None}
        found = jwcrypto.jwt.JWT(check_claims=checked, algs=[key.alg], expected_type="JWS")
        found.deserialize(token, self._key(key))
        return json.loads(found.claims)


PEERS = [PyJwt(), Joserfc(), Jwcrypto()]
PAIRS = [
    pytest.param(peer, alg, id=f"{peer.__class__.__name__} {alg}")
    for peer in PEERS
    for alg in OURS
    if alg in peer.algorithms
]


def public(key):
    return key if key.kty == "oct" else key.public


def claims(**changes):
    now = int(time.time())
    return {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60, **MORE, **changes}


def verifier(key, **options):
    return Verifier(public(key), issuer=ISSUER, audience=AUDIENCE, **options)


def signer(key, **options):
    return Signer(key, issuer=ISSUER, audience=AUDIENCE, **options)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("peer", "alg"), PAIRS)
def test_a_peer_reads_our_claims(peer, alg):
    key = KEYS[alg]
    found = peer.verify(signer(key).sign(MORE), public(key))
    assert (found["iss"], found["aud"], found["exp"] - found["iat"]) == (ISSUER, AUDIENCE, 300)
    assert {name: found[name] for name in MORE} == MORE


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("peer", "alg"), PAIRS)
def test_we_read_a_peers_claims(peer, alg):
    key, given = KEYS[alg], claims()
    assert verifier(key).verify(peer.sign(given, key)) == given
    several = claims(aud=["billing", AUDIENCE])
    assert verifier(key).verify(peer.sign(several, key)).audience == ("billing", AUDIENCE)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("peer", "alg"), PAIRS)
def test_we_refuse_of_a_peers_tokens_what_the_policy_forbids(peer, alg):
    key, now = KEYS[alg], int(time.time())
    for changes, code in [
        ({"exp": now - 10}, "expired"),
        ({"nbf": now + 100}, "not_yet_valid"),
        ({"iss": "other"}, "issuer_mismatch"),
        ({"aud": "other"}, "audience_mismatch"),
    ]:
        with pytest.raises(InvalidToken) as refusal:
            verifier(key).verify(peer.sign(claims(**changes), key))
        assert refusal.value.code == code
    token = peer.sign(claims(), key)
    with pytest.raises(InvalidToken) as refusal:
        verifier(generate(alg)).verify(token)
    assert refusal.value.code == "key_not_found"


@pytest.mark.parametrize("enc", CONTENTS)
@pytest.mark.parametrize("alg", ENCRYPTIONS)
def test_encrypted_tokens_go_both_ways_with_jwcrypto(alg, enc):
    recipient = generate(enc) if alg == "dir" else KEYS[alg]
    theirs = jwcrypto.jwk.JWK(
        **{**recipient.to_jwk(private=True), "alg": alg if alg != "dir" else enc}
    )
    ours = signer(SIGNED_WITH, encrypt_to=public(recipient), enc=enc).sign(MORE)
    opened = jwcrypto.jwt.JWT(algs=[alg, enc], expected_type="JWE")
    opened.deserialize(ours, theirs)
    assert Jwcrypto().verify(opened.claims, SIGNED_WITH.public)["sub"] == "ada"
    header = {"alg": alg, "enc": enc, "cty": "JWT", "kid": recipient.kid}
    sealed = jwcrypto.jwt.JWT(
        header=header, claims=Jwcrypto().sign(claims(), SIGNED_WITH), algs=[alg, enc]
    )
    sealed.make_encrypted_token(theirs)
    found = verifier(SIGNED_WITH, decryption=recipient).verify(sealed.serialize())
    assert {name: found[name] for name in MORE} == MORE


def test_every_algorithm_of_ours_is_compared_with_a_peer():
    assert {alg for peer in PEERS for alg in OURS if alg in peer.algorithms} == set(OURS)
