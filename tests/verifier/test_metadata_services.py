"""The clients of others find the issuer of each service by its metadata, under its real server.

The client is the one of the MCP SDK for Python (`mcp.client.auth`), with its own models.
"""

import asyncio
import re

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.utils import (
    build_protected_resource_metadata_discovery_urls,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
    get_client_metadata_scopes,
    handle_protected_resource_response,
)
from mcp.shared.auth import OAuthClientMetadata
from tests.verifier.test_services import SERVICES, running

PATH = "/.well-known/oauth-protected-resource/writing"
ORIGIN = {"Origin": "https://app.example.com"}
# Where a challenge knows what its route needs.
KNOWING_THEIR_ROUTES = set(SERVICES) - {"asgi", "wsgi"}


@pytest.fixture(scope="module", params=list(SERVICES))
def service(request, world, root, tmp_path_factory):
    log = tmp_path_factory.mktemp("service") / "log"
    with running(request.param, world, root, log, resource="/writing") as service:
        service.name = request.param
        yield service


async def discover(url, headers):
    """Do what the SDK's client does first, and give all that it finds."""
    metadata = OAuthClientMetadata(redirect_uris=["http://127.0.0.1:1/callback"])
    provider = OAuthClientProvider(url, metadata, None)
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        refused = await client.get(url, headers=headers)
        named = extract_resource_metadata_from_www_auth(refused)
        addresses = build_protected_resource_metadata_discovery_urls(named, url)
        answers = [
            await handle_protected_resource_response(await client.get(address))
            for address in addresses
        ]
    scope = extract_scope_from_www_auth(refused)
    await provider._validate_resource_match(answers[0])
    return refused.status_code, addresses, answers, scope


@pytest.mark.parametrize("with_token", [False, True])
def test_the_mcp_sdk_finds_the_issuer_by_the_challenge_and_by_the_well_known_path(
    service, world, with_token
):
    url = f"{str(service.client.base_url).rstrip('/')}/writing"
    headers = {"Authorization": f"Bearer {world.issuer.token(scope='x')}"} if with_token else {}
    status, addresses, answers, scope = asyncio.run(discover(url, headers))
    assert status == (403 if with_token else 401)
    # By the challenge, by the path; the root of the host is another resource's.
    assert addresses[0] == addresses[1] == url.replace("/writing", PATH)
    assert answers[0] == answers[1]
    assert answers[2] is None
    found = answers[0]
    assert str(found.resource) == url
    # The first is an address without a path: no slash is added to it on our side.
    named = service.client.get(PATH).json()["authorization_servers"]
    assert named == [world.issuer.url, world.dead]
    if with_token or service.name in KNOWING_THEIR_ROUTES:
        assert scope == "a:write b"
    else:
        # That of the resource.
        assert scope == "b"
    assert get_client_metadata_scopes(scope, found) == scope


def test_every_page_may_read_the_metadata_and_nobody_may_write_them(service):
    read = service.client.get(PATH, headers=ORIGIN)
    assert (read.status_code, read.headers["content-type"]) == (200, "application/json")
    assert read.headers["access-control-allow-origin"] == "*"
    assert read.headers["cache-control"] == "public, max-age=300"
    head = service.client.head(PATH, headers=ORIGIN)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(read.content))
    asked = {
        **ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "mcp-protocol-version",
    }
    preflight = service.client.request("OPTIONS", PATH, headers=asked)
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"].startswith("*")
    for method in ("POST", "DELETE", "PUT"):
        refused = service.client.request(method, PATH)
        assert refused.status_code == 405
        assert set(re.findall(r"\w+", refused.headers["allow"])) == {"GET", "HEAD", "OPTIONS"}


def test_nothing_else_below_well_known_is_open(service):
    # A last slash is for the framework to judge: some take it away.
    for path in (f"{PATH}x", PATH.removesuffix("/writing"), f"/x{PATH}"):
        assert service.client.get(path).status_code in (401, 404)


def test_a_bad_token_does_not_close_the_metadata(service):
    answer = service.client.get(PATH, headers={"Authorization": "Bearer abc.def.ghi"})
    assert answer.status_code == 200
