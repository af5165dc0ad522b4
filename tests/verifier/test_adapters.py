"""What adapters do beside answering: refuse wrong settings at once, and stay shut in doubt."""

import asyncio
import re
import sys
from typing import TypedDict

import django.conf
import flask
import litestar
import pytest
from django.http import HttpRequest
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from tests import processes

from carnet import Claims, ConfigurationError, IssuerUnavailable
from carnet.jose import jws
from carnet.verifier import AccessTokenVerifier, asgi, bearer, wsgi
from carnet.verifier import flask as for_flask
from carnet.verifier import grpc as for_grpc
from carnet.verifier import litestar as for_litestar
from carnet.verifier import starlette as for_starlette
from carnet.verifier.adapters import django as for_django
from carnet.verifier.adapters import fastapi as for_fastapi
from carnet.verifier.exempt import Exempt

EXTRAS = ["starlette", "fastapi", "litestar", "django", "rest_framework", "flask", "grpc"]


class Named(TypedDict):
    sub: str


def in_flask(**settings):
    app = flask.Flask("shop")
    app.config["CARNET"] = settings
    for_flask.Bearer(app)


def in_django(**settings):
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    for_django.verifier.cache_clear()
    with override_settings(CARNET=settings):
        for_django.BearerMiddleware(lambda request: None)


@pytest.mark.parametrize("settings", [{}, {"issuer": "http://auth.example.com"}, {"leeway": "x"}])
@pytest.mark.parametrize(
    "make",
    [
        lambda **options: asgi.BearerMiddleware(None, **options),
        lambda **options: wsgi.BearerMiddleware(None, **options),
        for_starlette.BearerBackend,
        for_fastapi.Bearer,
        for_litestar.BearerAuth,
        for_grpc.BearerInterceptor,
        for_grpc.AsyncBearerInterceptor,
        in_flask,
        in_django,
    ],
)
def test_wrong_settings_end_the_start(make, settings):
    complete = {"issuer": "https://auth.example.com", "audience": "orders", **settings}
    with pytest.raises((ConfigurationError, TypeError)):
        make(**(complete if settings else {}))


def test_an_unknown_setting_is_named():
    with pytest.raises(ConfigurationError, match="isuer"):
        in_flask(issuer="https://auth.example.com", audience="orders", isuer="")


@pytest.mark.parametrize("text", ["", " ", None, 7])
def test_a_need_for_nothing_is_a_mistake(text):
    for require in (
        *(for_starlette.require_scope, for_django.require_scope, for_flask.require_scope),
        *(for_litestar.require_scope, for_litestar.require_role, for_flask.require_role),
    ):
        if text != " " or require.__name__ == "require_scope":
            with pytest.raises(ConfigurationError):
                require(text)


@pytest.mark.parametrize("max_age", [0, -1, 1.5, True, "300", None])
@pytest.mark.parametrize("acr_values", [(), ("",), ("urn:a urn:b",), ('a"',), (7,), (None,)])
def test_a_sign_in_of_no_kind_is_a_mistake(acr_values, max_age):
    interceptor = {"issuer": "https://auth.example.com", "audience": "orders"}
    for module in (for_starlette, for_django, for_flask, for_litestar):
        with pytest.raises(ConfigurationError, match="require_acr"):
            module.require_acr(*acr_values)
        with pytest.raises(ConfigurationError, match="require_age must be a whole number"):
            module.require_age(max_age)
    if max_age is not None:
        with pytest.raises(ConfigurationError, match="max_age must be a whole number"):
            for_starlette.require_acr("urn:mfa", max_age=max_age)
    with pytest.raises(ConfigurationError):
        for_grpc.BearerInterceptor(**interceptor, max_ages={"/orders.Orders/List": max_age})
    for value in acr_values[:1]:
        if value != "urn:a urn:b":  # which is one of two there
            with pytest.raises(ConfigurationError):
                for_grpc.BearerInterceptor(**interceptor, acr_values={"/orders.Orders/List": value})


