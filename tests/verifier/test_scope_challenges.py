"""One challenge names all scopes that a place needs, wherever they were asked for (RFC 6750)."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Annotated

import django
import django.conf
import flask
import grpc
import httpx
import litestar
import pytest
from django.http import JsonResponse
from django.test import Client, override_settings
from django.urls import clear_url_caches, path
from fastapi import APIRouter, Depends, FastAPI, Security
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from carnet import Claims, Key, KeySet, Signer
from carnet.verifier import flask as for_flask
from carnet.verifier import grpc as for_grpc
from carnet.verifier import litestar as for_litestar
from carnet.verifier import starlette as for_starlette
from carnet.verifier.adapters import django as for_django
from carnet.verifier.adapters import fastapi as for_fastapi
from carnet.verifier.gate import Gate

ISSUER = "https://auth.example.com"
RESOURCE = "https://orders.example.com"
KEY = Key.generate("ES256", kid="k")
OPTIONS = {"issuer": ISSUER, "keys": KeySet([KEY.public]), "resource": RESOURCE}
SIGNER = Signer(KEY, issuer=ISSUER, audience=RESOURCE, type="at+jwt")


BAD = "a bad token"


def bearing(scope):
    if scope is None:
        return {}
    if scope == BAD:
        return {"Authorization": "Bearer abc.def.ghi"}
    token = SIGNER.sign({"sub": "ada", "client_id": "c", "scope": scope, "roles": ["ADMIN"]})
    return {"Authorization": f"Bearer {token}"}


def over_asgi(app, path="/orders"):
    async def ask(scope):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=RESOURCE) as client:
            answer = await client.get(path, headers=bearing(scope))
        return answer.status_code, answer.headers.get("www-authenticate", "")

    return lambda scope: asyncio.run(ask(scope))


def in_starlette():
    @for_starlette.require_scope("a")
    @for_starlette.require_role("ADMIN")
    @for_starlette.require_scope("b c")
    async def orders(request):
        return JSONResponse({})

    backend = for_starlette.BearerBackend(**OPTIONS)
    using = Middleware(AuthenticationMiddleware, backend=backend, on_error=for_starlette.on_error)
    return over_asgi(Starlette(routes=[Route("/orders", orders)], middleware=[using]))


def in_fastapi():
    bearer = for_fastapi.Bearer(**OPTIONS)
    app, router = FastAPI(), APIRouter(dependencies=[Depends(bearer.require_scope("a"))])

    def caller(claims: Annotated[Claims, Depends(bearer)]):
        return claims

    @router.get("/orders", dependencies=[Depends(bearer.require_scope("b"))])
    def orders(claims: Annotated[Claims, Security(caller, scopes=["c"])]):
        return {}

    app.include_router(router)
    return over_asgi(app)


def in_fastapi_by_one_dependency():
    bearer, app = for_fastapi.Bearer(**OPTIONS), FastAPI()
    needing = bearer.require_scope("a").require_role("ADMIN").require_scope("b c")

    @app.get("/orders", dependencies=[Depends(needing)])
    def orders():
        return {}

    return over_asgi(app)


def in_litestar():
    @litestar.get("/orders", guards=[for_litestar.require_scope("b c")])
    async def orders() -> dict:
        return {}

    app = litestar.Litestar(
        [orders],
        guards=[for_litestar.require_scope("a")],
        plugins=[for_litestar.BearerAuth(**OPTIONS)],
        logging_config=None,
        openapi_config=None,
    )
    return over_asgi(app)


def of_flask(**more):
    app = flask.Flask("shop")
    app.config["CARNET"] = OPTIONS
    for_flask.Bearer(app, **more)

    @app.get("/orders")
    @for_flask.require_scope("a")
    @for_flask.require_role("ADMIN")
    @for_flask.require_scope("b c")
    def orders():
        return {}

    def ask(scope):
        answer = app.test_client().get("/orders", headers=bearing(scope))
        return answer.status_code, answer.headers.get("www-authenticate", "")

    return ask


def set_up_django():
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    django.setup()


def of_django(middleware, view):
    set_up_django()
    urls = ModuleType("urls")
    urls.urlpatterns = [path("orders", view)]
    changed = override_settings(
        CARNET=OPTIONS,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=urls,
        MIDDLEWARE=middleware,
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    )

    def ask(scope):
        with changed:
            clear_url_caches()
            for_django.verifier.cache_clear()
            answer = Client().get("/orders", headers=bearing(scope))
            return answer.status_code, answer.headers.get("www-authenticate", "")

    return ask


def in_django():
    @for_django.require_scope("a")
    @for_django.require_role("ADMIN")
    @for_django.require_scope("b c")
    def orders(request):
        return JsonResponse({})

    return of_django(["carnet.verifier.django.BearerMiddleware"], orders)


def in_rest_framework():
    set_up_django()
    from rest_framework.renderers import JSONRenderer
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from carnet.verifier import rest_framework as ours

    class Orders(APIView):
        authentication_classes = (ours.BearerAuthentication,)
        permission_classes = (ours.require_scope("a"), ours.require_role("ADMIN"), ours.HasScope)
        renderer_classes = (JSONRenderer,)
        required_scope = "b c"

        def get(self, request):
            return Response({})

    return of_django([], Orders.as_view())


def over_grpc():
    interceptor = for_grpc.BearerInterceptor(**OPTIONS, scopes={"/shop.Shop/orders": "a b c"})
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    def ask(scope):
        with ThreadPoolExecutor(1) as pool:
            server = grpc.server(pool, interceptors=[interceptor])
            server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler("shop.Shop", {"orders": handler})]
            )
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            metadata = [(name.lower(), value) for name, value in bearing(scope).items()]
            try:
                with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                    call = channel.unary_unary("/shop.Shop/orders")
                    call(b"", metadata=metadata, timeout=60)
                return 200, ""
            except grpc.RpcError as error:
                statuses = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}
                told = dict(error.trailing_metadata())["www-authenticate"]
                return statuses[error.code().name], told
            finally:
                server.stop(None).wait()

    return ask


PLACES = {
    "starlette": in_starlette,
    "fastapi": in_fastapi,
    "fastapi, one dependency": in_fastapi_by_one_dependency,
    "litestar": in_litestar,
    "flask": of_flask,
    "flask, all views": lambda: of_flask(exempt=["static"]),
    "django": in_django,
    "rest framework": in_rest_framework,
    "grpc": over_grpc,
    "gate": lambda: over_asgi(Gate(**OPTIONS).app, "/verify?scope=a&role=ADMIN&scope=b%20c"),
}


# Starlette's backend is asked before there is a route.
@pytest.mark.parametrize("name", sorted({*PLACES} - {"starlette"}))
def test_who_brings_a_bad_token_is_told_all_that_a_good_one_needs(name):
    status, told = PLACES[name]()(BAD)
    assert status == 401
    assert re.search(r'\bscope="(?:a b c|a c b|b a c|b c a|c a b|c b a)"', told)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("held", [None, "", "x", "a", "b c", "a b", "c a"])
def test_whatever_is_held_the_challenge_names_all_that_is_needed(name, held):
    status, told = PLACES[name]()(held)
    assert status == (401 if held is None else 403)
    assert told.count("resource_metadata=") == 1
    [named] = re.findall(r'\bscope="([^"]*)"', told)
    assert sorted(named.split()) == ["a", "b", "c"]


@pytest.mark.parametrize("name", PLACES)
def test_who_holds_all_of_them_is_let_in(name):
    assert PLACES[name]()("c b a")[0] == 200
