"""A person with a browser without a window, and what clients do with the answers."""

import asyncio
import base64
import hashlib
import html
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
from tests.server.conftest import PASSWORD

from carnet.server.accounts.accounts import AccountRefused
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.service import open_service
from carnet.server.settings import Settings

CALLBACK = "https://app.example/callback"


def add_client(data, client_id="app", **metadata):
    """Register a client, and alice (ADMIN), in a data folder, and give the client's secret."""
    given = {
        "client_name": "The App",
        "redirect_uris": (CALLBACK,),
        "token_endpoint_auth_method": "none",
        **metadata,
    }

    async def scene():
        settings = Settings(
            data=str(data),
            audiences=("orders", "billing"),
            database=os.environ.get("CARNET_DATABASE", ""),
        )
        async with open_service(settings) as service:
            with suppress(AccountRefused):
                await service.accounts.create("alice", PASSWORD, ("ADMIN",))
            return await service.registry.add_client(ClientMetadata(**given), OPERATOR, client_id)

    # In a thread of its own: where a browser is driven, this one has a running loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(scene())[1]).result()


class Person:
    """Somebody who fills in the service's forms, and stops where another site begins."""

    def __init__(self, server, username="alice", password=PASSWORD, decision="allow"):
        self.server = server
        self.typed = {"username": username, "password": password, "decision": decision}
        self.forms = []
        self.posted_to = None
        self.client = httpx.Client(
            base_url=server.url,
            trust_env=False,
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"Accept": "text/html", "Origin": server.url},
        )

    def go(self, address):
        """Follow an address to the end: a page without a form, or another site's address.

        What is posted to that stands in its query, and ``posted_to`` is the address.
        """
        answer = self.client.get(address)
        for _ in range(10):
            if answer.is_redirect:
                following = urljoin(str(answer.url), answer.headers["location"])
                if not following.startswith(self.server.url + "/"):
                    return following
                answer = self.client.get(following)
                continue
            posted = re.search(r'<form method="post" action="([^"]*)" id="answer">', answer.text)
            if posted is not None:
                self.posted_to = html.unescape(posted[1])
                return f"{self.posted_to}?{urlencode(hidden(answer.text))}"
            form = re.search(
                r'<form method="post" action="([^"]*(?:sign-in|decision))"', answer.text
            )
            if form is None:
                return answer
            self.forms.append(form[1])
            answer = self.client.post(form[1], data={**self.typed, **hidden(answer.text)})
        raise AssertionError("the redirects have no end")

    def authorize(self, **parameters):
        """Go through the authorization endpoint, and give what the client is answered."""
        end = self.go(f"/authorize?{urlencode(parameters)}")
        assert isinstance(end, str), end.text
        return dict(parse_qsl(urlsplit(end).query))


def hidden(page):
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


class Request:
    """A client's request, with its verifier."""

    def __init__(self, **more):
        self.verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        self.parameters = {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": "a state",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **more,
        }
        self.parameters = {name: text for name, text in self.parameters.items() if text is not None}

    def exchange(self, server, code, **more):
        """Send the code to the token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.parameters["client_id"],
            "redirect_uri": self.parameters["redirect_uri"],
            "code_verifier": self.verifier,
            **more,
        }
        form = {name: text for name, text in form.items() if text is not None}
        return server.client.post("/token", data=form)


def signed_in(server, person=None, **more):
    """Let alice sign in for the app, and give the token endpoint's answer."""
    asked = Request(**more)
    answer = (person or Person(server)).authorize(**asked.parameters)
    return asked.exchange(server, answer["code"]).json()
