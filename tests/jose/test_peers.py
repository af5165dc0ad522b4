"""JWE and JWS against joserfc and jwcrypto, both ways, in every mode that both sides have."""

import json

import jwcrypto.jwe
import jwcrypto.jwk
import jwcrypto.jws
import pytest
from joserfc import jwe as joserfc_jwe
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from joserfc.jwe import GeneralJSONEncryption

from carnet import Key
from carnet.jose import jwe, jws

PLAINTEXT = b"the same bytes for everyone \x00\xff"
WRAPPING = [
    *("RSA-OAEP", "RSA-OAEP-256", "A128KW", "A192KW", "A256KW"),
    *("A128GCMKW", "A192GCMKW", "A256GCMKW"),
    *("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"),
]
ENCRYPTIONS = [
    *("A128GCM", "A192GCM", "A256GCM"),
    *("A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"),
]
CURVES = ["P-256", "P-384", "P-521", "X25519"]
SIGNING = [
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "ES256K", "Ed25519"),
]


def keys(alg):
    if alg.startswith("ECDH"):
        return [Key.generate(alg, crv=crv) for crv in CURVES]
    return [Key.generate(alg, size=2048 if alg.startswith(("RSA", "RS", "PS")) else None)]


MADE = {alg: keys(alg) for alg in [*WRAPPING, *SIGNING]}
wrapped = pytest.mark.parametrize("alg", WRAPPING)
encrypted = pytest.mark.parametrize("enc", ENCRYPTIONS)
signed = pytest.mark.parametrize("alg", SIGNING)


def public(key):
    return key if key.kty == "oct" else key.public


def bare_jwk(key):
    """Without 'alg' and 'use', which some peers understand otherwise."""
    jwk = key.to_jwk(private=True)
    return {name: value for name, value in jwk.items() if name not in ("alg", "use", "kid")}


@wrapped
@encrypted
def test_joserfc_reads_our_jwe_and_we_read_joserfcs(alg, enc):
    for key in MADE[alg]:
        theirs = joserfc_jwk.import_key(bare_jwk(key))
        allowed = [alg, enc]
        ours = jwe.encrypt(PLAINTEXT, public(key), enc)
        opened = joserfc_jwe.decrypt_compact(ours, theirs, algorithms=allowed)
        assert opened.plaintext == PLAINTEXT
        header = {"alg": alg, "enc": enc}
        token = joserfc_jwe.encrypt_compact(header, PLAINTEXT, theirs, algorithms=allowed)
        assert jwe.decrypt(token, key).plaintext == PLAINTEXT


@wrapped
@encrypted
def test_jwcrypto_reads_our_jwe_and_we_read_jwcryptos(alg, enc):
    for key in MADE[alg]:
        theirs = jwcrypto.jwk.JWK(**bare_jwk(key))
        found = jwcrypto.jwe.JWE(algs=[alg, enc])
        found.deserialize(jwe.encrypt(PLAINTEXT, public(key), enc), theirs)
        assert found.payload == PLAINTEXT
        header = json.dumps({"alg": alg, "enc": enc})
        token = jwcrypto.jwe.JWE(PLAINTEXT, header, algs=[alg, enc], recipient=theirs)
        assert jwe.decrypt(token.serialize(compact=True), key).plaintext == PLAINTEXT
        assert jwe.decrypt_json(token.serialize(), key).plaintext == PLAINTEXT


@encrypted
def test_direct_encryption_is_the_same_everywhere(enc):
    key = Key.generate(enc)
    theirs = joserfc_jwk.import_key(bare_jwk(key))
    ours = jwe.encrypt(PLAINTEXT, key)
    opened = joserfc_jwe.decrypt_compact(ours, theirs, algorithms=["dir", enc])
    assert opened.plaintext == PLAINTEXT
    header = {"alg": "dir", "enc": enc}
    token = joserfc_jwe.encrypt_compact(header, PLAINTEXT, theirs, algorithms=["dir", enc])
    assert jwe.decrypt(token, key).plaintext == PLAINTEXT
    other = jwcrypto.jwk.JWK(**bare_jwk(key))
    made = jwcrypto.jwe.JWE(PLAINTEXT, json.dumps(header), algs=["dir", enc], recipient=other)
    assert jwe.decrypt(made.serialize(compact=True), key).plaintext == PLAINTEXT
    found = jwcrypto.jwe.JWE(algs=["dir", enc])
    found.deserialize(ours, other)
    assert found.payload == PLAINTEXT


