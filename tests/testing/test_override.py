"""The verifier of an app is found wherever the frameworks put it."""

import asyncio
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from carnet import Claims
from carnet.testing import TestIssuer
from carnet.testing.override import verifiers_of
from carnet.verifier import AsyncAccessTokenVerifier, asgi, fastapi, wsgi

NAME = "https://auth.example.com"


@pytest.fixture
def issuer():
    one = TestIssuer(NAME, "orders")
    yield one
    one.restore()


def status(app, issuer, path="/orders", **token):
    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
            return await client.get(path, headers=issuer.headers(**token))

    return asyncio.run(ask()).status_code


def test_a_dependency_of_a_dependency_in_an_included_router_is_found(issuer):
    bearer, router = fastapi.Bearer(NAME, "orders"), APIRouter()

    def user(claims: Annotated[Claims, Security(bearer.require_role("ADMIN"))]) -> str | None:
        return claims.subject

    @router.get("/orders")
    def orders(name: Annotated[str | None, Depends(user)]) -> str | None:
        return name

    app = FastAPI()
    app.include_router(router, prefix="/v1")
    issuer.override(app)
    assert status(app, issuer, "/v1/orders", roles=["ADMIN"]) == 200
    assert status(app, issuer, "/v1/orders") == 403


def test_a_dependency_of_an_inclusion_is_found(issuer):
    app, router = FastAPI(), APIRouter()
    router.get("/orders")(lambda: "orders")
    app.include_router(router, dependencies=[Depends(fastapi.Bearer(NAME, "orders"))])
    issuer.override(app)
    assert status(app, issuer) == 200


def test_a_dependency_of_the_whole_app_is_found(issuer):
    app = FastAPI(dependencies=[Depends(fastapi.Bearer(NAME, "orders"))])
    app.get("/orders")(lambda: "orders")
    issuer.override(app)
    assert status(app, issuer) == 200


def test_a_middleware_and_a_mounted_app_are_found(issuer):
    async def orders(_request):
        return PlainTextResponse("orders")

    inner = Starlette(routes=[Route("/orders", orders)])
    inner.add_middleware(asgi.BearerMiddleware, issuer=NAME, audience="orders")
    outer = Starlette(routes=[Mount("/v1", inner)])
    issuer.override(outer)
    assert status(outer, issuer, "/v1/orders") == 200


def test_a_middleware_around_flask_is_found(issuer):
    app = Flask(__name__)
    app.get("/orders")(lambda: "orders")
    app.wsgi_app = wsgi.BearerMiddleware(app.wsgi_app, NAME, "orders")
    issuer.override(app)
    assert app.test_client().get("/orders", headers=issuer.headers()).status_code == 200


def test_each_verifier_is_found_once():
    verifier = AsyncAccessTokenVerifier(NAME, "orders")
    assert verifiers_of(verifier) == [verifier]
    bearer, app = fastapi.Bearer(NAME, "orders"), FastAPI()
    for path in ("/a", "/b"):
        app.get(path, dependencies=[Depends(bearer), Depends(bearer.require_role("A"))])(list)
    assert len(verifiers_of(app)) == 1
