"""What a JWK says of itself is kept to: types of members, use, key_ops; and a key never changes."""

import json
from base64 import b64encode

import pytest

from carnet import InvalidKey, InvalidToken, Key, KeySet
from carnet.jose import jwe

EC = Key.generate("ES256")
E = EC.to_jwk(private=True)
RSA = Key.generate("RSA-OAEP-256", size=2048)
AGREE = Key.generate("ECDH-ES+A128KW", crv="P-256")
WRAP = Key.generate("A128KW")
GCM_WRAP = Key.generate("A128GCMKW")
DIRECT = Key.generate("A128GCM")
ENCRYPTING = [RSA, AGREE, WRAP, GCM_WRAP, DIRECT]


@pytest.mark.parametrize("name", ["kty", "use", "alg", "kid", "x5u", "x5t", "x5t#S256", "crv", "x"])
@pytest.mark.parametrize("value", [None, 5, True, [], {}])
def test_a_member_that_is_text_is_nothing_else(name, value):
    with pytest.raises(InvalidKey, match=f"'{name}'"):
        Key.from_jwk({**E, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("key_ops", value) for value in (None, "sign", {}, [None], [["sign"]], ["a", "a"])),
        *(("x5c", value) for value in (None, "AA==", [1])),
        *(("ext", value) for value in (None, "true", 1, [])),
        *(("use", value) for value in ("", "SIG", "enc")),
        ("kid", "\ud800"),
    ],
)
def test_other_members_have_their_own_types(name, value):
    with pytest.raises(InvalidKey, match=f"'{name}'"):
        Key.from_jwk({**E, name: value})
    keys = KeySet.from_jwks({"keys": [{**E, name: value}, E]})
    assert (list(keys), len(keys.skipped)) == ([EC], 1)


def test_members_of_the_right_types_are_fine():
    more = {"ext": False, "x5t": "AA", "x5u": "https://x.example"}
    assert Key.from_jwk({**E, **more, "key_ops": ["sign", "verify", "another"]}) == EC


@pytest.mark.parametrize(
    ("key", "operations"),
    [(EC, ["sign", "encrypt"]), (WRAP, ["wrapKey", "sign"]), (WRAP, ["verify"])],
)
def test_use_and_key_ops_do_not_contradict_each_other(key, operations):
    jwk = key.to_jwk(private=True)
    with pytest.raises(InvalidKey, match="contradict"):
        Key.from_jwk({**jwk, "key_ops": operations})
    del jwk["use"]
    assert Key.from_jwk({**jwk, "key_ops": operations}).kid == key.kid


def limited(key, operations):
    jwk = key.to_jwk(private=True)
    return Key.from_jwk({**jwk, "key_ops": operations})


def test_a_public_agreement_key_of_web_cryptography_names_no_operation_and_encrypts():
    jwk = {**AGREE.public.to_jwk(), "key_ops": [], "ext": True}
    exported = Key.from_jwk(jwk)
    assert (exported.can_encrypt, exported.can_decrypt) == (True, False)
    token = jwe.encrypt(b"text", exported)
    assert jwe.decrypt(token, AGREE).plaintext == b"text"
    assert exported.to_jwk()["key_ops"] == []
    assert not Key.from_jwk({**jwk, "key_ops": ["other"]}).can_encrypt


@pytest.mark.parametrize("key", [EC, AGREE, RSA, WRAP, GCM_WRAP, DIRECT], ids=lambda key: key.alg)
def test_an_empty_list_of_operations_lets_every_other_key_do_nothing(key):
    keys = [limited(key, [])]
    if key.kty != "oct" and key is not AGREE:
        keys.append(Key.from_jwk({**key.public.to_jwk(), "key_ops": []}))
    for one in keys:
        assert not any((one.can_sign, one.can_verify, one.can_encrypt, one.can_decrypt))


@pytest.mark.parametrize(
    ("key", "encrypts", "decrypts"),
    [
        (RSA, ["wrapKey"], ["unwrapKey"]),
        (RSA, ["encrypt"], ["decrypt"]),
        (WRAP, ["wrapKey"], ["unwrapKey"]),
        (WRAP, ["encrypt"], ["decrypt"]),
        (GCM_WRAP, ["wrapKey"], ["unwrapKey"]),
        (DIRECT, ["encrypt"], ["decrypt"]),
    ],
    ids=lambda value: value.alg if isinstance(value, Key) else value[0],
)
def test_key_ops_are_kept_to_for_encryption(key, encrypts, decrypts):
    one, other = limited(key, encrypts), limited(key, decrypts)
    assert (one.can_encrypt, one.can_decrypt) == (True, False)
    assert (other.can_encrypt, other.can_decrypt) == (False, True)
    token = jwe.encrypt(b"text", one, "A128GCM")
    assert jwe.decrypt(token, other).plaintext == b"text"
    for work in (
        lambda: jwe.encrypt(b"text", other, "A128GCM"),
        lambda: jwe.encrypt_json(b"text", other, "A128GCM"),
    ):
        with pytest.raises(InvalidKey, match="key_ops"):
            work()
    for work in (
        lambda: jwe.decrypt(token, one),
        lambda: jwe.decrypt_json(jwe.encrypt_json(b"text", one, "A128GCM"), one),
    ):
        with pytest.raises(InvalidToken):
            work()


@pytest.mark.parametrize("operation", ["deriveKey", "deriveBits"])
def test_a_key_agreement_key_derives(operation):
    key = limited(AGREE, [operation])
    assert jwe.decrypt(jwe.encrypt(b"x", key), key).plaintext == b"x"


