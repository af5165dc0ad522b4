"""A resource is the same in each spelling of its URL, wherever it is named (RFC 8707)."""

import asyncio

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, change, register

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientRefused
from carnet.server.clients.configuration import Configuration, EntryRefused
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.service import open_service

REGISTERED = "https://mcp.example.com"
SPELLINGS = (f"{REGISTERED}/", "https://MCP.example.com", "HTTPS://mcp.example.com:443/")
OTHERS = (f"{REGISTERED}/mcp", f"{REGISTERED}:8443", "http://mcp.example.com", f"{REGISTERED}//")
SECRET = {"token_endpoint_auth_method": "client_secret_basic"}


@pytest.fixture
def engine(request):
    postgres = getattr(request, "param", "sqlite") == "postgres"
    return request.getfixturevalue("postgres_store") if postgres else ""


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser, a client that is not first-party, and a resource."""

    def run(scene, **metadata):
        async def opened(service, _clock):
            await service.accounts.create("alice", PASSWORD)
            await service.registry.add_resource(
                REGISTERED, ResourceMetadata(scopes=("tools:call",)), OPERATOR
            )
            await register(service, **metadata)
            return await scene(service, Inside(service))

        return play(opened, audiences=("orders",))

    return run


def audience_of(answer):
    assert answer.status_code in (200, 201), answer.text
    return inspect(answer.json()["access_token"]).claims["aud"]


def test_every_grant_takes_every_spelling_and_gives_the_registered_one(scene_of):
    """Services compare ``aud`` with the one text that their operator has registered."""

    async def scene(service, alice):
        secret = await register(service, "job", grant_types=("client_credentials",), **SECRET)
        seen = set()
        for spelling in SPELLINGS:
            asked, answer = await alice.authorize(resource=spelling, scope="tools:call")
            given = await alice.exchange(asked, answer["code"], resource=SPELLINGS[0])
            token = given.json()["refresh_token"]
            again = await alice.refresh(token, resource=spelling)
            own = {"username": "alice", "password": PASSWORD, "resource": spelling}
            begun = await alice.client.post("/sessions", json=own)
            later = begun.json()["refresh_token"]
            answers = [
                given,
                again,
                await alice.refresh(again.json()["refresh_token"], resource=REGISTERED),
                await alice.token(
                    ("job", secret), grant_type="client_credentials", resource=spelling
                ),
                begun,
                await alice.refresh(later, None, resource=spelling),
            ]
            seen.update(audience_of(one) for one in answers)
        return seen

    assert scene_of(scene) == {REGISTERED}


def test_what_differs_in_more_than_spelling_is_another_resource(scene_of):
    async def scene(service, alice):
        secret = await register(service, "job", grant_types=("client_credentials",), **SECRET)
        token = (await alice.tokens(resource=REGISTERED))["refresh_token"]
        told = set()
        for other in OTHERS:
            asked = (await alice.authorize(resource=other))[1]
            machine = await alice.token(
                ("job", secret), grant_type="client_credentials", resource=other
            )
            again = await alice.refresh(token, resource=other)
            own = {"username": "alice", "password": PASSWORD, "resource": other}
            begun = await alice.client.post("/sessions", json=own)
            told.update({asked["error"], machine.json()["error"]})
            told.update({again.json()["error"], begun.json()["error"]})
        return told

    assert scene_of(scene) == {"invalid_target"}


def test_a_consent_is_one_for_all_spellings(scene_of):
    async def scene(service, alice):
        await alice.tokens(resource=SPELLINGS[0], scope="tools:call")
        for spelling in (REGISTERED, *SPELLINGS):
            silent = await alice.authorize(resource=spelling, scope="tools:call", prompt="none")
            assert "code" in silent[1]
        account = await service.accounts.find("alice")
        [one] = await service.consents.applications(account.id)
        return one.resources

    assert scene_of(scene) == {REGISTERED: "tools:call"}


def test_a_client_is_registered_for_a_resource_in_any_spelling(scene_of):
    async def scene(service, alice):
        secret = await register(
            service,
            "job",
            grant_types=("client_credentials",),
            resources=SPELLINGS,
            scope="tools:call",
            **SECRET,
        )
        offered = service.registry.audiences_of(service.registry.client("job"))
        given = await alice.token(("job", secret), grant_type="client_credentials")
        with pytest.raises(ClientRefused, match="no audience of this service"):
            await register(service, "other", resources=OTHERS[:1])
        return offered, audience_of(given), given.json()["scope"]

    assert scene_of(scene) == ((REGISTERED,), REGISTERED, "tools:call")


@pytest.mark.parametrize("spelling", [REGISTERED, *SPELLINGS])
def test_whoever_serves_a_resource_may_ask_about_its_tokens_in_any_spelling(scene_of, spelling):
    async def scene(service, alice):
        token = (await alice.tokens(resource=REGISTERED))["access_token"]
        secret = await register(
            service,
            "mcp",
            grant_types=("client_credentials",),
            introspects=(spelling,),
            **SECRET,
        )
        told = await alice.client.post(
            "/introspection", data={"token": token}, auth=("mcp", secret)
        )
        await change(
            service,
            "mcp",
            grant_types=("client_credentials",),
            introspects=("orders",),
            **SECRET,
        )
        other = await alice.client.post(
            "/introspection", data={"token": token}, auth=("mcp", secret)
        )
        return told.json()["active"], told.json()["aud"], other.json()

    assert scene_of(scene) == (True, REGISTERED, {"active": False})


def test_the_services_own_api_is_its_own_in_any_spelling(scene_of):
    async def scene(service, alice):
        own_url = service.settings.own_url
        own = {"username": "alice", "password": PASSWORD, "resource": f"{own_url}/"}
        begun = await alice.client.post("/sessions", json=own)
        with pytest.raises(ClientRefused) as refused:
            await service.registry.add_resource(f"{own_url}/", ResourceMetadata(), OPERATOR)
        # A third party gets it in no spelling.
        asked = (await alice.authorize(resource=f"{own_url}/"))[1]
        return audience_of(begun) == own_url, refused.value.code, asked["error"]

    assert scene_of(scene) == (True, "id_reserved", "invalid_target")


def test_two_spellings_of_a_resource_are_never_both_registered(scene_of):
    async def scene(service, _alice):
        registry, codes = service.registry, []
        for spelling in SPELLINGS:
            with pytest.raises(
                ClientRefused, match=f"is another spelling of the resource {REGISTERED}"
            ) as refused:
                await registry.add_resource(spelling, ResourceMetadata(), OPERATOR)
            codes.append(refused.value.code)
            wanted = Configuration({}, {spelling: ResourceMetadata()})
            with pytest.raises(EntryRefused, match="another spelling of"):
                await registry.plan(wanted)
            # What is pruned makes room for it.
            assert (await registry.plan(wanted, prune=True)).changes
        wanted = Configuration({}, dict.fromkeys(SPELLINGS[:2], ResourceMetadata()))
        with pytest.raises(EntryRefused, match="another spelling of"):
            await registry.plan(wanted, prune=True)
        return codes, [one.audience for one in registry.resources()]

    assert scene_of(scene) == (["id_taken"] * 3, [REGISTERED])


@pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)
def test_of_two_processes_that_register_two_spellings_at_once_one_does(play):
    async def scene(service, clock):
        codes = []
        async with open_service(service.settings, clock) as other:
            for number in range(10):
                name = f"https://mcp{number}.example.com"
                outcomes = await asyncio.gather(
                    *(
                        one.registry.add_resource(spelling, ResourceMetadata(), OPERATOR)
                        for one, spelling in ((service, name), (other, f"{name}/"))
                    ),
                    return_exceptions=True,
                )
                codes += [one.code for one in outcomes if isinstance(one, ClientRefused)]
        await service.registry.load()
        return codes, len(service.registry.resources())

    assert play(scene, audiences=("orders",)) == (["id_taken"] * 10, 10)


def test_an_audience_of_the_settings_is_no_way_around_a_resource_in_another_spelling(play):
    """Both are there where the resource was registered before the setting named it."""

    async def scene(service, _clock):
        registry, spelled = service.registry, f"{REGISTERED}/"
        with pytest.raises(ClientRefused, match="another spelling of"):
            await registry.add_resource(spelled, ResourceMetadata(), OPERATOR)
        await service.store.write(
            "INSERT INTO resource (audience, metadata, created_at) VALUES ($1, $2, $3)",
            spelled,
            '{"scopes": ["tools:call"]}',
            1,
        )
        await registry.load()
        return registry.spelled(REGISTERED), registry.audiences

    assert play(scene, audiences=(REGISTERED, "orders")) == (
        f"{REGISTERED}/",
        ("orders", f"{REGISTERED}/"),
    )


def test_an_audience_has_no_fragment(play):
    async def scene(service, _clock):
        with pytest.raises(ClientRefused, match="can't have a fragment") as refused:
            await service.registry.add_resource(
                f"{REGISTERED}/#tools", ResourceMetadata(), OPERATOR
            )
        return refused.value.member

    assert play(scene) == "audience"
