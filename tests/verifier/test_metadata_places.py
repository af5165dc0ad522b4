"""Where each framework answers for the metadata of a resource: mounted, guarded, or by a route."""

import asyncio
from types import ModuleType

import django
import django.conf
import flask
import httpx
import litestar
import pytest
from django.http import JsonResponse
from django.test import Client, override_settings
from django.urls import clear_url_caches, path
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from carnet import ConfigurationError, Key, KeySet
from carnet.verifier import grpc as for_grpc
from carnet.verifier.adapters import django as for_django
from carnet.verifier.asgi import BearerMiddleware as AsgiMiddleware
from carnet.verifier.fastapi import Bearer
from carnet.verifier.flask import Bearer as FlaskBearer
from carnet.verifier.gate import Gate
from carnet.verifier.litestar import BearerAuth, require_scope
from carnet.verifier.starlette import BearerBackend, on_error
from carnet.verifier.wsgi import BearerMiddleware as WsgiMiddleware

ISSUER = "https://auth.example.com"
RESOURCE = "https://example.com/api/orders"
PATH = "/.well-known/oauth-protected-resource/api/orders"
KEY = Key.generate("ES256", kid="k")
PLAIN = {"issuer": ISSUER, "audience": "orders", "keys": KeySet([KEY.public])}
OPTIONS = {**PLAIN, "resource": RESOURCE}


def orders():
    return {}


def over_asgi(app, path=PATH, method="GET", root_path=""):
    async def ask():
        transport = httpx.ASGITransport(app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="https://example.com") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


def over_wsgi(app, path=PATH, script_name=""):
    transport = httpx.WSGITransport(app, script_name=script_name)
    with httpx.Client(transport=transport, base_url="https://example.com") as client:
        return client.get(path)


def is_told(answer):
    return answer.status_code == 200 and answer.json()["resource"] == RESOURCE


def test_a_mounted_asgi_app_has_a_route_for_outside():
    inner = AsgiMiddleware(Starlette(), **OPTIONS)
    metadata = inner.metadata
    outer = Starlette(routes=[Route(metadata.path, metadata), Mount("/api", inner)])
    assert is_told(over_asgi(outer))
    assert over_asgi(outer, "/api/orders").status_code == 401
    assert over_asgi(Starlette(routes=[Mount("/api", inner)])).status_code == 404


def in_starlette(backend=None):
    backend = backend or BearerBackend(**OPTIONS)
    using = [Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)]
    return Starlette(routes=[Route("/orders", lambda _: JSONResponse({}))], middleware=using)


def test_a_starlette_app_answers_and_a_mounted_one_has_a_route_for_outside():
    backend = BearerBackend(**OPTIONS)
    inner = in_starlette(backend)
    assert is_told(over_asgi(inner))
    assert over_asgi(inner, method="POST").status_code == 405
    assert is_told(over_asgi(inner, f"/api{PATH}", root_path="/api"))
    outer = Starlette(routes=[backend.metadata, Mount("/api", inner)])
    assert is_told(over_asgi(outer))
    assert over_asgi(outer, "/api/orders").status_code == 200


def test_fastapi_takes_the_route_even_where_all_others_need_a_token_and_tells_no_document_of_it():
    bearer = Bearer(**OPTIONS)
    app = FastAPI(dependencies=[Depends(bearer)])
    app.get("/orders")(orders)
    app.include_router(bearer.metadata)
    assert is_told(over_asgi(app))
    assert over_asgi(app, "/orders").status_code == 401
    assert over_asgi(app, method="POST").status_code == 405
    assert PATH not in app.openapi()["paths"]
    outer = FastAPI()
    outer.include_router(bearer.metadata)
    outer.mount("/api", app)
    assert is_told(over_asgi(outer))
    assert over_asgi(outer, "/api/orders").status_code == 401


def in_litestar(resource=RESOURCE, **more):
    return litestar.Litestar(
        plugins=[BearerAuth(**{**OPTIONS, "resource": resource})],
        guards=[require_scope("a")],
        logging_config=None,
        openapi_config=None,
        **more,
    )