def test_one_challenge_names_all_that_a_sign_in_has_to_be():
    need = bearer.needs_acr("urn:mfa", "urn:passkey", max_age=300)
    need(Claims({"acr": "urn:passkey", "auth_time": 700}, lambda: 1000))
    for claims, code in (
        ({"acr": "urn:mfa", "auth_time": 699}, "too_old"),
        ({"acr": "urn:pwd", "auth_time": 700}, "claim_mismatch"),
        ({}, "claim_missing"),
    ):
        with pytest.raises(bearer.Refusal) as refused:
            need(Claims(claims, lambda: 1000))
        assert (refused.value.status, refused.value.code) == (401, code)
        challenge = refused.value.headers["WWW-Authenticate"]
        assert challenge.endswith('acr_values="urn:mfa urn:passkey", max_age="300"')


def test_exempt_paths_are_those_and_no_others():
    exempt = Exempt(["/health", "/static/*"])
    for path in ("/health", "/static/", "/static/a/b.css", "/static/..a"):
        assert path in exempt
    for path in (
        *("/", "/health/", "/healthy", "/HEALTH", "/static", "/staticfiles"),
        *("/static/../orders", "/static//orders", "/static/..\\orders", "//health"),
    ):
        assert path not in exempt
    for paths in ("/health", ["health"], ["/*"], ["/a*"], ["/a/*/b"], [7], [""]):
        with pytest.raises(ConfigurationError):
            Exempt(paths)


def speak(app, scope, *messages):
    """Let an ASGI app speak; there is no WebSocket server among what the tests need."""
    given, said = list(messages), []

    async def receive():
        return given.pop(0)

    async def send(message):
        said.append(message)

    asyncio.run(app({"path": "/live", "headers": [], **scope}, receive, send))
    return said


def test_a_websocket_is_refused_before_it_is_accepted(issuer):
    async def service(scope, receive, send):
        await send({"type": "websocket.accept", "subject": scope["carnet.claims"].subject})

    app = asgi.BearerMiddleware(service, issuer.url, "orders")
    scope = {"type": "websocket"}
    assert speak(app, scope) == [
        {"type": "websocket.close", "code": 3000, "reason": "token_missing"}
    ]
    able = {**scope, "extensions": {"websocket.http.response": {}}}
    start, body = speak(app, able)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert b"token_missing" in body["body"]
    good = {**scope, "headers": [(b"authorization", f"Bearer {issuer.token()}".encode())]}
    assert speak(app, good) == [{"type": "websocket.accept", "subject": "ada"}]


def test_the_current_claims_are_those_of_the_request_that_is_answered(issuer):
    def read(request):  # in a thread
        return PlainTextResponse(asgi.current_claims().subject)

    async def subject(scope, receive, send):
        claims, typed = asgi.current_claims(), asgi.current_typed_claims()
        await PlainTextResponse(f"{claims.subject} {typed['sub']}")(scope, receive, send)

    routes = [Route("/thread", read), Mount("/", subject)]
    app = asgi.BearerMiddleware(
        Starlette(routes=routes), issuer.url, "orders", claims_type=Named, exempt=["/open"]
    )
    bearing = {"authorization": f"Bearer {issuer.token()}"}
    with TestClient(app) as client:
        assert client.get("/thread", headers=bearing).text == "ada"
        assert client.get("/", headers=bearing).text == "ada ada"
        refused = client.get("/open", headers=bearing)
        assert (refused.status_code, "token_missing" in refused.text) == (401, True)
    with pytest.raises(bearer.Refusal):
        asgi.current_claims()


@pytest.mark.parametrize("around", [lambda app: app, lambda app: CORSMiddleware(app, ["*"])])
def test_what_a_starlette_app_refuses_is_no_error_of_the_server(issuer, around):
    def administer(request):
        bearer.check_role(asgi.current_claims(), "ADMIN")

    async def live(websocket):
        bearer.check_role(asgi.current_claims(), "ADMIN")

    app = Starlette(routes=[Route("/admin", administer), WebSocketRoute("/live", live)])
    guarded = asgi.BearerMiddleware(around(app), issuer.url, "orders")
    bearing = {"authorization": f"Bearer {issuer.token()}"}
    with TestClient(guarded) as client:
        answer = client.get("/admin", headers=bearing)
        assert (answer.status_code, "role_missing" in answer.text) == (403, True)
        with pytest.raises(WebSocketDenialResponse) as denied:
            client.websocket_connect("/live", headers=bearing).__enter__()
        assert denied.value.status_code == 403


