"""Keys: consistent, strong enough, bound to one algorithm, or not made at all."""

import contextlib
import json
from base64 import b64encode, urlsafe_b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from carnet import ConfigurationError, InvalidKey, InvalidToken, Key, KeySet
from carnet.errors import CarnetError
from carnet.jose import jwe, jws
from carnet.jose.encoding import b64url_decode, b64url_encode

EC = Key.generate("ES256")
RSA = Key.generate("RS256", size=2048)
ED = Key.generate("Ed25519")
X = Key.generate("ECDH-ES", crv="X25519")
ML = Key.generate("ML-DSA-44")
MAC = Key.generate("HS256")


def jwk(key, **changes):
    made = {**key.to_jwk(private=True), **changes}
    return {name: value for name, value in made.items() if value is not None}


def flip(text):
    data = bytearray(b64url_decode(text))
    data[-1] ^= 1
    return b64url_encode(bytes(data))


E = jwk(EC)
R = jwk(RSA)
O = jwk(ED)  # noqa: E741 - the key type's own letter


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kty": "none"},
        {"kty": ["EC"]},
        {**E, "x": flip(E["x"])},
        {**E, "y": flip(E["y"])},
        {**E, "d": flip(E["d"])},
        {**E, "d": b64url_encode(b"\0" * 32)},
        {**E, "d": b64url_encode(b"\xff" * 32)},
        {**E, "x": E["x"] + "="},
        {**E, "x": b64url_encode(b"\0" + b64url_decode(E["x"]))},
        {**E, "x": b64url_encode(b64url_decode(E["x"])[1:])},
        {**E, "x": 5},
        {**E, "x": None},
        {name: value for name, value in E.items() if name != "y"},
        {**E, "crv": "P-384"},
        {**E, "crv": "P-224"},
        {**E, "crv": 1},
        {**E, "alg": "ES384"},
        {**E, "alg": "HS256"},
        {**E, "alg": "none"},
        {**E, "alg": 1},
        {**E, "kid": 1},
        {**E, "kid": ""},
        {**E, "kid": "k" * 257},
        {**E, "use": "enc"},
        {**E, "use": 1},
        {**E, "key_ops": "sign"},
        {**E, "key_ops": ["sign", "sign"]},
        {**E, "key_ops": [1]},
        {**O, "x": flip(O["x"])},
        {**O, "x": b64url_encode(b64url_decode(O["x"])[1:])},
        {**O, "d": b64url_encode(b"d" * 31)},
        {**O, "crv": "Ed448"},
        {**O, "crv": "X25519"},
        {**R, "n": flip(R["n"])},
        {**R, "d": flip(R["d"])},
        {**R, "p": flip(R["p"])},
        {**R, "dp": flip(R["dp"])},
        {**R, "qi": flip(R["qi"])},
        {**R, "e": b64url_encode(b"\x01")},
        {**R, "e": b64url_encode(b"\x02")},
        {**R, "n": b64url_encode(b"\0" + b64url_decode(R["n"]))},
        {**R, "oth": [{"r": "AQ", "d": "AQ", "t": "AQ"}]},
        {name: value for name, value in R.items() if name != "q"},
        {**jwk(ML), "pub": flip(jwk(ML)["pub"])},
        {**jwk(ML), "priv": b64url_encode(b"p" * 31)},
        {**jwk(ML), "alg": "ML-DSA-65"},
        {name: value for name, value in jwk(ML).items() if name != "alg"},
        {"kty": "oct", "k": "AAAA", "alg": "HS256"},
        {"kty": "oct", "k": b64url_encode(b"k" * 47), "alg": "HS384"},
        {"kty": "oct", "k": b64url_encode(b"k" * 63), "alg": "HS512"},
        {"kty": "oct", "k": b64url_encode(b"k" * 33), "alg": "A256KW"},
        {"kty": "oct", "k": b64url_encode(b"k" * 31), "alg": "A256GCM"},
        {"kty": "oct", "k": b64url_encode(b"k" * 17), "alg": "dir"},
        {"kty": "oct", "k": "", "alg": "PBES2-HS256+A128KW"},
        {"kty": "oct", "k": b64url_encode(b"k" * 32)},
        {"kty": "oct", "alg": "HS256"},
        {"kty": "oct", "k": b64url_encode(b"k" * 32), "alg": "ES256"},
    ],
)
def test_a_jwk_that_is_not_consistent_or_too_weak_is_refused(document):
    with pytest.raises(InvalidKey) as refused:
        Key.from_jwk(document)
    for name in ("d", "k", "p", "priv"):
        value = document.get(name)
        if isinstance(value, str) and len(value) > 8:
            assert value not in str(refused.value)


