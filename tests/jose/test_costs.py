"""What one key or token may cost: operations are counted, where they are done."""

import json
import math
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.adversarial.counting import calls_of

from carnet import InvalidKey, InvalidToken, Key, KeySet
from carnet.jose import jwe, jws, key_types, rsa_numbers
from carnet.jose import key_management as families
from carnet.jose.encoding import b64url_encode, json_decode, json_encode
from carnet.jose.serialization import MAX_ENTRIES

CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")

RSA = Key.generate("RS256", size=2048)
R = RSA.to_jwk(private=True)
ONLY_D = {name: R[name] for name in ("kty", "alg", "kid", "use", "n", "e", "d")}
# 2 ** 2203 - 1 is a prime, and so is 2 ** 1279 - 1: no factor of the first can be found.
PRIME, OTHER_PRIME = 2**2203 - 1, 2**1279 - 1


def text(number):
    return b64url_encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def private(modulus, order):
    return {
        "kty": "RSA",
        "alg": "RS256",
        "n": text(modulus),
        "e": text(65537),
        "d": text(pow(65537, -1, order)),
    }


@pytest.fixture
def loaded(monkeypatch):
    """Counts what is handed to OpenSSL, and the exponentiations before."""
    calls = []

    def count(kind, name):
        original = getattr(kind, name)

        def counted(*arguments, **options):
            calls.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(kind, name, counted)

    count(rsa.RSAPrivateNumbers, "private_key")
    count(rsa.RSAPublicNumbers, "public_key")
    monkeypatch.setattr(
        rsa_numbers, "pow", lambda *numbers: calls.append("pow") or pow(*numbers), raising=False
    )
    return calls


@pytest.mark.parametrize(
    "changes",
    [
        {"d": text(2**2047 - 9)},
        {"p": text(PRIME)},
        {"p": R["q"], "q": R["q"]},
        {"p": text(1), "q": R["n"]},
        {"p": R["n"], "q": text(1)},
        {"dp": R["dq"]},
        {"dq": R["dp"]},
        {"qi": text(5)},
        {"e": text(3)},
        {"e": text(2**33 + 1)},
        {"e": text(2**8000 + 1)},
        {"n": text(2**8193 + 1)},
        {"n": text(2**2048)},
        {"n": text(2**2046 + 1)},
    ],
)
def test_private_numbers_that_do_not_belong_together_never_reach_openssl(loaded, changes):
    with pytest.raises(InvalidKey):
        Key.from_jwk({**R, **changes})
    assert not loaded


@pytest.mark.parametrize("prime", [PRIME])
def test_a_private_key_whose_modulus_is_a_prime_is_refused_after_a_few_steps(loaded, prime):
    with pytest.raises(InvalidKey):
        Key.from_jwk(private(prime, prime - 1))
    assert len(loaded) <= 3
    assert set(loaded) == {"pow"}


@pytest.mark.parametrize(
    ("modulus", "order"),
    [
        (OTHER_PRIME**2, OTHER_PRIME * (OTHER_PRIME - 1)),
        (2203 * PRIME, 2202 * (PRIME - 1)),
        ((2**521 - 1) * (2**607 - 1) * OTHER_PRIME, (2**521 - 2) * (2**607 - 2) * (2**1279 - 2)),
    ],
)
def test_a_modulus_that_is_no_product_of_two_like_primes_is_refused(loaded, modulus, order):
    if math.gcd(order, 65537) != 1:
        pytest.fail("the case is wrong")
    with pytest.raises(InvalidKey):
        Key.from_jwk(private(modulus, order))
    assert "private_key" not in loaded


def test_a_private_key_without_its_primes_is_found_out_in_a_few_steps(loaded):
    for _ in range(8):
        assert Key.from_jwk(ONLY_D) == RSA
    assert loaded.count("pow") < 8 * 12
    loaded.clear()
    for wrong in (text(2**2047 - 9), text(1), R["n"]):
        with pytest.raises(InvalidKey):
            Key.from_jwk({**ONLY_D, "d": wrong})
    assert len(loaded) <= 3


