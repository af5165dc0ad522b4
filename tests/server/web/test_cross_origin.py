"""What programs in a browser may ask from an origin of their own."""

import httpx
import pytest

from carnet.server.app import ROUTES

TRACING = "traceparent, tracestate, baggage"
# What an app asks of the service: its tokens, its metadata and what is told of its user.
FROM_ANYWHERE = {
    "/token": "POST",
    "/par": "POST",
    "/revocation": "POST",
    "/userinfo": "GET",
    "/.well-known/jwks.json": "GET",
    "/.well-known/openid-configuration": "GET",
    "/.well-known/oauth-authorization-server": "GET",
    # What is not there, an app in a browser finds out by asking.
    "/.well-known/oauth-authorization-server/auth": "GET",
    "/.well-known/oauth-protected-resource": "GET",
    "/.well-known/oauth-protected-resource/mcp": "GET",
}


@pytest.fixture
def preflight(server):
    def ask(path, names, method="POST"):
        headers = {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": names,
        }
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
            return client.options(path, headers=headers)

    return ask


def test_the_headers_of_tracing_may_be_sent_along(preflight):
    for path, method in FROM_ANYWHERE.items():
        answer = preflight(path, TRACING, method)
        assert answer.status_code == 200, path
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-headers"] == TRACING
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", [{}, {"Origin": "https://app.example"}])
def test_an_options_request_runs_no_endpoint(server, origin):
    given = {
        "grant_type": "refresh_token",
        "refresh_token": server.sign_in().json()["refresh_token"],
    }
    answered = {
        route.path: server.client.request(
            "OPTIONS", route.path.replace("{client_id}", "x"), headers=origin, data=given
        )
        for route in ROUTES
        if "OPTIONS" in (route.methods or ())
    }
    assert {answer.status_code for answer in answered.values()} == {204}
    assert {answer.content for answer in answered.values()} == {b""}
    assert {path: answer.headers["allow"] for path, answer in answered.items()} == {
        "/token": "POST, OPTIONS",
        "/device_authorization": "POST, OPTIONS",
        "/par": "POST, OPTIONS",
        "/userinfo": "GET, POST, OPTIONS",
        "/registration": "POST, OPTIONS",
        "/registration/{client_id}": "GET, PUT, DELETE, OPTIONS",
        "/revocation": "POST, OPTIONS",
        "/.well-known/jwks.json": "GET, OPTIONS",
        "/.well-known/oauth-authorization-server": "GET, OPTIONS",
        "/.well-known/openid-configuration": "GET, OPTIONS",
        "/.well-known/passkey-endpoints": "GET, OPTIONS",
        "/.well-known/webauthn": "GET, OPTIONS",
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["oauth-protected-resource", "oauth-protected-resource/mcp", "x"])
def test_that_nothing_is_at_a_well_known_address_may_be_seen_from_anywhere(server, name, method):
    headers = {"Origin": "https://app.example", "MCP-Protocol-Version": "2026-07-28"}
    answer = server.client.request(method, f"/.well-known/{name}", headers=headers)
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json()["error"] == "invalid_request"


def test_what_is_nowhere_else_is_seen_by_the_services_own_pages_alone(server):
    for path in ("/nothing", "/.well-known", "/.well-knownx"):
        answer = server.client.get(path, headers={"Origin": "https://app.example"})
        assert answer.status_code == 404
        assert "access-control-allow-origin" not in answer.headers


def test_the_header_of_mcp_clients_may_be_sent_along(preflight):
    for path, method in FROM_ANYWHERE.items():
        answer = preflight(path, "authorization,content-type,mcp-protocol-version", method)
        assert answer.status_code == 200
        assert "mcp-protocol-version" in answer.headers["access-control-allow-headers"]


def test_any_header_that_endpoints_do_not_trust_may_be_sent(preflight):
    for names in (
        "authorization,content-type,dpop",
        "x-request-id, x-b3-traceid, sentry-trace, x-datadog-trace-id",
        "",
        "X-Anything",
    ):
        answer = preflight("/token", names)
        assert answer.status_code == 200, names
        assert answer.headers["access-control-allow-headers"] == names
    for names in (
        # With it the cookies of the service's own pages would count.
        "carnet-session",
        "traceparent, Carnet-Session",
        "no name",
        "<b>",
        "x" * 65,
        ",".join(f"x-{number}" for number in range(33)),
    ):
        answer = preflight("/token", names)
        assert answer.status_code == 400, names
        assert "access-control-allow-origin" not in answer.headers


def test_what_pages_and_administrators_use_is_asked_from_no_other_origin(preflight):
    for path in ("/sessions", "/account", "/clients", "/accounts", "/introspection", "/sign-in"):
        assert "access-control-allow-origin" not in preflight(path, TRACING).headers