@pytest.mark.parametrize(
    "document",
    ["", "{", "[]", '{"kty":"EC","kty":"EC"}', b"\xff", "\ud800", 5, None, " " * 70_000],
)
def test_what_is_no_jwk_is_refused(document):
    with pytest.raises(InvalidKey):
        Key.from_jwk(document)


def test_a_jwk_is_read_from_text_bytes_and_mappings_alike():
    for form in (E, json.dumps(E), json.dumps(E).encode()):
        assert Key.from_jwk(form) == EC


def test_unknown_members_are_ignored():
    assert Key.from_jwk({**E, "x5u": "https://x.example", "note": 1}) == EC


@pytest.mark.parametrize("size", [512, 1024, 2047])
def test_short_rsa_keys_are_refused_wherever_they_come_from(size):
    with pytest.raises(InvalidKey):
        Key.generate("RS256", size=size)
    if size != 1024:
        return
    short = rsa.generate_private_key(65537, size)
    numbers = short.private_numbers()
    as_text = {
        name: b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        for name, value in {
            "n": numbers.public_numbers.n,
            "e": 65537,
            "d": numbers.d,
            "p": numbers.p,
            "q": numbers.q,
            "dp": numbers.dmp1,
            "dq": numbers.dmq1,
            "qi": numbers.iqmp,
        }.items()
    }
    for members in (as_text, {name: as_text[name] for name in ("n", "e")}):
        with pytest.raises(InvalidKey, match="2048"):
            Key.from_jwk({"kty": "RSA", "alg": "RS256", **members})
    with pytest.raises(InvalidKey, match="2048"):
        Key.from_pem(pem(short), "RS256")


def pem(key, form=serialization.PrivateFormat.PKCS8, encoding=serialization.Encoding.PEM):
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def test_every_form_of_private_key_file_is_read():
    curve, modulus = ec.generate_private_key(ec.SECP256R1()), RSA
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        assert Key.from_pem(pem(curve, form)).is_private
        der = pem(curve, form, serialization.Encoding.DER)
        assert Key.from_der(der) == Key.from_pem(pem(curve, form).decode())
        loaded = serialization.load_pem_private_key(modulus.to_pem(private=True), None)
        assert Key.from_pem(pem(loaded, form), "PS256").alg == "PS256"


def test_every_form_of_public_key_file_is_read():
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    for encoding, read in (
        (serialization.Encoding.PEM, Key.from_pem),
        (serialization.Encoding.DER, Key.from_der),
    ):
        assert not read(public.public_bytes(encoding, spki)).is_private
        assert read(certificate(private, encoding)) == read(public.public_bytes(encoding, spki))
    loaded = serialization.load_pem_public_key(RSA.public.to_pem())
    pkcs1 = loaded.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    assert Key.from_pem(pkcs1, "RS256", kid=RSA.kid) == RSA.public


def certificate(private, encoding):
    from datetime import UTC, datetime, timedelta

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(private, hashes.SHA256())
        .public_bytes(encoding)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        "nothing",
        "\udc80",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        b"x" * 70_000,
        5,
        None,
    ],
)
def test_what_is_no_key_file_is_refused(data):
    for read in (Key.from_pem, Key.from_der):
        with pytest.raises(InvalidKey):
            read(data)


def test_keys_of_kinds_that_jose_does_not_have_are_refused():
    for other in (dsa.generate_private_key(2048), ec.generate_private_key(ec.SECP224R1())):
        with pytest.raises(InvalidKey):
            Key.from_pem(pem(other))