@pytest.mark.parametrize("key", [*ENCRYPTING, EC], ids=lambda key: key.alg)
def test_a_key_that_is_for_nothing_does_nothing(key):
    for operations in ([], ["unknown"]):
        idle = limited(key, operations)
        can = (idle.can_sign, idle.can_verify, idle.can_encrypt, idle.can_decrypt)
        assert not any(can)


def test_what_a_key_can_do_is_told():
    def can(key):
        return key.can_sign, key.can_verify, key.can_encrypt, key.can_decrypt

    assert can(EC) == (True, True, False, False)
    assert can(EC.public) == (False, True, False, False)
    assert can(RSA) == (False, False, True, True)
    assert can(RSA.public) == (False, False, True, False)
    assert can(Key.from_secret(b"password", "PBES2-HS256+A128KW")) == (False, False, False, True)
    assert can(Key.from_signer(EC.public, EC.signing())) == (True, True, False, False)
    assert EC.accepts("ES256")
    assert not EC.accepts("HS256")
    assert not EC.accepts(["ES256"])


@pytest.mark.parametrize("name", ["alg", "kid", "kty", "is_private", "algorithm", "encryption"])
def test_a_key_is_never_changed(name):
    before = getattr(EC, name)
    with pytest.raises(AttributeError):
        setattr(EC, name, "other")
    with pytest.raises(AttributeError):
        delattr(EC, name)
    assert getattr(EC, name) == before


def test_what_is_given_out_of_a_key_changes_nothing_in_it():
    key = limited(EC, ["sign"])
    key.to_jwk(private=True)["key_ops"].append("verify")
    assert key.to_jwk(private=True)["key_ops"] == ["sign"]
    keys = KeySet.from_jwks({"keys": [5]})
    with pytest.raises(AttributeError):
        keys.skipped = ()


# PEM texts.

PUBLIC = EC.public.to_pem()
PRIVATE = EC.to_pem(private=True)
OTHER = Key.generate("ES256")


@pytest.mark.parametrize(
    "data",
    [
        PUBLIC + OTHER.public.to_pem(),
        PRIVATE + OTHER.to_pem(private=True),
        PRIVATE + PUBLIC,
        PUBLIC + b"text between\n" + PUBLIC,
        PUBLIC * 50,
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        + PRIVATE
        + PUBLIC,
    ],
)
def test_a_text_of_several_pem_keys_is_refused(data):
    with pytest.raises(InvalidKey, match="give exactly one"):
        Key.from_pem(data)


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: a key\nof mine\n" + PRIVATE + b"and text after it\n",
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + PRIVATE,
    ],
)
def test_text_around_a_pem_key_does_not_count(data):
    assert Key.from_pem(data, kid=EC.kid) == EC


# Texts of keys that are passed off as secrets.

JWK = json.dumps(EC.public.to_jwk())
SPKI = b"".join(PUBLIC.splitlines()[1:-1])


def as_hex(data):
    return data.hex().encode()


@pytest.mark.parametrize(
    "secret",
    [
        *(PUBLIC.decode().encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-16-be")),
        b"\xfe\xff" + PUBLIC.decode().encode("utf-16-be"),
        *(PUBLIC.decode().encode(encoding) for encoding in ("utf-32", "utf-32-le", "utf-32-be")),
        JWK.encode("utf-16"),
        SPKI.decode().encode("utf-16"),
        as_hex(PUBLIC),
        as_hex(PUBLIC).upper(),
        as_hex(JWK.encode()),
        PUBLIC.hex(":").encode(),
        PUBLIC.hex("\n").encode(),
        b64encode(PUBLIC),
        b64encode(b64encode(PUBLIC)),
        b64encode(PUBLIC.decode().encode("utf-16")),
        as_hex(PUBLIC).decode().encode("utf-16"),
        f"[{JWK}]".encode(),
        f" [ 5, {JWK} ]".encode(),
        json.dumps({"keys": [EC.public.to_jwk()]}).encode(),
        json.dumps([{"keys": [5]}, {"keys": [EC.public.to_jwk()]}]).encode(),
        JWK.replace("kty", "\\u006bty").encode(),
        f"[[{JWK}]]".replace("kty", "k\\u0074y").encode(),
        json.dumps({"keys": [EC.public.to_jwk()]}).replace("kty", "k\\u0074y").encode(),
        b64encode(f"[{JWK}]".encode()),
        b"AAAAC3NzaC1lZDI1NTE5AAAAIH7cbYEsq0MZcQ9Xh0qZJwTVRRRyCAMPQAJLPIT1qMnP",
    ],
)
def test_the_text_of_a_key_is_no_secret_however_it_is_spelled(secret):
    with pytest.raises(InvalidKey, match="not a secret"):
        Key.from_secret(secret, "HS256")


@pytest.mark.parametrize(
    "secret",
    [
        b"{" + b"x" * 40,
        b'{"a": [1, {"b": 2}], "keys": 5, "c": "0123456789"}',
        b'["0123456789", "0123456789", "0123456789"]',
        b"[" * 400,
        b"\x30" * 40,
        b"0123456789abcdef" * 4,
        "geheim".encode("utf-16") * 4,
        bytes(range(32)),
    ],
)
def test_other_texts_are_secrets(secret):
    assert Key.from_secret(secret, "HS256").alg == "HS256"


@pytest.mark.parametrize(
    "changes",
    [
        *({"x": E["x"][:-1] + last} for last in "=+/ é"),
        *({"kty": kty} for kty in ("", "none", "ec")),
    ],
)
def test_a_member_of_the_right_type_and_length_is_still_looked_at(changes):
    with pytest.raises(InvalidKey):
        Key.from_jwk({**E, **changes})
