"""Every option counts in every adapter and in the gate, or is refused when the service is made."""

import asyncio
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType

import django.conf
import flask
import grpc
import grpc.aio
import httpx
import litestar
import pytest
from django.http import JsonResponse
from django.test import override_settings
from django.urls import clear_url_caches, path
from fastapi import Depends, FastAPI, Request
from fastmcp import FastMCP
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.verifier.option_table import CONFIGURATION, METADATA, NEEDS, RESOURCE, ROWS, Tenant

from carnet import Claims, ConfigurationError
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier, bearer
from carnet.verifier import fastmcp as for_fastmcp
from carnet.verifier import flask as for_flask
from carnet.verifier import grpc as for_grpc
from carnet.verifier import litestar as for_litestar
from carnet.verifier import mcp as for_mcp
from carnet.verifier import starlette as for_starlette
from carnet.verifier.adapters import django as for_django
from carnet.verifier.adapters import fastapi as for_fastapi
from carnet.verifier.asgi import BearerMiddleware as AsgiMiddleware
from carnet.verifier.bearer import Refusal, authenticate, with_advice
from carnet.verifier.cookies import CookieSessions
from carnet.verifier.gate import Gate
from carnet.verifier.options import Options
from carnet.verifier.wsgi import BearerMiddleware as WsgiMiddleware

GATES_PARAMETERS = {"role": "role", "scope": "scope", "acr": "acr_values", "age": "max_age"}
GRPCS_ARGUMENTS = {"role": "roles", "scope": "scopes", "acr": "acr_values", "age": "max_ages"}


# What an app checks by itself, with a token in its hands.
KNOWING_NO_ROUTES = ("the verifier", "asgi", "wsgi")


def check(claims, path):
    """Check what a path needs, as an app does that has no decorators."""
    if path in NEEDS:
        kind, arguments, more = NEEDS[path]
        getattr(bearer, f"check_{kind}")(claims, *arguments, **more)


def protected(module):
    """Give each path with what a framework's module, or object, makes of its need."""
    yield "/orders", getattr(module, "require_token", None)
    for url, (kind, arguments, more) in NEEDS.items():
        yield url, getattr(module, f"require_{kind}")(*arguments, **more)


def told(claims, fitting):
    """What a service says of whom it let in, and of which type the claims were that it got."""
    return {
        "roles": list(claims.roles),
        "scopes": sorted(claims.scopes),
        "client": claims.client_id,
        "type": type(fitting).__name__,
    }


async def over_asgi(app, path, headers):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
        return await client.get(path, headers=headers)


def asked_over_asgi(app, path, token):
    answer = asyncio.run(over_asgi(app, path, bearing(token)))
    return what_came(answer)


def bearing(token):
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def what_came(answer):
    challenge = answer.headers.get("www-authenticate")
    return answer.status_code, {"challenge": challenge, **answer.json()}


def asked_over_wsgi(app, path, token):
    transport = httpx.WSGITransport(app)
    with httpx.Client(transport=transport, base_url="http://orders") as client:
        answer = client.get(path, headers=bearing(token))
    return what_came(answer)


def asgi(**options):
    async def service(scope, _receive, send):
        claims = scope["carnet.claims"]
        check(claims, scope["path"])
        assert scope["state"]["claims"] is scope["carnet.typed_claims"]
        body = json.dumps(told(claims, scope["carnet.typed_claims"])).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    app = AsgiMiddleware(service, **options)
    return lambda path, token: asked_over_asgi(app, path, token)


def wsgi(**options):
    def service(environ, start_response):
        claims = environ["carnet.claims"]
        check(claims, environ["PATH_INFO"])
        start_response("200 OK", [])
        return [json.dumps(told(claims, environ["carnet.typed_claims"])).encode()]

    app = WsgiMiddleware(service, **options)
    return lambda path, token: asked_over_wsgi(app, path, token)


def starlette(**options):
    async def answer(request):
        return JSONResponse(told(request.user.claims, request.user.typed_claims))

    def route(path, need):
        async def endpoint(request):
            return await answer(request)

        return Route(path, need(endpoint))

    backend = for_starlette.BearerBackend(**options)
    app = Starlette(
        routes=[route(path, need) for path, need in protected(for_starlette)],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=backend, on_error=for_starlette.on_error)
        ],
    )
    return lambda path, token: asked_over_asgi(app, path, token)


def fastapi(**options):
    app, bearer = FastAPI(), for_fastapi.Bearer(**options)
    # The dependency gives one thing: what it says of the claims is asked of the verifier.
    seen = AccessTokenVerifier(**{**options, "revocations": "off"})

    def route(path, dependency):
        @app.get(path)
        async def endpoint(request: Request, fitting=Depends(dependency)):  # noqa: B008
            token = request.headers["authorization"].partition(" ")[2]
            claims = fitting if isinstance(fitting, Claims) else seen.claims(token)
            return told(claims, fitting)

    for url, dependency in protected(bearer):
        route(url, dependency or bearer)
    return lambda path, token: asked_over_asgi(app, path, token)


