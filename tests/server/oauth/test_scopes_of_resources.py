"""A resource owns its scopes: what it offers is got for it alone, by every grant."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, change, register

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata

FILES, MAIL = "https://files.example.com/mcp", "https://mail.example.com/mcp"
EVERYTHING = "openid offline_access files:read files:write mail:send"
REFUSED = ("invalid_target", "invalid_scope")
MACHINE = {
    "grant_types": ("client_credentials",),
    "token_endpoint_auth_method": "client_secret_basic",
    "redirect_uris": (),
}


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser, a client, two resources with scopes, and one without."""

    def run(scene, **metadata):
        async def opened(service, _clock):
            await service.accounts.create("alice", PASSWORD)
            registry = service.registry
            files = ResourceMetadata(scopes=("files:read", "files:write"))
            await registry.add_resource(FILES, files, OPERATOR)
            await registry.add_resource(MAIL, ResourceMetadata(scopes=("mail:send",)), OPERATOR)
            await register(service, **metadata)
            return await scene(service, Inside(service))

        return play(opened, audiences=("plain",))

    return run


def scope_of(answer):
    body = answer if isinstance(answer, dict) else answer.json()
    said = inspect(body["access_token"]).claims.get("scope", "")
    assert body.get("scope", "") == said
    return set(said.split())


def error_of(answer):
    return (answer.status_code, answer.json().get("error"))


def test_a_client_gets_what_its_resource_offers_and_nothing_of_another(scene_of):
    async def scene(_service, alice):
        found = []
        for resource in (FILES, MAIL, "plain"):
            given = await alice.tokens(resource=resource, scope=EVERYTHING)
            again = await alice.refresh(given["refresh_token"])
            assert scope_of(again) == scope_of(given)
            found.append(scope_of(given))
        return found

    own = {"openid", "offline_access"}
    expected = [own | {"files:read", "files:write"}, own | {"mail:send"}, own]
    assert scene_of(scene) == expected


def test_a_resource_without_scopes_gives_none_of_another_ones(scene_of):
    """Whoever serves it could take them for its own."""

    async def scene(_service, alice):
        silent = (await alice.authorize(resource="plain", scope="files:read"))[1]
        return silent["error"]

    assert scene_of(scene) == "invalid_scope"


@pytest.mark.parametrize("first_party", [False, True])
def test_a_scope_that_was_granted_at_one_resource_is_got_at_no_other(scene_of, first_party):
    """The confused deputy: a token for one, with what somebody has allowed at the other."""

    async def scene(_service, alice):
        asked, answer = await alice.authorize(resource=FILES, scope=EVERYTHING)
        refused = [error_of(await alice.exchange(asked, answer["code"], resource=MAIL))]
        token = (await alice.exchange(asked, answer["code"])).json()["refresh_token"]
        refused.append(error_of(await alice.refresh(token, resource=FILES, scope="mail:send")))
        found = []
        for resource in (MAIL, "plain"):
            told = await alice.refresh(token, resource=resource)
            if told.status_code == 200:
                token = told.json()["refresh_token"]
                found.append(scope_of(told))
            else:
                refused.append(error_of(told))
            told = await alice.refresh(token, resource=resource, scope="files:read")
            refused.append((told.status_code, told.json()["error"] in REFUSED))
        return refused, found

    refused, found = scene_of(scene, first_party=first_party)
    assert refused[:2] == [(400, "invalid_target"), (400, "invalid_scope")]
    if first_party:
        # Any of its own resources will do, with what is granted of what that one knows.
        assert refused[2:] == [(400, True)] * 2
        assert found == [{"openid", "offline_access"}] * 2
    else:
        assert refused[2:] == [(400, "invalid_target"), (400, True)] * 2
        assert found == []


def test_a_refresh_narrows_and_the_next_one_has_everything_again(scene_of):
    async def scene(_service, alice):
        token = (await alice.tokens(resource=FILES, scope=EVERYTHING))["refresh_token"]
        less = await alice.refresh(token, scope="files:read")
        more = await alice.refresh(less.json()["refresh_token"])
        return scope_of(less), scope_of(more)

    everything = {"openid", "offline_access", "files:read", "files:write"}
    assert scene_of(scene) == ({"files:read"}, everything)


def test_a_client_that_is_narrowed_gets_no_more_of_its_resource(scene_of):
    async def scene(_service, alice):
        return scope_of(await alice.tokens(resource=FILES, scope=EVERYTHING))

    assert scene_of(scene, scope="files:read") == {"openid", "offline_access", "files:read"}