@pytest.mark.parametrize("other", [RSA, X])
def test_a_key_file_that_leaves_its_algorithm_open_asks_for_it(other):
    with pytest.raises(InvalidKey, match="alg="):
        Key.from_pem(other.to_pem(private=True))


@pytest.mark.parametrize(
    ("key", "alg"),
    [(EC, "ES384"), (EC, "RS256"), (RSA, "ES256"), (ED, "ES256"), (X, "EdDSA"), (ML, "ML-DSA-65")],
)
def test_a_key_file_is_not_bound_to_an_algorithm_of_another_kind(key, alg):
    with pytest.raises(InvalidKey):
        Key.from_pem(key.to_pem(private=True), alg)


def test_passwords_of_key_files():
    sealed = EC.to_pem(private=True, password="right one")
    assert Key.from_pem(sealed, password=b"right one", kid=EC.kid) == EC
    for wrong in ("wrong", None, "", "x" * 2000, 5):
        with pytest.raises(InvalidKey) as refused:
            Key.from_pem(sealed, password=wrong)
        assert "right one" not in str(refused.value)
    with pytest.raises(InvalidKey, match="not encrypted"):
        Key.from_pem(EC.to_pem(private=True), password="x")
    for wrong in ("", "x" * 2000):
        with pytest.raises(InvalidKey):
            EC.to_pem(private=True, password=wrong)


PUBLIC_PEM = RSA.public.to_pem()
SPKI = serialization.load_pem_public_key(PUBLIC_PEM).public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
SSH = (
    ed25519.Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
)


@pytest.mark.parametrize(
    "secret",
    [
        PUBLIC_PEM,
        PUBLIC_PEM.strip(),
        b"\n\n" + PUBLIC_PEM,
        b"\xef\xbb\xbf" + PUBLIC_PEM,
        EC.to_pem(private=True),
        EC.to_pem(private=True, password="some password"),
        SPKI,
        SPKI + b"\n",
        b64encode(SPKI),
        urlsafe_b64encode(SPKI).rstrip(b"="),
        b64encode(PUBLIC_PEM),
        SSH,
        json.dumps(RSA.public.to_jwk()).encode(),
        json.dumps(RSA.public.to_jwk(), indent=2).encode(),
        b64encode(json.dumps(RSA.public.to_jwk()).encode()),
        certificate(ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.PEM),
        certificate(ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.DER),
    ],
)
def test_the_text_of_a_key_is_no_secret(secret):
    with pytest.raises(InvalidKey, match="not a secret"):
        Key.from_secret(secret, "HS256")
    with pytest.raises(InvalidKey):
        Key.from_jwk({"kty": "oct", "alg": "HS256", "k": b64url_encode(secret)})


@pytest.mark.parametrize(
    ("secret", "alg"),
    [
        ("text" * 10, "HS256"),
        (None, "HS256"),
        (b"k" * 31, "HS256"),
        (b"k" * 32, "ES256"),
        (b"k" * 32, "RS256"),
        (b"k" * 32, "none"),
        (b"k" * 32, None),
        (b"k" * 31, "A256KW"),
        (b"k" * 31, "A256GCM"),
    ],
)
def test_a_secret_of_another_kind_or_length_is_refused(secret, alg):
    with pytest.raises(InvalidKey):
        Key.from_secret(secret, alg)


@pytest.mark.parametrize(
    ("alg", "options"),
    [
        ("none", {}),
        (None, {}),
        ("RS256", {"size": 20_000}),
        ("RS256", {"size": "2048"}),
        ("ES256", {"crv": "P-384"}),
        ("ECDH-ES", {"crv": "Ed25519"}),
        ("EdDSA", {"crv": "P-256"}),
    ],
)
def test_a_key_that_cant_be_generated_is_refused(alg, options):
    with pytest.raises(InvalidKey):
        Key.generate(alg, **options)


def test_keys_are_made_by_their_constructors_only_and_never_pickled():
    import pickle

    with pytest.raises(InvalidKey):
        Key()
    with pytest.raises(InvalidKey):
        pickle.dumps(EC)


def test_a_key_shows_no_secret():
    for key in (EC, RSA, ED, ML, MAC):
        shown = repr(key) + str(key)
        assert all(
            value not in shown
            for name, value in key.to_jwk(private=True).items()
            if name in ("d", "k", "priv", "p", "q")
        )


