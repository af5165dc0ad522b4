"""Identities at other issuers and their sessions, on both databases, also at the same moment."""

import asyncio

import pytest
from tests.server.conftest import PASSWORD

from carnet.server.accounts.accounts import AccountRefused
from carnet.server.audit import OPERATOR, SERVICE
from carnet.server.sessions.agents import Subject
from carnet.server.sessions.identities import IdentityRefused

IDP = "https://idp.example"
ROUNDS = 10

# What lives although nobody is linked any more.
ORPHANS = """
SELECT id FROM session WHERE ended_at IS NULL AND account_id NOT IN (
  SELECT account_id FROM account_identity
)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


class Office:
    """Alice, and who says that they are her."""

    def __init__(self, service, account):
        self.service = service
        self.account = account
        self.identities = service.identities

    async def link(self, subject="x"):
        await self.identities.link(self.account.id, IDP, subject, OPERATOR)

    async def unlink(self, subject="x"):
        return await self.identities.unlink(self.account.id, IDP, subject, OPERATOR)

    async def sign_in(self, subject="x", moment=None):
        return await self.identities.sign_in(IDP, subject, moment, SERVICE)

    async def refused(self, *arguments):
        with pytest.raises(IdentityRefused) as refused:
            await self.sign_in(*arguments)
        return refused.value.code

    async def let_in(self):
        """Do what a client does with an assertion; give None where it is refused."""
        try:
            found = await self.sign_in()
        except IdentityRefused:
            return None
        subject = Subject("", found.session_id, found.account.id, found.account.version)
        return await self.service.agents.act(subject, "agent", "orders", "read", SERVICE)


@pytest.fixture
def office(play):
    def run(scene):
        async def opened(service, clock):
            account = await service.accounts.create("alice", PASSWORD)
            return await scene(Office(service, account), clock)

        return play(opened)

    return run


def test_identities_are_linked_listed_and_unlinked(office):
    async def scene(office, clock):
        await office.link("b")
        await office.link("a")
        found = await office.identities.of_account(office.account.id)
        assert [(one.issuer, one.subject) for one in found] == [(IDP, "a"), (IDP, "b")]
        assert found[0].created_at == clock()
        assert await office.identities.all() == found
        assert await office.unlink("a")
        assert not await office.unlink("a")
        assert await office.refused("a") == "not_linked"
        assert (await office.sign_in("b")).account.id == office.account.id
        with pytest.raises(AccountRefused) as refused:
            await office.identities.link("nobody", IDP, "c", OPERATOR)
        assert refused.value.code == "account_unknown"

    office(scene)


def test_a_session_is_carried_on_by_the_newest_sign_in_and_no_older_one(office):
    async def scene(office, clock):
        await office.link()
        first = await office.sign_in("x", clock() - 50)
        assert (await office.sign_in("x", clock() - 10)).session_id == first.session_id
        assert (await office.sign_in("x", clock() - 40)).session_id == first.session_id
        # Clocks differ, but not by more than a minute.
        await office.sign_in("x", clock() + 10**9)
        rows = await office.service.store.read("SELECT authenticated_at FROM session")
        assert rows == [(clock() + 60 * 10**6,)]

    office(scene)


def before_it_is_written(office, monkeypatch, statement):
    """Let something happen between what is read and the transaction after it."""
    store, transact = office.service.store, office.service.store.transact

    async def later(work):
        monkeypatch.undo()
        await store.write(statement)
        return await transact(work)

    monkeypatch.setattr(store, "transact", later)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE account SET version = version + 1", "account_changed"),
        ("UPDATE account SET disabled_at = 1", "account_changed"),
        ("DELETE FROM account_identity", "not_linked"),
    ],
)
def test_what_has_changed_since_it_was_read_begins_nothing(office, monkeypatch, statement, code):
    async def scene(office, _clock):
        await office.link()
        before_it_is_written(office, monkeypatch, statement)
        assert await office.refused() == code
        assert await office.service.store.read("SELECT id FROM session") == []

    office(scene)


def test_whoever_is_linked_to_another_account_meanwhile_gets_no_session_of_the_first(
    office, monkeypatch
):
    async def scene(office, _clock):
        other = await office.service.accounts.create("bob", PASSWORD)
        await office.link()
        moved = f"UPDATE account_identity SET account_id = '{other.id}'"
        before_it_is_written(office, monkeypatch, moved)
        assert await office.refused() == "account_changed"
        assert await office.service.store.read("SELECT id FROM session") == []
        assert (await office.sign_in()).account.id == other.id

    office(scene)


@pytest.mark.parametrize("behind", ["whoever ends it", "whoever is asked first"])
@pytest.mark.parametrize("says_when", [True, False])
def test_a_sign_in_that_has_ended_does_not_come_back_by_another_clock(office, behind, says_when):
    async def scene(office, clock):
        await office.link()
        moment = clock() if says_when else None
        if behind == "whoever is asked first":
            clock.advance(-3)
        found = await office.sign_in("x", moment)
        clock.advance(1)
        if behind == "whoever ends it":
            clock.advance(-3)
        await office.service.sessions.end(found.session_id, "signed_out", OPERATOR)
        for _ in range(6):
            assert await office.refused("x", moment) == "ended_since"
            clock.advance(1)
        assert (await office.sign_in("x", clock())).session_id != found.session_id

    office(scene)


def test_a_session_that_another_has_begun_meanwhile_is_carried_on_by_the_later_sign_in(
    office, monkeypatch
):
    async def scene(office, clock):
        store = office.service.store
        await office.link()
        earlier, later = clock() - 40, clock() - 10
        found = await office.sign_in("x", earlier)
        # What was read did not have it yet.
        await store.write("UPDATE session SET identity_issuer = 'x'")
        written = f"UPDATE session SET identity_issuer = '{IDP}'"
        before_it_is_written(office, monkeypatch, written)
        assert (await office.sign_in("x", later)).session_id == found.session_id
        assert await store.read("SELECT authenticated_at FROM session") == [(later,)]

    office(scene)


def test_a_session_that_has_ended_since_it_was_read_is_not_begun_anew(office, monkeypatch):
    async def scene(office, clock):
        await office.link()
        await office.sign_in("x", clock() - 50)
        # What was read did not have it yet.
        await office.service.store.write("UPDATE session SET identity_issuer = 'x'")
        statement = f"UPDATE session SET identity_issuer = '{IDP}', ended_at = {clock()}"
        before_it_is_written(office, monkeypatch, statement)
        assert await office.refused("x", clock() - 40) == "ended_since"
        rows = await office.service.store.read("SELECT id FROM session WHERE ended_at IS NULL")
        assert rows == []

    office(scene)


def test_of_a_crowd_that_signs_in_at_once_all_have_one_session(office):
    async def scene(office, _clock):
        await office.link()
        found = await asyncio.gather(*(office.let_in() for _ in range(20)))
        assert len({grant.session_id for grant in found}) == 1
        assert len(await office.service.store.read("SELECT id FROM session")) == 2

    office(scene)


def test_whoever_comes_while_the_link_is_cut_leaves_nothing_that_lives(office):
    async def scene(office, clock):
        for _ in range(ROUNDS):
            clock.advance(1)
            await office.link()
            await asyncio.gather(
                *(office.let_in() for _ in range(3)), office.unlink(), office.let_in()
            )
            assert await office.service.store.read(ORPHANS) == []

    office(scene)
