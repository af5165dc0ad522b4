"""Whatever is signed or encrypted here is read here: no header gets out that would be refused."""

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carnet import CarnetError, InvalidToken, Key, KeySet, Signer, Verifier
from carnet.errors import ConfigurationError
from carnet.jose import jwe, jws
from carnet.jose.encoding import json_encode
from carnet.jwt import UNCHECKED

NOW = 1_800_000_000
MAC = Key.generate("HS256")
NAMELESS = Key.from_secret(b"k" * 32, "HS256")
EC = Key.generate("ES256")
WRAP = Key.generate("A128KW")
GCM_WRAP = Key.generate("A128GCMKW")
AGREE = Key.generate("ECDH-ES+A128KW", crv="P-256")
DIRECT = Key.from_secret(b"k" * 32, "dir")
SIGNING = [MAC, NAMELESS, EC]
ENCRYPTING = [WRAP, GCM_WRAP, AGREE, DIRECT]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=9)
    | st.binary(max_size=3)
    | st.sampled_from(["b64", "DEF", "JWT", "A" * 22, "x" * 9_000, "x" * 257, "\ud800"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 2), inner, max_size=3)
    ),
    max_leaves=8,
) | st.sampled_from(
    [["b64"], ["x"], ["b64", "x"], ("b64",), ["exp"], [], json.loads("[" * 40 + "]" * 40)]
)
names = st.sampled_from(
    [
        *("alg", "enc", "zip", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5c", "epk"),
        *("apu", "apv", "iv", "tag", "p2s", "p2c", "exp", "x", "é", "\ud800", ""),
    ]
)
headers = st.dictionaries(names, values, max_size=4)
MANY = settings(max_examples=150, deadline=None)


def as_text(document):
    return json_encode(document)


def in_json(value):
    """Give a value as it is after its way through JSON, where bytes have become text."""
    return msgspec.json.decode(msgspec.json.encode(value))


@MANY
@given(st.sampled_from(SIGNING), headers | st.just({"b64": False, "crit": ["b64"]}), st.booleans())
def test_what_is_signed_is_verified(key, header, detached):
    try:
        token = jws.sign(b"payload", key, header, detached=detached)
    except CarnetError:
        return
    kid = in_json(header.get("kid", key.kid))
    known = Key.from_jwk({**key.to_jwk(private=True), "kid": kid}) if kid else key
    assert jws.verify(token, known, payload=b"payload" if detached else None).payload == b"payload"


@MANY
@given(
    st.lists(st.sampled_from(SIGNING), min_size=1, max_size=3),
    headers | st.just({"b64": False, "crit": ["b64"]}),
    headers,
    st.booleans(),
)
def test_what_is_signed_in_json_form_is_verified(keys, header, unprotected, detached):
    try:
        document = jws.sign_json(
            b"payload", keys, header, unprotected=unprotected, detached=detached
        )
    except CarnetError:
        return
    if header.get("kid", unprotected.get("kid")) is not None:
        named = in_json(header.get("kid", unprotected.get("kid")))
        keys = [Key.from_jwk({**key.to_jwk(private=True), "kid": named}) for key in keys]
    given = b"payload" if detached else None
    for form in (document, as_text(document)):
        verified = jws.verify_json(form, KeySet(keys), payload=given)
        assert verified.payload == b"payload"


@MANY
@given(st.sampled_from(ENCRYPTING), headers, st.sampled_from([None, "DEF"]))
@example(ENCRYPTING[0], {"kid": ""}, None)
def test_what_is_encrypted_is_decrypted(key, header, method):
    try:
        token = jwe.encrypt(b"text", key, "A128CBC-HS256", header, method)
    except CarnetError:
        return
    kid = in_json(header.get("kid", key.kid))
    known = Key.from_jwk({**key.to_jwk(private=True), "kid": kid}) if kid else key
    assert jwe.decrypt(token, known, max_inflated=100).plaintext == b"text"


@MANY
@example([DIRECT], {}, {"kid": b"k"}, None, None)
@given(
    st.lists(st.sampled_from(ENCRYPTING[:3]), min_size=1, max_size=3) | st.just([DIRECT]),
    headers,
    headers,
    st.sampled_from([None, "DEF"]),
    st.sampled_from([None, b"", b"aad"]),
)
def test_what_is_encrypted_in_json_form_is_decrypted(keys, header, unprotected, method, aad):
    try:
        document = jwe.encrypt_json(
            b"text", keys, "A128CBC-HS256", header, unprotected=unprotected, zip=method, aad=aad
        )
    except CarnetError:
        return
    named = in_json(header.get("kid", unprotected.get("kid")))
    for form in (document, as_text(document)):
        for key in keys:
            known = Key.from_jwk({**key.to_jwk(private=True), "kid": named}) if named else key
            assert jwe.decrypt_json(form, known, max_inflated=100).plaintext == b"text"


@MANY
@given(st.dictionaries(st.text(max_size=5) | names, values, max_size=4), st.text(min_size=1))
def test_what_a_signer_signs_a_verifier_accepts(claims, kind):
    try:
        signer = Signer(MAC, issuer="a", audience="b", clock=lambda: NOW, type=kind)
        token = signer.sign(claims)
    except CarnetError:
        return
    verifier = Verifier(MAC, issuer=UNCHECKED, audience=UNCHECKED, type=kind, clock=lambda: NOW)
    assert verifier.verify(token).expires_at == claims.get("exp", NOW + 300)


@pytest.mark.parametrize(
    "unprotected",
    [
        {"crit": ["x"], "x": 1},
        {"b64": False},
        {"b64": True},
        {"kid": 5},
        {"kid": "k" * 257},
        {"typ": None},
        {"cty": 1},
        {"alg": "HS256"},
        {"x": {1: 0, "1": 0}},
        {"x": object()},
    ],
)
def test_no_open_header_gets_out_that_would_be_refused(unprotected):
    with pytest.raises(InvalidToken):
        jws.sign_json(b"x", NAMELESS, unprotected=unprotected)
    if "b64" not in unprotected:
        key = Key.from_secret(b"k" * 16, "A128KW")
        with pytest.raises(InvalidToken):
            jwe.encrypt_json(b"x", key, unprotected=unprotected)


@pytest.mark.parametrize("header", [{"zip": "DEF"}, {"zip": 1}, {"enc": 5}, {"crit": ["zip"]}])
def test_no_recipient_s_header_gets_out_that_would_be_refused(header):
    with pytest.raises(InvalidToken):
        jwe.encrypt_json(b"x", WRAP, unprotected=header)


@pytest.mark.parametrize(
    ("key", "name"), [(AGREE, "epk"), (GCM_WRAP, "iv"), (GCM_WRAP, "tag"), (WRAP, "kid")]
)
def test_what_a_recipient_s_key_needs_stands_nowhere_else(key, name):
    for where in ("header", "unprotected"):
        with pytest.raises(InvalidToken):
            jwe.encrypt_json(b"x", key, **{where: {name: "A" * 16}})


@pytest.mark.parametrize("write", [jws.sign, jws.sign_json, jwe.encrypt, jwe.encrypt_json])
def test_a_header_that_is_too_long_to_be_read_is_not_written(write):
    key = MAC if write in (jws.sign, jws.sign_json) else WRAP
    with pytest.raises(InvalidToken) as refused:
        write(b"x", key, header={"x": "y" * 8_192})
    assert refused.value.code == "too_large"


def test_headers_that_are_no_mappings_are_told():
    for work in (
        lambda: jws.sign_json(b"x", MAC, unprotected=[1]),
        lambda: jwe.encrypt_json(b"x", WRAP, unprotected="text"),
    ):
        with pytest.raises(ConfigurationError, match="unprotected"):
            work()
