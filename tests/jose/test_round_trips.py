"""Whatever is signed or encrypted comes back, for every algorithm in every serialization."""

from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carnet import InvalidToken, Key, KeySet
from carnet.jose import jwe, jws
from carnet.jose.algorithms import ALGORITHMS, ENCRYPTIONS, AlgorithmName

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])

CURVES = {
    "EdDSA": ["Ed25519", "Ed448"],
    "ECDH-ES": ["P-256", "P-384", "P-521", "X25519", "X448"],
}


def make(alg):
    size = 2048 if ALGORITHMS[alg].kty == "RSA" else None
    for crv in CURVES.get(alg.partition("+")[0], [None]):
        yield Key.generate(alg, size=size, crv=crv)


SIGNERS = [key for row in ALGORITHMS.values() if row.use == "sig" for key in make(row.name)]
RECIPIENTS = [
    key
    for row in ALGORITHMS.values()
    if row.use == "enc" and row.family != "dir" and not row.decrypt_only
    for key in make(row.name)
]
DIRECT = [Key.generate(enc) for enc in ENCRYPTIONS]


def name(key):
    curve = key.to_jwk(private=True).get("crv", "")
    return f"{key.alg} {curve}".strip() if isinstance(key, Key) else str(key)


def public(key):
    return key if key.kty == "oct" else key.public


signers = pytest.mark.parametrize("key", SIGNERS, ids=name)
recipients = pytest.mark.parametrize("key", RECIPIENTS, ids=name)
encryptions = pytest.mark.parametrize("enc", list(ENCRYPTIONS))


@signers
@FEW
@given(payload=st.binary(max_size=200))
def test_compact(key, payload):
    token = jws.sign(payload, key, {"typ": "x"})
    verified = jws.verify(token, KeySet([public(key)]))
    assert (verified.payload, verified.header["typ"]) == (payload, "x")


@signers
@FEW
@given(payload=st.binary(max_size=200))
def test_detached(key, payload):
    token = jws.sign(payload, key, detached=True)
    assert ".." in token
    assert jws.verify(token, public(key), payload=payload).payload == payload
    with pytest.raises(InvalidToken):
        jws.verify(token, public(key), payload=payload + b"x")


@signers
@FEW
@given(payload=st.binary(max_size=200))
def test_unencoded_and_detached(key, payload):
    token = jws.sign(payload, key, {"b64": False, "crit": ["b64"]}, detached=True)
    assert jws.verify(token, public(key), payload=payload).payload == payload


@signers
@FEW
@given(
    payload=st.text(
        st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="."), min_size=1
    )
)
def test_unencoded(key, payload):
    token = jws.sign(payload.encode(), key, {"b64": False, "crit": ["b64"]})
    assert f".{payload}." in token
    assert jws.verify(token, public(key)).payload == payload.encode()


@signers
@FEW
@given(payload=st.binary(max_size=200), flattened=st.booleans())
def test_json(key, payload, flattened):
    document = jws.sign_json(payload, key, unprotected={"note": "n"}, flattened=flattened)
    assert ("signatures" in document) is not flattened
    verified = jws.verify_json(document, public(key))
    assert verified.payload == payload
    assert verified.signatures[0][0]["note"] == "n"


@FEW
@given(payload=st.binary(max_size=200), chosen=st.sets(st.sampled_from(SIGNERS), min_size=2))
def test_json_with_several_signatures(payload, chosen):
    keys = sorted(chosen, key=lambda key: key.kid)[:16]
    document = jws.sign_json(payload, keys)
    everyone = KeySet(map(public, keys))
    assert len(jws.verify_json(document, everyone).signatures) == len(keys)
    assert jws.verify_json(document, public(keys[0]), require="any").payload == payload
    assert jws.verify_json(document, everyone, require=[public(keys[1])]).payload == payload
    with pytest.raises(InvalidToken):
        jws.verify_json(document, public(keys[0]), require="all")
    with pytest.raises(InvalidToken):
        jws.verify_json(document, public(keys[0]), require=[public(keys[1])])


