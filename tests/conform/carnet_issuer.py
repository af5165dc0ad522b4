"""Carnet as an issuer in this process, behind what a reverse proxy does, and with a fault."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from tests.server.asgi import CALLBACK, ISSUER, ask, opened

from carnet import Key
from carnet.conform.probe import KnownClient, Probe
from carnet.conform.runner import run
from carnet.conform.wire import Wire
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata

GRANTS = ("authorization_code", "refresh_token", "client_credentials")
SCOPE = "openid orders:read"


@dataclass
class Request:
    """A request that may be changed before it goes on."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self):
        if not self.headers.get("content-type", "").startswith("application/x-www-form"):
            return []
        return parse_qsl(self.body.decode(), keep_blank_values=True)

    @form.setter
    def form(self, pairs):
        self.body = urlencode(pairs).encode()

    def asks(self, path, method="POST"):
        return self.path == path and self.method == method


@dataclass
class Reply:
    """An answer that may be changed before it comes back."""

    status: int
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""


class Proxy(httpx.AsyncBaseTransport):
    """Carries requests to the application, and does to them what a fault says.

    A fault takes the request and a function that sends it on, and gives the answer.
    """

    def __init__(self, app, fault=None):
        self.app = httpx.ASGITransport(app)
        self.fault = fault

    async def handle_async_request(self, request):
        parts = urlsplit(str(request.url))
        asked = Request(
            request.method,
            parts.path,
            parse_qsl(parts.query, keep_blank_values=True),
            dict(request.headers),
            await request.aread(),
        )
        plain = parts.scheme == "http"
        if plain and not getattr(self.fault, "plain", False):
            raise httpx.ConnectError("nothing listens there")
        reply = await (
            self.forward(asked) if self.fault is None else self.fault(asked, self.forward)
        )
        return httpx.Response(
            reply.status, headers=reply.headers, stream=httpx.ByteStream(reply.body)
        )

    async def forward(self, asked):
        headers = {**asked.headers, "content-length": str(len(asked.body))}
        query = urlencode(asked.query)
        url = f"{ISSUER}{asked.path}{'?' if query else ''}{query}"
        request = httpx.Request(asked.method, url, headers=headers, content=asked.body)
        answer = await self.app.handle_async_request(request)
        body = await answer.aread()
        found = httpx.Headers(answer.headers)
        found.pop("content-length", None)
        # Whoever ends TLS in front of the service adds it.
        found["strict-transport-security"] = "max-age=31536000"
        return Reply(answer.status_code, found, body)


class Asked:
    """A service that is open, the clients that it knows, and a thread in which it runs."""

    def __init__(self, loop, asked, clients, registration_token):
        self._loop = loop
        self.asked = asked
        self.clients = clients
        self.registration_token = registration_token

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    async def unregistered(self):
        found, _, _ = await self.asked.service.registry.unregistered.page("")
        return found

    def check(
        self, checks, client=None, fault=None, *, person=False, issuer=ISSUER, register=False
    ):
        """Run checks, and give the report."""

        async def work():
            transport = Proxy(self.asked.app, fault)

            async def visit(address):
                asked = Request("GET", "/authorize", [], {}, b"")
                asked.query = parse_qsl(urlsplit(address).query)
                browser = {name.decode(): value.decode() for name, value in self.asked.cookie}
                asked.headers = {**browser, "host": urlsplit(ISSUER).netloc}
                sent = fault or (lambda asked, forward: forward(asked))
                return (await sent(asked, transport.forward)).headers.get("location")

            async with Wire(issuer, transport=transport, pause=0) as wire:
                probe = Probe(
                    issuer,
                    wire,
                    self.clients[client] if client else None,
                    visit if person else None,
                    self.registration_token if register else None,
                )
                return await run(probe, checks, redirect_uri=CALLBACK)

        return self.run(work())


@contextmanager
def running(data):
    """Open a service with a client of each kind, in a thread of its own."""
    made, over, ready = [], [], threading.Event()

    async def main():
        stop = asyncio.Event()
        over.append((asyncio.get_running_loop(), stop))
        async with opened(data, client_registration="token") as asked:
            made.append(Asked(asyncio.get_running_loop(), asked, *await _clients(asked.service)))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: _run(main, ready), daemon=True)
    thread.start()
    ready.wait(120)
    assert made, "the service did not open"
    try:
        yield made[0]
    finally:
        loop, stop = over[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(120)


def _run(main, ready):
    try:
        asyncio.run(main())
    finally:
        ready.set()


async def _clients(service):
    key = Key.generate("ES256")
    common = {"redirect_uris": (CALLBACK,), "first_party": True, "scope": SCOPE}
    more = {
        "public": {"token_endpoint_auth_method": "none"},
        "secret": {"grant_types": GRANTS, "introspects": ("orders",)},
        "posting": {"grant_types": GRANTS, "token_endpoint_auth_method": "client_secret_post"},
        "signing": {
            "grant_types": GRANTS,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [key.public.to_jwk()]},
        },
    }
    clients = {}
    for name, members in more.items():
        metadata = ClientMetadata(client_name=name, **common, **members)
        _, secret = await service.registry.add_client(metadata, OPERATOR, name)
        own = key if name == "signing" else None
        clients[name] = KnownClient(name, secret, own, CALLBACK, SCOPE)
    await service.background.follow()
    _, token = await service.registrations.tokens.create(OPERATOR, None)
    return clients, token


__all__ = ["ISSUER", "Asked", "Proxy", "Reply", "Request", "ask", "running"]
