"""The forms in which issuers publish their keys."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from tests.jwt.test_key_source import ISSUER, JWKS, ok, run
from tests.verifier.providers import RSA, certificate_of

from carnet.jwt.key_source import KeySource


def test_keys_may_be_certificates_by_their_kid():
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok({"k1": certificate_of(RSA), "k2": RSA.public.to_pem().decode()}))
    assert [(key.kid, key.alg) for key in source.keys] == [("k1", "RS256"), ("k2", "RS256")]
    source = KeySource(ISSUER, JWKS, ["PS256"])
    run(source, 0, ok({"k1": certificate_of(RSA)}))
    assert [key.alg for key in source.keys] == ["PS256"]


@pytest.mark.parametrize(
    "document",
    [{}, {"k1": "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"}, {"k1": "text"}],
)
def test_a_mapping_that_holds_no_certificate_gives_no_key(document):
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok(document))
    assert source.keys is None


def test_a_private_key_that_is_published_so_proves_nothing():
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok({"k1": RSA.to_pem(private=True).decode()}))
    assert source.keys is None


def test_a_leading_zero_octet_is_tolerated_in_what_was_fetched():
    jwk = RSA.public.to_jwk()
    for name in ("n", "e"):
        number = urlsafe_b64decode(jwk[name] + "==")
        jwk[name] = urlsafe_b64encode(b"\0" + number).rstrip(b"=").decode()
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok({"keys": [jwk]}))
    assert [key.thumbprint() for key in source.keys] == [RSA.thumbprint()]


@pytest.mark.parametrize("odd", [7, None, "", "=", "AA", ["AQAB"], {}])
def test_odd_numbers_of_a_key_are_skipped(odd):
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok({"keys": [{**RSA.public.to_jwk(), "n": odd}, RSA.public.to_jwk()]}))
    assert len(source.keys) == 1


def test_a_key_that_is_of_another_issuer_is_left_out():
    jwks = [{**RSA.public.to_jwk(), "issuer": name} for name in (ISSUER, "https://b.example", 7)]
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok({"keys": jwks}))
    assert len(source.keys) == 2


def test_keys_that_name_no_algorithm_are_told_with_the_argument_that_helps():
    jwk = {name: value for name, value in RSA.public.to_jwk().items() if name != "alg"}
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok({"keys": [jwk]}))
    assert "give the verifier algorithms=['RS256']" in source.health(0).last_error
    source = KeySource(ISSUER, JWKS, ["RS256"])
    run(source, 0, ok({"keys": [jwk]}))
    assert len(source.keys) == 1


def test_the_keys_of_a_spiffe_bundle_are_for_signatures():
    source = KeySource(ISSUER, JWKS)
    jwk = RSA.public.to_jwk()
    run(source, 0, ok({"keys": [{**jwk, "use": "jwt-svid"}, {**jwk, "use": "x509-svid"}]}))
    assert len(source.keys) == 1


@pytest.mark.parametrize("odd", [None, 7, "text", ["kty"]])
def test_what_is_no_jwk_is_skipped(odd):
    source = KeySource(ISSUER, JWKS)
    run(source, 0, ok({"keys": [odd, RSA.public.to_jwk()]}))
    assert len(source.keys) == 1
