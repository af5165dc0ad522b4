"""A person with a browser and the clients, in the process of the service itself: fast and exact."""

import html
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request, hidden

from carnet.server.app import build_app
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata


async def register(service, client_id="app", **metadata):
    """Register a public client, unless told otherwise, and give its secret."""
    given = {"redirect_uris": (CALLBACK,), "token_endpoint_auth_method": "none", **metadata}
    made = ClientMetadata(**given)
    return (await service.registry.add_client(made, OPERATOR, client_id))[1]


async def change(service, client_id="app", **metadata):
    """Give a client other metadata, as `register` does."""
    given = {"redirect_uris": (CALLBACK,), "token_endpoint_auth_method": "none", **metadata}
    await service.registry.replace_client(client_id, ClientMetadata(**given), OPERATOR)


class Inside:
    """Somebody's browser; it fills in the service's forms, and stops where another site begins."""

    def __init__(self, service, username="alice", password=PASSWORD):
        self.service = service
        self.typed = {"username": username, "password": password, "decision": "allow"}
        self.forms = []
        self.posted_to = None
        self.origin = service.settings.own_url
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(service)),
            base_url=self.origin,
            headers={"Accept": "text/html", "Origin": self.origin},
        )

    @property
    def cookie(self):
        return self.client.cookies["carnet"]

    async def sign_in(self, cookie=None):
        """Fill in the sign-in form alone; with another cookie than the browser has now."""
        headers = {} if cookie is None else {"Cookie": f"carnet={cookie}"}
        form = {**self.typed, "continue": "/me"}
        return await self.client.post("/sign-in", data=form, headers=headers)

    async def go(self, address):
        answer = await self.client.get(address)
        for _ in range(10):
            if answer.is_redirect:
                following = answer.headers["location"]
                if not following.startswith("/"):
                    return following
                answer = await self.client.get(following)
                continue
            posted = re.search(r'<form method="post" action="([^"]*)" id="answer">', answer.text)
            if posted is not None:
                self.posted_to = html.unescape(posted[1])
                return f"{self.posted_to}?{urlencode(hidden(answer.text))}"
            form = re.search(
                r'<form method="post" action="([^"]*(?:sign-in|decision))"', answer.text
            )
            assert form is not None, answer.text
            self.forms.append(form[1])
            typed = {**self.typed, **hidden(answer.text)}
            answer = await self.client.post(form[1], data=typed)
        raise AssertionError("the redirects have no end")

    async def authorize(self, asked=None, **more):
        """Go through the authorization endpoint; give the request and what it is answered."""
        asked = asked or Request(**more)
        end = await self.go(f"/authorize?{urlencode(asked.parameters)}")
        return asked, dict(parse_qsl(urlsplit(end).query))

    async def exchange(self, asked, code, auth=None, headers=None, **more):
        """Send a code to the token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": asked.parameters["client_id"],
            "redirect_uri": asked.parameters["redirect_uri"],
            "code_verifier": asked.verifier,
            **more,
        }
        return await self.token(auth, headers, **form)

    async def token(self, auth=None, headers=None, **form):
        form = {name: text for name, text in form.items() if text is not None}
        return await self.client.post("/token", data=form, auth=auth, headers=headers)

    async def refresh(self, token, client_id="app", **more):
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
        return await self.token(**{**form, **more})

    async def tokens(self, **more):
        """Go all the way: from the request to the token endpoint's answer."""
        asked, answer = await self.authorize(**more)
        return (await self.exchange(asked, answer["code"])).json()
