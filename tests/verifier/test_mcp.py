"""MCP servers behind our adapters, on real sockets, called by the SDK's and by FastMCP's client."""

import asyncio
import logging
import socket
import threading
from contextlib import asynccontextmanager, contextmanager

import httpx
import httpx2
import pytest
import uvicorn
from fastmcp import Client as FastClient
from fastmcp import FastMCP
from fastmcp.server.auth import require_scopes
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import ProtectedResourceMetadata
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from tests import processes

from carnet import ConfigurationError
from carnet.testing import TestIssuer
from carnet.verifier import ProtectedResource
from carnet.verifier import fastmcp as for_fastmcp
from carnet.verifier import mcp as for_mcp

ISSUER = "https://auth.example.com"
RESOURCE = "https://mcp.example.com/mcp"
ACCEPT = {"Accept": "application/json, text/event-stream"}


@contextmanager
def served(app, listener):
    """Serve an app on a socket, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        processes.wait_until(lambda: server.started or not thread.is_alive())
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def address(listener):
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def issuer():
    return TestIssuer(ISSUER, "https://mcp.example.com/other")


def of_the_sdk(address, **more):
    """Give a protected server of the SDK, and what protects it."""
    auth = for_mcp.BearerAuth(ISSUER, resource=f"{address}/mcp", **more)
    server = MCPServer("Notes", log_level="ERROR")

    @server.tool()
    def who() -> dict[str, str]:
        return {"claims": for_mcp.current_claims().subject, "sdk": get_access_token().subject}

    @server.tool()
    @auth.require_scope("notes:write")
    @auth.require_scope("notes:tidy")
    async def write() -> str:
        return "written"

    @server.tool(name="remove-all")
    @auth.require_scope("notes:write")
    def remove() -> str:
        return "removed"

    return auth.protect(server.streamable_http_app(json_response=True)), auth


def of_fastmcp(address, **more):
    auth = for_fastmcp.BearerAuth(ISSUER, base_url=address, **more)
    server = FastMCP("Notes", auth=auth)

    @server.tool
    def who() -> dict[str, str]:
        return {"claims": for_fastmcp.current_claims().subject, "sdk": get_access_token().subject}

    @server.tool(auth=[for_fastmcp.require_scope("notes:write"), require_scopes("notes:tidy")])
    async def write() -> str:
        return "written"

    @server.tool(name="remove-all", auth=for_fastmcp.require_scope("notes:write"))
    def remove() -> str:
        return "removed"

    @server.custom_route("/health", methods=["GET"])
    async def health(_request):
        return PlainTextResponse("well")

    return server.http_app(json_response=True), auth


MAKERS = {"mcp": of_the_sdk, "fastmcp": of_fastmcp}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


@pytest.fixture
def service(make, issuer, listener, address):
    app, auth = make(address)
    issuer.override(auth)
    with served(app, listener):
        yield f"{address}/mcp"


def message(method, **params):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def calling(name):
    return message("tools/call", name=name, arguments={})


INITIALIZE = message(
    "initialize",
    protocolVersion="2025-11-25",
    capabilities={},
    clientInfo={"name": "test", "version": "1"},
)


@contextmanager
def session(url, token):
    """Begin a session; give the client that goes on with it, and the answer to its beginning."""
    with httpx.Client(trust_env=False, headers=ACCEPT, timeout=60) as client:
        bring(client, token)
        begun = client.post(url, json=INITIALIZE)
        if begun.status_code == 200:
            client.headers["Mcp-Session-Id"] = begun.headers["mcp-session-id"]
            client.headers["MCP-Protocol-Version"] = "2025-11-25"
        yield client, begun


def bring(client, token):
    if token is not None:
        client.headers["Authorization"] = f"Bearer {token}"


def call(url, token, name="who"):
    """Call a tool in a session of its own; give the refusal, if it can't be begun."""
    with session(url, token) as (client, begun):
        return begun if begun.status_code != 200 else client.post(url, json=calling(name))


def token_for(issuer, url, scope="", **claims):
    return issuer.token(audience=url, scope=scope, **claims)


