"""The middleware of cookie mode, request by request, before a real issuer."""

import asyncio
import json

import httpx
import pytest
from tests.proxy import issuer_behind_proxy, proxy  # noqa: F401 - fixtures
from tests.server.conftest import PASSWORD, add_user, start  # noqa: F401 - fixtures

from carnet.errors import ConfigurationError
from carnet.verifier.cookies import CookieSessions

APP = "https://app.example.com"
OWN = {"Sec-Fetch-Site": "same-origin"}
ALICE = {"username": "alice", "password": PASSWORD}
ACCESS, REFRESH = "__Host-carnet-access", "__Host-carnet-refresh"


@pytest.fixture
def issuer(issuer_behind_proxy):  # noqa: F811
    return issuer_behind_proxy


class Inner:
    """The app within: it takes note of the headers that it is given."""

    def __init__(self):
        self.scopes = []
        self.headers = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept", "headers": []})
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": self.headers})
            await send({"type": "http.response.body", "body": b"{}"})

    @property
    def seen(self):
        return {name.decode(): value.decode() for name, value in self.scopes[-1]["headers"]}


@pytest.fixture
def inner():
    return Inner()


@pytest.fixture
def visit(inner, issuer):
    """Play a scene with a browser of the app's, as far as its headers tell."""

    def run(scene, **options):
        async def play():
            app = CookieSessions(inner, issuer.url, "orders", origin=APP, **options)
            transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
            async with httpx.AsyncClient(transport=transport, base_url=APP, headers=OWN) as client:
                return await scene(client, app)

        return asyncio.run(play())

    return run


async def sign_in(client):
    answer = await client.post("/session", json=ALICE)
    assert answer.status_code == 200, answer.text
    return answer


async def at_issuer(issuer, path, form):
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        return await client.post(issuer.target + path, data=form)


def test_sign_in_answers_who_it_is_and_no_token(visit, inner):
    async def scene(client, _):
        answer = await sign_in(client)
        assert set(answer.json()) == {"sub", "roles", "scope"}
        assert answer.json()["roles"] == ["ADMIN"]
        assert "no-store" in answer.headers["cache-control"]
        held = dict(client.cookies)
        assert set(held) == {ACCESS, REFRESH}
        for value in answer.headers.get_list("set-cookie"):
            assert "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1209600" in value
        assert (await client.get("/session")).json() == answer.json()
        client.cookies.set("theme", "dark")
        await client.get("/orders")
        # The app sees the token where it expects it, and the cookies that are its own.
        assert inner.seen["authorization"] == f"Bearer {held[ACCESS]}"
        assert inner.seen["cookie"] == "theme=dark"
        for value in held.values():
            assert value not in str(answer.content)

    visit(scene)


