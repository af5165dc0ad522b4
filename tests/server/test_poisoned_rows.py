"""Rows that nobody can use harm themselves alone: on both engines, in this process."""

import json

import pytest

from carnet.jose import jws
from carnet.server.accounts.account_list import summaries
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.metrics import UNREADABLE_ROWS
from carnet.server.sessions.sessions import NewSession
from carnet.server.store import StoreUnavailable
from carnet.server.store import statements as sql
from carnet.server.tokens import logout_notices

HOUR = 3600
PASSWORD = "paper-boat-harbour"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


def unreadable(kind):
    return UNREADABLE_ROWS.labels(kind)._value.get()


async def add_row(service, table, *values):
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await service.store.write(f"INSERT INTO {table} VALUES ({places})", *values)


CLIENTS = {
    "no-json": "{",
    "other-type": '{"redirect_uris": 5}',
    "newer": '{"what_comes_later": true}',
    "keys": '{"jwks": {"keys": 5}}',
    "empty": "",
}


def test_a_client_or_resource_that_can_not_be_read_is_left_out_shown_and_can_be_removed(play):
    async def poison(service, clock):
        await service.registry.add_client(
            ClientMetadata(grant_types=("client_credentials",)), OPERATOR, "good"
        )
        await service.registry.add_resource("api", ResourceMetadata(), OPERATOR)
        for name, text in CLIENTS.items():
            await add_row(service, "client", name, None, text, clock(), None, None)
        for name in ("torn", "orders"):
            await add_row(service, "resource", name, '{"encryption_key": {"kty": "x"}}', clock())

    play(poison, audiences=("default", "orders"))

    async def look(service, _clock):
        registry = service.registry
        assert [one.id for one in registry.clients()] == ["good"]
        assert registry.unreadable_clients.keys() == CLIENTS.keys()
        assert all(registry.client(name) is None for name in CLIENTS)
        assert registry.resource("api") is not None
        # What the settings say of it is no way around what its row may demand.
        assert registry.resource("orders") is registry.resource("torn") is None
        assert "orders" in registry.audiences
        assert (unreadable("client"), unreadable("resource")) == (len(CLIENTS), 2)
        await service.background.follow()
        for name in CLIENTS:
            await registry.remove_client(name, OPERATOR)
        await registry.remove_resource("orders", OPERATOR)
        assert registry.unreadable_clients == {}
        assert registry.resource("orders") is not None
        return unreadable("client"), unreadable("resource")

    assert play(look, audiences=("default", "orders")) == (0, 1)


@pytest.mark.parametrize("text", ["", "nonsense", "a.b.c.d.e"])
def test_a_signing_key_that_can_not_be_read_gives_way_to_another(play, text):
    async def poison(service, _clock):
        await service.store.write("UPDATE signing_key SET encrypted_jwk = $1", text)
        return service.keys.signing("ES256").kid

    broken = play(poison)

    async def look(service, clock):
        keys = service.keys
        first = keys.signing("ES256").kid
        assert first != broken
        assert [(key.kid, stage.value) for key, stage in keys.overview()] == [
            (first, "signing"),
            (broken, "unreadable"),
        ]
        assert [key.kid for key in keys.published] == [first]
        assert unreadable("signing_key") == 1
        # The others rotate, and the master key can be changed.
        clock.advance(31 * 24 * HOUR)
        await keys.keep_up()
        clock.advance(HOUR)
        await keys.keep_up()
        assert keys.signing("ES256").kid not in (first, broken)
        await service.change_master_key(OPERATOR)
        assert await keys.retire(broken, OPERATOR)
        await keys.keep_up()
        assert broken not in {key.kid for key, _ in keys.overview()}
        return unreadable("signing_key")

    assert play(look) == 0


def test_a_key_that_waits_for_its_time_signs_where_the_one_before_can_not_be_read(play):
    async def poison(service, _clock):
        first = service.keys.signing("ES256").kid
        await service.keys.rotate("ES256", OPERATOR)
        await service.store.write("UPDATE signing_key SET encrypted_jwk = '' WHERE kid = $1", first)

    play(poison)

    async def look(service, _clock):
        [key] = service.keys.published
        return service.keys.signing("ES256").kid == key.kid

    assert play(look)


