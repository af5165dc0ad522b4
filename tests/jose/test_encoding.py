"""Base64url and JSON in their one strict form."""

import itertools
import json
from base64 import urlsafe_b64encode
from binascii import a2b_base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import InvalidToken
from carnet.jose.encoding import (
    b64url_decode,
    b64url_encode,
    b64url_encode_bytes,
    decode_claims,
    json_decode,
    json_encode,
)


@given(st.binary(max_size=300))
def test_bytes_come_back_and_python_agrees(data):
    text = b64url_encode(data)
    assert text == urlsafe_b64encode(data).rstrip(b"=").decode()
    assert b64url_decode(text) == b64url_decode(text.encode()) == data


@pytest.mark.parametrize("base", [b"", b"QUJD", b"QUJDRA", b"QUJDR"])
def test_one_value_has_one_text_whatever_two_bytes_are_put_around_it(base):
    accepted = {}
    for pair in itertools.product(range(256), repeat=2):
        for text in (bytes(pair) + base, base + bytes(pair)):
            try:
                data = b64url_decode(text)
            except InvalidToken:
                continue
            assert accepted.setdefault(data, text) == text
            assert text == b64url_encode(data).encode()
    assert len(accepted) > 64


@pytest.mark.parametrize(
    "text",
    [
        *("QQ==", "QUI=", "QR", "QUJ", "Q", "QUJDR", "+/+/", "QU JD", "QU\nJD", "QUJD\n", "QU=D"),
        *('QU"D', "QU\\D", "QUJD\x00", "\ufeffQUJD", "\ud800", "\xe9"),
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(InvalidToken) as refused:
        b64url_decode(text)
    assert refused.value.code == "malformed"


@given(st.binary(max_size=40))
def test_nothing_is_read_that_the_standard_library_reads_otherwise(text):
    try:
        data = b64url_decode(text)
    except InvalidToken:
        return
    standard = text.replace(b"-", b"+").replace(b"_", b"/")
    assert a2b_base64(standard + b"=" * (-len(standard) % 4), strict_mode=True) == data


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1,"b":2}]}',
        b'{"a":1,"\\u0061":2}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":1}x',
        b'{"a":1}{}',
        b'{"a":01}',
        b"{'a':1}",
        b'{"a":1,}',
        b"[]",
        b'"a"',
        b"1",
        b"null",
        b"",
        b"{",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x01"}',
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":' + b'{"b":' * 40 + b"1" + b"}" * 41,
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_json_of_another_kind_is_refused(text):
    with pytest.raises(InvalidToken) as refused:
        json_decode(text)
    assert refused.value.code == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        b' { "a" : 1 } ',
        b'{"a":1.0}',
        b'{"a":"\\u00e9"}',
        b'{"b":1,"a":2}',
        b'{"a":' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"a":"' + b"[" * 1000 + b'"}',
        b'{"a":"\\"[[[[\\\\"}',
    ],
)
def test_json_may_be_written_in_other_ways_while_it_means_one_thing(text):
    import json

    assert json_decode(text) == json.loads(text)


@pytest.mark.parametrize("value", [object(), {1: object()}, b"".join])
def test_a_value_without_json_form_is_refused(value):
    with pytest.raises(InvalidToken) as refused:
        json_encode({"a": value})
    assert refused.value.code == "claim_invalid"


def test_a_value_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(InvalidToken):
        json_encode(value)


NAMES = st.sampled_from(['"a"', '"b"', '"a,b"', '"\\u0061"', '"a\\",\\"b"', '""'])
SCALARS = st.sampled_from(["1", "-0", "1.50", "1e5", '"x"', '"x,y"', '"\\u002c"', "true", "null"])
SPACES = st.sampled_from(["", "", "", " "])


def objects(values):
    member = st.tuples(NAMES, SPACES, values).map(lambda found: f"{found[0]}{found[1]}:{found[2]}")
    return st.lists(member, max_size=4).map(lambda members: "{" + ",".join(members) + "}")


def lists(values):
    return st.lists(values, max_size=3).map(lambda items: "[" + ",".join(items) + "]")


VALUES = st.recursive(SCALARS, lambda within: objects(within) | lists(within), max_leaves=8)


def each_once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


@given(objects(VALUES) | VALUES)
def test_an_object_is_read_if_python_reads_it_with_each_name_once_and_only_then(text):
    try:
        expected = json.loads(text, object_pairs_hook=each_once)
    except ValueError:
        expected = None
    for read in (
        lambda: decode_claims(b64url_encode_bytes(text.encode()))[1],
        lambda: json_decode(text.encode()),
    ):
        if isinstance(expected, dict):
            assert read() == expected
        else:
            with pytest.raises(InvalidToken):
                read()


def test_a_name_is_found_twice_although_the_object_has_a_comma_for_each_member():
    for text in (
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":2}}',
        '{"a":1,"\\u0061":"x,y"}',
        '{"x":[1],"a":1,"a":{}}',
        '{"a":",","a":1}',
        '{"a":[{"b":1,"b":2}],"c":1}',
    ):
        with pytest.raises(InvalidToken):
            decode_claims(b64url_encode_bytes(text.encode()))
