"""Clients that others wrote get from one address to a tool call, with a person who allows it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests import processes
from tests.mcp_proxy.foreign_clients import CALLBACK, fastmcp_client, sdk_client
from tests.ports import free_ports
from tests.server.strangers import stranger

HERE = Path(__file__).parent
STDIO = (sys.executable, str(HERE / "stdio_server.py"))

pytestmark = pytest.mark.filterwarnings("ignore:Using in-memory token storage")


@pytest.fixture(scope="module")
def over_stdio(protect_once):
    return protect_once(server=STDIO, env={"SERVER_KEY": "hers", "CARNET_BRAND_NAME": "ours"})


@pytest.fixture(scope="module")
def over_http(protect_once):
    port = free_ports(1)
    server = processes.start(
        [sys.executable, str(HERE / "http_server.py"), str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/mcp"

    def answers():
        try:
            return httpx.get(url, trust_env=False)
        except httpx.TransportError:
            return None

    processes.wait_until(answers)
    yield protect_once("--scope", "weather:read", server=[url])
    server.terminate()
    server.wait(processes.PATIENCE)


def text_of(answer):
    return answer.content[0].text


def test_the_sdks_client_calls_a_tool_of_a_server_over_stdio(over_stdio, ada):
    async def scene():
        async with sdk_client(over_stdio.url, ada) as session:
            tools = await session.list_tools()
            answer = await session.call_tool("remember", {"note": "milk"})
            return {tool.name for tool in tools.tools}, text_of(answer)

    tools, answer = asyncio.run(scene())
    assert {"remember", "process"} <= tools
    assert answer == "1"
    assert any("SDK" in page for page in ada.seen)


def test_fastmcps_client_calls_a_tool_of_a_server_over_stdio(over_stdio, ada):
    async def scene():
        async with fastmcp_client(over_stdio.url, ada) as client:
            return text_of(await client.call_tool("remember", {"note": "milk"}))

    assert asyncio.run(scene()) == "1"


def test_the_sdks_client_calls_a_tool_of_a_server_over_http(over_http, ada):
    async def scene():
        async with sdk_client(over_http.url, ada) as session:
            return text_of(await session.call_tool("who"))

    told = json.loads(asyncio.run(scene()))
    # The SDK asks for what refreshes, too.
    assert set(told["x-auth-scope"].split()) == {"weather:read", "offline_access"}
    assert "authorization" not in told
    assert any("weather:read" in page for page in ada.seen)


def test_fastmcps_client_calls_a_tool_of_a_server_over_http(over_http, ada):
    async def scene():
        async with fastmcp_client(over_http.url, ada) as client:
            return text_of(await client.call_tool("who"))

    assert "x-auth-subject" in asyncio.run(scene())


@pytest.mark.parametrize("where", ["over_stdio", "over_http"])
def test_progress_comes_back(where, request, ada):
    protected = request.getfixturevalue(where)
    steps = []

    async def note(progress, total, message):
        steps.append(progress)

    async def scene():
        async with sdk_client(protected.url, ada) as session:
            return text_of(await session.call_tool("count", progress_callback=note))

    assert asyncio.run(scene()) == "counted"
    assert steps == [0, 1, 2]


def test_a_server_asks_the_person_in_the_midst_of_a_call(over_http, ada):
    async def choose(message, response_type, params, context):
        return response_type(value="the blue one")

    async def scene():
        client = fastmcp_client(over_http.url, ada, elicitation_handler=choose, mode="legacy")
        async with client:
            return text_of(await client.call_tool("ask"))

    assert asyncio.run(scene()) == "accept the blue one"


def test_each_session_over_stdio_has_a_process_of_its_own(over_stdio, ada):
    async def scene():
        async with (
            sdk_client(over_stdio.url, ada) as first,
            sdk_client(over_stdio.url, ada) as second,
        ):
            await first.call_tool("remember", {"note": "milk"})
            counted = text_of(await second.call_tool("remember", {"note": "bread"}))
            return counted, [
                int(text_of(await one.call_tool("process"))) for one in (first, second)
            ]

    counted, ids = asyncio.run(scene())
    assert counted == "1"
    assert ids[0] != ids[1]
    processes.wait_until(lambda: all(map(processes.has_ended, ids)))


def test_a_server_over_stdio_has_the_environment_without_carnets_own(over_stdio, ada):
    async def scene():
        async with sdk_client(over_stdio.url, ada) as session:
            names = ("SERVER_KEY", "CARNET_BRAND_NAME")
            return [text_of(await session.call_tool("variable", {"name": one})) for one in names]

    assert asyncio.run(scene()) == ["hers", ""]


def test_what_is_in_flight_is_answered_when_a_server_over_stdio_ends(over_stdio, ada):
    async def scene():
        async with sdk_client(over_stdio.url, ada) as session:
            with pytest.raises(Exception, match="the MCP server has ended"):
                await session.call_tool("die")

    asyncio.run(scene())


def test_the_sdks_client_is_known_by_its_metadata_document(protect, ada, tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as publisher:
        document = publisher.publish(redirect_uris=[CALLBACK])
        inside = {"CARNET_PRIVATE_HOSTS": "localhost"}
        protected = protect("--client-registration", "off", server=STDIO, env=inside)

        async def scene():
            async with sdk_client(protected.url, ada, document) as session:
                return text_of(await session.call_tool("remember", {"note": "milk"}))

        assert asyncio.run(scene()) == "1"
    assert any(f"localhost:{publisher.port}" in page for page in ada.seen)


def test_a_session_over_stdio_ends_with_the_command(protect, ada):
    async def scene():
        protected = protect(server=STDIO)
        async with sdk_client(protected.url, ada) as session:
            number = int(text_of(await session.call_tool("process")))
            os.kill(protected.process.pid, 9)
            await asyncio.to_thread(processes.wait_until, lambda: processes.has_ended(number))
            raise ConnectionAbortedError

    with pytest.raises(BaseException):  # noqa: B017 - however the client tells it
        asyncio.run(scene())


def test_the_typescript_client_calls_a_tool(over_stdio, ada, node, root):
    if not (root / "tests/node/node_modules/@modelcontextprotocol/sdk").is_dir():
        pytest.skip("@modelcontextprotocol/sdk is not installed: THE CLIENT WAS NOT TRIED")
    script = str(root / "tests" / "node" / "mcp_client.js")
    process = processes.start(
        [node, script, over_stdio.url, "remember", '{"note": "milk"}'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            address = process.stdout.readline().strip()
            assert address, process.stderr.read()
            said, problems = process.communicate(
                f"{ada.let_in(address)}\n", timeout=processes.PATIENCE
            )
        finally:
            process.kill()
    assert said, problems
    assert json.loads(said) == {"text": "1", "refreshes": True}


# One that is somewhere else can be tried by this variable.
INSPECTOR = os.environ.get("MCP_INSPECTOR", HERE.parent / "node" / "node_modules")
INSPECTOR_CLI = "@modelcontextprotocol/inspector/clients/cli/build/index.js"


def test_the_inspector_signs_in_and_calls_a_tool(over_stdio, ada, node, tmp_path):
    program = Path(INSPECTOR) / INSPECTOR_CLI
    if not program.is_file():
        pytest.skip("@modelcontextprotocol/inspector is not installed: IT WAS NOT TRIED")
    process = processes.start(
        [
            *(node, str(program), "--server-url", over_stdio.url, "--transport", "http"),
            *("--callback-url", f"http://127.0.0.1:{free_ports(1)}/oauth/callback"),
            *("--method", "tools/call", "--tool-name", "remember", "--tool-arg", "note=milk"),
            *("--format", "json"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "MCP_INSPECTOR_SECRET_STORE": "memory",
            # Without a terminal it asks nobody but by a browser, whose address it also tells.
            "MCP_AUTO_OPEN_ENABLED": "true",
            "BROWSER": "true",
            "DISPLAY": "",
            "WAYLAND_DISPLAY": "",
            "XDG_CURRENT_DESKTOP": "",
        },
    )
    told = []
    with process:
        try:
            for line in process.stderr:
                told.append(line)
                if address := re.search(r"http://\S+/authorize\?\S+", line):
                    httpx.get(ada.let_in(address[0]), trust_env=False, timeout=60)
                    break
            said, problems = process.communicate(timeout=processes.PATIENCE)
        finally:
            process.kill()
    assert said, [*told, problems]
    assert '"text":"1"' in said.replace(" ", "")
    assert any("Inspector" in page for page in ada.seen)
