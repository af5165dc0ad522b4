"""The examples of RFC 7516 appendix A and RFC 7518 appendix C, which the test data lacks."""

import json
from pathlib import Path

import pytest

from carnet import Key
from carnet.jose import jwe
from carnet.jose.algorithms import ENCRYPTIONS
from carnet.jose.encoding import b64url_encode
from carnet.jose.key_management import FAMILIES

EXAMPLES = json.loads(Path(__file__).with_name("rfc_examples.json").read_text())


@pytest.mark.parametrize("example", EXAMPLES["rfc7516"], ids=lambda example: example["name"])
def test_every_example_of_rfc_7516_is_decrypted(example):
    key = Key.from_jwk(example["key"], example["alg"])
    read = jwe.decrypt if isinstance(example["token"], str) else jwe.decrypt_json
    opened = read(example["token"], key, allow_weak=["RSA1_5"])
    assert opened.plaintext.decode() == example["plaintext"]


def test_the_key_agreement_of_rfc_7518_gives_the_derived_key():
    example = EXAMPLES["rfc7518_c"]
    bob = Key.from_jwk(example["bob"], "ECDH-ES")
    epk = {name: example["alice"][name] for name in ("kty", "crv", "x", "y")}
    header = {"epk": epk, "apu": example["apu"], "apv": example["apv"]}
    derived = FAMILIES["ECDH-ES"].unwrap(bob, ENCRYPTIONS[example["enc"]], header, b"")
    assert b64url_encode(derived) == example["derived"]


def test_both_sides_of_the_agreement_meet():
    example = EXAMPLES["rfc7518_c"]
    bob = Key.from_jwk(example["bob"], "ECDH-ES")
    header = {"apu": example["apu"], "apv": example["apv"]}
    token = jwe.encrypt(b"x", bob.public, example["enc"], header)
    assert jwe.decrypt(token, bob).header["apu"] == example["apu"]
