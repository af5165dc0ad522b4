"""Clients that no administrator has registered: kept apart, let in where it is open to them."""

import msgspec
import pytest
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR, newest
from carnet.server.clients.clients import ClientMetadata, ClientRefused, check_client_id
from carnet.server.clients.federated_credentials import FederatedCredential
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.clients.unregistered import MOST_REMEMBERED, unregistered_kind
from carnet.server.sessions.sessions import NewSession, RefreshRefused
from carnet.server.store import statements as sql

DAY = 86_400
DOCUMENT = "https://app.example.com/client.json"
DYNAMIC = "dynamic.3hG9_a-x"
IDS = (DOCUMENT, DYNAMIC)
METADATA = ClientMetadata(
    client_name="App",
    redirect_uris=("https://app.example.com/callback",),
    token_endpoint_auth_method="none",
)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def save(service, client_id=DOCUMENT, **more):
    metadata = msgspec.structs.replace(METADATA, **more)
    return await service.registry.unregistered.save(client_id, metadata, OPERATOR)


@pytest.mark.parametrize("client_id", IDS)
def test_one_is_found_by_its_id_beside_those_that_are_registered(play, client_id):
    async def scene(service, _clock):
        await service.registry.add_client(METADATA, OPERATOR, "app")
        await save(service, client_id)
        assert service.registry.client(client_id) is None
        assert client_id not in [one.id for one in service.registry.clients()]
        found, registered = (
            await service.registry.find(client_id),
            await service.registry.find("app"),
        )
        assert registered is service.registry.client("app")
        assert (found.metadata, found.unregistered, registered.unregistered) == (
            METADATA,
            True,
            False,
        )

    play(scene)


@pytest.mark.parametrize(
    "client_id",
    [
        *("app", "", "http://app.example.com/x", "https://", "https://a b", "dynamic", "dynamic."),
        *("dynamic.a.b", "Dynamic.a", "https://x/\n", "https://x/\0", "https://é.example/x"),
        *("https://x/" + "y" * 504, "dynamic." + "x" * 121),
    ],
)
def test_an_id_of_another_form_costs_no_look_at_the_database(play, client_id):
    async def scene(service, _clock):
        before = service.store.statements_run
        assert await service.registry.find(client_id) is None
        with pytest.raises(ClientRefused, match="no client"):
            await service.registry.unregistered.remove(client_id, OPERATOR)
        assert unregistered_kind(client_id) is None
        return service.store.statements_run - before

    assert play(scene) == 0


def test_one_is_read_once_in_a_moment_and_forgotten_where_there_are_many(play):
    async def scene(service, clock):
        await save(service)
        registry = service.registry
        before = service.store.statements_run
        for _ in range(5):
            assert await registry.find(DOCUMENT)
        assert service.store.statements_run - before == 1
        clock.advance(1)
        assert await registry.find(DOCUMENT)
        assert service.store.statements_run - before == 2
        # A clock that is set back makes nothing younger.
        clock.advance(-60)
        assert await registry.find(DOCUMENT)
        assert service.store.statements_run - before == 3
        remembered = registry.unregistered._remembered
        entry = remembered[DOCUMENT]
        remembered.update((f"https://x/{number}", entry) for number in range(MOST_REMEMBERED))
        remembered.pop(DOCUMENT)
        assert await registry.find(DOCUMENT)
        return len(remembered)

    assert play(scene) == MOST_REMEMBERED


def test_what_another_process_has_changed_is_seen_a_moment_later(play):
    async def scene(service, clock):
        await save(service)
        assert await service.registry.find(DOCUMENT)
        await service.store.write(sql.REMOVE_UNREGISTERED_CLIENT, DOCUMENT)
        clock.advance(1)
        return await service.registry.find(DOCUMENT)

    assert play(scene) is None