def test_keys_compare_by_what_they_are():
    assert Key.from_jwk(E) == EC
    assert EC.public != EC
    assert len({EC, Key.from_jwk(E), EC.public}) == 2
    assert EC != "key"


def test_what_a_key_is_not_for_is_refused():
    for work in (
        lambda: jws.sign(b"", EC.public),
        lambda: jws.sign(b"", X),
        lambda: jws.verify(jws.sign(b"", EC), X),
        lambda: jwe.encrypt(b"", EC),
        lambda: EC.public.to_jwk(private=True),
        lambda: EC.public.to_pem(private=True),
        MAC.to_jwk,
        MAC.to_pem,
        lambda: EC.thumbprint("md5"),
        lambda: jws.sign(b"", None),
        lambda: jwe.encrypt(b"", None),
        lambda: jws.sign_json(b"", []),
        lambda: jws.sign_json(b"", [None]),
        lambda: jwe.encrypt_json(b"", []),
    ):
        with pytest.raises(CarnetError):
            work()
    # A shared secret is its own public half only in the sense that there is none.
    with pytest.raises(InvalidKey):
        _ = MAC.public


def test_key_ops_are_kept_to():
    only_verify = Key.from_jwk({**E, "key_ops": ["verify"]})
    with pytest.raises(InvalidKey):
        jws.sign(b"", only_verify)
    only_sign = Key.from_jwk({**E, "key_ops": ["sign"]})
    token = jws.sign(b"", only_sign)
    with pytest.raises(CarnetError):
        jws.verify(token, only_sign)
    assert jws.verify(token, only_verify).payload == b""
    assert only_verify.to_jwk(private=True)["key_ops"] == ["verify"]


def test_a_signer_elsewhere_stands_where_a_private_key_stands():
    signing = EC.signing()
    calls = []
    remote = Key.from_signer(EC.public, lambda data: calls.append(data) or signing(data))
    token = jws.sign(b"payload", remote)
    assert jws.verify(token, EC.public).payload == b"payload"
    assert len(calls) == 1
    assert remote.public == EC.public
    for wrong in (lambda: remote.to_jwk(private=True), lambda: remote.to_pem(private=True)):
        with pytest.raises(InvalidKey):
            wrong()


@pytest.mark.parametrize(
    "sign",
    [
        lambda _data: b"short",
        lambda _data: "text",
        lambda _data: None,
        lambda data: serialization.load_pem_private_key(EC.to_pem(private=True), None).sign(
            data, ec.ECDSA(hashes.SHA256())
        ),
        Key.generate("ES256").signing(),
    ],
)
def test_a_signer_elsewhere_with_another_key_or_form_is_told_at_its_first_signature(sign):
    with pytest.raises(InvalidKey, match="does not fit"):
        jws.sign(b"payload", Key.from_signer(EC.public, sign))


@pytest.mark.parametrize("public", [EC, X.public, MAC, None, "key"])
def test_a_signer_elsewhere_needs_the_public_half_of_a_signature_key(public):
    with pytest.raises(InvalidKey):
        Key.from_signer(public, lambda data: data)


def test_an_eddsa_key_keeps_its_older_name_and_verifies_under_both():
    old = Key.from_jwk({**O, "alg": "EdDSA"})
    assert jws.verify(jws.sign(b"x", old), ED.public).header["alg"] == "EdDSA"
    assert jws.verify(jws.sign(b"x", ED), old.public).header["alg"] == "Ed25519"
    other = Key.generate("Ed448")
    with pytest.raises(InvalidToken):
        jws.verify(jws.sign(b"x", other), old.public)
    with pytest.raises(InvalidKey):
        Key.from_jwk({**O, "alg": "Ed448"})


def test_a_jwk_and_an_alg_argument_must_agree():
    assert Key.from_jwk(E, "ES256") == EC
    with pytest.raises(InvalidKey):
        Key.from_jwk(E, "ES384")
    open_key = {name: value for name, value in R.items() if name != "alg"}
    assert Key.from_jwk(open_key, "PS512").alg == "PS512"
    with pytest.raises(InvalidKey, match="alg="):
        Key.from_jwk(open_key)


