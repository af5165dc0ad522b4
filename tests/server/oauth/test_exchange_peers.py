"""Programs that we did not write exchange a person's token."""

import json

import pytest
from tests import processes
from tests.server.flows import add_client

from carnet import inspect
from carnet.server.clients.clients import TOKEN_EXCHANGE

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture
def acting(start, tmp_path):
    """A server, the secret of a program that may act at billing, and a token of alice's."""
    data = tmp_path / "data"
    secret = add_client(
        data,
        "agent",
        redirect_uris=(),
        grant_types=(TOKEN_EXCHANGE,),
        token_endpoint_auth_method="client_secret_basic",
        scope="bills:read",
        exchange_from=("orders",),
        exchange_to=("billing",),
        first_party=True,
    )
    add_client(data, "shop", first_party=True, scope="bills:read bills:write")
    server = start()
    return server, secret


def persons_token(server):
    from tests.server.flows import signed_in

    return signed_in(server, client_id="shop", scope="bills:read bills:write", resource="orders")[
        "access_token"
    ]


def test_clients_from_npm(acting, node, root):
    server, secret = acting
    script = str(root / "tests" / "node" / "token_exchange.js")
    token = persons_token(server)
    done = processes.run(
        [node, script, server.url, "agent", secret, token, "billing"],
        capture_output=True,
        text=True,
        timeout=processes.PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for body in (told["first"], told["second"]):
        assert body["issued_token_type"] == ACCESS_TOKEN
        assert body["scope"] == "bills:read"
        assert inspect(body["access_token"]).claims["act"] == {"sub": "agent"}
    assert told["refused"] == "invalid_target"
    assert TOKEN_EXCHANGE in told["grants"]


def test_authlib(acting):
    from authlib.integrations.httpx_client import OAuth2Client

    server, secret = acting
    with OAuth2Client(
        "agent", secret, token_endpoint=f"{server.url}/token", trust_env=False
    ) as client:
        token = client.fetch_token(
            grant_type=TOKEN_EXCHANGE,
            subject_token=persons_token(server),
            subject_token_type=ACCESS_TOKEN,
            resource="billing",
        )
    claims = inspect(token["access_token"]).claims
    assert (claims["aud"], claims["act"]) == ("billing", {"sub": "agent"})
    assert claims["roles"] == ["ADMIN"]
