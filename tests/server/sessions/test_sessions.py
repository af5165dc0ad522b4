"""Rotation by itself, on a real database with a clock that is moved by hand."""

import asyncio

import pytest

from carnet.server.audit import SERVICE
from carnet.server.sessions.refresh_token import mint, parse
from carnet.server.sessions.sessions import NewSession, RefreshRefused

PASSWORD = "paper-boat-harbour"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


@pytest.fixture
def play_session(play):
    """Run a scene with an open service, its clock and a session of ada's."""

    def run(scene, **settings):
        async def with_session(service, clock):
            account = await service.accounts.create("ada", PASSWORD)
            grant = await service.sessions.begin(account, NewSession("carnet", "default"))
            return await scene(service, clock, grant.refresh_token)

        return play(with_session, **settings)

    return run


async def reason(service, token):
    with pytest.raises(RefreshRefused) as refused:
        await service.sessions.refresh(token)
    return refused.value.code


def test_a_rotation_is_one_statement(play_session):
    async def scene(service, _clock, token):
        before = service.store.statements_run
        for _ in range(10):
            token = (await service.sessions.refresh(token)).refresh_token
        return service.store.statements_run - before

    assert play_session(scene) == 10


def test_a_session_is_one_row_however_often_it_is_refreshed(play_session):
    async def scene(service, _clock, token):
        for _ in range(10):
            token = (await service.sessions.refresh(token)).refresh_token
        return await service.store.read("SELECT COUNT(*), MAX(generation) FROM session")

    assert play_session(scene) == [(1, 10)]


@pytest.mark.parametrize(
    ("seconds", "good"), [(0, True), (30, True), (30.1, False), (86400, False)]
)
def test_the_grace_has_an_exact_end(play_session, seconds, good):
    async def scene(service, clock, first):
        second = (await service.sessions.refresh(first)).refresh_token
        clock.advance(seconds)
        if good:
            return (await service.sessions.refresh(first)).refresh_token == second
        assert await reason(service, first) == "reused"
        return await reason(service, second) == "ended"

    assert play_session(scene)


def test_retries_do_not_prolong_the_grace(play_session):
    async def scene(service, clock, first):
        await service.sessions.refresh(first)
        for _ in range(3):
            clock.advance(10)
            await service.sessions.refresh(first)
        clock.advance(1)
        return await reason(service, first)

    assert play_session(scene) == "reused"


def test_without_grace_a_second_use_ends_the_session(play_session):
    async def scene(service, clock, first):
        await service.sessions.refresh(first)
        clock.advance(0.001)
        return await reason(service, first)

    assert play_session(scene, refresh_grace=0) == "reused"


def test_a_session_ends_when_it_was_idle_too_long(play_session):
    async def scene(service, clock, token):
        clock.advance(99)
        token = (await service.sessions.refresh(token)).refresh_token
        clock.advance(100)
        return await reason(service, token)

    assert play_session(scene, session_idle_lifetime=100) == "expired"


def test_a_session_ends_at_its_absolute_age_however_often_it_is_refreshed(play_session):
    async def scene(service, clock, token):
        for _ in range(9):
            clock.advance(10)
            token = (await service.sessions.refresh(token)).refresh_token
        clock.advance(10)
        return await reason(service, token)

    assert play_session(scene, session_idle_lifetime=50, session_lifetime=100) == "expired"


def test_a_database_that_lost_writes_heals_forward(play_session):
    async def scene(service, _clock, first):
        second = (await service.sessions.refresh(first)).refresh_token
        third = (await service.sessions.refresh(second)).refresh_token
        # A failover to a replica that had seen the first rotation only.
        await service.store.write("UPDATE session SET generation = 1")
        fourth = await service.sessions.refresh(third)
        again = await service.sessions.refresh(third)
        assert fourth.refresh_token == again.refresh_token
        generation = (await service.store.read("SELECT generation FROM session"))[0][0]
        return generation, parse(fourth.refresh_token, service.keys.peppers).generation

    assert play_session(scene) == (3, 3)


def test_twenty_uses_at_once_heal_to_one_generation(play_session):
    async def scene(service, _clock, first):
        second = (await service.sessions.refresh(first)).refresh_token
        await service.store.write("UPDATE session SET generation = 0")
        grants = await asyncio.gather(*(service.sessions.refresh(second) for _ in range(20)))
        generation = (await service.store.read("SELECT generation FROM session"))[0][0]
        return generation, len({grant.refresh_token for grant in grants})

    assert play_session(scene) == (2, 1)


def test_signing_in_again_at_once_moves_a_session_on_once(play_session):
    async def scene(service, clock, token):
        account = await service.accounts.find("ada")
        clock.advance(5)
        renew = [service.sessions.renew(token, account, "carnet", SERVICE) for _ in range(20)]
        renewed = await asyncio.gather(*renew)
        rows = await service.store.read(
            "SELECT generation, authenticated_at, rotated_at, expires_at FROM session"
        )
        lived = clock() + service.settings.session_lifetime * 1_000_000
        assert rows == [(1, clock(), clock(), lived)]
        assert await service.sessions.by_token(token, "carnet", "") is None
        later = renewed[0].token
        # What a program was given is no browser's cookie.
        assert await service.sessions.by_token(later, "carnet:browser", "") is None
        assert (await service.sessions.by_token(later, "carnet", ""))[2] == clock()
        return len({one.token for one in renewed}), later == token

    assert play_session(scene) == (1, False)


def test_signing_in_again_heals_a_database_that_lost_writes(play_session):
    async def scene(service, _clock, token):
        account = await service.accounts.find("ada")
        for _ in range(2):
            token = (await service.sessions.renew(token, account, "carnet", SERVICE)).token
        await service.store.write("UPDATE session SET generation = 0")
        assert await service.sessions.by_token(token, "carnet", "") is None
        healed = (await service.sessions.renew(token, account, "carnet", SERVICE)).token
        rows = await service.store.read("SELECT generation FROM session")
        return parse(healed, service.keys.peppers).generation, rows

    assert play_session(scene) == (3, [(3,)])


@pytest.mark.parametrize(("lifetime", "last"), [(5000, 500), (1500, 303)])
def test_a_login_is_over_when_it_was_idle_too_long_or_is_too_old(play_session, lifetime, last):
    async def scene(service, clock, token):
        seen = []
        for seconds in (399, 399, 399, last):
            clock.advance(seconds)
            seen.append(await service.sessions.by_token(token, "carnet", "") is not None)
        return seen

    given = {"session_idle_lifetime": 500, "session_lifetime": lifetime}
    assert play_session(scene, **given) == [True, True, True, False]


def test_a_session_that_is_not_in_the_database_is_unknown(play_session):
    async def scene(service, _clock, token):
        parsed = parse(token, service.keys.peppers)
        other = parsed._replace(secret=b"x" * 32)
        return await reason(service, mint(other, service.keys.peppers[1]))

    assert play_session(scene) == "unknown"


def test_an_ended_session_stays_ended_and_is_ended_once(play_session):
    async def scene(service, _clock, token):
        session_id = (await service.sessions.refresh(token)).session_id
        outcomes = [await service.sessions.end(session_id, "signed_out") for _ in range(2)]
        return outcomes, await reason(service, token)

    assert play_session(scene) == ([True, False], "ended")