@pytest.mark.parametrize(
    "make", [lambda: AsgiMiddleware(Starlette(), **OPTIONS), in_litestar, in_starlette]
)
def test_a_websocket_at_the_path_is_not_accepted(make):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": [],
        "subprotocols": [],
        "extensions": {},
    }
    asyncio.run(make()(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_litestar_answers_before_the_guards_of_the_app():
    assert is_told(over_asgi(in_litestar()))
    assert over_asgi(in_litestar(), method="POST").status_code == 405
    slash = in_litestar(f"{RESOURCE}/")
    assert over_asgi(slash, f"{PATH}/").json()["resource"] == f"{RESOURCE}/"


def test_a_litestar_app_below_a_path_says_what_to_do():
    with pytest.raises(ConfigurationError, match="around the app"):
        in_litestar(path="/api")


def service(_environ, start_response):
    start_response("200 OK", [])
    return [b""]


def test_a_wsgi_app_is_found_with_and_without_what_it_is_mounted_at():
    app = WsgiMiddleware(service, **OPTIONS)
    assert is_told(over_wsgi(app))
    assert is_told(over_wsgi(app, script_name="/api"))
    assert is_told(over_wsgi(app, "/oauth-protected-resource/api/orders", "/.well-known"))
    for path_, script in (("/orders", "/api"), (f"/x{PATH}", ""), (PATH[:-1], "")):
        assert over_wsgi(app, path_, script).status_code == 401


def test_flask_answers_whichever_views_are_protected_and_wherever_it_is_mounted():
    for exempt in (None, ["static"]):
        app = flask.Flask("shop")
        app.config["CARNET"] = OPTIONS
        FlaskBearer(app, exempt=exempt)
        assert is_told(over_wsgi(app))
        assert is_told(over_wsgi(app, script_name="/api"))
        at = {"/.well-known/oauth-protected-resource": app, "/api": app}
        mounted = DispatcherMiddleware(service, at)
        assert is_told(over_wsgi(mounted))
        assert over_wsgi(app, "/orders").status_code == (404 if exempt is None else 401)


@pytest.mark.parametrize("script_name", ["", "/api"])
@pytest.mark.parametrize("middleware", [["carnet.verifier.django.BearerMiddleware"], []])
def test_django_answers_by_its_middleware_or_by_an_entry_of_its_urls(middleware, script_name):
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    django.setup()
    urls = ModuleType("urls")
    changed = {"ALLOWED_HOSTS": ["*"], "ROOT_URLCONF": urls, "MIDDLEWARE": middleware}
    with override_settings(CARNET=OPTIONS, **changed):
        clear_url_caches()
        for_django.verifier.cache_clear()
        for_django.async_verifier.cache_clear()
        urls.urlpatterns = [path("orders", lambda _: JsonResponse({}))]
        if not middleware:
            urls.urlpatterns.append(for_django.metadata_path())
        answer = Client(SCRIPT_NAME=script_name).get(PATH)
        assert is_told(answer)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert Client().post(PATH).status_code == 405
    for_django.verifier.cache_clear()
    with override_settings(CARNET=PLAIN), pytest.raises(ConfigurationError, match="'resource'"):
        for_django.metadata_path()
    for_django.verifier.cache_clear()


@pytest.mark.parametrize(
    "interceptor", [for_grpc.BearerInterceptor, for_grpc.AsyncBearerInterceptor]
)
def test_grpc_gives_an_app_that_an_http_server_answers_with(interceptor):
    assert is_told(over_asgi(interceptor(**OPTIONS).metadata))


def test_the_gate_answers_beside_the_proxys_questions():
    app = Gate(**OPTIONS).app
    assert is_told(over_asgi(app))
    assert over_asgi(app, method="DELETE").status_code == 405
    assert over_asgi(app, "/verify").status_code == 401
    assert over_asgi(Gate(**PLAIN).app).status_code == 404


@pytest.mark.parametrize(
    "one",
    [
        AsgiMiddleware(service, **PLAIN),
        BearerBackend(**PLAIN),
        Bearer(**PLAIN),
        for_grpc.BearerInterceptor(**PLAIN),
        for_grpc.AsyncBearerInterceptor(**PLAIN),
    ],
)
def test_without_a_resource_there_is_no_route_to_be_had(one):
    with pytest.raises(ConfigurationError, match="option resource"):
        _ = one.metadata