def test_claims_are_current_no_longer_than_their_request(issuer):
    async def service(scope, receive, send):
        await send({"type": "websocket.accept", "subject": asgi.current_claims().subject})

    app = asgi.BearerMiddleware(service, issuer.url, "orders", exempt=["/open"])
    bearing = [(b"authorization", f"Bearer {issuer.token()}".encode())]

    async def one_after_another():
        said = []

        async def send(message):
            said.append(message)

        for path in ("/", "/open"):
            await app({"type": "websocket", "path": path, "headers": bearing}, None, send)
        return said

    accepted, refused = asyncio.run(one_after_another())
    assert (accepted["subject"], refused["type"]) == ("ada", "websocket.close")


PREFLIGHT = [
    (b"origin", b"https://app.example.com"),
    (b"access-control-request-method", b"GET"),
    (b"access-control-request-headers", b"authorization"),
]


def asking(headers, method="OPTIONS", path="/live"):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": headers,
        "query_string": b"",
        "extensions": {"http.response.pathsend": {}},
    }


def asgi_with_cors(issuer):
    # Its app is not reached.
    cors = CORSMiddleware(None, ["https://app.example.com"], ["GET"], ["Authorization"])
    return asgi.BearerMiddleware(cors, issuer.url, "orders")


def litestar_with(issuer, *handlers, **more):
    plugin = for_litestar.BearerAuth(issuer.url, "orders")
    return litestar.Litestar(
        list(handlers), plugins=[plugin], logging_config=None, openapi_config=None, **more
    )


def litestar_with_cors(issuer):
    def cors(app):
        return CORSMiddleware(app, ["https://app.example.com"], ["GET"], ["Authorization"])

    @litestar.get("/live", guards=[for_litestar.require_role("ADMIN")])
    async def orders() -> None: ...

    return litestar_with(issuer, orders, middleware=[cors])


@pytest.mark.parametrize("make", [asgi_with_cors, litestar_with_cors])
def test_a_preflight_is_answered_by_the_apps_cors_layer(issuer, make):
    start, body = speak(make(issuer), asking(PREFLIGHT), {"type": "http.request"})
    said = dict(start["headers"])
    assert (start["status"], body["body"], said[b"content-length"]) == (200, b"", b"0")
    assert said[b"access-control-allow-origin"] == b"https://app.example.com"
    stranger = [(b"origin", b"https://evil.example"), *PREFLIGHT[1:]]
    start, body = speak(make(issuer), asking(stranger), {"type": "http.request"})
    assert (start["status"], body["body"]) == (400, b"")


def asgi_with_data(issuer):
    async def service(scope, receive, send):
        headers = [(b"set-cookie", b"a=b"), (b"x-data", b"secret"), (b"content-length", b"6")]
        if "http.response.pathsend" in scope["extensions"] and "carnet.claims" not in scope:
            raise AssertionError("it may send a file")
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"sec", "more_body": True})
        await send({"type": "http.response.body", "body": b"ret"})

    return asgi.BearerMiddleware(service, issuer.url, "orders")


def litestar_with_data(issuer):
    @litestar.route("/live", http_method=["OPTIONS"], status_code=200)
    async def options() -> litestar.Response[str]:
        return litestar.Response("secret", headers={"x-data": "secret", "set-cookie": "a=b"})

    return litestar_with(issuer, options)