@pytest.mark.parametrize(
    ("members", "resource", "asked", "expected"),
    [
        # Narrowed: what its list and the resource have in common.
        ({"scope": "files:read mail:send"}, FILES, "files:read", {"files:read"}),
        ({"scope": "files:read mail:send"}, FILES, None, {"files:read"}),
        ({"scope": "files:read mail:send"}, FILES, "mail:send", "invalid_scope"),
        ({"scope": "files:read"}, FILES, "files:write", "invalid_scope"),
        # Let in to this resource: what it offers, where it is asked for.
        ({"resources": (FILES,)}, FILES, "files:write", {"files:write"}),
        ({"resources": (FILES,)}, FILES, None, set()),
        ({"resources": (FILES,)}, FILES, "mail:send", "invalid_scope"),
        ({"resources": (FILES,)}, FILES, "openid", "invalid_scope"),
        ({"resources": (FILES,)}, MAIL, "mail:send", "invalid_target"),
        ({"resources": (FILES, "plain")}, "plain", "files:read", "invalid_scope"),
        # Nothing is said of it: no scope is granted by anybody.
        ({}, FILES, "files:read", "invalid_scope"),
        ({}, FILES, None, set()),
    ],
)
def test_a_program_gets_what_its_administrator_has_let_it_in_to(
    scene_of, members, resource, asked, expected
):
    async def scene(service, alice):
        secret = await register(service, "job", **MACHINE, **members)
        told = await alice.token(
            ("job", secret), grant_type="client_credentials", resource=resource, scope=asked
        )
        return scope_of(told) if told.status_code == 200 else told.json()["error"]

    assert scene_of(scene) == expected


def test_a_request_without_scope_gets_a_token_without_one_that_is_good(scene_of):
    """MCP clients name none where neither the challenge nor the resource's metadata do."""

    async def scene(service, alice):
        secret = await register(service, "mcp", **MACHINE, introspects=(FILES,))
        given = await alice.tokens(resource=FILES, scope=None)
        told = await alice.client.post(
            "/introspection", data={"token": given["access_token"]}, auth=("mcp", secret)
        )
        again = await alice.refresh(given["refresh_token"])
        return scope_of(given), scope_of(again), told.json()["active"], "scope" in told.json()

    assert scene_of(scene) == (set(), set(), True, False)


def test_a_step_up_adds_to_what_was_granted(scene_of):
    """A client asks again with what it had and what the challenge names."""

    async def scene(_service, alice):
        first = await alice.tokens(resource=FILES, scope="files:read")
        alice.forms.clear()
        more = await alice.tokens(resource=FILES, scope="files:read files:write")
        assert alice.forms == ["/authorize/decision"]
        return scope_of(first), scope_of(more)

    assert scene_of(scene) == ({"files:read"}, {"files:read", "files:write"})


def test_introspection_tells_the_scope_of_the_token_alone(scene_of):
    async def scene(service, alice):
        secret = await register(service, "mcp", **MACHINE, introspects=(FILES, MAIL))
        told = []
        for resource in (FILES, MAIL):
            given = await alice.tokens(resource=resource, scope=EVERYTHING)
            answer = await alice.client.post(
                "/introspection", data={"token": given["access_token"]}, auth=("mcp", secret)
            )
            told.append((answer.json()["aud"], answer.json()["scope"]))
        return told

    assert scene_of(scene) == [
        (FILES, "files:read files:write offline_access openid"),
        (MAIL, "mail:send offline_access openid"),
    ]


@pytest.mark.parametrize("first_party", [False, True])
def test_no_resource_makes_the_administrations_scope_one_that_anybody_may_ask_for(
    scene_of, first_party
):
    async def scene(service, _alice):
        registry, issuer = service.registry, service.settings.own_url
        await registry.add_resource("x", ResourceMetadata(scopes=("carnet:admin",)), OPERATOR)
        await change(service, first_party=first_party, resources=(issuer, "x"))
        client = registry.client("app")
        return [registry.permitted(client, name, ["carnet:admin"]) for name in (issuer, "x")]

    assert scene_of(scene) == [frozenset()] * 2


def test_the_metadata_tell_no_resources_scopes(scene_of):
    """Which services there are, and what they do, is theirs to tell (RFC 9728)."""

    async def scene(_service, alice):
        told = await alice.client.get("/.well-known/oauth-authorization-server")
        return told.json()["scopes_supported"]

    told = scene_of(scene)
    assert {"openid", "offline_access"} <= set(told)
    assert not [name for name in told if name.startswith(("files:", "mail:", "carnet:"))]