def test_it_may_ask_for_what_is_open_to_such_clients_and_never_for_the_services_own_api(play):
    async def scene(service, _clock):
        registry = service.registry
        await registry.add_resource("closed", ResourceMetadata(scopes=("all",)), OPERATOR)
        client = (await save(service)).client
        offered = [registry.audiences_of(client)]
        opened = ResourceMetadata(scopes=("tools:call",), unregistered_clients=True)
        await registry.add_resource("tools", opened, OPERATOR)
        await registry.add_resource("any", ResourceMetadata(unregistered_clients=True), OPERATOR)
        asked = ("tools:call", "all", "profile", "openid", "offline_access", "carnet:admin", "own")
        offered.append(registry.audiences_of(client))
        said = (await save(service, scope="own")).client
        for one in (client, said):
            known = {"profile", "openid", "offline_access"}
            assert registry.permitted(one, "tools", asked) == {"tools:call", *known}
            # What another resource knows is nothing here.
            assert registry.permitted(one, "any", asked) == known
        assert service.settings.own_url not in registry.audiences_of(client)
        await registry.edit_resource("tools", {"unregistered_clients": False}, OPERATOR)
        offered.append(registry.audiences_of(client))
        return offered

    assert play(scene, audiences=("default",)) == [(), ("any", "tools"), ("any",)]


def test_no_open_resource_makes_the_administrations_scope_one_that_it_may_ask_for(play):
    async def scene(service, _clock):
        opened = ResourceMetadata(scopes=("carnet:admin", "x"), unregistered_clients=True)
        await service.registry.add_resource("tools", opened, OPERATOR)
        client = (await save(service)).client
        return service.registry.permitted(client, "tools", ["carnet:admin", "x"])

    assert play(scene, audiences=("default",)) == {"x"}


def test_no_client_says_itself_whose_tokens_prove_that_it_is_it(play):
    given = {"issuer": "https://ci.example", "claims": {"sub": "job"}}
    wanted = {
        "token_endpoint_auth_method": "federated_jwt",
        "federated_credentials": (msgspec.convert(given, FederatedCredential),),
    }

    async def scene(service, _clock):
        with pytest.raises(ClientRefused) as refused:
            await save(service, **wanted)
        return refused.value.member, str(refused.value)

    assert play(scene) == (
        "federated_credentials",
        "only an administrator can set federated_credentials",
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("first_party", True),
        ("plain_http", True),
        ("resources", ("tools",)),
        ("introspects", ("tools",)),
        ("backchannel_logout_uri", "https://app.example.com/logout"),
        ("grant_types", ("client_credentials",)),
        ("redirect_uris", ("http://app.example.com/",)),
    ],
)
def test_what_an_administrator_says_of_a_client_none_says_of_itself(play, member, value):
    async def scene(service, _clock):
        with pytest.raises(ClientRefused) as refused:
            await save(service, **{member: value})
        assert refused.value.member == member
        return await service.registry.find(DOCUMENT)

    assert play(scene) is None


def test_a_row_that_says_that_it_is_trusted_is_none(play):
    async def scene(service, clock):
        await save(service)
        trusted = msgspec.json.encode(msgspec.structs.replace(METADATA, first_party=True)).decode()
        await service.store.write("UPDATE unregistered_client SET metadata = $1", trusted)
        clock.advance(1)
        assert await service.registry.find(DOCUMENT) is None
        found, unreadable, _ = await service.registry.unregistered.page()
        assert (found, unreadable) == ([], {DOCUMENT: "ClientRefused"})
        await service.registry.remove_client(DOCUMENT, OPERATOR)
        return await service.registry.unregistered.page()

    assert play(scene) == ([], {}, None)


def test_people_are_asked_each_time_whatever_they_have_granted_before(play):
    async def scene(service, _clock):
        client = (await save(service)).client
        account = await service.accounts.create("alice", PASSWORD)
        await service.consents.grant(account.id, DOCUMENT, "tools", "openid", OPERATOR)
        asked = (account.id, client, METADATA.redirect_uris[0], "tools", "openid")
        [application] = await service.consents.applications(account.id)
        return application.name, await service.consents.is_needed(*asked)

    assert play(scene) == ("App", True)


