"""`carnet issuer check`: what a service has to be given to trust an issuer."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from tests.verifier import providers
from tests.verifier.conftest import METADATA, Issuer
from tests.verifier.internet import Internet, on_the_internet

from carnet.cli.issuer import issuer as command
from carnet.verifier import AccessTokenVerifier


@pytest.fixture
def issuer():
    one = Issuer()
    yield one
    one.close()


def check(*arguments):
    done = CliRunner().invoke(command, ["check", *arguments])
    return done.exit_code, re.sub(r"\x1b\[[0-9;]*m", "", done.output)


def pasted(said):
    return said.split("for your service:\n")[1].strip()


def test_a_carnet_issuer_needs_its_address_and_an_audience(issuer):
    status, said = check(issuer.url, issuer.token(roles=["ADMIN"]), "--audience", "orders")
    assert status == 0
    assert "ok  1 key at" in said
    assert "clock" in said
    assert "ACCEPTED" in said
    assert pasted(said) == f"AccessTokenVerifier('{issuer.url}', 'orders')"


def test_the_line_to_paste_accepts_the_token_of_another_issuer(tmp_path, monkeypatch):
    internet = Internet(tmp_path)
    try:
        with on_the_internet(internet, monkeypatch):
            for make in (providers.entra, providers.okta, providers.keycloak):
                provider = make()
                provider.publish(internet)
                token = provider.token()
                status, said = check(provider.claims["iss"], token, "--audience", provider.audience)
                assert status == 0, said
                assert f"Issuer.{make.__name__}(" in said or make is providers.keycloak
                verifier = eval(pasted(said), {"AccessTokenVerifier": AccessTokenVerifier})
                with verifier:
                    claims = verifier.verify(token)
                assert claims.roles == provider.roles
                assert claims.scopes == provider.scopes
                assert claims.client_id == provider.client_id
    finally:
        internet.close()


def test_a_name_that_is_spelled_otherwise_is_told(issuer):
    document = {"issuer": f"{issuer.url}/", "jwks_uri": f"{issuer.url}/jwks"}
    issuer.replies[METADATA] = (200, json.dumps(document).encode())
    status, said = check(issuer.url)
    assert status == 0
    assert f"the metadata names {issuer.url}/," in said
    assert f"AccessTokenVerifier('{issuer.url}/'" in said


def test_what_is_wrong_is_told_and_ends_with_one(issuer):
    token = issuer.token(aud="billing")
    status, said = check(issuer.url, token, "--audience", "orders")
    assert (status, "audience_mismatch" in said) == (1, True)
    issuer.replies["/jwks"] = (200, b'{"keys": []}')
    status, said = check(issuer.url)
    assert (status, "holds no key" in said) == (1, True)
    issuer.replies[METADATA] = (500, b"")
    status, said = check(issuer.url)
    assert (status, "answered 500" in said, "jwks_uri" in said) == (1, True, True)
    assert token not in said


@pytest.mark.parametrize("keys", [None, 5, True, 1.5, "x", {}, [None], [{"kty": 5}]])
def test_what_is_no_key_set_is_told_in_words(issuer, keys):
    issuer.replies["/jwks"] = (200, json.dumps({"keys": keys}).encode())
    status, said = check(issuer.url)
    assert status == 1
    assert said.splitlines()[-1].startswith("!! ")


@pytest.mark.parametrize(
    "token", ["x", "e30.e30.AA", "e30.eyJhdWQiOjd9.AA", "e30.eyJhdWQiOltdfQ.AA", "e30.W10.AA"]
)
def test_what_is_no_token_is_refused_in_words(issuer, token):
    status, said = check(issuer.url, token)
    assert status == 1
    assert "REFUSED" in said