def test_a_pem_key_is_checked_as_a_jwk_is(loaded):
    assert Key.from_pem(RSA.to_pem(private=True), "RS256", kid=RSA.kid) == RSA
    assert loaded.count("private_key") == 1
    loaded.clear()
    numbers = rsa.RSAPrivateNumbers(
        *(int.from_bytes(key_types.member(R, name), "big") for name in ("p", "q", "d")),
        *(3, 5, 7),
        rsa.RSAPublicNumbers(65537, int.from_bytes(key_types.member(R, "n"), "big")),
    )
    broken = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    loaded.clear()
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = broken.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    with pytest.raises(InvalidKey):
        Key.from_pem(pem, "RS256")
    assert not loaded


@pytest.mark.parametrize("name", sorted(key_types.PRIVATE_MEMBERS))
def test_a_stranger_s_key_with_a_private_member_is_refused_before_it_is_loaded(loaded, name):
    jwk = {**RSA.public.to_jwk(), name: "AQ" if name != "oth" else []}
    with pytest.raises(InvalidKey, match="only the public half"):
        Key.from_jwk(jwk, public=True)
    keys = KeySet.from_jwks({"keys": [jwk, RSA.public.to_jwk()]}, public=True)
    assert list(keys) == [RSA.public]
    assert "only the public half" in keys.skipped[0].reason
    bare = {member: value for member, value in jwk.items() if member != "alg"}
    assert not KeySet.from_jwks({"keys": [bare]}, ["RS256", "PS256"], public=True)
    assert loaded == ["public_key"]


def test_a_key_of_a_set_is_loaded_once_however_many_algorithms_it_is_for(loaded):
    bare = {name: R[name] for name in ("kty", "n", "e")}
    keys = KeySet.from_jwks({"keys": [bare]}, ["RS256", "RS384", "RS512", "PS256", "ES256"])
    assert [key.alg for key in keys] == ["RS256", "RS384", "RS512", "PS256"]
    assert loaded == ["public_key"]


def test_the_largest_rsa_key_has_8192_bits():
    for alg, size in (("RS256", 8193), ("RS256", 16384), ("RSA-OAEP", 2047)):
        with pytest.raises(InvalidKey, match="8192"):
            Key.generate(alg, size=size)
    public = {"kty": "RSA", "alg": "RS256", "e": "AQAB"}
    assert Key.from_jwk({**public, "n": text(2**8191 + 1)}).alg == "RS256"
    with pytest.raises(InvalidKey, match="8192 bits"):
        Key.from_jwk({**public, "n": text(2**8192 + 1)})


@needs_cases
def test_json_made_to_be_looked_at_again_and_again_is_refused():
    with pytest.raises(InvalidToken):
        json_decode((CASES / "json_body_quadratic.json").read_bytes())
    with pytest.raises(InvalidToken):
        jws.verify((CASES / "jwt_header_quadratic.jwt").read_text().strip(), RSA.public)


# Signatures and recipients.

ANONYMOUS = [Key.from_secret(bytes([number]) * 32, "HS256") for number in range(16)]


@pytest.mark.parametrize("require", ["all", "any", [ANONYMOUS[0]]])
def test_signatures_of_one_document_try_so_many_keys_and_no_more(monkeypatch, require):
    tried = []
    bad = jws.sign_json(b"x", Key.from_secret(b"z" * 32, "HS256"), flattened=False)["signatures"]
    good = jws.sign_json(b"x", ANONYMOUS[-1], flattened=False)["signatures"]
    monkeypatch.setattr(jws.Budget, "spend", counting(jws.Budget.spend, tried))
    with pytest.raises(InvalidToken) as refused:
        jws.verify_json(
            {"payload": b64url_encode(b"x"), "signatures": (good + bad) * 8},
            KeySet(ANONYMOUS),
            require=require,
        )
    assert refused.value.code == ("signature_invalid" if require == "all" else "too_costly")
    assert len(tried) <= jws.MAX_TRIES + 1


