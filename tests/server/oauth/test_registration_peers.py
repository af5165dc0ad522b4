"""Clients that we did not write register themselves, and sign a person in."""

import asyncio
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests import processes
from tests.server.conftest import PASSWORD
from tests.server.flows import Person

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.service import open_service
from carnet.server.settings import Settings

TOOLS = "https://tools.example/mcp"
LOOPBACK = "http://localhost:3334/callback"


@pytest.fixture
def server(start, tmp_path):
    """A server with alice, and a resource that is open to clients that nobody has registered."""

    async def prepare():
        async with open_service(Settings(data=str(tmp_path / "data"))) as service:
            await service.accounts.create("alice", PASSWORD)
            metadata = ResourceMetadata(
                scopes=("tools:read", "tools:write"), unregistered_clients=True
            )
            await service.registry.add_resource(TOOLS, metadata, OPERATOR)

    asyncio.run(prepare())
    return start("--client-registration", "open")


@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
def test_the_mcp_sdk_from_npm(server, node, root, method):
    sdk = root / "tests" / "node" / "node_modules" / "@modelcontextprotocol" / "sdk"
    if not sdk.is_dir():
        pytest.skip("@modelcontextprotocol/sdk is not installed: ITS REGISTRATION WAS NOT TRIED")
    process = processes.start(
        [node, str(root / "tests" / "node" / "register.js"), server.url, TOOLS, method],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            address = process.stdout.readline().strip()
            assert address, process.stderr.read()
            process.stdin.write(f"{Person(server).go(address)}\n")
            process.stdin.flush()
            said, problems = process.communicate(timeout=processes.PATIENCE)
        finally:
            process.kill()
    assert said, problems
    told = json.loads(said)
    assert "redirect_uri" in told["refused"]
    assert told["client_id"].startswith("dynamic.")
    assert (told["scope"], told["refreshed"]) == ("tools:read", True)


class Storage:
    """What the SDK's client keeps."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


@pytest.mark.parametrize("method", [None, "none", "client_secret_post", "client_secret_basic"])
def test_the_mcp_sdk_from_pypi(server, method):
    auth = pytest.importorskip("mcp.client.auth", reason="mcp is not installed: NOT TRIED")
    httpx2 = pytest.importorskip("httpx2", reason="httpx2 is not installed: NOT TRIED")
    from mcp.client.auth import AuthorizationCodeResult
    from mcp.shared.auth import OAuthClientMetadata

    person, answers, wanted = Person(server), [], ["tools:read", "tools:read tools:write"]

    def protected(request):
        """A protected server: it wants one scope at the first request, and two at the next."""
        if request.url.path.startswith("/.well-known/oauth-protected-resource"):
            document = {"resource": TOOLS, "authorization_servers": [server.url]}
            return httpx2.Response(200, json=document)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        missing = set(wanted[0].split())
        if token:
            missing -= set(inspect(token).claims.get("scope", "").split())
        if not missing:
            return httpx2.Response(200, text="a tool's answer")
        error = ', error="insufficient_scope"' if token else ""
        challenge = f'Bearer scope="{wanted[0]}"{error}'
        return httpx2.Response(403 if token else 401, headers={"WWW-Authenticate": challenge})

    class Both(httpx2.AsyncBaseTransport):
        def __init__(self):
            self.real = httpx2.AsyncHTTPTransport(trust_env=False)

        async def handle_async_request(self, request):
            if request.url.host == "tools.example":
                await request.aread()
                return protected(request)
            return await self.real.handle_async_request(request)

        async def aclose(self):
            await self.real.aclose()

    async def browse(address):
        # The browser blocks: it has a thread of its own.
        with ThreadPoolExecutor(1) as pool:
            running = asyncio.get_running_loop()
            end = await running.run_in_executor(pool, person.go, address)
        answers.append(dict(parse_qsl(urlsplit(end).query)))

    async def back():
        one = answers[-1]
        return AuthorizationCodeResult(code=one["code"], state=one["state"], iss=one["iss"])

    async def scene():
        storage = Storage()
        metadata = OAuthClientMetadata(
            client_name="An agent", redirect_uris=[LOOPBACK], token_endpoint_auth_method=method
        )
        provider = auth.OAuthClientProvider(TOOLS, metadata, storage, browse, back)
        async with httpx2.AsyncClient(auth=provider, transport=Both(), timeout=60) as client:
            first = await client.post(TOOLS)
            scope = storage.tokens.scope
            del wanted[0]
            second = await client.post(TOOLS)
        return first.text, scope, second.text, storage

    first, scope, second, storage = asyncio.run(scene())
    assert first == second == "a tool's answer"
    assert set(scope.split()) == {"tools:read", "offline_access"}
    # What it registered with is no limit: it asks for more with the client that it is.
    assert set(storage.tokens.scope.split()) == {"tools:read", "tools:write", "offline_access"}
    assert storage.client.client_id.startswith("dynamic.")
    assert len(answers) == 2
