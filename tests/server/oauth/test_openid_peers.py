"""Clients that we did not write sign a person in, refresh, ask who it is, and sign out."""

import json
import subprocess
from urllib.parse import urlencode

import httpx
import pytest
from tests import processes
from tests.server.flows import CALLBACK, Person, add_client

from carnet import Key

BYE = "https://app.example/bye"


@pytest.fixture
def serve(start, tmp_path):
    """Start a server with alice and one client; give the server and the client's secret."""

    def serve_one(**metadata):
        secret = add_client(tmp_path / "data", post_logout_redirect_uris=(BYE,), **metadata)
        return start(), secret

    return serve_one


def drive(node, script, server, *arguments, times=1):
    """Run a script, be its browser so many times, and give what it says in the end."""
    process = processes.start(
        [node, str(script), server.url, "app", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    person = Person(server)
    with process:
        try:
            for _ in range(times):
                address = process.stdout.readline().strip()
                assert address, process.stderr.read()
                process.stdin.write(f"{person.go(address)}\n")
                process.stdin.flush()
            said, problems = process.communicate(timeout=processes.PATIENCE)
        finally:
            process.kill()
    assert said, problems
    return json.loads(said)


@pytest.mark.parametrize("bound", ["", "dpop"])
@pytest.mark.parametrize(
    ("script", "method"),
    [("openid_client.js", "client_secret_basic"), ("oauth4webapi.js", "none")],
)
def test_a_client_from_npm(serve, node, root, script, method, bound):
    server, secret = serve(token_endpoint_auth_method=method, dpop_bound_access_tokens=bool(bound))
    process = processes.start(
        [node, str(root / "tests" / "node" / script), server.url, "app", secret or "", bound],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    person = Person(server)
    with process:
        try:
            for _ in ("sign in", "sign out"):
                address = process.stdout.readline().strip()
                assert address, process.stderr.read()
                process.stdin.write(f"{person.go(address)}\n")
                process.stdin.flush()
            said, problems = process.communicate(timeout=processes.PATIENCE)
        finally:
            process.kill()
    assert said, problems
    told = json.loads(said)
    assert told["type"].lower() == (bound or "bearer")
    assert told["username"] == "alice"
    assert told["same"] is True
    assert told["over"] == f"{BYE}?state=over"
    assert told["after"] == "invalid_grant"
    if bound and script == "oauth4webapi.js":
        assert told["retried"] is True


def test_authlib(serve):
    from authlib.integrations.httpx_client import OAuth2Client
    from joserfc import jwt
    from joserfc.jwk import KeySet

    server, secret = serve(token_endpoint_auth_method="client_secret_basic")
    document = server.client.get("/.well-known/openid-configuration").json()
    person = Person(server)
    with OAuth2Client(
        "app",
        secret,
        redirect_uri=CALLBACK,
        scope="openid profile",
        code_challenge_method="S256",
        token_endpoint=document["token_endpoint"],
        trust_env=False,
    ) as client:
        verifier = "v" * 64
        address, state = client.create_authorization_url(
            document["authorization_endpoint"], code_verifier=verifier, nonce="n"
        )
        answer = person.go(address)
        token = client.fetch_token(
            authorization_response=answer, code_verifier=verifier, state=state
        )
        keys = KeySet.import_key_set(
            httpx.get(document["jwks_uri"], trust_env=False, timeout=60).json()
        )
        claims = jwt.decode(token["id_token"], keys, algorithms=["ES256"]).claims
        assert claims["nonce"] == "n"
        assert claims["aud"] == "app"
        token = client.refresh_token(document["token_endpoint"])
        told = client.get(document["userinfo_endpoint"]).json()
        assert told == {"sub": claims["sub"], "preferred_username": "alice"}
        wish = {"id_token_hint": token["id_token"], "post_logout_redirect_uri": BYE}
        assert person.go(f"{document['end_session_endpoint']}?{urlencode(wish)}") == BYE
        assert client.get(document["userinfo_endpoint"]).status_code == 401


OLDER = {
    "token_endpoint_auth_method": "client_secret_basic",
    "id_token_signed_response_alg": "RS256",
    "require_pkce": False,
}


def test_openid_client_without_pkce_by_a_form_with_a_signed_request_and_a_pushed_one(
    serve, node, root
):
    key = Key.generate("ES256")
    server, secret = serve(**OLDER, jwks={"keys": [key.public.to_jwk()]})
    private = json.dumps(key.to_jwk(private=True))
    process = processes.start(
        [
            *(node, str(root / "tests" / "node" / "openid_client_form_post.js")),
            *(server.url, "app", secret, private),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    person = Person(server)
    with process:
        try:
            for _ in ("plain", "signed", "pushed", "silent"):
                address = process.stdout.readline().strip()
                assert address, process.stderr.read()
                process.stdin.write(f"{person.go(address)}\n")
                process.stdin.flush()
                assert person.posted_to == CALLBACK
            said, problems = process.communicate(timeout=processes.PATIENCE)
        finally:
            process.kill()
    assert said, problems
    told = json.loads(said)
    assert told["same"] is True
    assert told["username"] == "alice"
    assert told["beside"] == [["client_id", "request"], ["client_id", "request_uri"]]
    assert told["refused"] == "login_required"


def test_authlib_without_pkce_by_a_form(serve):
    """What ASP.NET's handler sends: response_mode form_post, a nonce, and what nobody knows."""
    from authlib.integrations.httpx_client import OAuth2Client
    from joserfc import jwt
    from joserfc.jwk import KeySet

    server, secret = serve(**OLDER)
    document = server.client.get("/.well-known/openid-configuration").json()
    person = Person(server)
    with OAuth2Client(
        *("app", secret),
        redirect_uri=CALLBACK,
        scope="openid profile",
        token_endpoint=document["token_endpoint"],
        trust_env=False,
    ) as client:
        more = {"nonce": "638.n", "x-client-SKU": "ID_NET8_0", "x-client-ver": "8.0.1"}
        address, state = client.create_authorization_url(
            document["authorization_endpoint"], response_mode="form_post", **more
        )
        answer = person.go(address)
        assert person.posted_to == CALLBACK
        token = client.fetch_token(authorization_response=answer, state=state)
    jwks = httpx.get(document["jwks_uri"], trust_env=False, timeout=60).json()
    claims = jwt.decode(token["id_token"], KeySet.import_key_set(jwks), algorithms=["RS256"]).claims
    assert claims["nonce"] == "638.n"


def test_oauth4webapi_under_the_security_profile_of_fapi(serve, node, root):
    key = Key.generate("ES256")
    server, _ = serve(
        profile="fapi2",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [key.public.to_jwk()]},
    )
    script = root / "tests" / "node" / "oauth4webapi_fapi2.js"
    told = drive(node, script, server, json.dumps(key.to_jwk(private=True)))
    assert (told["type"].lower(), told["username"], told["kept"]) == ("dpop", "alice", True)


def test_openid_client_under_message_signing_of_fapi(serve, node, root):
    key = Key.generate("ES256")
    server, _ = serve(
        profile="fapi2-message-signing",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [key.public.to_jwk()]},
        introspects=("orders",),
    )
    script = root / "tests" / "node" / "openid_client_message_signing.js"
    told = drive(node, script, server, json.dumps(key.to_jwk(private=True)))
    assert (told["type"].lower(), told["username"], told["active"]) == ("dpop", "alice", True)
    assert told["answer"] == ["response"]
    assert told["beside"] == ["client_id", "request_uri"]
