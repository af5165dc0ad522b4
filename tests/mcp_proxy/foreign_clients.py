"""MCP clients that others wrote: the SDK's and FastMCP's, with their own OAuth."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
from fastmcp import Client as FastMCPClient
from fastmcp.client.auth import OAuth
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

CALLBACK = "http://127.0.0.1:9999/callback"


class Kept:
    """Where the SDK's client keeps its tokens."""

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


@asynccontextmanager
async def sdk_client(url, person, document=None):
    """Connect the SDK's client, which the person lets in; it may have a metadata document."""
    came_to = []

    async def open_browser(address):
        came_to.append(await asyncio.to_thread(person.let_in, address))

    async def wait_for_callback():
        query = {name: values[0] for name, values in parse_qs(urlsplit(came_to[-1]).query).items()}
        return AuthorizationCodeResult(
            code=query["code"], state=query.get("state"), iss=query.get("iss")
        )

    auth = OAuthClientProvider(
        url,
        OAuthClientMetadata(client_name="The SDK's client", redirect_uris=[CALLBACK]),
        Kept(),
        open_browser,
        wait_for_callback,
        document,
    )
    async with (
        httpx2.AsyncClient(auth=auth, trust_env=False, timeout=60) as http,
        streamable_http_client(url, http_client=http) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


class _Headless(OAuth):
    """FastMCP's OAuth, with a person instead of a browser."""

    def __init__(self, person, **options):
        super().__init__(**options)
        self._person = person

    async def redirect_handler(self, authorization_url):
        target = await asyncio.to_thread(self._person.let_in, authorization_url)

        async def come_back():
            async with httpx2.AsyncClient(trust_env=False) as http:
                while True:
                    with contextlib.suppress(httpx2.TransportError):
                        await http.get(target)
                        return
                    await asyncio.sleep(0.05)

        self._coming_back = asyncio.create_task(come_back())


def fastmcp_client(url, person, **options):
    """Make FastMCP's client, which the person lets in."""
    return FastMCPClient(url, auth=_Headless(person, client_name="FastMCP's client"), **options)