def test_who_brings_no_token_is_told_where_to_get_one(service):
    answer = call(service, None)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    where = service.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
    assert answer.headers["www-authenticate"] == f'Bearer resource_metadata="{where}"'
    document = httpx.get(where, trust_env=False)
    # Letter by letter: clients compare the issuer so.
    assert document.json()["authorization_servers"] == [ISSUER]
    metadata = ProtectedResourceMetadata.model_validate_json(document.content)
    assert str(metadata.resource) == service
    assert document.headers["access-control-allow-origin"] == "*"


def test_a_tool_knows_who_calls_it(service, issuer):
    token = token_for(issuer, service, sub="ada")
    result = call(service, token).json()["result"]
    assert result["structuredContent"] == {"claims": "ada", "sdk": "ada"}


def test_a_token_of_another_resource_is_refused(service, issuer):
    for other in (service + "/", service.replace("/mcp", ""), "https://mcp.example.com/mcp"):
        answer = call(service, token_for(issuer, other))
        assert (answer.status_code, answer.json()["code"]) == (401, "audience_mismatch")


def test_a_tool_is_not_called_with_the_scope_of_another(service, issuer, caplog):
    caplog.set_level(logging.INFO, "carnet.verifier")
    token = token_for(issuer, service, "notes:read notes:tidy")
    answer = call(service, token, "write")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert "resource_metadata=" in challenge
    assert "refused 403 scope_missing" in caplog.text
    good = token_for(issuer, service, "notes:write notes:tidy")
    result = call(service, good, "write").json()["result"]
    assert result["content"][0]["text"] == "written"


def test_one_challenge_names_all_the_scopes_of_a_tool(service, issuer):
    challenge = call(service, token_for(issuer, service), "write").headers["www-authenticate"]
    scope = challenge.partition('scope="')[2].partition('"')[0]
    assert sorted(scope.split()) == ["notes:tidy", "notes:write"]


def test_a_tool_of_another_name_than_its_function_is_shut_too(service, issuer):
    answer = call(service, token_for(issuer, service), "remove-all")
    if answer.status_code == 200:
        result = answer.json()["result"]
        assert result["isError"]
        assert "this needs the scope notes:write" in result["content"][0]["text"]
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "params",
    [
        # A name that stands twice: readers of JSON differ in which counts.
        '{"name":"who","name":"write"}',
        '{"name":"write","arguments":{"x":NaN}}',
    ],
)
def test_a_call_that_only_the_server_can_read_is_shut_too(service, issuer, params):
    body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + params + "}"
    with session(service, token_for(issuer, service)) as (client, _):
        answer = client.post(service, content=body, headers={"Content-Type": "application/json"})
    assert "written" not in answer.text
    assert answer.status_code in (400, 403) or answer.json().get("result", {}).get("isError", True)


def test_what_is_too_long_to_be_looked_into_is_shut_too(service, issuer):
    padded = message("tools/call", name="write", arguments={"x": "." * 5_000_000})
    with session(service, token_for(issuer, service)) as (client, _):
        answer = client.post(service, json=padded)
    assert "written" not in answer.text


def test_the_session_of_one_person_is_not_gone_on_with_by_another(service, issuer):
    ada, bob = (token_for(issuer, service, sub=name) for name in ("ada", "bob"))
    with session(service, ada) as (client, _):
        bring(client, bob)
        assert client.post(service, json=calling("who")).status_code == 404
        bring(client, ada)
        assert client.post(service, json=calling("who")).status_code == 200


def test_a_later_token_of_a_session_is_the_one_that_counts(service, issuer):
    ada = {"sub": "ada", "client_id": "agent"}
    strong = token_for(issuer, service, "notes:write notes:tidy", **ada)
    with session(service, strong) as (client, _):
        assert client.post(service, json=calling("write")).status_code == 200
        bring(client, token_for(issuer, service, **ada))
        assert client.post(service, json=calling("write")).status_code == 403


def test_a_revoked_token_is_refused(service, issuer):
    token = token_for(issuer, service)
    assert call(service, token).status_code == 200
    issuer.revoke(token)
    assert call(service, token).json()["code"] == "revoked"


def test_an_issuer_that_is_away_costs_no_client_its_token(make, issuer, listener, address):
    app, auth = make(address)
    issuer.override(auth)
    token = token_for(issuer, f"{address}/mcp")
    issuer.down()
    with served(app, listener):
        answer = call(f"{address}/mcp", token)
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unavailable")


