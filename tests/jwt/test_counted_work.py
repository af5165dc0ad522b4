"""Verifying a token does a counted amount of work, and no more creeps in unseen.

The counts are of Python 3.11, with room for one more. Whoever needs more says so here, with what
the benchmark ``library`` says of it.
"""

from __future__ import annotations

import pytest
from tests.counted_work import bytes_of, calls_of

from carnet import InvalidToken, Key, Signer, Verifier

ISSUER = "https://auth.example.com"
CLAIMS = {"sub": "1dfee8d8", "role": "ADMIN"}

# cryptography asks Python for the properties of RSA's and ECDSA's schemes.
VERIFIED = {"HS256": 33, "RS256": 42, "ES256": 48, "Ed25519": 34}
SIGNED = {"HS256": 33, "ES256": 39}
CACHED = 6
# Counting the branches that were reached, as the whole run does, takes some of these itself.
BYTES_VERIFIED = 4_000
BYTES_CACHED = 1_000


def made(alg, **more):
    key = Key.generate(alg)
    token = Signer(key, issuer=ISSUER, audience="orders").sign(CLAIMS)
    verifier = Verifier(key, issuer=ISSUER, audience="orders", **more)
    verifier.verify(token)
    return token, verifier


@pytest.mark.parametrize("alg", VERIFIED)
def test_a_token_of_a_known_key_is_verified_in_so_many_calls(alg):
    token, verifier = made(alg)

    assert calls_of(lambda: verifier.verify(token)) <= VERIFIED[alg]


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ML-DSA-65"])
def test_a_token_seen_before_is_a_lookup_whatever_its_algorithm(alg):
    token, verifier = made(alg, cache=100_000)

    assert calls_of(lambda: verifier.verify(token)) <= CACHED


@pytest.mark.parametrize("alg", SIGNED)
def test_a_token_is_signed_in_so_many_calls(alg):
    signer = Signer(Key.generate(alg), issuer=ISSUER, audience="orders")
    signer.sign(CLAIMS)

    assert calls_of(lambda: signer.sign(CLAIMS)) <= SIGNED[alg]


def test_verifying_holds_a_few_times_the_tokens_length_in_memory():
    token, verifier = made("ES256")

    assert bytes_of(lambda: verifier.verify(token)) <= BYTES_VERIFIED


def test_a_token_seen_before_is_held_once():
    token, verifier = made("ES256", cache=100_000)

    assert bytes_of(lambda: verifier.verify(token)) <= BYTES_CACHED


def test_a_token_longer_than_allowed_is_refused_although_the_cache_is_asked_first():
    token, verifier = made("ES256", cache=100_000)
    short = Verifier(
        verifier.keys, issuer=ISSUER, audience="orders", cache=100_000, max_size=len(token) - 1
    )

    with pytest.raises(InvalidToken) as caught:
        short.verify(token)
    assert caught.value.code == "too_large"
