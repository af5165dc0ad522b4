"""Every adapter, and the gate, says how it is, and leaves nothing behind when its app has ended."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

import django.conf
import fastapi
import flask
import grpc
import litestar
import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from fastmcp import FastMCP
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import Response
from starlette.routing import Route

from carnet import Claims
from carnet.verifier import asgi, wsgi
from carnet.verifier import fastmcp as for_fastmcp
from carnet.verifier import flask as for_flask
from carnet.verifier import grpc as for_grpc
from carnet.verifier import litestar as for_litestar
from carnet.verifier import mcp as for_mcp
from carnet.verifier import starlette as for_starlette
from carnet.verifier.adapters import django as adapter
from carnet.verifier.adapters import django as for_django
from carnet.verifier.adapters import fastapi as for_fastapi
from carnet.verifier.gate import Gate

ENDS = {}


def end_of(name):
    """Register a function that serves a request, yields what has ``health``, and ends its app."""

    def register(serve):
        ENDS[name] = contextmanager(serve)
        return serve

    return register


def settings(issuer):
    return {"issuer": issuer.url, "audience": "orders", "revocations": "required"}


class Running:
    """An ASGI app whose lifespan has begun, in the loop of a thread of its own."""

    def __init__(self, app):
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.wait(self._begin())

    def wait(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _begin(self):
        self._given, self._said = asyncio.Queue(), asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._live = asyncio.create_task(self._app(scope, self._given.get, self._said.put))
        await self._given.put({"type": "lifespan.startup"})
        assert (await self._said.get())["type"] == "lifespan.startup.complete"

    async def _end(self):
        await self._given.put({"type": "lifespan.shutdown"})
        assert (await self._said.get())["type"] == "lifespan.shutdown.complete"
        await self._live

    async def _ask(self, path, token):
        said = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            said.append(message)

        headers = [(b"host", b"orders"), (b"authorization", f"Bearer {token}".encode())]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "state": {},
            "root_path": "",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await self._app(scope, receive, send)
        return said[0]["status"]

    def ask(self, token, path="/orders"):
        assert self.wait(self._ask(path, token)) == 200

    def end(self):
        self.wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


async def greet(_request):
    return Response("hello")


@end_of("asgi")
def serve_asgi(issuer):
    app = asgi.BearerMiddleware(Starlette(routes=[Route("/orders", greet)]), **settings(issuer))
    running = Running(app)
    running.ask(issuer.token())
    yield app
    running.end()


@end_of("starlette")
def serve_starlette(issuer):
    backend = for_starlette.BearerBackend(**settings(issuer))
    guard = Middleware(AuthenticationMiddleware, backend=backend, on_error=for_starlette.on_error)

    @for_starlette.require_token
    async def orders(request):
        return Response(request.user.identity)

    running = Running(
        Starlette(routes=[Route("/orders", orders)], middleware=[guard], lifespan=backend.lifespan)
    )
    running.ask(issuer.token())
    yield backend
    running.end()


@end_of("fastapi")
def serve_fastapi(issuer):
    bearer = for_fastapi.Bearer(**settings(issuer))
    app = fastapi.FastAPI(lifespan=bearer.lifespan)

    @app.get("/orders")
    async def orders(claims: Annotated[Claims, fastapi.Depends(bearer)]):
        return claims.subject

    running = Running(app)
    running.ask(issuer.token())
    yield bearer
    running.end()


@end_of("litestar")
def serve_litestar(issuer):
    @litestar.get("/orders")
    async def orders() -> str:
        return "hello"

    plugin = for_litestar.BearerAuth(**settings(issuer))
    running = Running(litestar.Litestar([orders], plugins=[plugin], logging_config=None))
    running.ask(issuer.token())
    yield plugin
    running.end()


@end_of("gate")
def serve_gate(issuer):
    gate = Gate(**settings(issuer))
    running = Running(gate.app)
    running.ask(issuer.token(), "/verify")
    yield gate
    running.end()


@end_of("wsgi")
def serve_wsgi(issuer):
    def orders(environ, start_response):
        start_response("200 OK", [])
        return [environ["carnet.claims"].subject.encode()]

    app = wsgi.BearerMiddleware(orders, **settings(issuer))
    environ = {"HTTP_AUTHORIZATION": f"Bearer {issuer.token()}"}
    setup_testing_defaults(environ)
    assert app(environ, lambda status, headers: None) == [b"ada"]
    yield app
    app.close()


@end_of("flask")
def serve_flask(issuer):
    app = flask.Flask("shop")
    app.config["CARNET"] = settings(issuer)
    bearer = for_flask.Bearer(app)

    @app.get("/orders")
    @for_flask.require_token
    def orders():
        return for_flask.current_claims.subject

    bearing = {"Authorization": f"Bearer {issuer.token()}"}
    assert app.test_client().get("/orders", headers=bearing).text == "ada"
    with app.app_context():
        yield bearer
    bearer.close()


def forget_verifiers():
    adapter.verifier.cache_clear()
    adapter.async_verifier.cache_clear()


@contextmanager
def django_settings(issuer):
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    forget_verifiers()
    with override_settings(CARNET=settings(issuer), ALLOWED_HOSTS=["*"]):
        yield RequestFactory().get("/orders", headers={"Authorization": f"Bearer {issuer.token()}"})
    forget_verifiers()


@end_of("django")
def serve_django(issuer):
    with django_settings(issuer) as request:
        for_django.BearerMiddleware(lambda _: HttpResponse())(request)
        assert request.claims.subject == "ada"
        yield for_django
        for_django.close()


@end_of("django in a loop")
def serve_django_in_a_loop(issuer):
    async def view(_request):
        return HttpResponse()

    with django_settings(issuer) as request:
        middleware = for_django.BearerMiddleware(view)
        asyncio.run(middleware(request))
        assert request.claims.subject == "ada"
        yield for_django
        for_django.close()


@end_of("rest_framework")
def serve_rest_framework(issuer):
    with django_settings(issuer) as request:
        from rest_framework.request import Request

        from carnet.verifier import rest_framework

        user, _ = rest_framework.BearerAuthentication().authenticate(Request(request))
        assert user.identity == "ada"
        yield rest_framework
        rest_framework.close()


@end_of("mcp")
def serve_mcp(issuer):
    auth = for_mcp.BearerAuth(**settings(issuer))
    running = Running(auth.protect(Starlette(routes=[Route("/orders", greet)])))
    running.ask(issuer.token())
    yield auth
    running.end()


@end_of("fastmcp")
def serve_fastmcp(issuer):
    auth = for_fastmcp.BearerAuth(**settings(issuer), base_url="http://127.0.0.1:8000")
    running = Running(FastMCP("orders", auth=auth).http_app(stateless_http=True))
    assert running.wait(auth.verify_token(issuer.token())) is not None
    yield auth
    running.end()


HELLO = grpc.method_handlers_generic_handler(
    "shop.Shop", {"orders": grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"hi")}
)


def call(port, issuer):
    bearing = [("authorization", f"Bearer {issuer.token()}")]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary("/shop.Shop/orders")
        assert method(b"", metadata=bearing, timeout=60) == b"hi"


@end_of("grpc")
def serve_grpc(issuer):
    interceptor = for_grpc.BearerInterceptor(**settings(issuer))
    server = grpc.server(ThreadPoolExecutor(1), interceptors=[interceptor])
    server.add_generic_rpc_handlers([HELLO])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    call(port, issuer)
    yield interceptor
    server.stop(None).wait()
    interceptor.close()


@end_of("grpc in a loop")
def serve_grpc_in_a_loop(issuer):
    begun, over, held = threading.Event(), threading.Event(), []

    async def run():
        interceptor = for_grpc.AsyncBearerInterceptor(**settings(issuer))
        server = grpc.aio.server(interceptors=[interceptor])
        server.add_generic_rpc_handlers([HELLO])
        held.extend([interceptor, server.add_insecure_port("127.0.0.1:0")])
        await server.start()
        begun.set()
        await asyncio.to_thread(over.wait)
        await server.stop(None)
        await interceptor.aclose()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert begun.wait(60)
    call(held[1], issuer)
    yield held[0]
    over.set()
    thread.join(60)


def ours():
    return {thread for thread in threading.enumerate() if thread.name.startswith("carnet-")}


def connections_to(issuer):
    """Count this machine's open connections to a port that nobody but the test knows."""
    port = f":{urlsplit(issuer.url).port:04X}"
    rows = [row.split() for row in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(port) and row[3] == "01" for row in rows)


def test_the_table_names_every_adapter():
    adapters = Path(for_django.__file__).parent
    names = {path.stem for path in adapters.glob("*.py")} - {"__init__"}
    assert names | {"gate"} == {name.partition(" ")[0] for name in ENDS}


@pytest.mark.parametrize("name", list(ENDS))
def test_an_adapter_tells_its_health_and_its_end_leaves_no_thread_and_no_connection(issuer, name):
    issuer.revoked = ["ended"]
    before = ours()
    with ENDS[name](issuer) as made:
        (health,) = made.health()
        assert (health.issuer, health.ready, health.revocations) == (issuer.url, True, 1)
        assert ours() - before
        assert connections_to(issuer) == 1
    for thread in ours() - before:
        thread.join(60)
    assert not ours() - before
    assert connections_to(issuer) == 0
