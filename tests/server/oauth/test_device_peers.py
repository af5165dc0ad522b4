"""Devices that we did not write are let in (RFC 8628)."""

import json
import subprocess

import pytest
from tests import processes
from tests.login.conftest import Alice
from tests.server.flows import add_client

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def serve(start, tmp_path):
    """Start a server with alice and one client; give the server and the client's secret."""

    def serve_one(**metadata):
        given = {"redirect_uris": (), "grant_types": (DEVICE_CODE, "refresh_token")}
        secret = add_client(tmp_path / "data", "tv", **{**given, **metadata})
        return start(), secret

    return serve_one


@pytest.fixture
def run(node, root):
    """Run a script of Node's, with somebody who decides; give what it says at its end."""

    def run_one(server, script, *arguments, decision="allow"):
        process = processes.start(
            [node, str(root / "tests" / "node" / script), server.url, "tv", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        person = Alice(server, decision=decision)
        with process:
            try:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                person.decide(json.loads(line)["user_code"])
                said, problems = process.communicate(f"{decision}\n", processes.PATIENCE)
            finally:
                process.kill()
        assert said, problems
        return json.loads(said)

    return run_one


@pytest.mark.parametrize("bound", ["", "dpop"])
def test_oauth4webapi(serve, run, bound):
    server, _ = serve(dpop_bound_access_tokens=bool(bound))
    assert run(server, "oauth4webapi_device.js", bound) == {
        "before": ["authorization_pending", "slow_down"],
        "type": bound or "bearer",
        "username": "alice",
        "after": "invalid_grant",
    }


def test_oauth4webapi_is_told_that_it_is_not_allowed(serve, run):
    server, _ = serve()
    told = run(server, "oauth4webapi_device.js", "", decision="deny")
    assert told == {"before": ["authorization_pending", "slow_down"], "after": "access_denied"}


def test_openid_client(serve, run):
    server, secret = serve(token_endpoint_auth_method="client_secret_basic")
    told = run(server, "openid_client_device.js", secret)
    assert told["type"] == "bearer"
    assert told["subject"] == told["refreshed"]


def test_authlib(serve):
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import OAuth2Client

    server, secret = serve(token_endpoint_auth_method="client_secret_basic")
    document = server.client.get("/.well-known/oauth-authorization-server").json()
    address = document["device_authorization_endpoint"]
    with OAuth2Client("tv", secret, scope="openid", trust_env=False) as client:
        form = {"client_id": "tv", "scope": "openid"}
        codes = client.request(
            "POST", address, withhold_token=True, auth=("tv", secret), data=form
        ).json()
        asked = {"grant_type": DEVICE_CODE, "device_code": codes["device_code"]}
        with pytest.raises(OAuthError) as refused:
            client.fetch_token(document["token_endpoint"], **asked)
        assert refused.value.error == "authorization_pending"
        Alice(server).decide(codes["user_code"])
        token = client.fetch_token(document["token_endpoint"], **asked)
        assert token["scope"] == "openid"
        assert client.get(document["userinfo_endpoint"]).status_code == 200
