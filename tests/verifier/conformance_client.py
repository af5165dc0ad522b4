"""The client that ``@modelcontextprotocol/conformance`` tests: the MCP SDK's, with our auth.

The suite runs it once for each scenario, with the address of a server that it has made, and looks
at what is asked of that server. There is no person: the "browser" follows the redirect.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from carnet import Key
from carnet.verifier.agents import (
    AuthorizationCodeAuth,
    ClientCredentialsAuth,
    FileStore,
    IdentityAssertionAuth,
    WorkloadAuth,
)

CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
DOCUMENT = "https://conformance-test.local/client-metadata.json"


def follow(address):
    """Be the browser of a person who agrees."""
    with httpx.Client(trust_env=False) as browser:
        answer = browser.get(address)
        browser.get(answer.headers["location"])


def issuer_of(server):
    """Give the issuer that a person who has registered a client would know."""
    parts = httpx.URL(server)
    address = parts.copy_with(path=f"/.well-known/oauth-protected-resource{parts.path}")
    return httpx.get(address, trust_env=False).json()["authorization_servers"][0]


def auth_for(server, folder):
    more = {}
    if "idp_id_token" in CONTEXT:
        return IdentityAssertionAuth(
            server,
            issuer=issuer_of(server),
            client_id=CONTEXT["client_id"],
            client_secret=CONTEXT["client_secret"],
            identity_provider=CONTEXT["idp_issuer"],
            identity_client_id=CONTEXT["idp_client_id"],
            id_token=lambda: CONTEXT["idp_id_token"],
        )
    if "valid_jwt" in CONTEXT:
        return WorkloadAuth(
            server,
            issuer=issuer_of(server),
            client_id=CONTEXT["client_id"],
            assertion=lambda: CONTEXT["valid_jwt"],
        )
    if "private_key_pem" in CONTEXT:
        key = Key.from_pem(CONTEXT["private_key_pem"], CONTEXT["signing_algorithm"])
        return ClientCredentialsAuth(
            server, CONTEXT["client_id"], issuer=issuer_of(server), key=key
        )
    if os.environ.get("MCP_CONFORMANCE_SCENARIO") == "auth/client-credentials-basic":
        return ClientCredentialsAuth(
            server,
            CONTEXT["client_id"],
            issuer=issuer_of(server),
            client_secret=CONTEXT["client_secret"],
        )
    if "client_id" in CONTEXT:
        more = {
            "client_id": CONTEXT["client_id"],
            "client_secret": CONTEXT["client_secret"],
            "issuer": issuer_of(server),
        }
    return AuthorizationCodeAuth(
        server,
        client_name="Conformance",
        client_metadata_url=DOCUMENT,
        store=FileStore(Path(folder) / "tokens.json"),
        open_browser=follow,
        timeout=20,
        **more,
    )


async def main(server):
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        auth = auth_for(server, folder)
        http = await stack.enter_async_context(httpx2.AsyncClient(auth=auth, trust_env=False))
        client = await stack.enter_async_context(
            Client(streamable_http_client(server, http_client=http))
        )
        await client.list_tools()
        await client.call_tool("test-tool", {})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
