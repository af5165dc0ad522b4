"""What a program gets for itself from the issuer that protects an API or MCP server."""

import pytest
from mcp.client.auth import OAuthFlowError, OAuthTokenError
from tests.verifier.test_agents import (
    Place,
    by_httpx,
    by_httpx2,
    by_httpx2_in_a_loop,
    by_httpx_in_a_loop,
)
from tests.verifier.test_agents import address as address
from tests.verifier.test_agents import listener as listener
from tests.verifier.test_mcp import served

from carnet import Key, inspect
from carnet.errors import ConfigurationError
from carnet.verifier.agents import ClientCredentialsAuth, WorkloadAuth

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def place(listener, address):
    place = Place(address)
    place.resource["scopes_supported"] = ["notes:read"]
    # What a program is given, which has neither a code nor a refresh token.
    place.sessions[None] = {"notes:read"}
    with served(place.app, listener):
        yield place


def auth_of(place, **more):
    given = more or {"client_secret": "secret"}
    return ClientCredentialsAuth(place.url, "nightly", issuer=place.address, **given)


def asked(place, name="client_credentials"):
    return [given for one, given in place.asked if one == name]


@pytest.mark.parametrize("send", [by_httpx, by_httpx_in_a_loop, by_httpx2, by_httpx2_in_a_loop])
def test_each_client_asks_once_and_sends_its_request_again(place, send):
    answers = send(auth_of(place), place.url, place.url, json={"a": 1})
    assert [answer.status_code for answer in answers] == [200, 200]
    [given] = asked(place)
    assert given["resource"] == place.url
    assert given["scope"] == "notes:read"
    assert place.count("register") == place.count("authorize") == 0


def test_a_key_signs_for_the_issuer_alone(place):
    key = Key.generate("ES256")
    by_httpx2(auth_of(place, key=key), place.url)
    [given] = asked(place)
    claims = inspect(given["client_assertion"]).claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("nightly", "nightly", place.address)


def test_a_token_of_another_issuer_is_asked_for_each_time(place):
    made = iter(["first\n", "second\n"])
    auth = auth_of(place, assertion=lambda: next(made))
    place.lifetime = -1
    by_httpx2(auth, place.url)
    place.good.clear()
    by_httpx2(auth, place.url)
    assert [given["client_assertion"] for given in asked(place)] == ["first", "second"]
    assert {given["client_id"] for given in asked(place)} == {"nightly"}


@pytest.mark.parametrize("named", [{}, {"client_id": "nightly"}], ids=["unnamed", "named"])
def test_a_workload_sends_its_token_as_the_grant(place, named):
    auth = WorkloadAuth(place.url, issuer=place.address, assertion=lambda: "a.b.c\n", **named)
    [answer] = by_httpx2(auth, place.url)
    assert answer.status_code == 200
    [given] = asked(place, JWT_BEARER)
    assert (given["assertion"], given.get("client_id")) == ("a.b.c", named.get("client_id"))
    assert "client_assertion" not in given


def test_more_scope_is_asked_for_where_it_is_missed(place):
    place.needed = {"notes:write"}
    place.sessions[None] = {"notes:read"}
    auth = auth_of(place, client_secret="secret", scope="notes:read")
    by_httpx2(auth, place.url)
    place.sessions[None] = {"notes:read", "notes:write"}
    [answer] = by_httpx2(auth, place.url)
    assert answer.status_code == 200
    assert asked(place)[0]["scope"] == "notes:read"
    assert asked(place)[-1]["scope"] == "notes:read notes:write"


def test_what_the_issuer_has_for_others_is_not_asked_for(place):
    del place.resource["scopes_supported"]
    by_httpx2(auth_of(place), place.url)
    assert "scope" not in asked(place)[0]


def test_another_issuer_sees_neither_secret_nor_assertion(place):
    seen = []
    more = {"issuer": "https://auth.example.com"}
    for auth in (
        ClientCredentialsAuth(place.url, "nightly", client_secret="secret", **more),
        WorkloadAuth(place.url, assertion=lambda: seen.append(1) or "a.b.c", **more),
    ):
        with pytest.raises(OAuthFlowError, match=r"auth\.example\.com was expected"):
            by_httpx2(auth, place.url)
    assert seen == []
    assert [name for name, _ in place.asked] == ["api", "api"]


def test_an_address_that_is_named_and_not_safe_is_not_asked(place):
    place.challenge = 'Bearer resource_metadata="http://other.example/where"'
    with pytest.raises(OAuthFlowError, match="not https"):
        by_httpx2(auth_of(place), place.url)


def test_the_token_goes_to_its_origin_alone(place):
    auth = auth_of(place)
    other = place.url.replace("127.0.0.1", "localhost")
    answers = by_httpx2(auth, place.url, other)
    assert [answer.status_code for answer in answers] == [200, 401]
    assert place.asked[-1] == ("api", "")


def test_a_refusal_is_told_and_not_asked_for_again(place):
    del place.sessions[None]
    with pytest.raises(OAuthTokenError, match="invalid_grant"):
        by_httpx2(auth_of(place), place.url)
    assert place.count("client_credentials") == 1


@pytest.mark.parametrize(
    "secrets",
    [{}, {"client_secret": "s", "key": Key.generate("ES256")}, {"client_secret": ""}],
)
def test_a_program_proves_itself_in_exactly_one_way(secrets):
    with pytest.raises(ConfigurationError, match="exactly one of"):
        ClientCredentialsAuth("https://a.example", "c", issuer="https://i.example", **secrets)


@pytest.mark.parametrize("name", ["resource", "issuer"])
def test_addresses_are_https(name):
    given = {"resource": "https://a.example", "issuer": "https://i.example"}
    with pytest.raises(ConfigurationError):
        WorkloadAuth(**{**given, name: "http://a.example"}, assertion=lambda: "a")
    with pytest.raises(ConfigurationError, match="a function"):
        WorkloadAuth(**given, assertion="a.b.c")
