"""DPoP proofs, each rule of RFC 9449 section 4.3 by itself."""

import hashlib
from pathlib import Path

import jwt as pyjwt
import pytest

from carnet import Claims, InvalidToken, Key, inspect
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.jose.key_types import PRIVATE_MEMBERS
from carnet.jwt.dpop import ALGORITHMS_ACCEPTED, bound_key, make_proof, read_proof

NOW = 1_800_000_000
URL = "https://auth.example.com/token"
TOKEN = "an-access-token"
HASH = b64url_encode(hashlib.sha256(TOKEN.encode()).digest())

KEY = Key.generate("ES256")
# The moment of these proofs is not now.
LENIENT = {"verify_iat": False}


def proof(key=KEY, header=None, payload=None, **claims):
    shown = {name: value for name, value in key.public.to_jwk().items() if name != "kid"}
    full = {"typ": "dpop+jwt", "jwk": shown, **(header or {})}
    full = {name: value for name, value in full.items() if value is not None}
    said = {"htm": "POST", "htu": URL, "iat": NOW, "jti": "1", **claims}
    said = {name: value for name, value in said.items() if value is not None}
    return jws.sign(json_encode(said) if payload is None else payload, key, full)


def read(text, url=URL, **more):
    return read_proof([text], "POST", url, NOW, **more)


def test_a_good_proof_tells_its_key_its_name_and_its_nonce():
    assert read(proof(nonce="n")) == (KEY.thumbprint(), "1", "n")
    assert read(proof()).nonce is None


@pytest.mark.parametrize("alg", ["ES384", "Ed25519", "RS256", "ML-DSA-44"])
def test_every_public_key_signature_will_do(alg):
    assert alg in ALGORITHMS_ACCEPTED
    key = Key.generate(alg)
    assert read(proof(key)).thumbprint == key.thumbprint()


@pytest.mark.parametrize(
    ("htu", "url"),
    [
        ("HTTPS://AUTH.example.com:443/token?a=1#f", URL),
        ("https://auth.example.com", "https://auth.example.com/"),
        ("http://127.0.0.1:80/token", "http://127.0.0.1/token"),
    ],
)
def test_addresses_are_compared_without_what_makes_no_difference(htu, url):
    assert read(proof(htu=htu), url)


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"htm": "GET"}, "htm"),
        ({"htm": "post"}, "htm"),
        ({"htm": None}, "htm"),
        ({"htu": "https://auth.example.com/other"}, "htu"),
        ({"htu": "https://auth.example.com:444/token"}, "htu"),
        ({"htu": "https://user@auth.example.com/token"}, "htu"),
        ({"htu": "https://auth.example.com:x/token"}, "htu"),
        ({"htu": "/token"}, "htu"),
        ({"htu": 7}, "htu"),
        ({"iat": NOW - 61}, "iat"),
        ({"iat": NOW + 61}, "iat"),
        ({"iat": None}, "iat"),
        ({"iat": True}, "iat"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 257}, "jti"),
        ({"nonce": 7}, "nonce"),
        ({"header": {"typ": "JWT"}}, "typ"),
        ({"header": {"typ": None}}, "typ"),
        ({"header": {"jwk": None}}, "jwk"),
        ({"header": {"jwk": {"kty": "EC"}}}, "jwk"),
        ({"header": {"jwk": KEY.to_jwk(private=True)}}, "jwk"),
    ],
)
def test_each_rule_refuses_by_itself(changed, claim):
    with pytest.raises(InvalidToken) as refused:
        read(proof(**changed))
    assert refused.value.claim == claim


def test_an_address_that_is_none_matches_nothing():
    with pytest.raises(InvalidToken) as refused:
        read(proof(htu="https://user@x/"), "https://user@x/")
    assert refused.value.claim == "htu"


def test_a_secret_signs_no_proof():
    secret = Key.generate("HS256")
    text = jws.sign(b"{}", secret, {"typ": "dpop+jwt", "jwk": KEY.public.to_jwk()})
    with pytest.raises(InvalidToken) as refused:
        read(text)
    assert refused.value.claim == "jwk"


def test_a_signature_of_another_key_is_refused():
    other = Key.generate("ES256").public.to_jwk()
    del other["kid"]
    with pytest.raises(InvalidToken) as refused:
        read(proof(header={"jwk": other}))
    assert refused.value.code == "signature_invalid"


