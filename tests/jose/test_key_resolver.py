"""A function that chooses the keys: it chooses, and the key still decides."""

import json
from collections.abc import Mapping

import pytest

from carnet import ConfigurationError, InvalidKey, InvalidToken, Key, KeySet, Verifier
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode

MAC, OTHER = Key.generate("HS256", kid="a"), Key.generate("HS256", kid="b")
EC = Key.generate("ES256", kid="e")
WRAP = Key.generate("A128KW", kid="a")
KEYS = {key.kid: key if key.kty == "oct" else key.public for key in (MAC, OTHER, EC)}
NOW = 1_700_000_000
CLAIMS = json.dumps({"iss": "i", "aud": "a", "exp": NOW + 60}).encode()


def by_kid(header):
    return KEYS[header["kid"]]


def verifier(keys, **options):
    return Verifier(keys, issuer="i", audience="a", clock=lambda: NOW, **options)


WAYS = {
    "jws.verify": jws.verify,
    "jws.verify_json": lambda token, keys: jws.verify_json(document(token), keys),
    "Verifier.verify": lambda token, keys: verifier(keys).verify(token),
    "Verifier.verify_complete": lambda token, keys: verifier(keys).verify_complete(token),
}


def document(token):
    head, body, signature = token.split(".")
    return {"payload": body, "protected": head, "signature": signature}


@pytest.fixture(params=WAYS)
def verify(request):
    return WAYS[request.param]


def refused(verify, token, keys, code):
    with pytest.raises(InvalidToken) as refusal:
        verify(token, keys)
    assert refusal.value.code == code
    return refusal.value


@pytest.mark.parametrize("key", [MAC, OTHER, EC], ids=lambda key: key.kid)
def test_the_key_that_a_function_gives_verifies(verify, key):
    token = jws.sign(CLAIMS, key)
    assert verify(token, by_kid)
    for given in (KeySet(KEYS.values()), list(KEYS.values()), tuple(KEYS.values())):
        assert verify(token, lambda _, given=given: given)


def test_it_is_given_the_header_to_read_and_not_to_change(verify):
    seen = []

    def resolve(header):
        seen.append(dict(header))
        with pytest.raises(TypeError):
            header["alg"] = "HS256"
        return MAC

    verify(jws.sign(CLAIMS, MAC, {"x": [1]}), resolve)
    assert seen[0] == {"alg": "HS256", "kid": "a", "x": [1]}


def test_the_algorithm_is_the_keys_and_not_the_tokens(verify):
    head = b64url_encode(b'{"alg":"HS256","kid":"e"}')
    data = f"{head}.{b64url_encode(CLAIMS)}"
    pem = EC.public.to_pem()
    import hmac

    forged = f"{data}.{b64url_encode(hmac.digest(pem, data.encode(), 'sha256'))}"
    refused(verify, forged, by_kid, "algorithm_mismatch")


def test_a_key_of_another_name_than_the_tokens_is_not_taken(verify):
    refused(verify, jws.sign(CLAIMS, MAC), lambda _: OTHER, "key_not_found")


def test_a_signature_by_another_key_is_refused(verify):
    stranger = Key.generate("HS256", kid="a")
    refused(verify, jws.sign(CLAIMS, stranger), by_kid, "signature_invalid")


def test_a_header_for_which_there_is_no_key_is_refused(verify):
    token = jws.sign(CLAIMS, Key.generate("HS256", kid="unknown"))
    error = refused(verify, token, by_kid, "key_not_found")
    assert isinstance(error.__cause__, KeyError)
    for nothing in (None, KeySet(), []):
        refused(verify, token, lambda _, nothing=nothing: nothing, "key_not_found")


def test_an_error_of_ours_comes_through(verify):
    def refuse(_header):
        raise InvalidToken("no", code="own_code")

    refused(verify, jws.sign(CLAIMS, MAC), refuse, "own_code")


def test_a_key_that_can_not_be_made_of_what_a_header_says_is_the_tokens_fault(verify):
    def make(header):
        return Key.from_jwk(header["jwk"])

    token = jws.sign(CLAIMS, MAC, {"jwk": {"kty": "EC"}})
    error = refused(verify, token, make, "key_not_found")
    assert isinstance(error.__cause__, InvalidKey)


@pytest.mark.parametrize("odd", [True, 5, "key", b"key", {"keys": []}, MAC.to_jwk(True), [1], len])
def test_what_is_no_key_is_told(verify, odd):
    with pytest.raises(ConfigurationError, match=r"^keys must be a function that returns a Key"):
        verify(jws.sign(CLAIMS, MAC), lambda _: odd)


def test_a_key_that_can_not_verify_is_not_taken(verify):
    refused(verify, jws.sign(CLAIMS, MAC), lambda _: WRAP, "algorithm_mismatch")


@pytest.mark.parametrize("wrong", [None, 5, "key", [MAC], {"a": MAC}])
def test_keys_are_keys_or_a_function(wrong):
    for verify in (jws.verify, lambda token, keys: jws.verify_json(document(token), keys)):
        with pytest.raises(InvalidKey, match="keys must be"):
            verify(jws.sign(CLAIMS, MAC), wrong)


def test_a_function_is_asked_for_every_token_and_nothing_is_remembered():
    asked = []

    def resolve(header):
        asked.append(header["kid"])
        return KEYS.get(header["kid"]) if len(asked) < 3 else None

    one, token = verifier(resolve), jws.sign(CLAIMS, MAC)
    assert one.keys is resolve
    one.verify(token)
    one.verify(token)
    with pytest.raises(InvalidToken):
        one.verify(token)
    assert asked == ["a"] * 3


def test_a_function_and_a_cache_exclude_each_other():
    with pytest.raises(ConfigurationError, match=r"^cache "):
        verifier(by_kid, cache=10_000)
    one = verifier(MAC, cache=10_000)
    with pytest.raises(ConfigurationError, match=r"^cache "):
        one.keys = by_kid
    assert one.verify(jws.sign(CLAIMS, MAC)).issuer == "i"


def test_a_verifier_may_be_given_a_function_later():
    one, token = verifier(OTHER), jws.sign(CLAIMS, MAC)
    one.keys = by_kid
    assert one.verify(token).issuer == "i"
    assert isinstance(one.verify_complete(token).header, Mapping)