@pytest.mark.parametrize("make", [asgi_with_data, litestar_with_data])
def test_what_only_looks_like_a_preflight_gets_no_data(issuer, make):
    app = make(issuer)
    said = speak(app, asking(PREFLIGHT), {"type": "http.request"})
    assert "secret" not in str(said)
    assert said == [
        {**said[0], "status": 200, "headers": [(b"content-length", b"0")]},
        {"type": "http.response.body", "body": b""},
    ]
    good = [(b"authorization", f"Bearer {issuer.token()}".encode())]
    bad = [(b"authorization", f"Bearer {issuer.token(aud='billing')}".encode())]
    for headers, status in (
        ([], 401),
        (PREFLIGHT[:1], 401),
        (PREFLIGHT[1:], 401),
        ([PREFLIGHT[0], *PREFLIGHT], 401),
        ([*PREFLIGHT, PREFLIGHT[1]], 401),
        ([(b"origin", b""), *PREFLIGHT[1:]], 401),
        ([*PREFLIGHT, (b"x-http-method-override", b"DELETE")], 401),
        ([*PREFLIGHT, *bad], 401),
        (good, 200),
        ([*PREFLIGHT, *good], 200),
    ):
        start, *body = speak(app, asking(headers), {"type": "http.request"})
        assert start["status"] == status
        assert (b"sec" in body[0]["body"]) is (status == 200)
    start, _ = speak(app, asking(PREFLIGHT, "GET"), {"type": "http.request"})
    assert start["status"] in (401, 405)


@pytest.mark.parametrize("name", ["carnet.claims", "carnet.typed_claims", "its own"])
def test_a_preflight_is_refused_by_an_app_that_asks_for_its_claims(issuer, name):
    async def service(scope, receive, send):
        scope[name]

    app = asgi.BearerMiddleware(service, issuer.url, "orders", exempt=["/open"])
    if name == "its own":
        with pytest.raises(KeyError):
            speak(app, asking(PREFLIGHT))
    else:
        start, body = speak(app, asking(PREFLIGHT))
        assert (start["status"], b"token_missing" in body["body"]) == (401, True)


def test_the_lifespan_passes_through_and_its_end_closes_the_verifier(issuer):
    issuer.revoked = []

    async def service(scope, receive, send):
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                pass
        else:
            await send({"type": "http.response.start", "status": 204})

    app = asgi.BearerMiddleware(service, issuer.url, "orders", revocations="required")
    bearing = [(b"authorization", f"Bearer {issuer.token()}".encode())]
    assert speak(app, {"type": "http", "headers": bearing})[0]["status"] == 204
    follower = app._verifier._only.follower
    assert not follower._stop.is_set()
    speak(app, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert follower._stop.is_set()


def test_a_view_without_the_middleware_stays_shut():
    @for_django.require_token
    def view(request):
        raise AssertionError("it was entered")

    with pytest.raises(for_django.ImproperlyConfigured, match="BearerMiddleware"):
        view(HttpRequest())


def test_a_flask_app_without_the_extension_stays_shut():
    app = flask.Flask("shop")
    app.testing = True

    @app.get("/orders")
    @for_flask.require_token
    def orders():
        raise AssertionError("it was entered")

    with pytest.raises(ConfigurationError, match="init_app"):
        app.test_client().get("/orders")


def test_starlettes_own_requires_sees_the_scopes(issuer):
    @requires("orders:read")
    async def orders(request):
        return JSONResponse(request.user.identity)

    backend = for_starlette.BearerBackend(issuer.url, "orders")
    app = Starlette(
        routes=[Route("/live", orders)],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=backend, on_error=for_starlette.on_error)
        ],
    )

    def status(**claims):
        bearing = [(b"authorization", f"Bearer {issuer.token(**claims)}".encode())]
        scope = {"type": "http", "method": "GET", "headers": bearing, "query_string": b""}
        return speak(app, scope, {"type": "http.request"})[0]["status"]

    assert status(scope="orders:read x") == 200
    assert status(scope="orders:write") == 403


def test_starlettes_websockets_are_opened_with_what_they_need_or_refused(issuer):
    @requires("orders:read")
    async def theirs(websocket):
        await websocket.accept(websocket.user.identity)

    @for_starlette.require_scope("orders:read")
    async def ours(websocket):
        await websocket.accept(websocket.user.identity)

    backend = for_starlette.BearerBackend(issuer.url, "orders")
    app = Starlette(
        routes=[WebSocketRoute("/theirs", theirs), WebSocketRoute("/live", ours)],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=backend, on_error=for_starlette.on_error)
        ],
    )

    def opened(path, **claims):
        bearing = [(b"authorization", f"Bearer {issuer.token(**claims)}".encode())]
        scope = {"type": "websocket", "path": path, "headers": bearing}
        return speak(app, scope, {"type": "websocket.connect"})[0]

    for path in ("/theirs", "/live"):
        assert opened(path, scope="orders:read")["type"] == "websocket.accept"
        assert opened(path, scope="orders:write")["type"] == "websocket.close"
        assert opened(path, aud="billing")["type"] == "websocket.close"
    assert opened("/live")["reason"] == "scope_missing"


