"""The service's own API has an audience of its own: no token for another service opens it."""

import httpx
import pytest
from starlette.routing import Route

from carnet import inspect
from carnet.errors import ConfigurationError
from carnet.server.app import ROUTES, build_app
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.endpoints.operations import ALL_OPERATIONS
from carnet.server.oauth.authorization_request import (
    AuthorizationRefused,
    read_authorization_request,
)
from carnet.server.pages.routes import PAGES
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession
from carnet.server.settings_sources import load_settings
from carnet.server.store import statements as sql

ISSUER = "https://auth.example.com"
SETTINGS = {"issuer": ISSUER, "audiences": ("orders", "billing")}
PASSWORD = "a-long-enough-password"
CALLBACK = "https://app.example/callback"
WALKED = [
    (method, route.path)
    for route in ROUTES
    if isinstance(route, Route)
    for method in sorted(route.methods - {"HEAD", "OPTIONS"})
    # A stream without end, which takes no token.
    if route.path != "/revocations"
]
OWN = {
    ("GET", "/sessions"),
    ("DELETE", "/sessions"),
    ("DELETE", "/sessions/{session_id}"),
    ("GET", "/account"),
    ("POST", "/account/password"),
    ("GET", "/account/consents"),
    ("DELETE", "/account/consents/{client_id:path}"),
    ("GET", "/account/agents"),
    ("DELETE", "/account/agents/{client_id}"),
    ("GET", "/accounts/{account_id}/sessions"),
    ("DELETE", "/accounts/{account_id}/sessions"),
    ("DELETE", "/accounts/{account_id}/sessions/{session_id}"),
}
# What needs no more than a token of the person's, and why is said in the threat model.
ANY_AUDIENCE = {
    ("GET", "/userinfo"),
    ("POST", "/userinfo"),
    ("DELETE", "/sessions/current"),
}


def inside(service):
    transport = httpx.ASGITransport(build_app(service))
    return httpx.AsyncClient(transport=transport, base_url=ISSUER)


async def administrator(service):
    return await service.accounts.create("alice", PASSWORD, ["carnet:admin"])


async def token_of(service, account, audience, client_id=FIRST_PARTY, scope="openid"):
    # Ending all sessions has raised its version.
    account = await service.accounts.by_id(account.id)
    grant = await service.sessions.begin(account, NewSession(client_id, audience, scope))
    return service.access_tokens.issue(grant, audience, None)[0]


async def ask(client, method, path, token, **more):
    """Send a request to a route, with made-up names in its path."""
    for name in ("{name:path}", "{name}", "{account_id}", "{session_id}", "{client_id}"):
        path = path.replace(name, "x")
    headers = {"Authorization": f"Bearer {token}"}
    body = {} if method == "GET" else {"json": {}}
    return await client.request(method, path, headers=headers, **body, **more)


def is_bearer_challenge(answer):
    return answer.headers.get("www-authenticate", "").startswith('Bearer error="invalid_token"')


async def takers(client):
    """Find the routes that look at a bearer token."""
    found = []
    for method, path in WALKED:
        answer = await ask(client, method, path, "no.good.token")
        if answer.status_code == 401 and is_bearer_challenge(answer):
            found.append((method, path))
    return found


def test_every_route_that_takes_a_token_refuses_one_for_another_service(play):
    async def scene(service, clock):
        account = await administrator(service)
        async with inside(service) as client:
            found = await takers(client)
            administration = {(one.method, one.path) for one in ALL_OPERATIONS}
            shown = {(method, path.replace(":path", "")) for method, path in found}
            assert administration <= shown
            assert set(found) >= OWN | ANY_AUDIENCE
            for method, path in found:
                token = await token_of(service, account, "billing")
                answer = await ask(client, method, path, token)
                if (method, path) in ANY_AUDIENCE:
                    assert answer.status_code in (200, 204), (method, path)
                    continue
                assert answer.status_code == 401, (method, path)
                assert is_bearer_challenge(answer)
                told = answer.json()
                assert told["error"] == "invalid_token"
                assert told["code"] == "audience_mismatch"
                assert (told["claim"], told["expected"]) == ("aud", ISSUER)
                assert f"resource={ISSUER}" in told["error_description"]
                assert token not in answer.text
                # The same with one for the API goes on: the audience was all that was wrong.
                token = await token_of(service, account, ISSUER)
                answer = await ask(client, method, path, token)
                assert answer.status_code not in (401, 403), (method, path)

    play(scene, **SETTINGS)


def test_no_page_looks_at_a_token(play):
    async def scene(service, clock):
        account = await administrator(service)
        async with inside(service) as client:
            for page in PAGES:
                if not isinstance(page, Route) or "GET" not in page.methods:
                    continue
                with_token = await ask(
                    *(client, "GET", page.path, await token_of(service, account, ISSUER)),
                )
                without = await client.get(page.path)
                assert with_token.status_code == without.status_code, page.path
                assert with_token.headers.get("location") == without.headers.get("location")

    play(scene, **SETTINGS)