def test_a_key_set_survives_its_bad_keys_and_says_which():
    document = {
        "keys": [
            EC.public.to_jwk(),
            {"kty": "EC", "kid": "broken"},
            5,
            {"kty": "new"},
            RSA.public.to_jwk(),
        ]
    }
    keys = KeySet.from_jwks(document)
    assert list(keys) == [EC.public, RSA.public]
    assert [skipped.kid for skipped in keys.skipped] == ["broken", None, None]
    assert EC.public in keys
    assert "2" in repr(keys)
    assert keys.to_jwks() == {"keys": [EC.public.to_jwk(), RSA.public.to_jwk()]}


def test_keys_that_name_no_algorithm_are_bound_to_each_that_fits():
    bare = {name: value for name, value in RSA.public.to_jwk().items() if name != "alg"}
    keys = KeySet.from_jwks({"keys": [bare, EC.public.to_jwk()]}, ["RS256", "PS256", "ES384"])
    assert [key.alg for key in keys] == ["RS256", "PS256"]
    assert len(keys.skipped) == 1
    assert not KeySet.from_jwks({"keys": [bare]}, [])
    assert not KeySet.from_jwks({"keys": [bare]}, ["ES256"])


@pytest.mark.parametrize(
    "document",
    [
        *("", "{", "[]", "{}", '{"keys":1}', '{"keys":[],"keys":[]}', b"\xff", "\ud800", 5, None),
        *({}, {"keys": {}}, " " * 2_000_000, {"keys": [{}] * 5000}),
    ],
)
def test_what_is_no_key_set_is_refused(document):
    with pytest.raises(InvalidKey):
        KeySet.from_jwks(document)


def test_wrong_arguments_of_a_key_set_are_told():
    with pytest.raises(InvalidKey):
        KeySet(["key"])
    with pytest.raises(ConfigurationError):
        KeySet.from_jwks({"keys": []}, "RS256")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
members = st.sampled_from(
    [
        "kty",
        "crv",
        "alg",
        "kid",
        "use",
        "key_ops",
        "x",
        "y",
        "d",
        "n",
        "e",
        "p",
        "q",
        "dp",
        "dq",
        "qi",
        "k",
        "pub",
        "priv",
        "oth",
        "x5c",
    ]
)


@given(
    st.dictionaries(members, anything)
    | st.tuples(st.sampled_from([E, R, O, jwk(ML), jwk(MAC)]), members, anything).map(
        lambda drawn: {**drawn[0], drawn[1]: drawn[2]}
    )
)
def test_whatever_a_jwk_holds_only_our_errors_escape(document):
    with contextlib.suppress(CarnetError):
        Key.from_jwk(document)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_whatever_a_key_file_holds_only_our_errors_escape(data):
    for read in (Key.from_pem, Key.from_der, Key.from_jwk, KeySet.from_jwks):
        try:
            read(data)
        except CarnetError:
            continue


def test_a_key_agreement_key_file_is_read_for_what_it_is():
    raw = x25519.X25519PrivateKey.generate()
    assert Key.from_pem(pem(raw), "ECDH-ES+A256KW").alg == "ECDH-ES+A256KW"
    with pytest.raises(InvalidKey):
        Key.from_pem(pem(raw), "Ed25519")


def test_the_rest_of_what_an_rsa_jwk_may_be():
    only_d = {name: R[name] for name in ("kty", "n", "e", "d", "kid", "alg", "use")}
    assert Key.from_jwk(only_d) == RSA
    for wrong in (
        {name: value for name, value in R.items() if name != "d"},
        {**R, "n": b64url_encode(b"\xff" * 2050)},
        {**R, "n": b64url_encode(b"\xff" * 2049)},
        {**only_d, "d": flip(only_d["d"])},
    ):
        with pytest.raises(InvalidKey):
            Key.from_jwk(wrong)


def test_an_akp_key_names_its_algorithm_itself():
    bare = {name: value for name, value in jwk(ML).items() if name != "alg"}
    with pytest.raises(InvalidKey, match="names its 'alg'"):
        Key.from_jwk(bare, "ML-DSA-44")


