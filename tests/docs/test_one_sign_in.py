"""docs/how-to/one-sign-in.md goes as it is written, between two Carnets; so do others' clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import sys
from pathlib import Path

import httpx
import pytest
from tests import processes
from tests.identity_provider import IdentityProvider
from tests.ports import free_ports
from tests.server import conftest
from tests.server.conftest import PASSWORD
from tests.verifier.test_mcp import served

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install 'carnet[mcp]'")

import httpx2
from mcp import Client
from mcp.client.auth import OAuthTokenError
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer

from carnet import ConfigurationError, GrantRefused, inspect
from carnet.verifier import fetch
from carnet.verifier import mcp as for_mcp
from carnet.verifier.agents import IdentityAssertionAuth

start = conftest.start

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "one-sign-in.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
AT_COMPANY, AT_NOTES, FORMS = [text for language, text in BLOCKS if language == "sh"]
[PROGRAM] = [text for language, text in BLOCKS if language == "python"]
BASH = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")),
    reason="bash or curl is missing: THE PAGE WAS NOT TRIED",
)


class World:
    """The company's Carnet, the authorization server of the notes, and the notes' MCP server."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {
            name: text for name, text in os.environ.items() if not name.startswith("CARNET_")
        }
        python = Path(sys.executable).parent
        self.env["PATH"] = f"{python}{os.pathsep}{os.environ['PATH']}"
        self.names = {}

    def here(self, text):
        for name, place in self.names.items():
            text = text.replace(name, place)
        return text

    def run(self, command, data=None, **more):
        """Run a command of the page."""
        env = {**self.env, **({} if data is None else {"CARNET_DATA": str(data)}), **more}
        done = processes.run(
            ["bash", "-euo", "pipefail", "-c", self.here(command)],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def world(tmp_path, start, monkeypatch):
    world = World(tmp_path)
    company, data = tmp_path / "company", tmp_path / "data"
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        notes = f"http://127.0.0.1:{listener.getsockname()[1]}"
        idp = IdentityProvider(tmp_path, company)
        world.env["SSL_CERT_FILE"] = world.env["CURL_CA_BUNDLE"] = str(idp.ca_file)
        context = ssl.create_default_context(cafile=idp.ca_file)
        monkeypatch.setattr(fetch, "tls_context", lambda: context)
        # The authorization server has its port before anything names it.
        port = free_ports(1)
        issuer = f"http://127.0.0.1:{port}"
        world.names = {
            "https://idp.example.com": idp.url,
            "https://auth.example.net": issuer,
            "https://mcp.example.net": notes,
        }
        for folder in (company, data):
            world.run("carnet user add alice --role staff --password-file password", folder)
        told = world.run(AT_COMPANY, company)
        world.secret_at_company = re.search(r"client_secret  (\S+)", told)[1]
        [alice] = json.loads(world.run("carnet user list --json", company))
        world.names["U019488227"] = alice["id"]
        told = world.run(AT_NOTES, data)
        world.secret_at_notes = re.search(r"client_secret  (\S+)", told)[1]
        world.data, world.issuer, world.notes, world.idp = data, issuer, f"{notes}/mcp", idp
        environment = {"SSL_CERT_FILE": str(idp.ca_file), "CARNET_PRIVATE_HOSTS": "localhost"}
        world.server = start("--issuer", issuer, "--port", str(port), data=data, env=environment)
        with idp:
            world.refresh_token, world.id_token = idp.sign_in("alice", "assistant-sso")
            auth = for_mcp.BearerAuth(issuer, resource=world.notes, required_scopes=["notes:read"])
            mcp_server = MCPServer("Notes", log_level="ERROR")

            @mcp_server.tool()
            def whose_notes() -> str:
                claims = for_mcp.current_claims()
                return f"those of {claims.subject} with {claims.client_id}"

            with served(auth.protect(mcp_server.streamable_http_app()), listener):
                yield world


def environment(world):
    return {
        "SECRET_AT_NOTES": world.secret_at_notes,
        "SECRET_AT_COMPANY": world.secret_at_company,
        "REFRESH_TOKEN": world.refresh_token,
    }


def auth_of(world, **more):
    given = {
        "issuer": world.issuer,
        "client_id": "assistant",
        "client_secret": world.secret_at_notes,
        "identity_provider": world.idp.url,
        "identity_client_id": "assistant-sso",
        "identity_client_secret": world.secret_at_company,
        **more,
    }
    return IdentityAssertionAuth(world.notes, **given)


async def call(world, auth):
    async with (
        httpx2.AsyncClient(auth=auth, trust_env=False) as http,
        Client(streamable_http_client(world.notes, http_client=http)) as client,
    ):
        return (await client.call_tool("whose_notes", {})).content[0].text


def account_id(world):
    [alice] = json.loads(world.run("carnet user list --json", world.data))
    return alice["id"]


@BASH
def test_the_page_from_its_beginning_to_its_end(world):
    (world.folder / "assistant.py").write_text(world.here(PROGRAM), "utf-8")
    alice = account_id(world)
    told = world.run("python assistant.py", **environment(world))
    assert f"those of {alice} with assistant" in told
    answer = json.loads(world.run(FORMS, **environment(world)))
    claims = inspect(answer["access_token"]).claims
    assert (claims["sub"], claims["aud"]) == (alice, world.notes)
    assert (claims["scope"], claims["client_id"]) == ("notes:read", "assistant")


@BASH
def test_a_program_that_was_let_in_is_refused_once_the_link_is_gone(world):
    auth = auth_of(world, id_token=lambda: world.id_token)
    with httpx.Client(auth=auth, trust_env=False) as client:
        token = client.get(world.notes).request.headers["authorization"]

        def is_refused():
            answer = httpx.get(world.notes, headers={"Authorization": token}, trust_env=False)
            return answer.status_code == 401

        assert not is_refused()
        world.run("carnet user unlink alice https://idp.example.com U019488227", world.data)
        processes.wait_until(is_refused)
        with pytest.raises(OAuthTokenError, match="invalid_grant"):
            client.get(world.notes)


@BASH
@pytest.mark.parametrize("blocking", [True, False])
def test_the_same_for_clients_of_httpx(world, blocking):
    auth = auth_of(world, refresh_token=lambda: world.refresh_token)

    async def ask():
        async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
            return await client.get(world.notes)

    if blocking:
        with httpx.Client(auth=auth, trust_env=False) as client:
            answer = client.get(world.notes)
    else:
        answer = asyncio.run(ask())
    # The server's own answer to a request that is none of MCP's.
    assert answer.status_code in (400, 405, 406)
    assert "authorization" in answer.request.headers


@BASH
def test_the_sdks_own_provider_is_let_in_with_an_assertion(world):
    asked = []

    async def assertion(audience, resource):
        asked.append((audience, resource))
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "audience": audience,
            "resource": resource,
            "subject_token": world.id_token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        }
        auth = ("assistant-sso", world.secret_at_company)
        async with httpx.AsyncClient(verify=fetch.tls_context(), trust_env=False) as client:
            answer = await client.post(f"{world.idp.url}/token", data=form, auth=auth)
        assert answer.json()["token_type"] == "N_A"
        return answer.json()["access_token"]

    auth = IdentityAssertionOAuthProvider(
        world.notes,
        Memory(),
        "assistant",
        world.secret_at_notes,
        world.issuer,
        assertion,
        token_endpoint_auth_method="client_secret_basic",
    )
    told = asyncio.run(call(world, auth))
    assert told == f"those of {account_id(world)} with assistant"
    assert asked == [(world.issuer, world.notes)]