def test_one_pepper_that_can_not_be_read_is_left_out_and_all_of_them_are_another_master_key(play):
    from carnet.errors import ServerError

    async def poison(service, clock):
        await add_row(service, "pepper", 2, "nonsense", clock())

    play(poison)

    async def look(service, _clock):
        kept = list(service.keys.peppers)
        await service.store.write("UPDATE pepper SET encrypted_secret = 'nonsense'")
        return kept

    assert play(look) == [1]
    with pytest.raises(ServerError) as refused:
        play(look)
    assert refused.value.code == "master_key_wrong"


def test_revocations_that_no_verifier_understands_are_not_told_and_hide_no_other(play):
    async def scene(service, clock):
        later = clock() + 10**9
        rows = [
            ("sid", "s1", None),
            ("new", "x", None),
            ("sub", "ada", None),
            ("sid", "s2", 3),
            ("sub", "bob", 2),
        ]
        for seq, (kind, value, version) in enumerate(rows, 1):
            await service.store.write(sql.ADD_REVOCATION, seq, kind, value, version, later)
        await service.store.write("UPDATE counter SET value = 5 WHERE name = 'revocation'")
        told = []
        for position in (None, 0):
            stream = service.revocation_stream.read(position)
            data = (await anext(stream)).decode().split("data: ")[1].strip()
            told.append(json.loads(jws.verify(data, service.keys.published).payload)["entries"])
            await stream.aclose()
        assert unreadable("revocation") == 3
        return told

    assert play(scene) == [[["sid", "s1"], ["sub", "bob", 2]]] * 2


@pytest.mark.parametrize("column", ["roles", "claims"])
def test_an_account_that_can_not_be_read_hides_no_other(play, column):
    async def scene(service, _clock):
        for name in ("ada", "bob", "eve"):
            await service.accounts.create(name, "paper-boat-harbour")
        await service.store.write(f"UPDATE account SET {column} = '{{' WHERE username = 'bob'")
        listed = [one.username for one in await service.accounts.page()]
        found = [
            one.account.username
            for one in await summaries(service.store, service.settings, service.clock())
        ]
        return listed, found

    assert play(scene) == (["ada", "eve"], ["ada", "eve"])


POISON = [
    "https://xn--/l",
    "https://127.0.0.1:99999/l",
    "https://127.0.0.1:1/l",
    "http://127.0.0.1:1/l\n",
    "nonsense://x",
    "",
    "http://[::1",
    f"http://127.0.0.1:1/{'a' * 70_000}",
]


@pytest.fixture
def ended():
    """Begin and end a session of a client that is to be told at an address."""

    async def end(service, client_id, address):
        accounts = await summaries(service.store, service.settings, service.clock(), client_id)
        account = (
            accounts[0].account if accounts else await service.accounts.create(client_id, PASSWORD)
        )
        wanted = NewSession(client_id, "default")
        grant = await service.sessions.begin(account, wanted)
        await service.store.write(
            "UPDATE session SET logout_uri = $1 WHERE id = $2", address, grant.session_id
        )
        await service.sessions.end(grant.session_id, "signed_out")
        return grant.session_id

    return end


async def waiting(service):
    rows = await service.store.read("SELECT client_id FROM session WHERE logout_uri IS NOT NULL")
    return sorted(row[0] for row in rows)


def machine():
    return ClientMetadata(grant_types=("client_credentials",))


@pytest.fixture
def told(monkeypatch):
    """Take the notices to one address, without a network; all others go their real way."""
    heard = []
    post = logout_notices.LogoutNotices._post

    async def note(self, address, token):
        if address != "https://good.example/l":
            return await post(self, address, token)
        heard.append(token)
        return 200

    monkeypatch.setattr(logout_notices.LogoutNotices, "_post", note)
    return heard


def test_a_notice_that_can_not_be_sent_is_put_off_shown_and_given_up_and_others_go_out(
    play, ended, told
):
    async def scene(service, clock):
        names = [f"bad-{number}" for number in range(len(POISON))]
        for name, address in zip(names, POISON, strict=True):
            await service.registry.add_client(machine(), OPERATOR, name)
            await ended(service, name, address)
        await service.registry.add_client(machine(), OPERATOR, "good")
        await ended(service, "good", "https://good.example/l")
        await service.logout_notices.send_due()
        assert len(told) == 1
        assert await waiting(service) == names
        failures = await service.logout_notices.failures()
        assert sorted(failures) == names
        assert all(failure.since == clock() and failure.cause for failure in failures.values())
        # A second attempt keeps the time of the first failure.
        since = clock()
        clock.advance(HOUR)
        await service.logout_notices.send_due()
        assert {one.since for one in (await service.logout_notices.failures()).values()} == {since}
        clock.advance(24 * HOUR)
        await service.logout_notices.send_due()
        assert await waiting(service) == []
        await service.registry.remove_client(names[0], OPERATOR)
        return sorted(await service.logout_notices.failures()) == names[1:]

    assert play(scene)