@pytest.mark.parametrize("client_id", IDS)
def test_with_a_client_go_its_sessions_and_the_consents_to_it(play, client_id):
    async def scene(service, _clock):
        registry = service.registry
        await save(service, client_id)
        account = await service.accounts.create("alice", PASSWORD)
        await service.consents.grant(account.id, client_id, "default", "openid", OPERATOR)
        grant = await service.sessions.begin(account, NewSession(client_id, "default"))
        assert await registry.find(client_id)
        assert await registry.remove_client(client_id, OPERATOR) == 1
        assert await registry.find(client_id) is None
        with pytest.raises(RefreshRefused):
            await service.sessions.refresh(grant.refresh_token, OPERATOR, client_id)
        assert await service.consents.applications(account.id) == []
        with pytest.raises(ClientRefused, match="no client"):
            await registry.remove_client(client_id, OPERATOR)
        entries = await newest(service.store, 20)
        return sorted((one.event, one.reason) for one in entries if one.reason == client_id)

    events = ("client_created", "client_removed", "consent_given", "session_begun")
    assert play(scene) == [(event, client_id) for event in events]


def test_one_that_is_changed_loses_what_it_had_where_that_is_to_end(play):
    async def scene(service, clock):
        await save(service, DYNAMIC)
        account = await service.accounts.create("alice", PASSWORD)
        await service.consents.grant(account.id, DYNAMIC, "default", "openid", OPERATOR)
        grant = await service.sessions.begin(account, NewSession(DYNAMIC, "default"))
        clock.advance(5)
        unregistered = service.registry.unregistered
        again = await unregistered.save(DYNAMIC, METADATA, OPERATOR)
        about = (DYNAMIC, "client_changed", clock(), OPERATOR)
        await service.store.transact(lambda: unregistered.ending(*about))
        assert again.client.created_at < again.changed_at
        with pytest.raises(RefreshRefused):
            await service.sessions.refresh(grant.refresh_token, OPERATOR, DYNAMIC)
        return await service.consents.applications(account.id)

    assert play(scene) == []


def test_one_that_nobody_uses_goes_after_a_day_and_one_that_is_used_after_ninety(play):
    async def scene(service, clock):
        unregistered, seen = service.registry.unregistered, []
        await save(service, DYNAMIC)
        used = (await save(service)).client
        await unregistered.note_use(used)
        account = await service.accounts.create("alice", PASSWORD)
        await service.consents.grant(account.id, DOCUMENT, "default", "openid", OPERATOR)

        async def left(days):
            clock.advance(days * DAY)
            await service.background.sweep()
            found, _, _ = await unregistered.page()
            seen.append(len(found))

        await left(0.9)
        await left(0.2)
        await left(80)
        await unregistered.note_use(used)
        await left(80)
        await left(11)
        return seen, await service.consents.applications(account.id)

    assert play(scene) == ([2, 1, 1, 1, 0], [])


def test_a_use_is_written_once_a_day(play):
    async def scene(service, clock):
        unregistered = service.registry.unregistered
        await save(service)
        written = []
        for hours in (0, 1, 22, 2):
            clock.advance(hours * 3600)
            client = await service.registry.find(DOCUMENT)
            before = service.store.statements_run
            await unregistered.note_use(client)
            written.append(service.store.statements_run - before)
        return written

    assert play(scene) == [1, 0, 0, 1]


def test_they_are_listed_a_page_at_a_time(play):
    async def scene(service, _clock):
        names = [f"https://app.example.com/{number}" for number in range(5)]
        for name in names:
            await save(service, name)
        listed, last = [], ""
        while last is not None:
            found, _, last = await service.registry.unregistered.page(last, 2)
            listed.append([one.client.id for one in found])
        return names, listed

    names, listed = play(scene)
    assert listed == [names[:2], names[2:4], names[4:]]


def test_nobody_chooses_an_id_of_those_that_register_themselves():
    with pytest.raises(ClientRefused, match=r"begin with dynamic\.") as refused:
        check_client_id("dynamic.mine")
    assert refused.value.code == "id_reserved"
