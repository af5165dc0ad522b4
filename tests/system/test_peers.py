"""Other issuers' tokens with our verifier, and our server's tokens with other verifiers."""

import subprocess

import httpx
import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import pytest
from tests import processes

from carnet import InvalidToken
from carnet.verifier import AccessTokenVerifier

JOB = ("job", "a-secret-of-the-test")


@pytest.fixture
def run_node(node, root):
    """Run servers of tests/node, and give their addresses; all are ended with the test."""
    running = []

    def run(script, *arguments):
        process = processes.start(
            [node, str(root / "tests" / "node" / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        return address

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("alg", "named"), [("ES256", "named"), ("PS256", "named"), ("RS256", ""), ("EdDSA", "named")]
)
def test_tokens_of_oidc_provider_are_accepted(run_node, alg, named):
    issuer = run_node("oidc_provider.js", alg, named)

    def token(audience):
        form = {"grant_type": "client_credentials", "scope": "orders:read"}
        form["resource"] = f"https://api.example/{audience}"
        answer = httpx.post(f"{issuer}/token", data=form, auth=JOB, trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    algorithms = None if named else [alg]
    with AccessTokenVerifier(issuer, "orders", algorithms=algorithms) as verifier:
        claims = verifier.verify(token("orders"))
        assert (claims.subject, claims.scopes) == ("job", {"orders:read"})
        with pytest.raises(InvalidToken) as refused:
            verifier.verify(token("billing"))
        assert refused.value.code == "audience_mismatch"


def test_pyjwt_and_joserfc_accept_our_tokens(server):
    metadata = server.client.get("/.well-known/oauth-authorization-server").json()
    token = server.sign_in().json()["access_token"]

    client = pyjwt.PyJWKClient(metadata["jwks_uri"])
    key = client.get_signing_key_from_jwt(token)
    said = pyjwt.decode(
        token, key, algorithms=["ES256"], audience="orders", issuer=metadata["issuer"]
    )
    assert said["roles"] == ["ADMIN"]

    document = httpx.get(metadata["jwks_uri"], trust_env=False, timeout=60).json()
    keys = joserfc.jwk.KeySet.import_key_set(document)
    decoded = joserfc.jwt.decode(token, keys, algorithms=["ES256"])
    assert decoded.header["typ"] == "at+jwt"
    assert decoded.claims == said
    joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": "orders"},
        exp={"essential": True},
    ).validate(decoded.claims)


def test_a_service_in_express_accepts_our_tokens(oauth, run_node):
    job = oauth.machine(oauth.job, resource="orders", scope="orders:read orders:write").json()
    reader = oauth.machine(oauth.job, resource="orders", scope="orders:read").json()
    other = oauth.machine(oauth.job, resource="invoices").json()
    service = run_node("express_service.js", oauth.server.url, "orders")

    def call(body, path="/"):
        headers = {"Authorization": f"Bearer {body['access_token']}"}
        return httpx.get(service + path, headers=headers, trust_env=False, timeout=60)

    answer = call(job)
    assert answer.status_code == 200, answer.text
    assert answer.json()["client_id"] == oauth.job[0]
    assert call(job, "/writers").status_code == 200
    assert call(reader, "/writers").status_code == 403
    assert call(other).status_code == 401
