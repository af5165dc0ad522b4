"""A real FastAPI app under a real server: what clients of a protected route get."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Security, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.security import SecurityScopes
from fastapi.sse import EventSourceResponse
from tests.server.oauth_clients import Prover

from carnet import Claims, ConfigurationError, inspect
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


def nothing():
    """Be a route that says nothing."""


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
    for path in ("/orders", "/reports"):
        assert document["paths"][path]["get"]["security"] == [{"Bearer": []}]
    for path in ("/writing", "/secured"):
        assert document["paths"][path]["get"]["security"] == [{"Bearer": ["a:write", "b"]}]
    assert "security" not in document["paths"]["/teapot"]["get"]


def test_openapi_tells_of_flows_where_they_are_given(issuer):
    flow = {
        "authorizationUrl": f"{issuer.url}/authorize",
        "tokenUrl": f"{issuer.url}/token",
        "scopes": {"a:write": "Write"},
    }
    bearer = Bearer(issuer.url, "orders", flows={"authorizationCode": flow})
    application = FastAPI()
    application.get("/writing", dependencies=[Depends(bearer.require_scope("a:write"))])(nothing)
    document = application.openapi()
    scheme = document["components"]["securitySchemes"]["Bearer"]
    assert (scheme["type"], scheme["flows"]) == ("oauth2", {"authorizationCode": flow})
    assert document["paths"]["/writing"]["get"]["security"] == [{"Bearer": ["a:write"]}]
    with pytest.raises(ConfigurationError, match="authorizationUrl"):
        Bearer(issuer.url, "orders", flows={"authorizationCode": {}})


def test_an_optional_token_may_be_missing_but_not_bad(issuer, serve):
    application, bearer = FastAPI(), Bearer(issuer.url, "orders")
    assert bearer.optional is bearer.optional

    @application.get("/orders")
    async def orders(claims: Annotated[Claims | None, Depends(bearer.optional)]) -> str | None:
        return claims and claims.subject

    @application.get("/reports")
    async def reports(
        claims: Annotated[Claims, Depends(bearer.optional.require_role("ADMIN"))],
    ) -> str | None:
        return claims.subject

    client = serve(application)
    assert client.get("/orders").json() is None
    assert client.get("/orders", headers={"Authorization": "Basic YTpi"}).json() is None
    assert client.get("/orders", headers=bearing(issuer.token())).json() == "ada"
    for bad in (issuer.token(aud="billing"), "abc"):
        assert client.get("/orders", headers=bearing(bad)).status_code == 401
    assert client.get("/orders", headers={"Authorization": "Bearer a b"}).status_code == 400
    # What is required is not optional.
    assert client.get("/reports").status_code == 401
    with pytest.raises(ConfigurationError, match="optional"):
        bearer.require_role("ADMIN").optional  # noqa: B018 - it is refused when it is read


def test_one_override_replaces_what_all_of_a_bearers_dependencies_read(issuer, serve):
    application, bearer = FastAPI(), Bearer(issuer.url, "orders")
    dependencies = {
        "/orders": bearer,
        "/reports": bearer.require_role("ADMIN"),
        "/writing": bearer.require_scope("a:write").require_role("ADMIN"),
        "/signing": bearer.require_acr("urn:mfa", max_age=300),
    }
    for path, dependency in dependencies.items():

        @application.get(path)
        async def route(claims: Annotated[Claims | None, Depends(dependency)]) -> str | None:
            return claims and claims.subject

    client = serve(application)
    stood_in = {"sub": "eve", "roles": ["ADMIN"], "acr": "urn:mfa", "auth_time": time.time()}

    def statuses():
        return [client.get(path).status_code for path in dependencies]

    assert statuses() == [401] * 4
    application.dependency_overrides[bearer] = lambda: Claims({**stood_in, "scope": "a:write"})
    assert statuses() == [200] * 4
    assert client.get("/writing").json() == "eve"
    application.dependency_overrides[bearer] = lambda: Claims({"sub": "eve"})
    assert statuses() == [200, 403, 403, 401]
    application.dependency_overrides[bearer] = lambda: None
    assert statuses() == [200, 401, 401, 401]
    application.dependency_overrides.clear()
    assert statuses() == [401] * 4


def test_an_override_of_a_type_of_ones_own_is_taken_at_its_word(issuer, serve):
    application, bearer = FastAPI(), Bearer(issuer.url, "orders", claims_type=Order)

    @application.get("/reports")
    async def reports(order: Annotated[Order, Depends(bearer.require_role("ADMIN"))]) -> int:
        return order.number

    client = serve(application)
    plain = bearing(issuer.token(number=7))
    assert client.get("/reports", headers=plain).status_code == 403
    admin = bearing(issuer.token(number=7, roles=["ADMIN"]))
    assert client.get("/reports", headers=admin).json() == 7
    application.dependency_overrides[bearer] = lambda: Order("eve", 8)
    assert client.get("/reports").json() == 8


def test_a_bearer_of_ones_own_that_gives_something_else_is_checked_all_the_same(issuer, serve):
    class Looking(Bearer):
        async def __call__(self, request: Request, security_scopes: SecurityScopes) -> str:
            claims = await super().__call__(request, security_scopes)
            return f"the user {claims.subject}"

    application, bearer = FastAPI(), Looking(issuer.url, "orders")

    @application.get("/reports")
    async def reports(user: Annotated[str, Depends(bearer.require_role("ADMIN"))]) -> str:
        return user

    client = serve(application)
    assert client.get("/reports", headers=bearing(issuer.token())).status_code == 403
    answer = client.get("/reports", headers=bearing(issuer.token(roles=["ADMIN"])))
    assert answer.json() == "the user ada"


def test_several_dependencies_of_a_route_take_one_proof(issuer, serve):
    prover, bearer = Prover(), Bearer(issuer.url, "orders")
    application = FastAPI(dependencies=[Depends(bearer)])

    @application.get("/writing", dependencies=[Security(bearer, scopes=["b"])])
    async def writing(
        claims: Annotated[Claims, Depends(bearer.require_scope("a:write"))],
    ) -> str | None:
        return claims.subject

    client = serve(application)
    token = issuer.token(cnf={"jkt": prover.thumbprint}, scope="a:write b")
    proof = prover.proof(str(client.base_url.join("/writing")), "GET", token)
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert client.get("/writing", headers=headers).json() == "ada"
    assert client.get("/writing", headers=headers).json()["code"] == "proof_invalid"


def test_each_bearer_of_a_route_checks_the_token_by_itself(issuer, serve):
    application = FastAPI(dependencies=[Depends(Bearer(issuer.url, "orders"))])
    billing = Bearer(issuer.url, "billing")
    application.get("/orders", dependencies=[Depends(billing)])(nothing)
    client = serve(application)
    for audience, status in ((["orders", "billing"], 200), (["orders"], 401), (["billing"], 401)):
        answer = client.get("/orders", headers=bearing(issuer.token(aud=audience)))
        assert answer.status_code == status


@pytest.fixture
def opened(issuer):
    """Open a WebSocket, without a server, since none is among what tests need."""
    application, bearer = FastAPI(), Bearer(issuer.url, "orders")

    @application.websocket("/orders")
    async def orders(
        socket: WebSocket, claims: Annotated[Claims, Depends(bearer.require_role("ADMIN"))]
    ) -> None:
        await socket.accept()
        await socket.send_text(claims.subject or "")

    @application.websocket("/open")
    async def anyone(
        socket: WebSocket, claims: Annotated[Claims | None, Depends(bearer.optional)]
    ) -> None:
        await socket.accept()
        await socket.send_text(str(claims and claims.subject))

    def opened_one(path, token=None, **more):
        said = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            said.append(message)

        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b""}
        asyncio.run(application({**scope, **more}, receive, send))
        return said

    return opened_one


def test_a_websocket_is_opened_with_a_good_token(opened, issuer):
    token = issuer.token(roles=["ADMIN"])
    for path, sent, said in (("/orders", token, "ada"), ("/open", token, "ada"), ("/open", "", "")):
        accepted, text = opened(path, sent)
        assert accepted["type"] == "websocket.accept"
        assert text["text"] == (said or "None")


def test_a_websockets_handshake_is_answered_with_the_challenge(opened, issuer):
    able = {"extensions": {"websocket.http.response": {}}}
    for path, token, status, code in (
        ("/orders", None, 401, "token_missing"),
        ("/orders", issuer.token(aud="billing"), 401, "audience_mismatch"),
        ("/orders", issuer.token(), 403, "role_missing"),
        ("/open", issuer.token(aud="billing"), 401, "audience_mismatch"),
    ):
        start, body = opened(path, token, **able)
        assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
        assert dict(start["headers"])[b"www-authenticate"].startswith(b"Bearer")
        assert json.loads(body["body"])["code"] == code
        # Where the server can't send an answer, it is told to close, which it does with 403.
        assert opened(path, token) == [{"type": "websocket.close", "code": 3000, "reason": code}]


def test_a_stream_of_events_begins_with_a_good_token_only(issuer, serve):
    application, bearer = FastAPI(), Bearer(issuer.url, "orders")

    @application.get("/events", response_class=EventSourceResponse)
    async def events(
        claims: Annotated[Claims, Depends(bearer.require_scope("a:read"))],
    ) -> AsyncIterator[str]:
        yield claims.subject or ""

    client = serve(application)
    assert client.get("/events").status_code == 401
    assert client.get("/events", headers=bearing(issuer.token())).status_code == 403
    answer = client.get("/events", headers=bearing(issuer.token(scope="a:read")))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert 'data: "ada"' in answer.text


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
