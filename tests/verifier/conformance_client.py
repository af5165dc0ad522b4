"""The client that ``@modelcontextprotocol/conformance`` tests: the MCP SDK's, with our auth.

For each scenario the suite starts a command with the address of a server that it has made, and
looks at what is asked of that server. Here all clients run in the test's own process, which has
imported the SDK once: the command, ``conformance_relay.py``, only tells that one is wanted. There
is no person: the "browser" follows the redirect.
"""

from __future__ import annotations

import asyncio
import json
import socketserver
import ssl
import tempfile
import threading
import traceback
from contextlib import AsyncExitStack, contextmanager
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

# A context of TLS that nobody needs here takes 28 ms to make.
HTTP = {"trust_env": False, "timeout": 60, "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}
AT_A_TIME = 4
DOCUMENT = "https://conformance-test.local/client-metadata.json"


def follow(address):
    """Be the browser of a person who agrees."""
    with httpx.Client(**HTTP) as browser:
        answer = browser.get(address)
        browser.get(answer.headers["location"])


def issuer_of(server):
    """Give the issuer that a person who has registered a client would know."""
    parts = httpx.URL(server)
    address = parts.copy_with(path=f"/.well-known/oauth-protected-resource{parts.path}")
    return httpx.get(address, **HTTP).json()["authorization_servers"][0]


def auth_for(scenario, context, server, folder):
    more = {}
    if "idp_id_token" in context:
        return IdentityAssertionAuth(
            server,
            issuer=issuer_of(server),
            client_id=context["client_id"],
            client_secret=context["client_secret"],
            identity_provider=context["idp_issuer"],
            identity_client_id=context["idp_client_id"],
            id_token=lambda: context["idp_id_token"],
        )
    if "valid_jwt" in context:
        return WorkloadAuth(
            server,
            issuer=issuer_of(server),
            client_id=context["client_id"],
            assertion=lambda: context["valid_jwt"],
        )
    if "private_key_pem" in context:
        key = Key.from_pem(context["private_key_pem"], context["signing_algorithm"])
        return ClientCredentialsAuth(
            server, context["client_id"], issuer=issuer_of(server), key=key
        )
    if scenario == "auth/client-credentials-basic":
        return ClientCredentialsAuth(
            server,
            context["client_id"],
            issuer=issuer_of(server),
            client_secret=context["client_secret"],
        )
    if "client_id" in context:
        more = {
            "client_id": context["client_id"],
            "client_secret": context["client_secret"],
            "issuer": issuer_of(server),
        }
    return AuthorizationCodeAuth(
        server,
        client_name="Conformance",
        client_metadata_url=DOCUMENT,
        store=FileStore(Path(folder) / "tokens.json"),
        open_browser=follow,
        timeout=60,
        **more,
    )


async def play(scenario, context, server):
    """Be the client of a scenario."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        auth = auth_for(scenario, context, server, folder)
        http = await stack.enter_async_context(httpx2.AsyncClient(auth=auth, **HTTP))
        client = await stack.enter_async_context(
            Client(streamable_http_client(server, http_client=http))
        )
        await client.list_tools()
        await client.call_tool("test-tool", {})


class Clients(socketserver.ThreadingUnixStreamServer):
    """Runs a client whenever a relay asks for one, and keeps what it has failed by.

    Attributes:
        failures: the traceback of a client by its scenario; "" where it has not failed.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address):
        super().__init__(address, _Client)
        self.failures = {}
        self.turns = threading.Semaphore(AT_A_TIME)


class _Client(socketserver.StreamRequestHandler):
    def handle(self):
        scenario, context, server = self.rfile.read().decode().split("\n")
        said = ""
        with self.server.turns:
            try:
                asyncio.run(play(scenario, json.loads(context or "{}"), server))
            except BaseException:
                said = traceback.format_exc()
        self.server.failures[scenario] = said
        self.wfile.write(said.encode())


@contextmanager
def clients(address):
    """Have clients run for those who ask at an address, a path."""
    with Clients(address) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