def test_an_encrypted_private_key_in_der_is_no_secret():
    sealed = serialization.load_pem_private_key(EC.to_pem(private=True), None).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"some password"),
    )
    with pytest.raises(InvalidKey, match="not a secret"):
        Key.from_secret(sealed, "HS256")
    assert Key.from_der(sealed, password="some password", kid=EC.kid) == EC


def test_a_private_key_gives_its_public_jwk_unless_asked_otherwise():
    assert EC.to_jwk() == EC.public.to_jwk()


def test_prepared_operations_sign_and_verify_bytes():
    for key in (EC, MAC, ED):
        signature = key.signing()(b"data")
        operations = (key if key is MAC else key.public).verifying()
        assert operations.verify(b"data", signature)
        assert not operations.verify(b"data", signature[:-1] + bytes([signature[-1] ^ 1]))
    with pytest.raises(InvalidKey):
        Key.from_jwk({**E, "key_ops": ["sign"]}).verifying()


def test_only_the_first_signature_of_a_signer_elsewhere_is_verified():
    signing, again = EC.signing(), Key.generate("ES256").signing()
    answers = iter([signing, again])

    def sign(data):
        return next(answers)(data)

    remote = Key.from_signer(EC.public, sign)
    jws.sign(b"one", remote)
    with pytest.raises(InvalidToken):
        jws.verify(jws.sign(b"two", remote), EC.public)


def test_the_older_name_of_a_jwk_can_be_replaced_by_the_exact_one():
    assert Key.from_jwk({**O, "alg": "EdDSA"}, "Ed25519").alg == "Ed25519"


def test_an_rsa_key_that_is_too_long_to_be_checked_quickly_is_refused():
    numbers = rsa.RSAPublicNumbers(65537, (1 << 16_392) - 1)
    long = numbers.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(InvalidKey):
        Key.from_pem(long, "RS256")


def test_a_thumbprint_can_be_written_as_a_uri():
    uri = EC.thumbprint_uri("sha384")
    assert uri == f"urn:ietf:params:oauth:jwk-thumbprint:sha-384:{EC.thumbprint('sha384')}"


def test_a_key_without_kid_has_none_in_its_jwk():
    assert "kid" not in Key.from_pem(EC.to_pem(private=True)).to_jwk()


def test_a_key_that_fits_no_algorithm_asked_for_is_skipped_with_the_reason():
    bare = {name: value for name, value in E.items() if name not in ("alg", "d")}
    keys = KeySet.from_jwks({"keys": [bare]}, ["RS256"])
    assert not keys
    assert "RS256" in keys.skipped[0].reason
    assert len(KeySet.from_jwks({"keys": [bare]}, ["RS256", "ES256"])) == 1


def test_a_key_that_names_one_of_the_algorithms_asked_for_is_taken():
    assert list(KeySet.from_jwks({"keys": [EC.public.to_jwk()]}, ["ES256"])) == [EC.public]


@pytest.mark.parametrize("size", [0, 31, 32, 33, 55, 56, 57, 58])
@pytest.mark.parametrize("oid", ["2b656e", "2b656f", "2b6570", "2b6571"])
def test_a_curve_with_a_secret_of_another_length_is_refused(oid, size):
    """OpenSSL calls some of these an internal error."""
    right = {"2b656e": 32, "2b656f": 56, "2b6570": 32, "2b6571": 57}[oid]
    secret = bytes([4, size + 2, 4, size]) + b"\x01" * size
    body = bytes.fromhex(f"020100300506 03{oid}") + secret
    der = bytes([0x30, len(body)]) + body
    pem = b"-----BEGIN PRIVATE KEY-----\n" + b64encode(der) + b"\n-----END PRIVATE KEY-----\n"
    alg = {"2b656e": "ECDH-ES", "2b656f": "ECDH-ES", "2b6570": "Ed25519", "2b6571": "Ed448"}[oid]
    if size == right:
        assert Key.from_pem(pem, alg).is_private
    else:
        with pytest.raises(InvalidKey):
            Key.from_pem(pem, alg)
