"""The settings that a client's page offers to paste: they are whole, and they work."""

import ast
import asyncio
import configparser
import html
import re
import tomllib
from urllib.parse import urlsplit

import pytest
from tests import processes
from tests.server.conftest import PASSWORD
from tests.server.flows import Person, add_client
from tests.server.inside import Inside, register

from carnet.server.clients.clients import DEVICE_CODE
from carnet.server.pages.admin.recipes import RECIPES
from carnet.server.service import open_service
from carnet.server.settings import Settings

CALLBACK = "http://127.0.0.1:5000/callback"
CONFIDENTIAL = {"token_endpoint_auth_method": "client_secret_basic"}
MACHINE = {"grant_types": ("client_credentials",), "redirect_uris": (), **CONFIDENTIAL}
CLIENTS = {
    "shop": {**CONFIDENTIAL, "client_name": "The Grafana"},
    "app": {},
    "job": {**MACHINE, "scope": "stock:read"},
    "tv": {"grant_types": (DEVICE_CODE, "refresh_token"), "redirect_uris": ()},
    "keyed": {"grant_types": ("client_credentials",), "redirect_uris": (), "jwks": None},
}
READERS = {
    **dict.fromkeys(("FastAPI", "Flask", "Django"), ast.parse),
    "Grafana": lambda text: configparser.ConfigParser(interpolation=None).read_string(text),
    "oauth2-proxy": tomllib.loads,
    "curl": lambda text: processes.run(["bash", "-n"], input=text, text=True, check=True),
}


def shown(page):
    """Give what the page of a client offers, by its title."""
    found = re.findall(r'<pre[^>]*data-copy="([^"]*)"><code>(.*?)</code></pre>', page, re.DOTALL)
    return {title: html.unescape(text) for title, text in found}


async def recipes_of(service, client_id):
    browser = Inside(service)
    await browser.sign_in()
    answer = await browser.client.get(f"/admin/clients/client?id={client_id}")
    assert answer.status_code == 200
    return shown(answer.text)


def test_each_client_is_offered_what_is_for_its_kind_with_its_own_values_and_no_secret(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        found, secrets = {}, []
        for name, metadata in CLIENTS.items():
            if name == "keyed":
                continue
            given = {"redirect_uris": (CALLBACK,), **metadata}
            secrets.append(await register(service, name, **given))
            found[name] = await recipes_of(service, name)
        return found, [secret for secret in secrets if secret]

    found, secrets = play(scene, issuer="https://auth.example.com")
    titles = {name: set(texts) for name, texts in found.items()}
    assert titles == {
        "shop": {"FastAPI", "Flask", "Django", "Express", "Grafana", "oauth2-proxy"},
        "app": {"oidc-client-ts"},
        "job": {"curl"},
        "tv": {"curl"},
    }
    assert next(iter(found["shop"])) == "Grafana"
    assert sum(map(len, titles.values())) == len(RECIPES)
    for name, texts in found.items():
        for title, text in texts.items():
            assert name in text
            assert "https://auth.example.com" in text
            assert not any(secret in text for secret in secrets)
            READERS.get(title, str)(text)


def offered(data, issuer, client_id):
    """Give what the page of a client offers, of a server at an address."""

    async def scene():
        settings = Settings(data=str(data), audiences=("orders", "billing"), issuer=issuer)
        async with open_service(settings) as service:
            await service.accounts.create("root", PASSWORD, ("carnet:admin",))
            browser = Inside(service, "root")
            await browser.sign_in()
            answer = await browser.client.get(f"/admin/clients/client?id={client_id}")
            return shown(answer.text)

    return asyncio.run(scene())


@pytest.fixture
def shop(start, tmp_path, monkeypatch):
    """A server with a client that has a secret, and what its page offers."""
    secret = add_client(tmp_path / "data", "shop", redirect_uris=(CALLBACK,), **CONFIDENTIAL)
    server = start()
    monkeypatch.setenv("CLIENT_SECRET", secret)
    monkeypatch.setenv("SESSION_SECRET", "for this test alone")
    return server, offered(tmp_path / "data", server.url, "shop")


def path_of(address):
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def test_what_is_pasted_into_fastapi_and_flask_signs_people_in(shop):
    server, texts = shop
    from fastapi.testclient import TestClient

    flask: dict = {"__name__": "flask_app"}
    exec(texts["Flask"], flask)
    browser = flask["app"].test_client()
    asked = browser.get("/sign-in").headers["location"]
    assert asked.startswith(f"{server.url}/authorize?")
    told = browser.get(path_of(Person(server).go(asked)))
    assert told.json["preferred_username"] == "alice"

    fastapi: dict = {"__name__": "fastapi_app"}
    exec(texts["FastAPI"], fastapi)
    with TestClient(fastapi["app"], base_url="http://127.0.0.1:5000") as browser:
        asked = browser.get("/sign-in", follow_redirects=False).headers["location"]
        answer = browser.get(path_of(Person(server).go(asked)))
        assert answer.json()["preferred_username"] == "alice"
