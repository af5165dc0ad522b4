"""Verifiers that we did not write take tokens of a real server; ours takes those of another."""

import subprocess

import httpx
import jwt as pyjwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet as JoserfcKeySet

from carnet import InvalidToken
from carnet.verifier import AccessTokenVerifier


@pytest.fixture
def run_node(node, root):
    """Start a script of tests/node, and give the address that it prints first."""
    running = []

    def run(script, *arguments):
        process = subprocess.Popen(
            [node, script, *arguments],
            cwd=root / "tests" / "node",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        running.append(process)
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address
        return address

    yield run
    for process in running:
        process.kill()
        process.wait(20)
        process.stdout.close()


def test_pyjwts_client_and_joserfc_take_a_servers_token(server):
    token = server.sign_in().json()["access_token"]
    address = f"{server.url}/.well-known/jwks.json"
    key = pyjwt.PyJWKClient(address).get_signing_key_from_jwt(token)
    claims = pyjwt.decode(token, key, algorithms=["ES256"], audience="orders", issuer=server.url)
    keys = JoserfcKeySet.import_key_set(server.client.get(address).json())
    assert joserfc_jwt.decode(token, keys, algorithms=["ES256"]).claims == claims


def test_express_takes_a_servers_token_and_refuses_one_for_another_service(server, run_node):
    headers = {"Authorization": f"Bearer {server.sign_in().json()['access_token']}"}
    orders, billing = (
        httpx.get(run_node("express_service.js", server.url, audience), headers=headers, timeout=20)
        for audience in ("orders", "billing")
    )
    assert orders.json()["iss"] == server.url
    assert billing.status_code == 401


def test_our_verifier_takes_a_token_of_oidc_provider_and_checks_its_audience(run_node):
    issuer = run_node("oidc_provider.js")
    token = httpx.post(
        f"{issuer}/token",
        data={"grant_type": "client_credentials", "scope": "orders:read"},
        auth=("job", "only-of-this-test"),
        timeout=20,
        trust_env=False,
    ).json()["access_token"]
    with AccessTokenVerifier(issuer, "orders") as verifier:
        claims = verifier.verify(token)
        assert (claims.issuer, claims["client_id"]) == (issuer, "job")
        assert claims.scopes == {"orders:read"}
    with AccessTokenVerifier(issuer, "billing") as other, pytest.raises(InvalidToken) as refused:
        other.verify(token)
    assert refused.value.code == "audience_mismatch"