def counting(function, calls):
    def counted(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return counted


def test_as_many_signatures_as_a_document_may_have_are_verified():
    keys = [Key.from_secret(bytes([65 + n]) * 32, "HS256", kid=str(n)) for n in range(MAX_ENTRIES)]
    verified = jws.verify_json(jws.sign_json(b"x", keys), KeySet(keys))
    assert len(verified.signatures) == MAX_ENTRIES


def test_recipients_of_one_token_try_so_many_keys_and_no_more(monkeypatch):
    theirs = [Key.from_secret(bytes([n]) * 16, "A128KW") for n in range(16)]
    mine = KeySet(Key.from_secret(bytes([100 + n]) * 16, "A128KW") for n in range(4))
    document = jwe.encrypt_json(b"x", theirs)
    with (
        calls_of(monkeypatch, (families, "aes_key_unwrap")) as calls,
        pytest.raises(InvalidToken) as refused,
    ):
        jwe.decrypt_json(document, mine)
    assert refused.value.code == "too_costly"
    assert len(calls) == jwe.MAX_TRIES
    assert jwe.decrypt_json(document, theirs[-1]).plaintext == b"x"


def test_all_recipients_together_hash_a_password_so_often_and_no_more(monkeypatch):
    alg = "PBES2-HS256+A128KW"
    password = Key.from_secret(b"some password", alg)
    recipient = {
        "header": {"alg": alg, "p2s": "A" * 16, "p2c": 400_000},
        "encrypted_key": b64url_encode(b"k" * 24),
    }
    document = {
        "protected": b64url_encode(json_encode({"enc": "A128GCM"})),
        "iv": "A" * 16,
        "ciphertext": "",
        "tag": "A" * 22,
        "recipients": [recipient] * 16,
    }
    with (
        calls_of(monkeypatch, (families, "PBKDF2HMAC")) as calls,
        pytest.raises(InvalidToken) as refused,
    ):
        jwe.decrypt_json(document, password, allow_weak=[alg])
    assert refused.value.code == "too_costly"
    assert len(calls) == 1


def test_compressed_content_is_inflated_once_whoever_else_it_is_for(monkeypatch):
    keys = [Key.from_secret(bytes([n]) * 16, "A128KW", kid=str(n)) for n in range(3)]
    monkeypatch.setattr(jwe, "deflate", lambda *_: b"\xff\xff")
    document = jwe.encrypt_json(b"x", keys, zip="DEF")
    with calls_of(monkeypatch, (jwe, "inflate")) as calls, pytest.raises(InvalidToken) as refused:
        jwe.decrypt_json(document, KeySet(keys), max_inflated=1000)
    assert (refused.value.code, len(calls)) == ("decryption_failed", 1)


@pytest.mark.parametrize("level", range(10))
def test_the_zlib_format_under_the_name_of_deflate_is_told(monkeypatch, level):
    direct = Key.generate("A256GCM")
    monkeypatch.setattr(jwe, "deflate", lambda plaintext, _: zlib.compress(plaintext, level))
    token = jwe.encrypt(b"text " * 40, direct, zip="DEF")
    with pytest.raises(InvalidToken, match="zlib format") as refused:
        jwe.decrypt(token, direct, max_inflated=1000)
    assert refused.value.claim == "zip"


def test_python_jose_writes_the_zlib_format(monkeypatch):
    theirs = pytest.importorskip("jose.jwe")
    secret = b"k" * 32
    token = theirs.encrypt(b"text", secret, algorithm="dir", encryption="A256GCM", zip="DEF")
    with pytest.raises(InvalidToken, match="zlib format"):
        jwe.decrypt(token, Key.from_secret(secret, "A256GCM"), max_inflated=1000)


def test_a_huge_member_of_a_key_is_refused_before_it_is_decoded():
    for jwk in (
        {**R, "n": "A" * 10_000_000},
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 10_000_000},
        {"kty": "oct", "alg": "HS256", "k": "A" * 10_000_000},
    ):
        with pytest.raises(InvalidKey, match="has more than"):
            Key.from_jwk(jwk)
    with pytest.raises(InvalidKey):
        KeySet.from_jwks(json.dumps({"keys": [{}] * 513}))


def test_a_number_that_shows_no_prime_is_followed_by_another(monkeypatch):
    key = Key.generate("RS256", size=2048)
    whole = key.to_jwk(private=True)
    jwk = {name: whole[name] for name in ("kty", "n", "e", "d")}
    shown = iter([True])
    draw = rsa_numbers.secrets.randbelow

    class Secrets:
        """The first number is -1, whose square is 1 for every modulus."""

        @staticmethod
        def randbelow(limit):
            return limit if next(shown, False) else draw(limit)

    monkeypatch.setattr(rsa_numbers, "secrets", Secrets)
    assert Key.from_jwk(jwk, alg="RS256").thumbprint() == key.thumbprint()
    assert next(shown, None) is None