def in_litestar(**options):
    def route(path, *guards):
        @litestar.get(path, guards=list(guards))
        async def endpoint(request: litestar.Request) -> dict:
            return told(request.user.claims, request.auth)

        return endpoint

    app = litestar.Litestar(
        [route(path, *([guard] if guard else [])) for path, guard in protected(for_litestar)],
        plugins=[for_litestar.BearerAuth(**options)],
        logging_config=None,
        openapi_config=None,
    )
    return lambda path, token: asked_over_asgi(app, path, token)


def in_flask(**options):
    app = flask.Flask("shop")
    app.config["CARNET"] = options
    for_flask.Bearer(app)
    seen = AccessTokenVerifier(**{**options, "revocations": "off"})

    def endpoint():
        token = flask.request.headers["authorization"].partition(" ")[2]
        fitting = for_flask.current_claims._get_current_object()
        claims = fitting if isinstance(fitting, Claims) else seen.claims(token)
        return told(claims, fitting)

    for url, need in protected(for_flask):
        app.add_url_rule(url, url, need(endpoint))
    return lambda path, token: asked_over_wsgi(app, path, token)


def django_view(request):
    return JsonResponse(told(request.user.claims, request.claims))


def of_rest_framework():
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from carnet.verifier import rest_framework as for_rest_framework

    def view(permission):
        class View(APIView):
            authentication_classes = (for_rest_framework.BearerAuthentication,)
            permission_classes = (permission,)

            def get(self, request):
                return Response(told(request.user.claims, request.auth))

        return View.as_view()

    return {
        path: view(permission or for_rest_framework.TokenRequired)
        for path, permission in protected(for_rest_framework)
    }


def of_django():
    return {path: need(django_view) for path, need in protected(for_django)}


def in_django(views, middleware, get_application, ask, options):
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    for_django.verifier.cache_clear()
    for_django.async_verifier.cache_clear()
    urls = ModuleType("urls")
    changed = override_settings(
        CARNET=options,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=urls,
        MIDDLEWARE=middleware,
        REST_FRAMEWORK={
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "UNAUTHENTICATED_USER": None,
        },
    )
    with changed:
        for_django.verifier()
        urls.urlpatterns = [path(name[1:], view) for name, view in views().items()]

    def asked(url, token):
        with changed, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clear_url_caches()
            return ask(get_application(), url, token)

    return asked


def django_over_wsgi(**options):
    from django.core.wsgi import get_wsgi_application

    middleware = ["carnet.verifier.django.BearerMiddleware"]
    return in_django(of_django, middleware, get_wsgi_application, asked_over_wsgi, options)


def django_over_asgi(**options):
    from django.core.asgi import get_asgi_application

    middleware = ["carnet.verifier.django.BearerMiddleware"]
    return in_django(of_django, middleware, get_asgi_application, asked_over_asgi, options)


def rest_framework(**options):
    from django.core.wsgi import get_wsgi_application

    return in_django(of_rest_framework, [], get_wsgi_application, asked_over_wsgi, options)


def answer_in_grpc(_request, _context):
    said = told(for_grpc.current_claims(), for_grpc.current_typed_claims())
    return json.dumps(said).encode()


async def answer_in_grpc_async(request, context):
    return answer_in_grpc(request, context)


def handlers_of_grpc(behaviour):
    handler = grpc.unary_unary_rpc_method_handler(behaviour)
    methods = dict.fromkeys((path[1:] for path in ("/orders", *NEEDS)), handler)
    return [grpc.method_handlers_generic_handler("shop.Shop", methods)]


GRPC_RULES = {
    GRPCS_ARGUMENTS[kind]: {
        f"/shop.Shop{path}": " ".join(arguments) if len(arguments) > 1 else arguments[0]
    }
    for path, (kind, arguments, _) in NEEDS.items()
}


def asked_over_grpc(port, path, token):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/shop.Shop{path}")
        try:
            metadata = [] if token is None else [("authorization", f"Bearer {token}")]
            return 200, json.loads(call(b"", metadata=metadata, timeout=60))
        except grpc.RpcError as error:
            statuses = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "UNAVAILABLE": 503}
            said = dict(error.trailing_metadata())
            body = {"code": said["carnet-code"], "challenge": said.get("www-authenticate")}
            return statuses[error.code().name], body


def over_grpc(**options):
    interceptor = for_grpc.BearerInterceptor(**options, **GRPC_RULES)

    def asked(path, token):
        with ThreadPoolExecutor(1) as pool:
            server = grpc.server(pool, interceptors=[interceptor])
            server.add_generic_rpc_handlers(handlers_of_grpc(answer_in_grpc))
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            try:
                return asked_over_grpc(port, path, token)
            finally:
                server.stop(None).wait()
                interceptor.close()

    return asked


