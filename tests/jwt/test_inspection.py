"""Inspecting: anything may go in, nothing is raised, and what is wrong is said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import Key, Signer, inspect
from carnet.jose import jwe
from carnet.jose.encoding import b64url_encode
from carnet.jose.jws import MAX_TOKEN

KEY = Key.generate("HS256", kid="k1")
TOKEN = Signer(KEY, issuer="i", audience="a", clock=lambda: 1000).sign({"sub": "ada"})


def token(header, payload=b"{}", signature="AAAA"):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return f"{b64url_encode(head)}.{b64url_encode(payload)}.{signature}"


def problems(*parts):
    return " / ".join(inspect(token(*parts)).problems)


def test_a_signed_token_is_read_without_a_key():
    seen = inspect(TOKEN)
    assert seen.kind == "JWS"
    assert seen.header == {"alg": "HS256", "kid": "k1", "typ": "JWT"}
    assert seen.claims == {"iss": "i", "aud": "a", "iat": 1000, "exp": 1300, "sub": "ada"}
    assert json.loads(seen.payload) == seen.claims
    assert len(seen.signature) == 32
    assert seen.problems == []


def test_text_bytes_and_white_space_around_a_token_read_alike():
    assert inspect(TOKEN.encode()) == inspect(f"  {TOKEN}\r\n") == inspect(TOKEN)


def test_of_an_encrypted_token_only_the_header_is_read():
    seen = inspect(jwe.encrypt(b"secret", Key.generate("A256KW", kid="k2")))
    assert (seen.kind, seen.header["alg"], seen.header["kid"]) == ("JWE", "A256KW", "k2")
    assert (seen.claims, seen.payload, seen.signature, seen.problems) == (None, b"", b"", [])


@pytest.mark.parametrize("count", [0, 1, 3, 5, 6, 100_000])
def test_another_number_of_parts_is_told(count):
    seen = inspect("." * count)
    assert seen.kind == "unknown"
    assert "expected 3 parts (signed) or 5 parts (encrypted)" in seen.problems[0]


def test_two_parts_are_read_as_far_as_they_go():
    seen = inspect(TOKEN.rpartition(".")[0])
    assert seen.kind == "unknown"
    assert seen.claims["sub"] == "ada"
    assert len(seen.problems) == 1


def test_a_token_without_a_signature_is_told():
    assert inspect(TOKEN.rpartition(".")[0] + ".").problems == ["there is no signature"]


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
def test_a_header_that_says_unsigned_is_told(alg):
    assert "not signed" in problems({"alg": alg})


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({}, "'alg'"),
        ({"alg": 5}, "'alg'"),
        ({"alg": "HS257"}, "not an algorithm that is known"),
        ({"alg": "HS256", "kid": 5}, "'kid'"),
        ({"alg": "HS256", "crit": []}, "'crit'"),
        ({"alg": "HS256", "crit": ["exp"], "exp": 1}, "extension that is not supported"),
        ({"alg": "HS256", "jku": "http://e", "jwk": {}}, "never used: jwk, jku"),
        (b"[]", "the header is not a JSON object"),
        (b'{"alg":"HS256","alg":"none"}', "the header is not a JSON object"),
        (b"\xef\xbb\xbf{}", "the header is not a JSON object"),
        (b"\xff", "the header is not a JSON object"),
        (b"[" * 5000, "the header is not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_header_is_told(header, told):
    assert told in problems(header)


def test_a_payload_that_is_no_json_object_is_given_as_bytes():
    seen = inspect(token({"alg": "HS256"}, b"hello"))
    assert (seen.claims, seen.payload) == (None, b"hello")
    assert len(seen.problems) == 1
    assert "the payload is not a JSON object" in seen.problems[0]


def test_each_part_that_is_no_base64url_is_told_once():
    seen = inspect("a.b.c")
    assert seen.problems == [
        "the header is not base64url",
        "the payload is not base64url",
        "the signature is not base64url",
    ]
    assert seen.header == {}


def test_a_text_longer_than_any_token_is_not_looked_into():
    assert inspect("a" * (MAX_TOKEN + 1)).problems == [f"longer than {MAX_TOKEN} characters"]


@pytest.mark.parametrize("value", [None, 5, 10**12, [], {}, object(), 1.5])
def test_what_is_no_text_is_told(value):
    assert inspect(value).problems == ["expected text"]


@given(st.one_of(st.text(), st.binary(), st.text(alphabet="eyJ.{}\ud800\u00e9=-_A0 ")))
def test_any_text_is_answered_with_problems_and_never_with_an_error(text):
    seen = inspect(text)
    assert seen.problems
    assert seen.claims is None


@given(st.tuples(st.binary(), st.binary(), st.binary()))
def test_any_three_encoded_parts_are_answered(parts):
    seen = inspect(".".join(map(b64url_encode, parts)))
    assert seen.kind == "JWS"
    assert seen.payload == parts[1]
    assert seen.signature == parts[2]
