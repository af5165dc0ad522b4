"""A real FastAPI app under a real server: what clients of a protected route get."""

import json
import socket
import threading
from dataclasses import dataclass
from typing import Annotated

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Security
from fastapi.responses import PlainTextResponse
from tests.server.oauth import Prover

from carnet import Claims, inspect
from carnet.jose import jws
from carnet.verifier.fastapi import Bearer, BearerRefused


@dataclass
class Order:
    sub: str
    number: int


def build(issuer):
    app = FastAPI()
    bearer = Bearer(issuer=issuer.url, audience="orders")

    @app.get("/orders")
    async def orders(claims: Annotated[Claims, Depends(bearer)]) -> dict[str, str | None]:
        return {"for": claims.subject}

    @app.get("/reports", dependencies=[Depends(bearer.require_role("ADMIN"))])
    async def reports() -> list[str]:
        return []

    @app.get("/writing")
    async def writing(claims: Annotated[Claims, Depends(bearer.require_scope("a:write b"))]) -> str:
        return " ".join(sorted(claims.scopes))

    @app.get("/secured")
    async def secured(
        claims: Annotated[Claims, Security(bearer, scopes=["a:write", "b"])],
    ) -> str | None:
        return claims.subject

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    return app


@pytest.fixture
def serve():
    running = []

    def serve_one(app):
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", trust_env=False, timeout=60
        )
        running.append((server, thread, listener, client))
        return client

    yield serve_one
    for server, thread, listener, client in running:
        client.close()
        server.should_exit = True
        thread.join(60)
        listener.close()


@pytest.fixture
def app(issuer, serve):
    return serve(build(issuer))


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_good_token_opens_the_route_and_gives_its_claims(app, issuer):
    answer = app.get("/orders", headers=bearing(issuer.token()))
    assert (answer.status_code, answer.json()) == (200, {"for": "ada"})
    assert app.get("/orders", headers={"authorization": f"bearer {issuer.token()}"}).is_success


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}])
def test_without_a_bearer_token_the_challenge_names_no_error(app, headers):
    answer = app.get("/orders", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "detail" not in answer.json()


@pytest.mark.parametrize("value", ["Bearer", "Bearer a b", "Bearer =a", 'Bearer "x"'])
def test_a_malformed_header_is_a_bad_request(app, value):
    answer = app.get("/orders", headers={"Authorization": value})
    assert answer.status_code == 400
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_request"')


def test_two_authorization_headers_are_a_bad_request(app, issuer):
    good = f"Bearer {issuer.token()}"
    answer = app.get("/orders", headers=[("Authorization", good), ("Authorization", good)])
    assert answer.status_code == 400


def test_a_token_in_the_query_is_not_looked_at(app, issuer):
    assert app.get("/orders", params={"access_token": issuer.token()}).status_code == 401


def test_a_refused_token_is_told_by_our_code_and_never_repeated(app, issuer):
    token = issuer.token(aud="billing")
    answer = app.get("/orders", headers=bearing(token))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer error="invalid_token", error_description="the token is for another audience"'
    )
    assert answer.json() == {
        "error": "invalid_token",
        "error_description": "the token is for another audience",
        "code": "audience_mismatch",
        "claim": "aud",
        "expected": "orders",
    }
    assert token not in answer.text + str(answer.headers)


def test_a_missing_role_is_forbidden(app, issuer):
    assert app.get("/reports", headers=bearing(issuer.token(roles=["ADMIN"]))).status_code == 200
    for claims in ({}, {"roles": ["USER", "admin"]}):
        answer = app.get("/reports", headers=bearing(issuer.token(**claims)))
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert answer.json()["code"] == "role_missing"
    assert app.get("/reports").status_code == 401


def test_a_missing_scope_is_forbidden_and_named(app, issuer):
    good = app.get("/writing", headers=bearing(issuer.token(scope="b a:write c")))
    assert good.json() == "a:write b c"
    assert app.get("/secured", headers=bearing(issuer.token(scope="b a:write"))).json() == "ada"
    for path in ("/writing", "/secured"):
        answer = app.get(path, headers=bearing(issuer.token(scope="b")))
        assert answer.status_code == 403
        assert 'scope="a:write b"' in answer.headers["www-authenticate"]


def test_claims_of_a_type_of_ones_own_are_given_or_refused(issuer, serve):
    application = FastAPI()
    typed = Bearer(issuer.url, "orders", claims_type=Order)

    @application.get("/orders")
    async def orders(order: Annotated[Order, Depends(typed)]) -> int:
        return order.number

    client = serve(application)
    assert client.get("/orders", headers=bearing(issuer.token(number=7))).json() == 7
    answer = client.get("/orders", headers=bearing(issuer.token(number="7")))
    assert (answer.status_code, answer.json()["code"]) == (401, "claim_invalid")


def test_a_role_claim_of_another_type_is_an_invalid_token(app, issuer):
    claims = dict(inspect(issuer.token()).claims, roles="ADMIN")
    token = jws.sign(json.dumps(claims).encode(), issuer.key, {"typ": "at+jwt"})
    answer = app.get("/reports", headers=bearing(token))
    assert answer.status_code == 401
    assert answer.json()["code"] == "claim_invalid"


def test_nobody_is_let_in_while_the_issuer_cant_be_asked(app, issuer):
    issuer.replies["/jwks"] = (500, b"")
    answer = app.get("/orders", headers=bearing(issuer.token()))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["code"] == "issuer_unavailable"


def test_other_errors_of_the_app_are_answered_as_before(app):
    assert app.get("/teapot").json() == {"detail": "short and stout"}


def test_the_apps_own_handler_comes_first(issuer, serve):
    application = build(issuer)

    @application.exception_handler(BearerRefused)
    async def mine(_request: Request, error: BearerRefused) -> PlainTextResponse:
        return PlainTextResponse("no entry", error.status_code)

    answer = serve(application).get("/orders")
    assert (answer.status_code, answer.text) == (401, "no entry")


def test_openapi_tells_that_a_bearer_token_is_needed(app):
    document = app.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["Bearer"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for path in ("/orders", "/reports", "/writing"):
        assert document["paths"][path]["get"]["security"] == [{"Bearer": []}]
    assert document["paths"]["/secured"]["get"]["security"] == [{"Bearer": ["a:write", "b"]}]
    assert "security" not in document["paths"]["/teapot"]["get"]


def test_a_bound_token_comes_with_a_proof_or_not_at_all(app, issuer):
    prover = Prover()
    token = issuer.token(cnf={"jkt": prover.thumbprint})
    url = str(app.base_url.join("/orders"))

    def ask(scheme, *proofs):
        headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
        return app.get("/orders?page=1", headers=headers)

    good = prover.proof(url, "GET", token)
    assert ask("DPoP", good).json() == {"for": "ada"}
    assert ask("DPoP", good).json()["code"] == "proof_invalid"
    assert ask("DPoP").json()["code"] == "proof_invalid"
    assert ask("Bearer").json()["code"] == "proof_missing"
    assert ask("Bearer", prover.proof(url, "GET", token)).json()["code"] == "proof_missing"