def test_an_endpoint_without_a_request_is_a_mistake():
    with pytest.raises(ConfigurationError, match="'request'"):
        for_starlette.require_token(lambda: None)


def test_litestars_openapi_tells_that_a_bearer_token_is_needed(issuer):
    @litestar.get("/orders")
    async def orders() -> None: ...

    plugin = for_litestar.BearerAuth(issuer.url, "orders")
    app = litestar.Litestar([orders], plugins=[plugin], logging_config=None)
    document = app.openapi_schema.to_schema()
    scheme = document["components"]["securitySchemes"]["Bearer"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert document["security"] == [{"Bearer": []}]
    with pytest.raises(ConfigurationError):
        for_litestar.BearerAuth(issuer.url, "orders", exclude="health")


def test_the_log_is_of_one_line_whatever_the_path_holds(caplog):
    caplog.set_level("INFO", "carnet.verifier")
    with pytest.raises(bearer.Refusal) as refused:
        bearer.bearer_token([])
    refused.value.log("/a\nrefused 200\x1b[0m" + "x" * 500)
    assert caplog.messages[0].isprintable()
    assert len(caplog.messages[0]) < 300


@given(st.text('aZ09-._~+/= ,"é\u0660\n', max_size=6))
@example("a=")
@example("=")
@example("a=b")
def test_a_bearer_token_has_the_form_of_the_standard(text):
    # RFC 6750 section 2.1; the spaces around it are the header's (RFC 9110 section 11.4).
    form = re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", text.strip(" "))
    if form:
        assert bearer.bearer_token([f"Bearer {text}"]) == text.strip(" ")
    else:
        with pytest.raises(bearer.Refusal) as refused:
            bearer.bearer_token([f"Bearer {text}"])
        assert refused.value.status == 400


@pytest.mark.parametrize("name", EXTRAS)
def test_a_framework_that_is_missing_is_named_with_its_extra(name):
    code = (
        "import sys; sys.modules.update(dict.fromkeys("
        "['starlette', 'fastapi', 'litestar', 'django', 'rest_framework', 'flask', 'grpc']))\n"
        f"try:\n    import carnet.verifier.{name}\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    run = processes.run([sys.executable, "-c", code], capture_output=True, text=True)
    extra = "django" if name == "rest_framework" else name
    assert run.stdout.startswith("ConfigurationError"), run.stdout + run.stderr
    assert f"pip install 'carnet[{extra}]'" in run.stdout


def test_importing_the_verifier_loads_no_framework():
    code = (
        "import sys, carnet, carnet.verifier, carnet.verifier.asgi, carnet.verifier.wsgi; "
        f"print(sorted({{'httpx', 'rest_framework', *{EXTRAS}}} & set(sys.modules)))"
    )
    run = processes.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


def test_a_token_of_another_type_names_the_option_that_a_service_has(issuer):
    token = jws.sign(b"{}", issuer.key, {"typ": "JWT"})
    with pytest.raises(bearer.Refusal) as refused:
        bearer.authenticate(AccessTokenVerifier(issuer.url, "orders"), [f"Bearer {token}"])
    assert (refused.value.code, refused.value.content["expected"]) == ("type_mismatch", "at+jwt")
    assert "the option 'type' says which" in refused.value.content["error_description"]


def test_a_503_tells_the_log_its_reason_as_a_warning_and_the_client_nothing(caplog):
    unavailable = IssuerUnavailable("no keys of https://a.example: it answered\n500")
    refusal = bearer.refusal_of(unavailable)
    refusal.log("/orders")
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.endswith("path='/orders': no keys of https://a.example: it answered?500")
    assert b"a.example" not in refusal.body
