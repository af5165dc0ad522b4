"""The list of accounts: what it says of each, and what it costs."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register

from carnet.server.accounts.account_list import summaries
from carnet.server.audit import OPERATOR, Origin
from carnet.server.sessions.session_search import find_sessions
from carnet.server.sessions.sessions import NewSession

BOTH = pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1"


async def listed(service, *more):
    return await summaries(service.store, service.settings, service.clock(), *more)


async def begin(service, account, address="192.0.2.7"):
    wanted = NewSession("carnet", "default")
    return await service.sessions.begin(account, wanted, Origin(address, PHONE, account.id))


@BOTH
def test_it_says_what_an_account_signs_in_with_and_how_it_is_used(play):
    async def scene(service, clock):
        made_at = service.clock()
        ada = await service.accounts.create("ada", PASSWORD, ("sales",))
        await service.accounts.create("bob", None)
        await service.addresses.add_verified(ada.id, "ada@example.com", OPERATOR)
        for kind in ("passkey", "passkey", "totp"):
            key = f"{kind}{clock()}".encode()
            values = (f"f-{clock()}", kind, kind, key, b"", 0, "{}", clock(), ada.id)
            await service.store.write(
                "INSERT INTO factor (id, kind, name, credential_id, secret, counter, details,"
                " created_at, account_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                *values,
            )
            clock.advance(1)
        await begin(service, ada)
        signed_in_at = service.clock()
        ended = await begin(service, ada)
        await service.sessions.end(ended.session_id, "signed_out")
        rows = await listed(service)
        clock.advance(service.settings.session_idle_lifetime + 1)
        return made_at, signed_in_at, rows, await listed(service)

    made_at, signed_in_at, (ada, bob), (idle, _) = play(scene)
    assert ada.account.username == "ada"
    assert (ada.created_at, ada.signed_in_at, ada.sessions) == (made_at, signed_in_at, 1)
    assert (ada.has_password, ada.passkeys, ada.apps, ada.identities) == (True, 2, 1, 0)
    assert (bob.has_password, bob.signed_in_at, bob.sessions) == (False, None, 0)
    assert (idle.sessions, idle.signed_in_at) == (0, signed_in_at)


@BOTH
def test_accounts_are_found_by_a_part_of_a_name_or_an_address_and_by_their_id(play):
    async def scene(service, _clock):
        ada = await service.accounts.create("ada", PASSWORD)
        await service.accounts.create("a_a", PASSWORD)
        await service.addresses.add_verified(ada.id, "Lovelace@example.com", OPERATOR)
        texts = ("D", "_", "lovelace@", ada.id, "%", "nobody")
        return [[one.account.username for one in await listed(service, text)] for text in texts]

    assert play(scene) == [["ada"], ["a_a"], ["ada"], ["ada"], [], []]


@BOTH
def test_the_page_costs_as_many_statements_for_fifty_accounts_as_for_one(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        browser = Inside(service)
        await browser.sign_in()

        async def cost(path):
            before = service.store.statements_run
            answer = await browser.client.get(path)
            assert answer.status_code == 200
            return service.store.statements_run - before, answer.text

        few, _ = await cost("/admin/users")
        found, _ = await cost("/admin/search?q=user")
        for number in range(60):
            account = await service.accounts.create(f"user{number:02}", None)
            await begin(service, account)
        many, page = await cost("/admin/users")
        searched, result = await cost("/admin/search?q=user")
        return few, many, found, searched, page.count("/admin/users/"), result

    few, many, found, searched, shown, result = play(scene)
    assert few == many
    assert found == searched
    assert shown == 51, "50 accounts, and the link that makes one"
    assert "There are more than are shown" in result


@BOTH
def test_sessions_are_found_by_the_beginning_of_their_id_or_where_they_began(play):
    async def scene(service, _clock):
        ada = await service.accounts.create("ada", PASSWORD)
        grants = [await begin(service, ada), await begin(service, ada, "2001:db8::1")]
        ids = [grant.session_id for grant in grants]
        texts = (ids[0], ids[1][:6], ids[0][:3], "192.0.2.7", "2001:DB8:0::1", "192.0.2", "%%%%")
        found = []
        for text in texts:
            rows = await find_sessions(service.store, text, 20)
            found.append([row.id for row in rows])
            assert all(row.username == "ada" and row.user_agent == PHONE for row in rows)
        return ids, found

    [first, second], found = play(scene)
    assert found == [[first], [second], [], [first], [second], [], []]


def test_one_field_finds_users_clients_and_sessions(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        shop = await service.accounts.create("shopkeeper", PASSWORD)
        await register(service, "shop-front", client_name="The Shop")
        grant = await begin(service, shop)
        browser = Inside(service)
        await browser.sign_in()
        pages = []
        for text in ("shop", grant.session_id[:8], "192.0.2.7", "x" * 400, "\x00", ""):
            answer = await browser.client.get("/admin/search", params={"q": text})
            assert answer.status_code == 200
            pages.append(answer.text)
        await service.accounts.create("bob", PASSWORD)
        stranger = Inside(service, "bob")
        await stranger.sign_in()
        refused = await stranger.client.get("/admin/search", params={"q": "shop"})
        return grant.session_id, pages, refused.status_code

    session_id, (by_name, by_id, by_address, *none), refused = play(scene)
    assert "shopkeeper" in by_name
    assert "The Shop" in by_name
    assert session_id in by_id
    assert session_id in by_address
    assert "Safari on iPhone" in by_address
    assert not any("shopkeeper" in page for page in none)
    assert refused == 403