def over_grpc_aio(**options):
    interceptor = for_grpc.AsyncBearerInterceptor(**options, **GRPC_RULES)

    async def serve(path, token):
        server = grpc.aio.server(interceptors=[interceptor])
        server.add_generic_rpc_handlers(handlers_of_grpc(answer_in_grpc_async))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            return await asyncio.to_thread(asked_over_grpc, port, path, token)
        finally:
            await server.stop(None)
            await interceptor.aclose()

    return lambda path, token: asyncio.run(serve(path, token))


def call_of(path, token):
    """Give the arguments of a request that calls the tool of a path's name."""
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": "2025-11-25",
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": path[1:]}}
    return {"headers": headers, "json": call}


async def call_a_tool(app, path, token):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        answer = await client.post("/mcp", **call_of(path, token))
    if answer.status_code != 200:
        return what_came(answer)
    result = answer.json()["result"]
    assert not result["isError"], result
    return 200, result["structuredContent"]


def in_mcp(**options):
    auth, server = for_mcp.BearerAuth(**options), MCPServer("orders", log_level="ERROR")

    def add(name, need):
        def tool() -> dict[str, object]:
            return told(for_mcp.current_claims(), for_mcp.current_typed_claims())

        tool.__name__ = name[1:]
        server.tool()(need(tool) if need else tool)

    for name, need in protected(auth):
        add(name, need)
    app = auth.protect(server.streamable_http_app(stateless_http=True, json_response=True))

    async def serve(path, token):
        async with server.session_manager.run():
            return await call_a_tool(app, path, token)

    return lambda path, token: asyncio.run(serve(path, token))


def in_fastmcp(**options):
    if "audience" in options and "resource" not in options:
        options["base_url"] = "http://127.0.0.1:8000"
    server = FastMCP("orders", auth=for_fastmcp.BearerAuth(**options))

    def tool() -> dict[str, object]:
        return told(for_fastmcp.current_claims(), for_fastmcp.current_typed_claims())

    for name, check in protected(for_fastmcp):
        server.tool(tool, name=name[1:], auth=check)
    app = server.http_app(stateless_http=True, json_response=True)

    async def serve(path, token):
        async with app.lifespan(app):
            status, said = await call_a_tool(app, path, token)
        # It always knows its resource, and says so.
        challenge = (said.get("challenge") or "").partition(", resource_metadata=")[0]
        return status, {**said, "challenge": challenge}

    return lambda path, token: asyncio.run(serve(path, token))


def gate(**options):
    app = Gate(**options).app
    type_of_claims = (options.get("claims_type") or Claims).__name__

    def asked(path, token):
        needs = ""
        if path in NEEDS:
            kind, arguments, _ = NEEDS[path]
            needs = f"?{GATES_PARAMETERS[kind]}={' '.join(map(str, arguments))}"
        answer = asyncio.run(over_asgi(app, f"/verify{needs}", bearing(token)))
        if answer.status_code != 200:
            return what_came(answer)
        said = answer.headers
        return 200, {
            "roles": said["x-auth-roles"].split(",") if said["x-auth-roles"] else [],
            "scopes": said["x-auth-scope"].split(),
            "client": said["x-auth-client"] or None,
            "type": type_of_claims,
        }

    return asked


def verifier(**options):
    one = AccessTokenVerifier(**options)

    def asked(path, token):
        try:
            claims = authenticate(one, list(bearing(token).values()))
            fitting = one.verify(token)
            check(claims, path)
        except Refusal as refusal:
            challenge = with_advice(refusal, one.resource).headers.get("WWW-Authenticate")
            return refusal.status, {"challenge": challenge, **refusal.content}
        except Exception as error:
            return 401, {"code": error.code}
        finally:
            one.close()
        return 200, told(claims, fitting)

    return asked


ADAPTERS = {
    "the verifier": verifier,
    "asgi": asgi,
    "wsgi": wsgi,
    "starlette": starlette,
    "fastapi": fastapi,
    "litestar": in_litestar,
    "flask": in_flask,
    "django under wsgi": django_over_wsgi,
    "django under asgi": django_over_asgi,
    "rest framework": rest_framework,
    "grpc": over_grpc,
    "grpc.aio": over_grpc_aio,
    "mcp": in_mcp,
    "fastmcp": in_fastmcp,
    "gate": gate,
}