@pytest.mark.parametrize("values", [[], ["a", "b"]])
def test_a_request_has_one_proof(values):
    with pytest.raises(InvalidToken) as refused:
        read_proof(values, "POST", URL, NOW)
    assert refused.value.code == "proof_invalid"


def test_a_proof_for_a_token_names_it():
    assert read(proof(ath=HASH), access_token=TOKEN)
    for ath in (None, 7, HASH[:-1], "é"):
        with pytest.raises(InvalidToken) as refused:
            read(proof(ath=ath), access_token=TOKEN)
        assert refused.value.claim == "ath"


def test_a_token_says_which_key_it_is_bound_to():
    assert bound_key(Claims({})) is None
    assert bound_key(Claims({"cnf": {"jkt": "x"}})) == "x"
    for confirmation in ("x", {}, {"jkt": ""}, {"jkt": 7}, {"x5t#S256": "x"}):
        with pytest.raises(InvalidToken) as refused:
            bound_key(Claims({"cnf": confirmation}))
        assert refused.value.claim == "cnf"


CASE = Path(__file__).parents[3] / "shared" / "cases" / "dpop_rsa_prime_modulus.jwt"


def never(*_):
    raise AssertionError("a private key of a stranger's was loaded")


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_a_private_key_is_refused_before_it_is_loaded(monkeypatch, name):
    monkeypatch.setattr("carnet.jwt.dpop.Key.from_jwk", never)
    jwk = {**KEY.public.to_jwk(), name: "AQ"}
    with pytest.raises(InvalidToken, match="private key") as refused:
        read(proof(header={"jwk": jwk}))
    assert refused.value.code == "proof_invalid"


@pytest.mark.skipif(not CASE.exists(), reason="the cases are not here")
def test_a_private_key_whose_modulus_is_a_prime_costs_nothing(monkeypatch):
    monkeypatch.setattr("carnet.jose.key_types.recover_private_numbers", never)
    monkeypatch.setattr("carnet.jwt.dpop.Key.from_jwk", never)
    with pytest.raises(InvalidToken, match="private key"):
        read(CASE.read_text().strip())


def test_a_key_that_is_too_large_is_no_key_for_a_proof():
    modulus = b64url_encode((2**8192 + 1).to_bytes(1025, "big"))
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB"}
    with pytest.raises(InvalidToken, match="no usable key"):
        read(proof(Key.generate("RS256", size=2048), header={"jwk": jwk}))


def test_the_size_of_a_proof_is_bounded():
    with pytest.raises(InvalidToken) as refused:
        read(proof(more="x" * 16_384))
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "EdDSA", "PS256", "ML-DSA-44"])
def test_a_proof_that_is_made_is_read_and_shows_the_public_key_alone(alg):
    key = Key.generate(alg)
    text = make_proof(key, "POST", f"{URL}?a=1#f", NOW + 0.5, TOKEN, "n")
    assert read(text, access_token=TOKEN) == (key.thumbprint(), inspect(text).claims["jti"], "n")
    assert PRIVATE_MEMBERS.isdisjoint(inspect(text).header["jwk"])
    assert inspect(text).claims["iat"] == NOW
    again = make_proof(key, "POST", URL, NOW)
    assert {"ath", "nonce"}.isdisjoint(inspect(again).claims)
    assert read(again).token_id != read(text, access_token=TOKEN).token_id


def test_a_proof_that_is_made_is_read_by_another_library():
    text = make_proof(KEY, "GET", URL, NOW, TOKEN)
    header = pyjwt.get_unverified_header(text)
    assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
    claims = pyjwt.decode(text, pyjwt.PyJWK(header["jwk"]).key, ["ES256"], options=LENIENT)
    assert (claims["htm"], claims["htu"], claims["ath"]) == ("GET", URL, HASH)


def test_a_key_that_is_not_taken_is_refused_before_its_signature_is_looked_at():
    text = make_proof(KEY, "POST", URL, NOW)
    assert read(text, accepts=lambda key: key.alg == "ES256").thumbprint == KEY.thumbprint()
    broken = text[:-8] + "AAAAAAAA"
    with pytest.raises(InvalidToken, match="a key for ES256 is not accepted") as refused:
        read(broken, accepts=lambda key: key.alg == "PS256")
    assert refused.value.claim == "jwk"