def test_what_every_request_needs_is_told_and_checked(make, issuer, listener, address):
    app, auth = make(address, required_scopes=["notes:read", "notes:list"])
    issuer.override(auth)
    url = f"{address}/mcp"
    with served(app, listener):
        first = call(url, None).headers["www-authenticate"]
        lacking = call(url, token_for(issuer, url, "notes:read"))
        tool = call(url, token_for(issuer, url, "notes:read notes:list"), "write")
        where = f"{address}/.well-known/oauth-protected-resource/mcp"
        document = httpx.get(where, trust_env=False).json()
    assert 'scope="notes:read notes:list"' in first
    assert 'scope="notes:read notes:list"' in lacking.headers["www-authenticate"]
    assert lacking.status_code == 403
    assert "notes:read notes:list notes:" in tool.headers["www-authenticate"]
    assert document["scopes_supported"] == ["notes:read", "notes:list"]


def in_sdk(url, token, work):
    """Do something with the SDK's client."""

    async def run():
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await work(client)

    return asyncio.run(run())


def test_the_sdks_client_of_the_newest_revision_calls_a_tool(service, issuer):
    token = token_for(issuer, service, sub="ada")

    async def work(client):
        listed = await client.list_tools()
        result = await client.call_tool("who", {})
        return [tool.name for tool in listed.tools], result.structured_content

    names, said = in_sdk(service, token, work)
    assert said == {"claims": "ada", "sdk": "ada"}
    assert "who" in names


def test_fastmcps_client_calls_a_tool(service, issuer):
    token = token_for(issuer, service, sub="ada")

    async def run():
        async with FastClient(service, auth=token) as client:
            return (await client.call_tool("who", {})).structured_content

    assert asyncio.run(run()) == {"claims": "ada", "sdk": "ada"}


def test_the_sdk_lists_all_tools_and_fastmcp_those_that_may_be_called(service, issuer, request):
    async def work(client):
        return {tool.name for tool in (await client.list_tools()).tools}

    listed = in_sdk(service, token_for(issuer, service), work)
    is_fastmcp = "[fastmcp]" in request.node.name
    assert listed == ({"who"} if is_fastmcp else {"who", "write", "remove-all"})


def test_the_server_that_the_sdk_runs_itself_asks_for_the_same_tokens(issuer, listener, address):
    url = f"{address}/mcp"
    auth = for_mcp.BearerAuth(ISSUER, resource=url, required_scopes=["notes:read"], leeway=60)
    issuer.override(auth)
    server = MCPServer("Notes", token_verifier=auth, auth=auth.settings, log_level="ERROR")

    @server.tool()
    def who() -> str:
        return for_mcp.current_claims().subject

    @server.tool()
    @auth.require_scope("notes:write")
    def write() -> str:
        return "written"

    with served(server.streamable_http_app(json_response=True), listener):
        assert call(url, None).status_code == 401
        assert call(url, token_for(issuer, f"{address}/other", "notes:read")).status_code == 401
        assert call(url, token_for(issuer, url)).status_code == 403
        good = token_for(issuer, url, "notes:read", sub="ada")
        assert call(url, good).json()["result"]["content"][0]["text"] == "ada"
        refused = call(url, good, "write").json()["result"]
        assert refused["isError"]
        assert "this needs the scope notes:write" in refused["content"][0]["text"]
        where = f"{address}/.well-known/oauth-protected-resource/mcp"
        document = httpx.get(where, trust_env=False).json()
        assert document["authorization_servers"] == [ISSUER]
        assert document["scopes_supported"] == ["notes:read"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"issuer": ISSUER, "audience": "notes"}, "give one issuer and"),
        (
            {"issuer": [ISSUER, "https://b.example"], "resource": "https://m.example/mcp"},
            "one issuer",
        ),
        (
            {"issuer": "https://AUTH.example.com", "resource": "https://m.example/mcp"},
            "would write",
        ),
    ],
)
def test_what_the_sdks_settings_cannot_say_is_refused(arguments, said):
    auth = for_mcp.BearerAuth(**arguments)
    with pytest.raises(ConfigurationError, match=said):
        _ = auth.settings