def test_a_client_that_works_again_is_shown_no_more(play, ended, told):
    async def scene(service, clock):
        await service.registry.add_client(machine(), OPERATOR, "c")
        session = await ended(service, "c", "https://xn--/l")
        await service.logout_notices.send_due()
        assert "c" in await service.logout_notices.failures()
        await service.store.write(
            "UPDATE session SET logout_uri = $1 WHERE id = $2", "https://good.example/l", session
        )
        clock.advance(HOUR)
        await service.logout_notices.send_due()
        return len(told), await waiting(service), await service.logout_notices.failures()

    assert play(scene) == (1, [], {})


def test_a_client_that_fails_is_asked_once_and_not_for_each_of_its_sessions(
    play, ended, told, monkeypatch
):
    asked = []
    post = logout_notices.LogoutNotices._post

    async def count(self, address, token):
        asked.append(address)
        return await post(self, address, token)

    monkeypatch.setattr(logout_notices.LogoutNotices, "_post", count)
    monkeypatch.setattr(logout_notices, "BATCH", 2)

    async def scene(service, _clock):
        for name in ("bad", "good"):
            await service.registry.add_client(machine(), OPERATOR, name)
        for _ in range(9):
            await ended(service, "bad", "https://xn--/l")
        await ended(service, "good", "https://good.example/l")
        await service.logout_notices.send_due()
        return asked.count("https://xn--/l"), len(told)

    assert play(scene) == (2, 1)


def test_the_notices_of_a_client_that_can_not_be_read_wait_for_it(play, ended, told):
    async def scene(service, clock):
        await add_row(service, "client", "torn", None, "{", clock(), None, None)
        await ended(service, "torn", "https://good.example/l")
        await service.registry.load()
        await service.logout_notices.send_due()
        assert (await waiting(service), told) == (["torn"], [])
        # One that was removed is told nothing.
        await service.registry.remove_client("torn", OPERATOR)
        clock.advance(2 * HOUR)
        await service.logout_notices.send_due()
        return await waiting(service), told

    assert play(scene) == ([], [])


def test_what_can_not_be_written_fails_the_work_and_no_other_notice(play, ended, told, monkeypatch):
    async def scene(service, _clock):
        sessions = []
        for name in ("one", "two"):
            await service.registry.add_client(machine(), OPERATOR, name)
            sessions.append(await ended(service, name, "https://good.example/l"))
        write = service.store.write

        async def fails(statement, *values):
            if statement == sql.LOGOUT_SENT and values == (sessions[0],):
                raise StoreUnavailable("the database is away")
            return await write(statement, *values)

        monkeypatch.setattr(service.store, "write", fails)
        with pytest.raises(BaseExceptionGroup):
            await service.logout_notices.send_due()
        return await waiting(service)

    assert play(scene) == ["one"]


def test_a_sweep_that_can_not_delete_one_thing_deletes_the_others(play, monkeypatch):
    async def scene(service, _clock):
        write, swept = service.store.write, []

        async def fails(statement, *values):
            if statement == sql.SWEEP_SESSIONS:
                raise StoreUnavailable("a row is held")
            swept.append(statement)
            return await write(statement, *values)

        monkeypatch.setattr(service.store, "write", fails)
        with pytest.raises(ExceptionGroup):
            await service.background.sweep()
        return len(swept)

    assert play(scene) == 12


def test_metadata_of_a_client_that_can_not_be_read_leave_the_applications_of_an_account_readable(
    play,
):
    async def scene(service, clock):
        account = await service.accounts.create("ada", PASSWORD)
        for name, text in {**CLIENTS, "list": "[]", "good": '{"client_name": "Shop"}'}.items():
            await add_row(service, "client", name, None, text, clock(), None, None)
            await service.consents.grant(account.id, name, "orders", "openid", OPERATOR)
        return {one.client_id: one.name for one in await service.consents.applications(account.id)}

    names = play(scene)
    assert names == {**{name: name for name in (*CLIENTS, "list")}, "good": "Shop"}
