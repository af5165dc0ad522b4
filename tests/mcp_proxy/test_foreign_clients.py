"""Clients that others wrote get from the one address to a tool call, with a person who allows it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests import processes
from tests.mcp_proxy.foreign_clients import fastmcp_client, sdk_client

HERE = Path(__file__).parent
STDIO = (sys.executable, str(HERE / "stdio_server.py"))


@pytest.fixture(scope="module")
def over_stdio(protect_once):
    return protect_once(server=STDIO)


def test_the_sdks_client_calls_a_tool_of_a_server_over_stdio(over_stdio, ada):
    async def scene():
        async with sdk_client(over_stdio.url, ada) as session:
            tools = await session.list_tools()
            answer = await session.call_tool("remember", {"note": "milk"})
            return {tool.name for tool in tools.tools}, answer.content[0].text

    tools, answer = asyncio.run(scene())
    assert {"remember", "process"} <= tools
    assert answer == "1"
    assert any("SDK" in page for page in ada.seen)


def test_fastmcps_client_calls_a_tool_of_a_server_over_stdio(over_stdio, ada):
    async def scene():
        async with fastmcp_client(over_stdio.url, ada) as client:
            return await client.call_tool("remember", {"note": "milk"})

    assert asyncio.run(scene()).content[0].text == "1"