@pytest.mark.parametrize("scopes", ["notes:read", [""], ["a b"], [7]])
@pytest.mark.parametrize("kind", [for_mcp.BearerAuth, for_fastmcp.BearerAuth])
def test_required_scopes_are_a_list_of_scopes(kind, scopes):
    with pytest.raises(ConfigurationError, match="required_scopes must be a list"):
        kind(ISSUER, resource="https://m.example/mcp", required_scopes=scopes)


def test_a_tool_is_shut_where_no_token_can_be(issuer):
    auth = for_mcp.BearerAuth(ISSUER, resource="https://mcp.example.com/mcp")
    server = MCPServer("Notes", log_level="ERROR")

    @server.tool()
    @auth.require_scope("notes:write")
    def write() -> str:
        return "written"

    async def run():
        async with Client(server) as client:
            return await client.call_tool("write", {})

    result = asyncio.run(run())
    assert result.is_error
    assert "there is none" in result.content[0].text
    with pytest.raises(LookupError):
        for_mcp.current_claims()


def test_fastmcp_leaves_its_other_routes_open(issuer, listener, address):
    app, auth = of_fastmcp(address)
    issuer.override(auth)
    with served(app, listener):
        assert httpx.get(f"{address}/health", trust_env=False).text == "well"
        assert httpx.get(f"{address}/mcp/", trust_env=False).status_code in (307, 401, 404)


def test_fastmcp_below_another_path_is_for_that_address(issuer, listener, address):
    app, auth = of_fastmcp(f"{address}/notes")

    @asynccontextmanager
    async def lifespan(_app):
        async with app.lifespan(app):
            yield

    routes = [*auth.get_well_known_routes("/mcp"), Mount("/notes", app)]
    issuer.override(auth)
    url = f"{address}/notes/mcp"
    with served(Starlette(routes=routes, lifespan=lifespan), listener):
        challenge = call(url, None).headers["www-authenticate"]
        where = challenge.partition('resource_metadata="')[2].rstrip('"')
        assert httpx.get(where, trust_env=False).json()["resource"] == url
        assert call(url, token_for(issuer, f"{address}/mcp")).status_code == 401
        assert call(url, token_for(issuer, url)).status_code == 200


def test_two_apps_of_one_fastmcp_server_are_for_two_addresses(issuer, address):
    auth = for_fastmcp.BearerAuth(ISSUER, base_url=address)
    server = FastMCP("Notes", auth=auth)
    apps = {path: server.http_app(path=path) for path in ("/one", "/two")}

    async def ask(path):
        transport = httpx.ASGITransport(apps[path])
        async with httpx.AsyncClient(transport=transport, base_url=address) as client:
            return (await client.post(path)).headers["www-authenticate"]

    for path in apps:
        assert f'/oauth-protected-resource{path}"' in asyncio.run(ask(path))


def test_a_version_of_a_tool_that_may_be_called_is_called(issuer, listener, address):
    auth = for_fastmcp.BearerAuth(ISSUER, base_url=address)
    issuer.override(auth)
    server = FastMCP("Notes", auth=auth)

    @server.tool(name="write", version="1")
    def old() -> str:
        return "the old way"

    @server.tool(name="write", version="2", auth=require_scopes("notes:write"))
    def new() -> str:
        return "the new way"

    app = server.http_app(json_response=True)
    issuer.override(auth)
    url = f"{address}/mcp"
    with served(app, listener):
        for scope, said in (("", "the old way"), ("notes:write", "the new way")):
            result = call(url, token_for(issuer, url, scope), "write").json()["result"]
            assert result["content"][0]["text"] == said


def test_fastmcp_takes_the_whole_address_with_more_to_say():
    resource = ProtectedResource("https://mcp.example.com/mcp", name="Notes")
    auth = for_fastmcp.BearerAuth(ISSUER, resource=resource, required_scopes=["notes:read"])
    (route,) = auth.get_routes("/mcp")
    assert route.path == "/.well-known/oauth-protected-resource/mcp"
    with pytest.raises(ConfigurationError, match="and not both"):
        for_fastmcp.BearerAuth(ISSUER, resource=resource, base_url="https://mcp.example.com")
    with pytest.raises(ConfigurationError, match="and not both"):
        for_fastmcp.BearerAuth(ISSUER, "notes")