@pytest.fixture(scope="module")
def table_world(world, tmp_path_factory):
    world.file = tmp_path_factory.mktemp("options") / "token"
    world.file.write_text("a.token")
    document = {"issuer": world.issuer.url, "jwks_uri": f"{world.issuer.url}/jwks"}
    world.issuer.replies["/meta"] = (200, json.dumps(document).encode())
    return world


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.option}-{row.code or 'accepted'}")
@pytest.mark.parametrize("name", ADAPTERS)
def test_every_option_counts_in_every_adapter(table_world, name, row):
    world, make = table_world, ADAPTERS[name]
    world.issuer.demands = row.demands
    settings = row.settings(world)
    if row.code == CONFIGURATION:
        with pytest.raises(ConfigurationError):
            make(**settings)
        return
    status, body = make(**settings)(row.path, row.token(world))
    assert (status, body.get("code")) == (row.status, row.code), body
    if row.challenge is not None:
        assert body["challenge"] == row.challenge
    if status == 200:
        kind = Tenant if row.option == "claims_type" else Claims
        expected = {**row.told, "type": kind.__name__}
        if row.told or kind is Tenant:
            assert {key: body[key] for key in row.told} == row.told
        assert body["type"] == expected["type"] or body["type"] == "ForeignClaims"


@pytest.mark.parametrize("name", ADAPTERS)
def test_who_has_no_token_is_told_where_the_metadata_are_and_which_scopes_are_needed(
    table_world, name
):
    settings = {"issuer": table_world.issuer.url, "revocations": "off", "resource": RESOURCE}
    asked = ADAPTERS[name](**settings)
    known = 'scope="a:write b", ' if name not in KNOWING_NO_ROUTES else ""
    for url, scope in (("/orders", ""), ("/reports", ""), ("/writing", known)):
        status, body = asked(url, None)
        assert (status, body["code"]) == (401, "token_missing")
        assert body["challenge"] == f'Bearer {scope}resource_metadata="{METADATA}"'


def test_the_table_has_every_option_and_every_need():
    needs = {name.removeprefix("needs_") for name in bearer.__all__ if name.startswith("needs_")}
    assert {kind for kind, _, _ in NEEDS.values()} == needs
    tried = {row.option for row in ROWS}
    assert tried == {"issuer", "audience", "claims_type", *Options.__annotations__, *needs}
    refusing = {row.option for row in ROWS if row.code is not None}
    assert tried - refusing == {"clock"}  # it has no wrong value that can be told


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_mistyped_option_is_refused_in_every_adapter(name):
    with pytest.raises(ConfigurationError, match="did you mean 'roles_claim'"):
        ADAPTERS[name](issuer="https://auth.example.com", audience="orders", role_claim="x")


@pytest.mark.parametrize(
    ("make", "mistyped", "meant"),
    [
        (AccessTokenVerifier, "claims_typ", "claims_type"),
        (AsyncAccessTokenVerifier, "revocation", "revocations"),
        (partial(AsgiMiddleware, None), "exmept", "exempt"),
        (partial(WsgiMiddleware, None), "exempts", "exempt"),
        (for_starlette.BearerBackend, "claim_type", "claims_type"),
        (for_fastapi.Bearer, "schema_name", "scheme_name"),
        (for_litestar.BearerAuth, "excludes", "exclude"),
        (for_grpc.BearerInterceptor, "scope", "scopes"),
        (for_grpc.AsyncBearerInterceptor, "role", "roles"),
        (for_mcp.BearerAuth, "require_scopes", "required_scopes"),
        (for_fastmcp.BearerAuth, "base_uri", "base_url"),
        (Gate, "pass_claims", "passed_claims"),
        (partial(CookieSessions, None, origin="https://a.example"), "cookies", "cookie"),
        (in_flask, "claims_typ", "claims_type"),
        (django_over_wsgi, "audiences", "audience"),
    ],
)
def test_a_mistyped_argument_is_told_with_the_nearest_of_that_place(make, mistyped, meant):
    with pytest.raises(ConfigurationError, match=f"did you mean '{meant}'"):
        make(**{"issuer": "https://auth.example.com", "audience": "orders", mistyped: "x"})


def test_the_asynchronous_verifier_takes_what_the_blocking_one_takes(table_world):
    for row in ROWS:
        table_world.issuer.demands = row.demands
        settings = row.settings(table_world)
        if row.code == CONFIGURATION:
            with pytest.raises(ConfigurationError):
                AsyncAccessTokenVerifier(**settings)
        elif settings["revocations"] == "off" and row.path == "/orders":
            one = AsyncAccessTokenVerifier(**settings)
            try:
                asyncio.run(one.verify(row.token(table_world)))
                code = None
            except Exception as error:
                code = error.code
            assert code == row.code


def test_cookie_mode_leaves_the_type_of_claims_to_the_app():
    with pytest.raises(ConfigurationError, match="claims_type"):
        CookieSessions(
            None,
            "https://auth.example.com",
            "orders",
            origin="https://app.example.com",
            claims_type=Tenant,
        )