def test_a_jwe_for_several_recipients_is_read_by_each_peer():
    chosen = [MADE["RSA-OAEP-256"][0], MADE["ECDH-ES+A256KW"][0], MADE["A128KW"][0]]
    document = jwe.encrypt_json(
        PLAINTEXT, [public(key) for key in chosen], "A128CBC-HS256", aad=b"seen by all"
    )
    for key in chosen:
        found = jwcrypto.jwe.JWE()
        found.allowed_algs = [key.alg, "A128CBC-HS256"]
        found.deserialize(json.dumps(document), jwcrypto.jwk.JWK(**bare_jwk(key)))
        assert found.payload == PLAINTEXT
    made = GeneralJSONEncryption({"enc": "A128CBC-HS256"}, PLAINTEXT, aad=b"seen by all")
    for key in chosen:
        made.add_recipient({"alg": key.alg}, joserfc_jwk.import_key(bare_jwk(key)))
    theirs = joserfc_jwe.encrypt_json(
        made, None, algorithms=[*(key.alg for key in chosen), "A128CBC-HS256"]
    )
    for key in chosen:
        assert jwe.decrypt_json(theirs, key).plaintext == PLAINTEXT


@signed
def test_joserfc_verifies_our_jws_and_we_verify_joserfcs(alg):
    [key] = MADE[alg]
    theirs = joserfc_jwk.import_key(bare_jwk(key))
    ours = jws.sign(PLAINTEXT, key)
    assert joserfc_jws.deserialize_compact(ours, theirs, algorithms=[alg]).payload == PLAINTEXT
    token = joserfc_jws.serialize_compact({"alg": alg}, PLAINTEXT, theirs, algorithms=[alg])
    assert jws.verify(token, public(key)).payload == PLAINTEXT
    document = joserfc_jws.serialize_json({"protected": {"alg": alg}}, PLAINTEXT, theirs, [alg])
    assert jws.verify_json(document, public(key)).payload == PLAINTEXT
    ours = jws.sign_json(PLAINTEXT, key)
    assert joserfc_jws.deserialize_json(ours, theirs, [alg]).payload == PLAINTEXT


@signed
def test_jwcrypto_verifies_our_jws_and_we_verify_jwcryptos(alg):
    [key] = MADE[alg]
    named = "EdDSA" if alg == "Ed25519" else alg
    bound = Key.from_jwk({**key.to_jwk(private=True), "alg": named})
    theirs = jwcrypto.jwk.JWK(**bare_jwk(key))
    found = jwcrypto.jws.JWS()
    found.allowed_algs = [named]
    found.deserialize(jws.sign(PLAINTEXT, bound), theirs)
    assert found.payload == PLAINTEXT
    made = jwcrypto.jws.JWS(PLAINTEXT)
    made.allowed_algs = [named]
    made.add_signature(theirs, protected=json.dumps({"alg": named}))
    assert jws.verify(made.serialize(compact=True), public(key)).payload == PLAINTEXT
    assert jws.verify_json(made.serialize(), public(key)).payload == PLAINTEXT


@pytest.mark.parametrize("alg", [*WRAPPING, *SIGNING])
def test_thumbprints_are_the_peers_too(alg):
    for key in MADE[alg]:
        assert key.thumbprint() == jwcrypto.jwk.JWK(**bare_jwk(key)).thumbprint()
        assert key.thumbprint() == joserfc_jwk.import_key(bare_jwk(key)).thumbprint()