def test_a_password_session_gets_tokens_for_the_services_and_for_the_api(play):
    async def scene(service, clock):
        await administrator(service)
        async with inside(service) as client:

            async def refresh(token, **more):
                form = {"grant_type": "refresh_token", "refresh_token": token, **more}
                return (await client.post("/token", data=form)).json()

            async def api(body):
                headers = {"Authorization": f"Bearer {body['access_token']}"}
                return (await client.get("/account", headers=headers)).status_code

            given = {"username": "alice", "password": PASSWORD}
            first = (await client.post("/sessions", json=given)).json()
            own = await refresh(first["refresh_token"], resource=ISSUER)
            after = await refresh(own["refresh_token"])
            direct = (await client.post("/sessions", json={**given, "resource": ISSUER})).json()
            said = [inspect(one["access_token"]).claims for one in (first, own, after, direct)]
            assert [one["aud"] for one in said] == ["orders", ISSUER, "orders", ISSUER]
            assert len({one["sid"] for one in said}) == 2
            assert [await api(one) for one in (first, own, after, direct)] == [401, 200, 401, 200]
            other = await client.post("/sessions", json={**given, "resource": "nowhere"})
            assert (other.status_code, other.json()["error"]) == (400, "invalid_target")

    play(scene, **SETTINGS)


@pytest.mark.parametrize(
    ("members", "allowed"),
    [
        ({}, False),
        ({"resources": ("orders",)}, False),
        ({"resources": ("orders", ISSUER)}, True),
        ({"first_party": True}, True),
        # A list is the whole of it.
        ({"first_party": True, "resources": ("orders",)}, False),
        ({"first_party": True, "resources": (ISSUER,)}, True),
    ],
)
def test_only_first_party_clients_and_those_told_so_ask_for_the_api(play, members, allowed):
    metadata = ClientMetadata(
        redirect_uris=(CALLBACK,),
        grant_types=("authorization_code", "client_credentials"),
        **members,
    )
    request = {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
        "resource": ISSUER,
    }

    async def scene(service, clock):
        registry = service.registry
        client, secret = await registry.add_client(metadata, OPERATOR, "app")
        form = {"grant_type": "client_credentials", "resource": ISSUER}
        async with inside(service) as http:
            answer = await http.post("/token", data=form, auth=(client.id, secret))
        given = {name: [value] for name, value in request.items()}
        known = client, registry.audiences_of, registry.permitted
        if allowed:
            assert read_authorization_request(given, *known).audience == ISSUER
        else:
            with pytest.raises(AuthorizationRefused) as refused:
                read_authorization_request(given, *known)
            assert refused.value.code == "invalid_target"
        return answer

    answer = play(scene, **SETTINGS)
    if allowed:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


def test_a_client_administers_with_the_scope_and_a_token_for_the_api_alone(play):
    async def scene(service, clock):
        account = await administrator(service)
        metadata = ClientMetadata(
            redirect_uris=(CALLBACK,), scope="carnet:admin", resources=("orders", ISSUER)
        )
        client, _ = await service.registry.add_client(metadata, OPERATOR, "app")
        async with inside(service) as http:

            async def status(path, audience, scope):
                token = await token_of(service, account, audience, client.id, scope)
                return (await ask(http, "GET", path, token)).status_code

            return [
                await status("/accounts", ISSUER, "carnet:admin"),
                await status("/accounts", "orders", "carnet:admin"),
                await status("/accounts", ISSUER, "openid roles"),
                await status("/account", ISSUER, "carnet:admin"),
            ]

    assert play(scene, **SETTINGS) == [200, 401, 403, 403]


def test_a_scope_of_the_api_is_only_for_clients_whose_own_list_has_it(play):
    async def scene(service, clock):
        for name, members in (
            ("ours", {"first_party": True}),
            ("told", {"resources": (ISSUER,)}),
            ("listed", {"resources": (ISSUER,), "scope": "carnet:admin"}),
        ):
            metadata = ClientMetadata(redirect_uris=(CALLBACK,), **members)
            await service.registry.add_client(metadata, OPERATOR, name)
        clients = [service.registry.client(name) for name in ("ours", "told", "listed")]
        return ["carnet:admin" in service.registry.scopes_of(client) for client in clients]

    assert play(scene, **SETTINGS) == [False, False, True]


def test_nothing_else_can_have_the_issuers_name():
    with pytest.raises(ConfigurationError, match="the issuer"):
        load_settings(None, {}, {"issuer": ISSUER, "audiences": ["orders", ISSUER]})


def test_no_resource_and_no_introspecting_client_takes_the_issuers_place(play):
    async def scene(service, clock):
        registry = service.registry
        with pytest.raises(ClientRefused) as refused:
            await registry.add_resource(ISSUER, ResourceMetadata(), OPERATOR)
        assert refused.value.code == "id_reserved"
        metadata = ClientMetadata(grant_types=("client_credentials",), introspects=(ISSUER,))
        with pytest.raises(ClientRefused, match="introspects"):
            await registry.add_client(metadata, OPERATOR)
        # One that was made when the issuer had another address.
        await service.store.write(sql.ADD_RESOURCE, ISSUER, "{}", clock())
        await registry.load()
        client, _ = await registry.add_client(
            ClientMetadata(redirect_uris=(CALLBACK,)), OPERATOR, "app"
        )
        assert ISSUER not in registry.audiences
        assert ISSUER not in registry.audiences_of(client)
        assert registry.resource(ISSUER).metadata.scopes == ("carnet:admin",)
        await registry.remove_resource(ISSUER, OPERATOR)

    play(scene, **SETTINGS)


def test_a_client_whose_resources_are_gone_gets_no_other(play):
    async def scene(service, clock):
        registry = service.registry
        await registry.add_resource("stock", ResourceMetadata(), OPERATOR)
        metadata = ClientMetadata(grant_types=("client_credentials",), resources=("stock",))
        client, secret = await registry.add_client(metadata, OPERATOR)
        await registry.remove_resource("stock", OPERATOR)
        async with inside(service) as http:
            form = {"grant_type": "client_credentials"}
            return (await http.post("/token", data=form, auth=(client.id, secret))).json()["error"]

    assert play(scene, **SETTINGS) == "invalid_target"
