"""Where bytes are taken, a bytearray and a memoryview are taken too."""

import json
from array import array

import pytest

from carnet import ConfigurationError, InvalidKey, InvalidToken, Key, KeySet, inspect
from carnet.jose import jwe, jws
from carnet.jose.arguments import bytes_of

KEY, WRAP = Key.generate("HS256"), Key.generate("A128KW")
EC = Key.generate("ES256")
PEM = EC.to_pem(private=True)
KINDS = (bytes, bytearray, memoryview)


def released():
    view = memoryview(b"x")
    view.release()
    return view


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_every_kind_are_taken(kind):
    def of(data):
        return kind(data if isinstance(data, bytes) else data.encode())

    token = jws.sign(of(b"x"), KEY)
    assert jws.verify(of(token), KEY).payload == b"x"
    assert type(jws.verify(of(token), KEY).payload) is bytes
    assert inspect(of(token)).payload == b"x"
    detached = jws.sign(of(b"x"), KEY, detached=True)
    assert jws.verify(detached, KEY, payload=of(b"x")).payload == b"x"
    document = jws.sign_json(of(b"x"), KEY, detached=True)
    assert jws.verify_json(of(json.dumps(document)), KEY, payload=of(b"x")).payload == b"x"
    sealed = jwe.encrypt(of(b"x"), WRAP)
    assert jwe.decrypt(of(sealed), WRAP).plaintext == b"x"
    document = jwe.encrypt_json(of(b"x"), WRAP, aad=of(b"y"))
    assert jwe.decrypt_json(of(json.dumps(document)), WRAP).plaintext == b"x"
    assert Key.from_pem(of(PEM)).thumbprint() == EC.thumbprint()
    locked = EC.to_pem(private=True, password=of(b"password"))
    assert Key.from_pem(of(locked), password=of(b"password")).is_private
    jwk = json.dumps(EC.to_jwk())
    assert Key.from_jwk(of(jwk)) == EC.public
    assert len(KeySet.from_jwks(of(f'{{"keys":[{jwk}]}}'))) == 1
    assert Key.from_secret(of(b"k" * 32), "HS256").kty == "oct"


def test_a_secret_in_a_buffer_that_is_wiped_later_is_a_copy():
    secret = bytearray(b"k" * 32)
    key = Key.from_secret(secret, "HS256")
    token = jws.sign(b"x", key)
    secret[:] = bytes(32)
    assert jws.verify(token, key).payload == b"x"


def test_a_view_is_taken_as_the_bytes_that_it_shows():
    assert bytes_of(memoryview(b"abcdef")[::2]) == b"ace"
    assert bytes_of(memoryview(array("H", [1]))) == array("H", [1]).tobytes()


@pytest.mark.parametrize("wrong", [None, "x", 5, [1], array("b", [1]), released()])
def test_what_is_no_bytes_is_told(wrong):
    for work in (
        lambda: jws.sign(wrong, KEY),
        lambda: jws.sign_json(wrong, KEY),
        lambda: jws.verify(jws.sign(b"x", KEY), KEY, payload=5 if wrong is None else wrong),
        lambda: jwe.encrypt(wrong, WRAP),
        lambda: jwe.encrypt_json(b"x", WRAP, aad=5 if wrong is None else wrong),
    ):
        with pytest.raises(ConfigurationError, match="must be bytes"):
            work()


def test_a_view_that_was_released_holds_nothing():
    with pytest.raises(InvalidToken):
        jws.verify(released(), KEY)
    with pytest.raises(InvalidToken):
        jws.verify_json(released(), KEY)
    for make in (Key.from_jwk, Key.from_pem, Key.from_der, KeySet.from_jwks):
        with pytest.raises(InvalidKey):
            make(released())
    with pytest.raises(InvalidKey):
        Key.from_secret(released(), "HS256")
    with pytest.raises(InvalidKey):
        Key.from_pem(PEM, password=released())
    assert inspect(released()).problems
