"""The service's own cookie mode: tokens in cookies, none in an answer, and nothing cross-site."""

import httpx
import pytest

from carnet import inspect

MODE = {"Carnet-Session": "cookie"}
ALICE = {"username": "alice", "password": "a-long-enough-password"}
REFRESH = {"grant_type": "refresh_token"}


@pytest.fixture
def visitor(server):
    """A browser on the service's own page, as far as its headers tell."""
    headers = {**MODE, "Origin": server.url}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=60) as one:
        yield one


def test_tokens_travel_in_cookies_from_sign_in_to_sign_out(visitor, server):
    begun = visitor.post("/sessions", json=ALICE)
    assert begun.status_code == 201
    assert set(begun.json()) == {"session_id", "expires_in"}
    for value in begun.headers.get_list("set-cookie"):
        assert "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" in value
    first = dict(visitor.cookies)
    assert set(first) == {"carnet-access", "carnet-refresh"}
    assert inspect(first["carnet-access"]).claims["sid"] == begun.json()["session_id"]

    refreshed = visitor.post("/token", data={**REFRESH, "resource": "billing"})
    assert refreshed.status_code == 200
    assert not {"access_token", "refresh_token"} & set(refreshed.json())
    second = dict(visitor.cookies)
    assert second["carnet-refresh"] != first["carnet-refresh"]
    assert inspect(second["carnet-access"]).claims["aud"] == "billing"

    assert visitor.delete("/sessions/current").status_code == 204
    assert dict(visitor.cookies) == {}
    assert server.refresh(second["carnet-refresh"]).json()["error"] == "invalid_grant"
    assert visitor.delete("/sessions/current").status_code == 204


def test_signing_in_again_ends_the_session_before(visitor, server):
    visitor.post("/sessions", json=ALICE)
    before = visitor.cookies["carnet-refresh"]
    visitor.post("/sessions", json=ALICE)
    assert server.refresh(before).json()["error"] == "invalid_grant"
    assert visitor.post("/token", data=REFRESH).is_success


def test_a_refused_refresh_takes_the_cookies_away(visitor, server):
    visitor.post("/sessions", json=ALICE)
    server.client.post("/revocation", data={"token": visitor.cookies["carnet-refresh"]})
    answer = visitor.post("/token", data=REFRESH)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert dict(visitor.cookies) == {}
    assert visitor.post("/token", data=REFRESH).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_what_another_site_sends_is_refused(visitor, headers):
    visitor.post("/sessions", json=ALICE)
    for ask in (
        lambda: visitor.post("/sessions", json=ALICE, headers=headers),
        lambda: visitor.post("/token", data=REFRESH, headers=headers),
        lambda: visitor.delete("/sessions/current", headers=headers),
    ):
        answer = ask()
        assert (answer.status_code, answer.json()["error"]) == (403, "cross_site")
    assert visitor.post("/token", data=REFRESH).is_success


def test_cookies_count_only_where_the_header_asks_for_them(visitor, server):
    visitor.post("/sessions", json=ALICE)
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    plain = {"Cookie": cookies, "Origin": server.url}
    answer = server.client.post("/token", data=REFRESH, headers=plain)
    assert answer.json()["error"] == "invalid_request"
    assert server.client.delete("/sessions/current", headers=plain).status_code == 401
    answer = visitor.post("/token", data={**REFRESH, "refresh_token": "x"})
    assert answer.json()["error"] == "invalid_request"
    answer = visitor.post("/sessions", json=ALICE, headers={"Carnet-Session": "body"})
    assert answer.json()["error"] == "invalid_request"


def test_behind_tls_the_cookies_are_secure_and_of_this_host_only(start, add_user):
    add_user()
    server = start("--issuer", "https://auth.example.com")
    headers = {**MODE, "Sec-Fetch-Site": "same-origin"}
    answer = server.client.post("/sessions", json=ALICE, headers=headers)
    for value in answer.headers.get_list("set-cookie"):
        assert value.startswith(("__Host-carnet-access=", "__Host-carnet-refresh="))
        assert "; Path=/; Secure; HttpOnly; SameSite=Lax; " in value
