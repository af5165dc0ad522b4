"""What is counted by the hour: by every process, and for nothing on the way of a request."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside

from carnet.server.activity import HOUR, KEPT_DAYS, Activity, Counts
from carnet.server.pages.admin.charts import RANGES, charts
from carnet.server.store import StoreUnavailable

pytestmark = pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def sign_in(service, browser, times=1, password=PASSWORD):
    for _ in range(times):
        form = {"username": "alice", "password": password, "resource": service.settings.own_url}
        await browser.client.post("/sessions", json=form)


def test_every_process_adds_what_it_has_counted_to_the_hour(play):
    async def scene(service, clock):
        await service.accounts.create("alice", PASSWORD)
        browser, here = Inside(service), service.background.activity
        elsewhere = Activity(service.store, clock)
        await sign_in(service, browser, 3)
        await sign_in(service, browser, 1, "wrong")
        unsaved = await here.hours(0)
        # Both count in this process, so each has counted the same.
        await here.save()
        await elsewhere.save()
        saved = await here.hours(0)
        await here.save()
        clock.advance(3600)
        await sign_in(service, browser)
        await here.save()
        return clock() - clock() % HOUR, unsaved, saved, await here.hours(0)

    hour, unsaved, saved, later = play(scene)
    assert unsaved == {hour - HOUR: Counts(3, 0, 1)}
    assert saved == {hour - HOUR: Counts(6, 0, 2)}
    assert later == {**saved, hour: Counts(1, 0, 0)}


def test_a_request_asks_the_database_nothing_for_it_and_a_minute_one_statement(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        activity, store = service.background.activity, service.store
        browser = Inside(service)
        before = store.statements_run
        await activity.save()
        idle = store.statements_run - before
        await sign_in(service, browser, 2)
        rows = await store.read("SELECT COUNT(*) FROM activity")
        before = store.statements_run
        await activity.save()
        return idle, rows, store.statements_run - before

    assert play(scene) == (0, [(0,)], 1)


def test_nothing_is_lost_while_the_database_is_away(play, monkeypatch):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        activity = service.background.activity
        await sign_in(service, Inside(service))

        async def away(*_):
            raise StoreUnavailable("away")

        with monkeypatch.context() as patched:
            patched.setattr(service.store, "write", away)
            with pytest.raises(StoreUnavailable):
                await activity.save()
        await activity.save()
        return list((await activity.hours(0)).values())

    assert play(scene) == [Counts(1, 0, 0)]


def test_old_hours_are_swept(play):
    async def scene(service, clock):
        await service.accounts.create("alice", PASSWORD)
        activity = service.background.activity
        for _ in range(2):
            await sign_in(service, Inside(service))
            await activity.save()
            clock.advance(KEPT_DAYS * 86_400)
        await service.background.sweep()
        return len(await activity.hours(0))

    assert play(scene) == 1


def test_a_chart_has_a_bar_for_every_hour_or_day_and_a_scale_that_holds_them(play):
    async def scene(service, clock):
        now = clock()
        hours = {now - now % HOUR: Counts(3, 0, 0), now - now % HOUR - 47 * HOUR: Counts(17, 0, 0)}
        too_old = {now - now % HOUR - 48 * HOUR: Counts(1000, 0, 0), 2**62: Counts(1, 1, 1)}
        return [charts(covered, {**hours, **too_old}, now)[0] for covered in RANGES.values()]

    by_hour, by_day = play(scene)
    assert [by_hour.bars[place].value for place in (0, 1, 46, 47)] == [17, 0, 0, 3]
    assert (len(by_hour.bars), by_hour.total, by_hour.highest, by_hour.top) == (48, 20, 17, 20)
    assert (len(by_day.bars), by_day.total) == (30, 1020)
    assert by_day.top >= by_day.highest