def test_a_sign_in_that_fails_says_why_and_sets_nothing(visit):
    cases = [
        (json.dumps({**ALICE, "password": "wrong-wrong-wrong"}), 401, "invalid_grant"),
        (json.dumps({**ALICE, "resource": "billing"}), 400, "invalid_request"),
        (json.dumps({"username": "alice", "password": 1}), 400, "invalid_request"),
        ("[]", 400, "invalid_request"),
        ("{", 400, "invalid_request"),
        ('{"username":"' + "a" * 20_000 + '","password":"b"}', 413, "invalid_request"),
    ]

    async def scene(client, _):
        for body, status, error in cases:
            headers = {"Content-Type": "application/json"}
            answer = await client.post("/session", content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (status, error)
            assert "set-cookie" not in answer.headers
            assert "wrong-wrong" not in answer.text

    visit(scene)


def test_a_form_or_another_method_is_no_sign_in(visit):
    async def scene(client, _):
        assert (await client.post("/session", data=ALICE)).status_code == 415
        answer = await client.put("/session")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, DELETE")
        assert (await client.get("/session")).status_code == 401

    visit(scene)


def test_signing_in_again_ends_the_session_before(visit, issuer):
    async def scene(client, _):
        await sign_in(client)
        before = client.cookies[REFRESH]
        await sign_in(client)
        form = {"grant_type": "refresh_token", "refresh_token": before}
        answer = await at_issuer(issuer, "/token", form)
        assert answer.json()["error"] == "invalid_grant"

    visit(scene)


def test_an_authorization_header_of_the_client_is_left_alone(visit, inner):
    async def scene(client, _):
        await sign_in(client)
        headers = {"Authorization": "Bearer mine", "Sec-Fetch-Site": "cross-site"}
        assert (await client.post("/orders", headers=headers)).status_code == 200
        assert inner.seen["authorization"] == "Bearer mine"
        # And who has no cookies is none of the middleware's business.
        client.cookies.clear()
        assert (await client.post("/orders", headers=headers | {"Authorization": ""})).is_success

    visit(scene)


def test_many_requests_at_once_share_one_refresh(visit, issuer):
    async def scene(client, _):
        await sign_in(client)
        cookie = f"{REFRESH}={client.cookies[REFRESH]}"
        issuer.open.clear()
        client.cookies.clear()
        asked = [
            asyncio.create_task(client.get(f"/{n}", headers={"Cookie": cookie})) for n in range(20)
        ]
        assert await asyncio.to_thread(issuer.held.wait, 20)
        issuer.open.set()
        answers = await asyncio.gather(*asked)
        assert len({tuple(a.headers.get_list("set-cookie")) for a in answers}) == 1
        assert issuer.asked("POST /token") == 1

    visit(scene)


def test_a_token_that_is_refused_is_replaced_before_the_app_sees_it(visit, inner, issuer):
    async def scene(client, _):
        await sign_in(client)
        client.cookies.set(ACCESS, client.cookies[ACCESS][:-4] + "AAAA", domain="app.example.com")
        await client.get("/orders")
        assert inner.seen["authorization"] == f"Bearer {client.cookies[ACCESS]}"
        assert issuer.asked("POST /token") == 1

    visit(scene)


def test_a_refused_refresh_token_takes_the_cookies_and_the_request_goes_on(visit, inner, issuer):
    async def scene(client, _):
        await sign_in(client)
        form = {"token": client.cookies[REFRESH]}
        await at_issuer(issuer, "/revocation", form)
        client.cookies.delete(ACCESS)
        answer = await client.get("/orders")
        assert answer.status_code == 200
        assert "authorization" not in inner.seen
        assert dict(client.cookies) == {}

    visit(scene)


def test_a_refusal_that_is_not_the_session_s_keeps_the_cookies(visit, inner):
    async def scene(client, app):
        await sign_in(client)
        held = client.cookies[REFRESH]
        client.cookies.delete(ACCESS)
        app._form["resource"] = "nowhere"
        assert (await client.get("/orders")).status_code == 503
        assert client.cookies[REFRESH] == held
        app._form["resource"] = "billing"
        # A token for another audience: the app's own verifier says so, and the successor is kept.
        assert (await client.get("/orders")).status_code == 200
        assert client.cookies[REFRESH] != held
        assert inner.seen["authorization"] == f"Bearer {client.cookies[ACCESS]}"
        assert (await client.get("/session")).status_code == 503
        app._form["resource"] = "orders"
        assert (await client.get("/session")).status_code == 200

    visit(scene)


def test_signing_out_while_the_issuer_is_down_still_forgets_the_tokens(visit, issuer):
    async def scene(client, _):
        await sign_in(client)
        issuer.down = True
        answer = await client.delete("/session")
        assert answer.json() == {"ended_at_issuer": False}
        assert dict(client.cookies) == {}
        answer = await client.post("/session", json=ALICE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    visit(scene)


def test_shared_caches_leave_a_person_s_answers_alone(visit, inner):
    cases = [
        (None, "private"),
        (b"max-age=60", "max-age=60, private"),
        (b"public, max-age=60", "public, max-age=60"),
    ]

    async def scene(client, _):
        for given, kept in cases:
            inner.headers = [] if given is None else [(b"cache-control", given)]
            await sign_in(client)
            assert (await client.get("/orders")).headers["cache-control"] == kept
            client.cookies.delete(ACCESS)
            assert (await client.get("/orders")).headers["cache-control"] == "no-store"
            client.cookies.clear()
            plain = await client.get("/")
            assert plain.headers.get("cache-control") == (given and given.decode())

    visit(scene)


def test_a_token_too_large_for_a_cookie_is_told(visit, carnet, tmp_path, issuer):
    claims = json.dumps({"about": "a" * 3900})
    done = carnet("user", "claims", "alice", claims, data=tmp_path / "data")
    assert done.returncode == 0, done.stderr

    async def scene(client, _):
        answer = await client.post("/session", json=ALICE)
        assert (answer.status_code, answer.json()["error"]) == (502, "cookie_too_large")
        assert "4096" in answer.json()["error_description"]

    visit(scene)


def handshake(app, headers, extensions=()):
    """Ask for a WebSocket as a server would; gives what is answered."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": "/live",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "extensions": {name: {} for name in extensions},
    }
    return app(scope, receive, send), sent


def test_a_websocket_is_for_the_own_pages_and_brings_the_token(visit, inner, issuer):
    async def scene(client, app):
        await sign_in(client)
        cookie = {"cookie": f"{REFRESH}={client.cookies[REFRESH]}"}
        for elsewhere in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}):
            asked, sent = handshake(app, cookie | elsewhere)
            await asked
            assert sent == [{"type": "websocket.close", "code": 1008}]
        asked, sent = handshake(app, cookie | {"origin": APP})
        await asked
        assert inner.seen["authorization"].startswith("Bearer ey")
        assert [name for name, _ in sent[0]["headers"]] == [b"set-cookie"] * 2
        issuer.down = True
        asked, sent = handshake(app, cookie | {"origin": APP}, ["websocket.http.response"])
        await asked
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 503)

    visit(scene)


@pytest.mark.parametrize(
    "options",
    [
        {"origin": "http://app.example.com"},
        {"origin": f"{APP}/"},
        {"path": "session"},
        {"path": "/session/"},
        {"same_site": "none"},
        {"issuer": "http://auth.example.com"},
    ],
)
def test_wrong_arguments_are_told_at_once(inner, options):
    given = {"issuer": "https://auth.example.com", "audience": "orders", "origin": APP, **options}
    with pytest.raises(ConfigurationError):
        CookieSessions(inner, **given)