@BASH
def test_whom_the_company_does_not_vouch_for_is_told_so(world):
    auth = auth_of(world, refresh_token=lambda: "x", identity_client_secret="wrong")
    with httpx.Client(auth=auth, trust_env=False) as client:
        with pytest.raises(GrantRefused) as refused:
            client.get(world.notes)
        assert refused.value.code == "invalid_client"
        # Another host is none of this auth's business.
        answer = client.get(f"{world.issuer}/healthz")
        assert (answer.status_code, "authorization" in answer.request.headers) == (200, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://auth.example.net"},
        {"identity_provider": "http://idp.example.com"},
        {"client_secret": ""},
        {"refresh_token": None},
        {"id_token": lambda: "x"},
    ],
)
def test_wrong_arguments_are_told_at_once(wrong):
    given = {
        "issuer": "https://auth.example.net",
        "client_id": "assistant",
        "client_secret": "x",
        "identity_provider": "https://idp.example.com",
        "identity_client_id": "assistant-sso",
        "refresh_token": lambda: "x",
        **wrong,
    }
    with pytest.raises(ConfigurationError):
        IdentityAssertionAuth("https://mcp.example.net/mcp", **given)


class Memory:
    """The SDK's storage."""

    async def get_tokens(self):
        return None

    async def set_tokens(self, tokens):
        pass

    async def get_client_info(self):
        return None

    async def set_client_info(self, client_info):
        pass
