"""Clients and resources as a file describes them: planned as data, made in one transaction."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import Key
from carnet.errors import ConfigurationError
from carnet.server.audit import OPERATOR, newest
from carnet.server.clients.clients import Client, ClientMetadata, ClientRefused, Secrets
from carnet.server.clients.configuration import Configuration, DescribedClient, EntryRefused
from carnet.server.clients.configuration_file import ConfigurationFile, write_configuration
from carnet.server.clients.resources import Resource, ResourceMetadata
from carnet.server.sessions.sessions import NewSession

KEYS = {"keys": [Key.generate("ES256").public.to_jwk()]}
FILE = """
[resources.orders]
scopes = ["orders:read"]

[resources."https://api.example.com/v1"]
scope_claims = { "hr:read" = ["department"] }
claims = []

[clients.shop]
client_name = 'Web "shop"'
redirect_uris = ["https://shop.example.com/callback"]
resources = ["orders"]
secret_sha256 = "{one}"
previous_secret_sha256 = "{two}"
previous_secret_until = 2030-01-01T00:00:00Z

[clients.app]
redirect_uris = ["https://app.example.com/callback"]
token_endpoint_auth_method = "none"
""".replace("{one}", "1" * 64).replace("{two}", "2" * 64)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


def read(text, folder="."):
    return ConfigurationFile(text.encode(), "clients.toml", folder).wanted


def vars_of(client):
    return msgspec.structs.asdict(client.metadata)


def told(plan):
    return [(one.action, one.kind, one.name, sorted(one.members)) for one in plan.changes]


async def apply(service, text, *, prune=False):
    plan = await service.registry.plan(read(text), prune=prune)
    await service.registry.apply(plan, OPERATOR)
    return told(plan)


async def export(service):
    registry = service.registry
    return write_configuration(registry.clients(), registry.resources(), service.clock())


def test_a_file_is_applied_once_and_then_there_is_nothing_to_do(play):
    async def scene(service, _clock):
        first = await apply(service, FILE)
        assert await apply(service, FILE) == []
        found = service.registry.client("shop")
        assert found.metadata.client_name == 'Web "shop"'
        assert found.secrets == Secrets(b"\x11" * 32, b"\x22" * 32, 1_893_456_000_000_000)
        assert service.registry.resource("orders").metadata.scopes == ("orders:read",)
        events = [one.event for one in await newest(service.store, 100)]
        return first, sorted(one for one in events if not one.startswith("key"))

    created = ["client_created"] * 2 + ["resource_created"] * 2
    assert play(scene) == (
        [
            ("create", "resource", "orders", ["scopes"]),
            ("create", "resource", "https://api.example.com/v1", ["claims", "scope_claims"]),
            ("create", "client", "shop", ["client_name", "redirect_uris", "resources", "secret"]),
            ("create", "client", "app", ["redirect_uris", "token_endpoint_auth_method"]),
        ],
        created,
    )


def test_what_is_exported_makes_the_same_store_again(play, tmp_path):
    async def fill(service, _clock):
        registry = service.registry
        await apply(service, FILE)
        metadata = ClientMetadata(
            grant_types=("client_credentials",),
            token_endpoint_auth_method="private_key_jwt",
            jwks=KEYS,
        )
        await registry.add_client(metadata, OPERATOR, "signer")
        await registry.new_secret("shop", OPERATOR, keep_previous=3600)
        text = await export(service)
        assert await apply(service, text, prune=True) == []
        for name in ("shop", "app", "signer"):
            await registry.remove_client(name, OPERATOR)
        for name in ("orders", "https://api.example.com/v1"):
            await registry.remove_resource(name, OPERATOR)
        empty = await export(service)
        assert len(await apply(service, text)) == 5
        return empty.count("["), text == await export(service)

    assert play(fill) == (0, True)


def test_drift_is_named_by_its_members(play):
    async def scene(service, _clock):
        await apply(service, FILE)
        await service.registry.edit_client("shop", {"scope": "openid"}, OPERATOR)
        await service.registry.new_secret("shop", OPERATOR)
        await service.registry.edit_resource("orders", {"scopes": ["a", "b"]}, OPERATOR)
        plan = await service.registry.plan(read(FILE))
        [scopes, client] = plan.changes
        secret = client.members["secret"]
        assert "1" * 12 in secret[1][0]
        assert "1" * 13 not in secret[1][0]
        return scopes.members, client.members["scope"], sorted(client.members)

    scopes = {"scopes": (["a", "b"], ["orders:read"])}
    assert play(scene) == (scopes, ("openid", ""), ["scope", "secret"])


def test_another_secret_is_a_change_of_its_own_in_the_audit_log_however_its_hash_begins(play):
    async def scene(service, _clock):
        await apply(service, FILE)
        done = await apply(service, FILE.replace("1" * 64, "1" * 63 + "0"))
        events = {one.event: one.reason for one in await newest(service.store, 100)}
        return done, events["client_changed"], events["client_secret_changed"]

    assert play(scene) == ([("change", "client", "shop", ["secret"])], "shop", "shop")


def test_secrets_that_the_file_does_not_name_stay_as_they_are(play):
    text = '[clients.job]\ngrant_types = ["client_credentials"]\nscope = "a"\n'

    async def scene(service, _clock):
        with pytest.raises(EntryRefused, match="needs secret_sha256 or secret_file"):
            await service.registry.plan(read(text))
        metadata = ClientMetadata(grant_types=("client_credentials",))
        await service.registry.add_client(metadata, OPERATOR, "job")
        await service.registry.new_secret("job", OPERATOR, keep_previous=None)
        before = service.registry.client("job").secrets
        done = await apply(service, text)
        return done, service.registry.client("job").secrets == before

    assert play(scene) == ([("change", "client", "job", ["scope"])], True)


def test_what_is_not_in_the_file_goes_only_when_that_is_asked_for(play):
    short = (
        '[clients.app]\ntoken_endpoint_auth_method = "none"\nredirect_uris = ["https://a.example/"]'
    )

    async def scene(service, _clock):
        await apply(service, FILE)
        alice = await service.accounts.create("alice", "a-long-enough-password")
        grant = await service.sessions.begin(alice, NewSession("shop", "orders", "openid"))
        await service.consents.grant(alice.id, "shop", "orders", "openid", OPERATOR)
        plan = await service.registry.plan(read(short))
        assert [one.name for one in plan.others] == ["shop", "https://api.example.com/v1", "orders"]
        done = await apply(service, short)
        assert service.registry.client("shop") is not None
        pruned = await apply(service, short, prune=True)
        assert [one.id for one in service.registry.clients()] == ["app"]
        assert service.registry.resources() == []
        ended = await service.store.read(
            "SELECT ended_reason FROM session WHERE id = $1", grant.session_id
        )
        consents = await service.store.read("SELECT client_id FROM consent")
        return done, [one[:3] for one in pruned], ended, consents

    done, pruned, ended, consents = play(scene)
    assert done == [("change", "client", "app", ["redirect_uris"])]
    assert pruned == [
        ("remove", "client", "shop"),
        ("remove", "resource", "https://api.example.com/v1"),
        ("remove", "resource", "orders"),
    ]
    assert (ended, consents) == ([("client_removed",)], [])


def test_a_client_may_not_name_a_resource_that_goes(play):
    text = '[clients.job]\ngrant_types = ["client_credentials"]\nresources = ["orders"]\n'
    text += f'secret_sha256 = "{"1" * 64}"\n'

    async def scene(service, _clock):
        await service.registry.add_resource("orders", ResourceMetadata(), OPERATOR)
        await service.registry.plan(read(text))
        with pytest.raises(EntryRefused) as refused:
            await service.registry.plan(read(text), prune=True)
        return refused.value.kind, refused.value.name, refused.value.member

    assert play(scene) == ("client", "job", "resources")


def test_a_plan_is_carried_out_whole_or_not_at_all(play):
    async def scene(service, _clock):
        registry = service.registry
        await apply(service, FILE)
        before = await export(service)
        plan = await registry.plan(read(FILE.replace("orders:read", "orders:write")), prune=True)
        broken = plan.changes[0]._replace(name="not-there")
        with pytest.raises(ClientRefused, match="no resource 'not-there'"):
            await registry.apply(plan._replace(changes=[*plan.changes, broken]), OPERATOR)
        return before == await export(service)

    assert play(scene) is True


def test_a_plan_that_others_have_overtaken_changes_nothing(play):
    async def scene(service, _clock):
        registry = service.registry
        await apply(service, FILE)
        plan = await registry.plan(read(FILE.replace("orders:read", "orders:write")))
        await registry.edit_client("app", {"client_name": "Other"}, OPERATOR)
        before = await export(service)
        with pytest.raises(ClientRefused) as refused:
            await registry.apply(plan, OPERATOR)
        return refused.value.code, before == await export(service)

    assert play(scene) == ("registry_changed", True)


def test_of_many_plans_made_at_once_one_is_carried_out(play):
    async def scene(service, _clock):
        registry = service.registry
        await apply(service, FILE)
        plans = [
            await registry.plan(read(FILE.replace("orders:read", f"orders:{number}")))
            for number in range(8)
        ]
        outcomes = await asyncio.gather(
            *(registry.apply(plan, OPERATOR) for plan in plans), return_exceptions=True
        )
        codes = [getattr(one, "code", one) for one in outcomes]
        return codes.count(None), codes.count("registry_changed")

    assert play(scene) == (1, 7)


def test_a_row_that_can_not_be_read_is_not_described_over(play):
    async def scene(service, _clock):
        await apply(service, FILE)
        await service.store.write("UPDATE client SET metadata = '{' WHERE id = 'app'")
        with pytest.raises(EntryRefused, match="carnet client remove"):
            await service.registry.plan(read(FILE))

    play(scene)


def test_an_edit_changes_the_named_members_and_is_checked_as_a_new_client_is(play):
    async def scene(service, _clock):
        registry = service.registry
        await apply(service, FILE)
        before = registry.client("shop")
        await registry.edit_client("shop", {"scope": "openid email"}, OPERATOR)
        after = registry.client("shop")
        assert after.metadata.scope == "openid email"
        assert (after.secrets, after.created_at) == (before.secrets, before.created_at)
        assert {**vars_of(before), "scope": "openid email"} == vars_of(after)
        refused = []
        for members in (
            {"redirect_uris": ["http://evil.example/"]},
            {"redirect_uris": []},
            {"resources": ["nowhere"]},
            {"grant_types": ["password"]},
            {"scope": 7},
        ):
            with pytest.raises(ClientRefused) as error:
                await registry.edit_client("shop", members, OPERATOR)
            refused.append(error.value.member)
        with pytest.raises(ClientRefused) as error:
            await registry.edit_resource("orders", {"claims": ["sub"]}, OPERATOR)
        refused.append(error.value.member)
        counted = len(await newest(service.store, 100))
        await registry.edit_client("shop", {"scope": "openid email"}, OPERATOR)
        assert len(await newest(service.store, 100)) == counted
        _, secret = await registry.edit_client(
            "app", {"token_endpoint_auth_method": "client_secret_basic"}, OPERATOR
        )
        assert secret is not None
        return refused

    members = ["redirect_uris", "redirect_uris", "resources", "grant_types", "scope", "claims"]
    assert play(scene) == members


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(TEXTS, st.lists(TEXTS.filter(bool), max_size=5), st.dictionaries(TEXTS, JSON, max_size=4))
def test_what_is_written_is_read_as_it_was(name, addresses, jwks):
    metadata = ClientMetadata(client_name=name, redirect_uris=tuple(addresses), jwks=jwks)
    resource = ResourceMetadata(scopes=tuple(addresses), encryption_key=jwks)
    client = Client("a.b:c", Secrets(b"1" * 32, b"2" * 32, 1_900_000_000_123_456), metadata)
    audience = "https://api.example.com/'x'"
    text = write_configuration([client], [Resource(audience, resource)], 0)
    assert read(text) == Configuration(
        {client.id: DescribedClient(metadata, client.secrets)}, {audience: resource}
    )


def test_a_secret_that_has_stopped_working_is_not_written():
    client = Client("a", Secrets(b"1" * 32, b"2" * 32, 5), ClientMetadata())
    assert "previous" in write_configuration([client], [], 4)
    assert "previous" not in write_configuration([client], [], 5)


def test_what_toml_has_no_word_for_is_named():
    client = Client("a", Secrets(), ClientMetadata(jwks={"keys": [{"x": None}]}))
    with pytest.raises(ConfigurationError, match=r"\[clients\.a\].*null"):
        write_configuration([client], [], 0)
