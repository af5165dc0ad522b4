"""What MCP's authorization specification (2026-07-28) asks of an authorization server besides."""

import html

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, change, register

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata

RESOURCE = "https://mcp.example.com/mcp"
LOCAL = "http://127.0.0.1:33418/callback"
CONFIDENTIAL = {"token_endpoint_auth_method": "client_secret_basic"}
DOCUMENTS = ("oauth-authorization-server", "openid-configuration")

WRONG = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"resource": "https://mcp.example.com/other"}, "invalid_target"),
    ({"scope": "tools:other"}, "invalid_scope"),
    ({"request": "x"}, "invalid_request_object"),
    ({"id_token_hint": "x"}, "invalid_request"),
]


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser, and a public client of a protected MCP server."""

    def run(scene, **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD)
            known = ResourceMetadata(scopes=("tools:list", "tools:call"))
            await service.registry.add_resource(RESOURCE, known, OPERATOR)
            await register(service, **{"redirect_uris": (CALLBACK, LOCAL), **metadata})
            return await scene(service, Inside(service), clock)

        return play(opened)

    return run


def claims_of(answer):
    return inspect(answer["access_token"]).claims


def test_every_answer_to_the_client_names_the_issuer_and_the_metadata_say_so(scene_of):
    """Index, "Authorization Response Validation": also every error (RFC 9207 section 2)."""

    async def scene(service, alice, _clock):
        issuer = service.settings.own_url
        for name in DOCUMENTS:
            told = (await alice.client.get(f"/.well-known/{name}")).json()
            assert told["authorization_response_iss_parameter_supported"] is True
            assert told["issuer"] == issuer

        async def ask(error, **more):
            answer = (await alice.authorize(**{"resource": RESOURCE, **more}))[1]
            assert answer.get("error") == error
            assert answer["iss"] == issuer, more
            assert answer["state"] == "a state"

        await ask("login_required", prompt="none")
        await alice.sign_in()
        await ask("consent_required", prompt="none")
        for wrong, error in WRONG:
            await ask(error, **wrong)
        alice.typed["decision"] = "deny"
        await ask("access_denied")
        alice.typed["decision"] = "allow"
        await ask(None)
        await change(service, grant_types=("client_credentials",), **CONFIDENTIAL)
        await ask("unauthorized_client")

    scene_of(scene)


def test_both_documents_say_what_mcp_clients_refuse_to_go_on_without(scene_of):
    """Security considerations, "Authorization Code Protection", and the discovery page."""

    async def scene(_service, alice, _clock):
        found = [(await alice.client.get(f"/.well-known/{name}")).json() for name in DOCUMENTS]
        for told in found:
            assert told["code_challenge_methods_supported"] == ["S256"]
            assert told["response_types_supported"] == ["code"]
            assert "none" in told["token_endpoint_auth_methods_supported"]
            assert {"authorization_code", "refresh_token"} <= set(told["grant_types_supported"])
            assert "offline_access" in told["scopes_supported"]
        return found

    told = scene_of(scene)[0]
    mcp = pytest.importorskip("mcp.shared.auth", reason="the package mcp is not installed")
    assert str(mcp.OAuthMetadata.model_validate(told).token_endpoint) == told["token_endpoint"]


def test_the_resource_stands_in_both_requests_and_in_the_token(scene_of):
    """Index, "Resource Parameter Implementation", and "Token Audience Binding"."""

    async def scene(_service, alice, _clock):
        found = []
        for again in (RESOURCE, None):
            asked, answer = await alice.authorize(resource=RESOURCE, scope="tools:call")
            given = await alice.exchange(asked, answer["code"], resource=again)
            token = given.json()["refresh_token"]
            later = await alice.refresh(token, resource=again)
            found += [claims_of(given.json())["aud"], claims_of(later.json())["aud"]]
        asked, answer = await alice.authorize(resource=RESOURCE)
        other = await alice.exchange(asked, answer["code"], resource=f"{RESOURCE}/other")
        return found, other.status_code, other.json()["error"]

    assert scene_of(scene) == ([RESOURCE] * 4, 400, "invalid_target")


@pytest.mark.parametrize("scope", ["tools:call", "tools:call offline_access"])
@pytest.mark.parametrize("refreshes", [True, False])
def test_a_refresh_token_goes_to_clients_that_are_registered_for_it(scene_of, scope, refreshes):
    """Index, "Refresh Tokens": the server decides; ``offline_access`` is taken and not needed."""
    grants = ("authorization_code", "refresh_token")[: 2 if refreshes else 1]

    async def scene(_service, alice, _clock):
        given = await alice.tokens(resource=RESOURCE, scope=scope)
        assert set(given["scope"].split()) == set(scope.split())
        return "refresh_token" in given

    assert scene_of(scene, grant_types=grants) is refreshes


def test_a_public_clients_refresh_token_is_good_once_and_its_access_token_not_for_long(scene_of):
    """Security considerations, "Token Theft"."""

    async def scene(_service, alice, clock):
        given = await alice.tokens(resource=RESOURCE)
        assert given["expires_in"] <= 300
        first = given["refresh_token"]
        second = (await alice.refresh(first)).json()["refresh_token"]
        assert second != first
        clock.advance(60)
        # In two hands: it is of no use to either.
        told = [await alice.refresh(token) for token in (first, second)]
        return [(one.status_code, one.json()["error"]) for one in told]

    assert scene_of(scene) == [(400, "invalid_grant")] * 2


@pytest.mark.parametrize(
    ("address", "shown"),
    [(CALLBACK, "app.example"), (LOCAL, "127.0.0.1:33418")],
)
def test_the_page_that_asks_shows_the_host_of_the_address_and_what_is_asked(
    scene_of, address, shown
):
    """Security considerations, "Localhost Redirect URI Risks", and "Open Redirection"."""

    async def scene(_service, alice, _clock):
        await alice.sign_in()
        asked = {"redirect_uri": address, "resource": RESOURCE, "scope": "tools:call"}
        page = await alice.client.get("/authorize", params=Request(**asked).parameters)
        assert page.status_code == 200
        return html.unescape(page.text)

    page = scene_of(scene)
    for text in (shown, RESOURCE, "tools:call"):
        assert f">{text}<" in page
