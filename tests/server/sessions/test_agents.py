"""The sessions of programs that act for people, on both databases, also at the same moment."""

import asyncio

import pytest
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR, SERVICE
from carnet.server.sessions.agents import Subject
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession

ROUNDS = 15

# What lives although what it was begun with has ended, and by whom it was.
ORPHANS = """
SELECT agent.client_id FROM session AS agent JOIN session AS parent ON agent.parent_id = parent.id
WHERE agent.ended_at IS NULL AND parent.ended_at IS NOT NULL
"""


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


class Office:
    """Alice and the programs that act for her."""

    def __init__(self, service, account):
        self.service = service
        self.account = account

    async def begin(self):
        wanted = NewSession(FIRST_PARTY, "orders", "read")
        return await self.service.sessions.begin(self.account, wanted)

    def act(self, grant, program, resource="billing", scope="read", token_id="x"):
        subject = Subject(token_id, grant.session_id, grant.account_id, grant.version)
        return self.service.agents.act(subject, program, resource, scope, SERVICE)

    async def is_good(self, grant):
        return await self.service.sessions.accepts(grant.session_id, grant.version, "another")


@pytest.fixture
def office(play):
    def run(scene):
        async def opened(service, clock):
            account = await service.accounts.create("alice", PASSWORD, ("ADMIN",), {"desk": 7})
            return await scene(Office(service, account), clock)

        return play(opened)

    return run


def test_a_program_acts_in_a_session_of_its_own_and_knows_the_person_as_they_are(office):
    async def scene(office, _clock):
        grant = await office.begin()
        first = await office.act(grant, "a")
        assert first.session_id != grant.session_id
        assert (first.account_id, first.client_id, first.audience) == (
            office.account.id,
            "a",
            "billing",
        )
        assert (first.roles, first.claims, first.version) == (("ADMIN",), {"desk": 7}, 1)
        assert (await office.act(grant, "a")).session_id == first.session_id
        assert (await office.act(grant, "a", "ledger")).session_id != first.session_id
        assert (await office.act(grant, "b")).session_id != first.session_id
        assert (await office.act(first, "b")).session_id != first.session_id
        assert len(await office.service.agents.of_account(office.account.id)) == 4

    office(scene)


def test_what_is_not_good_any_more_lets_nobody_act(office):
    async def scene(office, clock):
        grant = await office.begin()
        stale = grant._replace(version=0)
        other = grant._replace(account_id="another")
        unknown = grant._replace(session_id="unknown")
        for wrong in (stale, other, unknown):
            assert await office.act(wrong, "a") is None
        await office.service.sessions.revoke_token("revoked", None, SERVICE)
        assert await office.act(grant, "a", token_id="revoked") is None
        clock.advance(office.service.settings.session_lifetime)
        assert await office.act(grant, "a") is None
        ended = await office.begin()
        await office.service.sessions.end(ended.session_id, "signed_out")
        assert await office.act(ended, "a") is None
        assert await office.service.agents.of_account(office.account.id) == []

    office(scene)


def test_of_scopes_that_are_asked_for_at_once_all_are_shown(office):
    async def scene(office, _clock):
        grant = await office.begin()
        for names in (("read", "write"), ("delete", "list", "move")):
            await asyncio.gather(*(office.act(grant, "a", scope=name) for name in names))
        [shown] = await office.service.agents.of_account(office.account.id)
        assert shown.scope.split() == ["delete", "list", "move", "read", "write"]

    office(scene)


@pytest.mark.parametrize("how", ["stopped", "ended"])
def test_a_program_that_is_stopped_by_a_clock_that_is_behind_is_stopped(office, how):
    async def scene(office, clock):
        grant = await office.begin()
        first = await office.act(grant, "a")
        clock.advance(-5)
        if how == "stopped":
            await office.service.agents.stop(office.account.id, "a", OPERATOR)
        else:
            await office.service.sessions.end(first.session_id, "ended", OPERATOR)
        clock.advance(5)
        assert await office.act(grant, "a") is None
        clock.advance(1)
        assert await office.act(await office.begin(), "a") is not None

    office(scene)


def test_a_program_that_is_stopped_stays_so_for_all_that_was_signed_in(office):
    async def scene(office, clock):
        grant, other = await office.begin(), await office.begin()
        first = await office.act(grant, "a")
        second = await office.act(first, "b")
        assert await office.service.agents.stop(office.account.id, "a", OPERATOR) == 1
        assert not await office.is_good(first)
        assert not await office.is_good(second)
        for subject in (grant, other, await office.act(other, "b")):
            assert await office.act(subject, "a") is None
        clock.advance(1)
        assert await office.act(await office.begin(), "a") is not None

    office(scene)


def ends(office, grant, first):
    return {
        "the session": lambda: office.service.sessions.end(grant.session_id, "signed_out"),
        "the link between": lambda: office.service.sessions.end(first.session_id, "signed_out"),
        "the token": lambda: office.service.sessions.revoke_token(
            "told", grant.session_id, OPERATOR
        ),
        "the program": lambda: office.service.agents.stop(office.account.id, "a", OPERATOR),
        "everything": lambda: office.service.sessions.end_all(
            office.account.id, "signed_out", OPERATOR
        ),
    }


@pytest.mark.parametrize(
    "end", ["the session", "the link between", "the token", "the program", "everything"]
)
def test_who_begins_to_act_while_it_ends_does_not_go_on(office, end):
    async def scene(office, clock):
        for _ in range(ROUNDS):
            clock.advance(1)
            account = await office.service.accounts.by_id(office.account.id)
            office.account = account
            grant = await office.begin()
            first = await office.act(grant, "a", token_id="good")
            token_id = "told" if end == "the token" else "good"
            begun = await asyncio.gather(
                office.act(grant, "a", "ledger", token_id=token_id),
                office.act(first, "b", "ledger", token_id=token_id),
                ends(office, grant, first)[end](),
                office.act(grant, "a", "archive", token_id=token_id),
                office.act(first, "b", "archive", token_id=token_id),
            )
            above = begun[0], begun[3]
            below = begun[1], begun[4]
            over = below if end == "the link between" else (*above, *below)
            for one in over:
                assert one is None or not await office.is_good(one), end
            if end != "everything":
                assert await office.service.store.read(ORPHANS) == []

    office(scene)
