"""An ECDSA signature of a token reaches OpenSSL in the one DER form that it has."""

from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from carnet import Key
from carnet.jose.algorithms import ALGORITHMS
from carnet.jose.signatures import prepare_public

# How a number may begin: first bit set, not set, zero bytes before either, and hardly anything.
BEGINNINGS = (b"\x80", b"\xff", b"\x7f", b"\x01", b"\0\x80", b"\0\x7f", b"\0\0\0\x01")


class Asked:
    """Stands for a public key, and keeps the signature that it is asked about."""

    def verify(self, signature, data, scheme):
        self.signature = signature


def numbers(size):
    yield from (start + b"\x5a" * (size - len(start)) for start in BEGINNINGS)
    yield bytes(size - 1) + b"\x01"


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_the_form_is_that_of_cryptographys_own_encoder(alg):
    size = ALGORITHMS[alg].size
    asked = Asked()
    verify = prepare_public(ALGORITHMS[alg], asked).verify

    for r, s in product(numbers(size), repeat=2):
        assert verify(b"data", r + s)
        expected = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        assert asked.signature == expected


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_every_signature_of_a_key_is_accepted_and_none_that_was_changed(alg):
    key = Key.generate(alg)
    sign, verify = key.signing(), key.public.verifying().verify

    for number in range(40):
        data = b"%d" % number
        signature = sign(data)
        assert verify(data, signature)
        assert not verify(data, signature[1:] + signature[:1])
        assert not verify(data, signature[:-1])
