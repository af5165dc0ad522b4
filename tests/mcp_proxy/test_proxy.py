"""What the proxy lets through, what it takes away, and what it refuses, over real sockets."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
from tests import processes
from tests.mcp_proxy.upstream import Upstream
from tests.verifier.conftest import Issuer

from carnet import Signer

FOREIGN = "https://app.example.com"


@pytest.fixture(scope="module")
def issuer():
    one = Issuer()
    yield one
    one.close()


@pytest.fixture(scope="module")
def server():
    one = Upstream()
    yield one
    one.close()


@pytest.fixture(scope="module")
def protected(protect_once, issuer, server):
    return protect_once(
        *("--scope", "notes:read", "--scope", "notes:write", "--allow-origin", FOREIGN),
        server=[f"{server.url}?key=of-the-server"],
        issuer=issuer.url,
    )


@pytest.fixture
def upstream(server, protected):
    # The command has asked whether anything is there.
    server.asked.clear()
    yield server
    server.asked.clear()
    server.stream = None
    server.gone.clear()
    server.reply = (200, {"Content-Type": "application/json"}, b'{"ok":true}')


@pytest.fixture
def client(protected):
    with httpx.Client(trust_env=False, timeout=60) as one:
        yield one


@pytest.fixture
def token(issuer, protected):
    def made(audience=protected.url, **claims):
        said = {"sub": "ada", "client_id": "c", "scope": "notes:read notes:write", **claims}
        return Signer(issuer.key, issuer=issuer.url, audience=audience, type="at+jwt").sign(said)

    return made


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def code_of(answer):
    return answer.json()["code"]


def test_the_token_never_reaches_the_server_wherever_it_stands(client, protected, upstream, token):
    given = token()
    headers = [
        ("Authorization", f"Bearer {given}"),
        ("X-Api-Key", given),
        ("X-Other", f"is {given} here"),
        ("Cookie", f"session={given}"),
        ("Mcp-Param-Region", "eu"),
        ("Accept", "text/event-stream"),
    ]
    answer = client.post(protected.url, headers=headers, json={"method": "ping"})
    assert answer.json() == {"ok": True}
    [asked] = upstream.asked
    assert given not in asked.text
    assert not asked.values("cookie")
    assert asked.values("mcp-param-region") == ["eu"]
    assert asked.values("accept") == ["text/event-stream"]
    assert json.loads(asked.body) == {"method": "ping"}


def test_a_token_in_the_address_is_refused(client, protected, upstream, token):
    given = token()
    answer = client.get(f"{protected.url}?access_token={given}", headers=bearer(given))
    assert (answer.status_code, code_of(answer)) == (400, "token_in_address")
    assert not upstream.asked


def test_headers_that_say_who_somebody_is_are_the_proxys_alone(client, protected, upstream, token):
    forged = {
        "X-Auth-Subject": "mallory",
        "X_Auth_Roles": "ADMIN",
        "X-Auth-Claim-Department": "board",
        "X-Forwarded-For": "10.0.0.1",
        "X-Real-IP": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "X-Original-URL": "/admin",
        "Cookie": "carnet-session=of-the-browser",
    }
    client.post(protected.url, headers={**bearer(token()), **forged}, json={})
    [asked] = upstream.asked
    assert asked.values("x-auth-subject") == ["ada"]
    assert asked.values("x-auth-client") == ["c"]
    assert asked.values("x-auth-roles") == [""]
    assert "mallory" not in asked.text
    assert "ADMIN" not in asked.text
    assert "board" not in asked.text
    assert "10.0.0.1" not in asked.text
    assert "/admin" not in asked.text
    assert "of-the-browser" not in asked.text


def test_the_server_sees_its_own_host_and_its_own_query(client, protected, upstream, token):
    client.get(f"{protected.url}?mine=1", headers=bearer(token()))
    [asked] = upstream.asked
    assert asked.values("host") == [urlsplit(upstream.url).netloc]
    assert asked.path == "/mcp?key=of-the-server&mine=1"


def test_headers_of_one_connection_go_no_further(client, protected, upstream, token):
    sent = {"Connection": "keep-alive, X-Secret", "X-Secret": "s", "TE": "trailers"}
    upstream.reply = (200, {"Connection": "X-Inner", "X-Inner": "i", "X-Other": "o"}, b"")
    answer = client.get(protected.url, headers={**bearer(token()), **sent})
    [asked] = upstream.asked
    assert not asked.values("x-secret")
    assert not asked.values("te")
    assert "x-inner" not in answer.headers
    assert answer.headers["x-other"] == "o"


def test_a_header_that_is_no_ascii_goes_on_as_it_is(client, protected, upstream, token):
    headers = {**bearer(token()), "X-City": "Zürich".encode("latin-1")}
    assert client.get(protected.url, headers=headers).status_code == 200
    assert upstream.asked[0].values("x-city") == ["Zürich"]


def test_cookies_of_the_server_reach_nobody(client, protected, upstream, token):
    upstream.reply = (200, {"Set-Cookie": "of=ada"}, b"")
    answer = client.get(protected.url, headers=bearer(token()))
    assert "set-cookie" not in answer.headers
    client.get(protected.url, headers=bearer(token(sub="bob")))
    assert not upstream.asked[1].values("cookie")


@pytest.mark.parametrize(
    ("claims", "status", "code"),
    [
        ({"audience": "http://127.0.0.1:1/mcp"}, 401, "audience_mismatch"),
        ({"scope": "notes:read"}, 403, "scope_missing"),
    ],
)
def test_a_token_for_something_else_is_refused(
    client, protected, upstream, token, claims, status, code
):
    answer = client.post(protected.url, headers=bearer(token(**claims)), json={})
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert not upstream.asked


def test_all_scopes_that_are_needed_stand_in_one_challenge(client, protected, token):
    answer = client.post(protected.url, headers=bearer(token(scope="")), json={})
    assert 'scope="notes:read notes:write"' in answer.headers["www-authenticate"]


def test_without_a_token_the_challenge_names_the_metadata_which_name_the_issuer(
    client, protected, upstream
):
    answer = client.post(protected.url, json={})
    assert answer.status_code == 401
    parts = urlsplit(protected.url)
    metadata = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{metadata}"' in answer.headers["www-authenticate"]
    told = client.get(metadata).json()
    assert told["resource"] == protected.url
    assert told["authorization_servers"] == [protected.issuer]
    assert told["scopes_supported"] == ["notes:read", "notes:write"]
    assert not upstream.asked


@pytest.mark.parametrize("path", ["/", "/mcp/", "/mcp/../admin", "/sse", "/.well-known/x"])
def test_only_the_endpoint_is_served(client, protected, upstream, token, path):
    parts = urlsplit(protected.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", path, headers=bearer(token()))
    assert connection.getresponse().status == 404
    connection.close()
    assert not upstream.asked


def test_a_method_that_mcp_does_not_know_is_refused(client, protected, upstream, token):
    answer = client.put(protected.url, headers=bearer(token()), content=b"x")
    assert answer.status_code == 405
    assert not upstream.asked


# --- MCP sessions


def test_a_session_is_continued_by_its_own_person_and_client_alone(
    client, protected, upstream, token
):
    upstream.reply = (200, {"Mcp-Session-Id": "s-1"}, b"{}")
    begun = client.post(protected.url, headers=bearer(token()), json={})
    session = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
    upstream.asked.clear()

    again = client.post(protected.url, headers={**bearer(token()), **session}, json={})
    assert again.status_code == 200
    assert again.headers["mcp-session-id"] == begun.headers["mcp-session-id"]
    assert upstream.asked.pop().values("mcp-session-id") == ["s-1"]

    for method, claims in itertools.product(
        ("POST", "GET", "DELETE"), ({"sub": "bob"}, {"client_id": "another"})
    ):
        other = {**bearer(token(**claims)), **session}
        answer = client.request(method, protected.url, headers=other)
        assert (answer.status_code, code_of(answer)) == (404, "session_not_found")
    assert not upstream.asked


@pytest.mark.parametrize("change", ["the server's own id", "another id", "another seal", "two"])
def test_an_id_of_a_session_that_was_not_given_so_is_unknown(
    client, protected, upstream, token, change
):
    upstream.reply = (200, {"Mcp-Session-Id": "s-1"}, b"{}")
    given = client.post(protected.url, headers=bearer(token()), json={}).headers["mcp-session-id"]
    upstream.asked.clear()
    seal, _, _ = given.partition(".")
    ids = {
        "the server's own id": ["s-1"],
        "another id": [f"{seal}.s-2"],
        "another seal": [f"{seal[1:]}{seal[0]}.s-1"],
        "two": [given, given],
    }[change]
    headers = [*bearer(token()).items(), *(("Mcp-Session-Id", one) for one in ids)]
    answer = client.post(protected.url, headers=headers, json={})
    assert (answer.status_code, code_of(answer)) == (404, "session_not_found")
    assert not upstream.asked


# --- streaming


def test_events_come_as_they_are_sent(client, protected, upstream, token):
    first_is_read = threading.Event()

    def events():
        yield b"data: one\n\n"
        # A proxy that holds events back would never send the first.
        assert first_is_read.wait(processes.PATIENCE)
        yield b"data: two\n\n"

    upstream.stream = events
    with client.stream("GET", protected.url, headers=bearer(token())) as answer:
        chunks = answer.iter_bytes()
        assert next(chunks) == b"data: one\n\n"
        first_is_read.set()
        assert b"".join(chunks) == b"data: two\n\n"
    assert answer.headers["x-accel-buffering"] == "no"


def test_a_body_goes_on_as_it_comes(client, protected, upstream, token):
    def chunks():
        yield b'{"a":'
        yield b"1}"

    client.post(protected.url, headers=bearer(token()), content=chunks())
    [asked] = upstream.asked
    assert asked.values("transfer-encoding") == ["chunked"]
    assert asked.body == b'{"a":1}'


def test_a_client_that_goes_ends_its_request_at_the_server(client, protected, upstream, token):
    def events():
        while True:
            yield b": still here\n\n"
            time.sleep(0.02)

    upstream.stream = events
    with client.stream("POST", protected.url, headers=bearer(token()), json={}) as answer:
        next(answer.iter_bytes())
    assert upstream.gone.wait(processes.PATIENCE)


def test_a_body_that_is_too_large_is_refused(client, protected, upstream, token):
    size = 4 * 1024 * 1024

    def send(chunks):
        try:
            return client.post(protected.url, headers=bearer(token()), content=chunks).status_code
        except httpx.TransportError:
            return 413  # the answer came while the body was being sent

    assert send(b"x" * (size - 1000)) == 200
    assert send(b"x" * (size + 65536)) == 413
    assert send(b"x" * 65536 for _ in range(80)) == 413
    assert len(upstream.asked) == 1


# --- a server that can't be used


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (307, {"Location": "http://169.254.169.254/mcp?secret"}, "redirects"),
        (302, {"Location": "/mcp/"}, "redirects"),
        (401, {"WWW-Authenticate": 'Bearer realm="inner"'}, "credential of its own"),
    ],
)
def test_what_would_lead_the_client_elsewhere_is_kept_and_told_the_operator(
    client, protected, upstream, token, status, headers, told
):
    upstream.reply = (status, headers, b"")
    protected.said.clear()
    answer = client.post(protected.url, headers=bearer(token()), json={})
    assert (answer.status_code, code_of(answer)) == (502, "upstream_unusable")
    assert "location" not in answer.headers
    assert "www-authenticate" not in answer.headers
    processes.wait_until(lambda: any(told in line for line in protected.said))
    assert "of-the-server" not in "".join(protected.said)
    assert "secret" not in "".join(protected.said)
    assert len(upstream.asked) == 1


def test_a_server_that_is_down_is_a_clear_502(protect, issuer, client):
    gone = Upstream()
    gone.close()
    protected = protect(server=[gone.url], issuer=issuer.url)
    signer = Signer(issuer.key, issuer=issuer.url, audience=protected.url, type="at+jwt")
    token = signer.sign({"sub": "ada", "client_id": "c"})
    answer = client.post(protected.url, headers=bearer(token), json={})
    assert (answer.status_code, code_of(answer)) == (502, "upstream_unavailable")
    protected.stop()
    assert "nothing answers at the MCP server's address yet" in "".join(protected.said)


# --- browsers


def test_a_page_whose_name_leads_here_gets_nothing(client, protected, upstream, token):
    port = urlsplit(protected.url).port
    headers = {**bearer(token()), "Host": f"evil.example:{port}"}
    answer = client.post(protected.url, headers=headers, json={})
    assert (answer.status_code, code_of(answer)) == (421, "host_unknown")
    for name in ("localhost", "127.0.0.1", "[::1]"):
        own = {**bearer(token()), "Host": f"{name}:{port}"}
        assert client.post(protected.url, headers=own, json={}).status_code == 200
    assert len(upstream.asked) == 3


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (FOREIGN, True),
        ("http://localhost:6274", True),
        ("http://127.0.0.1:6274", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
    ],
)
def test_pages_of_known_origins_may_ask(client, protected, upstream, token, origin, allowed):
    headers = {"Origin": origin}
    asking = {
        **headers,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, mcp-protocol-version",
    }
    assert (client.options(protected.url, headers=asking).status_code == 200) is allowed
    upstream.reply = (200, {"Access-Control-Allow-Origin": "*"}, b"{}")
    answer = client.post(protected.url, headers={**bearer(token()), **headers}, json={})
    assert answer.status_code == (200 if allowed else 403)
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert all(not asked.values("origin") for asked in upstream.asked)
    unasked = client.post(protected.url, headers=bearer(token()), json={})
    assert "access-control-allow-origin" not in unasked.headers
    # A client in a browser reads the challenge, too.
    bare = client.post(protected.url, headers=headers, json={})
    if allowed:
        assert bare.status_code == 401
        assert "WWW-Authenticate" in bare.headers["access-control-expose-headers"]