@recipients
@encryptions
@settings(FEW, max_examples=3)
@given(plaintext=st.binary(max_size=200))
def test_encrypted_compact(key, enc, plaintext):
    token = jwe.encrypt(plaintext, public(key), enc)
    assert jwe.decrypt(token, KeySet([key])).plaintext == plaintext


@pytest.mark.parametrize("key", DIRECT, ids=name)
@FEW
@given(plaintext=st.binary(max_size=200))
def test_encrypted_directly(key, plaintext):
    assert jwe.decrypt(jwe.encrypt(plaintext, key), key).plaintext == plaintext
    document = jwe.encrypt_json(plaintext, key, aad=b"a")
    assert "encrypted_key" not in document
    assert jwe.decrypt_json(document, key).plaintext == plaintext


@recipients
@settings(FEW, max_examples=3)
@given(plaintext=st.binary(max_size=200), aad=st.none() | st.binary(max_size=50))
def test_encrypted_json(key, plaintext, aad):
    for flattened in (True, False):
        document = jwe.encrypt_json(
            plaintext, public(key), aad=aad, unprotected={"note": "n"}, flattened=flattened
        )
        assert ("recipients" in document) is not flattened
        opened = jwe.decrypt_json(document, key)
        assert (opened.plaintext, opened.header["note"]) == (plaintext, "n")
        if aad is not None:
            with pytest.raises(InvalidToken):
                jwe.decrypt_json({**document, "aad": "eHh4"}, key)


@settings(FEW, max_examples=15)
@given(
    plaintext=st.binary(max_size=200),
    chosen=st.sets(
        st.sampled_from([key for key in RECIPIENTS if key.alg != "ECDH-ES"]),
        min_size=2,
        max_size=16,
    ),
    enc=st.sampled_from(sorted(ENCRYPTIONS)),
)
def test_encrypted_json_to_several_recipients(plaintext, chosen, enc):
    keys = sorted(chosen, key=lambda key: key.kid)
    document = jwe.encrypt_json(plaintext, [public(key) for key in keys], enc, aad=b"x")
    for key in keys:
        assert jwe.decrypt_json(document, key).plaintext == plaintext
    with pytest.raises(InvalidToken):
        jwe.decrypt_json(document, Key.generate("A256KW"))


@FEW
@given(plaintext=st.binary(max_size=2000))
def test_compressed(plaintext):
    key = DIRECT[0]
    for token in (
        jwe.encrypt(plaintext, key, zip="DEF"),
        jwe.encrypt(plaintext * 3, key, zip="DEF"),
    ):
        assert jwe.decrypt(token, key, max_inflated=10_000).plaintext.startswith(plaintext)


@pytest.mark.parametrize("key", [*SIGNERS, *RECIPIENTS, *DIRECT], ids=name)
def test_every_key_goes_out_and_comes_in(key):
    jwk = key.to_jwk(private=True)
    assert Key.from_jwk(jwk) == key
    if key.kty == "oct":
        return
    assert Key.from_jwk(key.public.to_jwk()) == key.public
    assert "d" not in key.public.to_jwk()
    assert "priv" not in key.public.to_jwk()
    for password in (None, "long enough", b"bytes"):
        pem = key.to_pem(private=True, password=password)
        assert Key.from_pem(pem, key.alg, password, kid=key.kid) == key
    assert Key.from_pem(key.public.to_pem(), key.alg, kid=key.kid) == key.public
    assert len(key.thumbprint()) == 43
    assert key.thumbprint() == key.public.thumbprint()


def test_the_names_of_algorithms_that_a_type_checker_knows_are_those_that_there_are():
    assert list(get_args(AlgorithmName)) == [*ALGORITHMS, *ENCRYPTIONS]
