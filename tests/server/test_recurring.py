"""Work that runs by itself: whatever happens to it, it goes on, and others don't notice."""

import asyncio
import io
import json
import logging
from contextlib import suppress

import pytest
import structlog

from carnet.errors import CarnetError
from carnet.server import background, recurring
from carnet.server.deadline import within
from carnet.server.log import configure_log, describe_error
from carnet.server.metrics import BACKGROUND_FAILURES, BACKGROUND_SUCCESS
from carnet.server.recurring import Recurring


class Panic(BaseException):
    """Like that of cryptography's Rust part: no Exception."""


FAILURES = [
    CarnetError("the database is away"),
    ValueError("secret-value"),
    UnicodeError("x"),
    StopIteration(),
    ExceptionGroup("several", [ValueError("secret-value"), OSError("y")]),
    BaseExceptionGroup("several", [Panic(), ValueError("z")]),
    asyncio.CancelledError(),
    TimeoutError(),
    RecursionError(),
    MemoryError(),
    Panic(),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(recurring, "SHORTEST_PAUSE", 0.001)


class Work:
    """Fails as it is told to, and then no more."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.done = asyncio.Event()
        self.runs = 0

    async def __call__(self):
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        self.done.set()


def task(work, **more):
    return Recurring("tested", work, **{"every": 0.001, "longest_run": 10, **more})


def figure(metric):
    return metric.labels("tested")._value.get()


async def until_done(work, one):
    running = asyncio.create_task(one.run())
    try:
        await asyncio.wait_for(work.done.wait(), 20)
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: type(one).__name__)
def test_a_failure_of_any_kind_is_counted_and_the_work_goes_on(failure):
    async def scene():
        work, before = Work(failure, failure), figure(BACKGROUND_FAILURES)
        await until_done(work, task(work))
        return work.runs, figure(BACKGROUND_FAILURES) - before

    runs, failures = asyncio.run(scene())
    assert runs >= 3
    assert failures == 2


def test_a_failure_and_a_success_are_each_tasks_own():
    async def scene():
        bad, good = task(Work(ValueError())), task(Work())
        await bad.attempt()
        await good.attempt()
        assert (bad.failing, good.failing) == ("ValueError", None)
        await bad.attempt()
        return bad.failing

    assert asyncio.run(scene()) is None


def test_a_run_that_does_not_end_is_a_failure_even_if_it_can_not_be_cancelled():
    async def scene():
        over = asyncio.Event()

        async def stubborn():
            while not over.is_set():
                with suppress(asyncio.CancelledError):
                    await over.wait()

        one = task(stubborn, longest_run=0.05)
        await one.attempt()
        over.set()
        await asyncio.sleep(0)
        return one.failing

    assert "within" in asyncio.run(scene())


def test_what_has_not_succeeded_for_long_is_late_only_where_it_is_needed(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(recurring.time, "monotonic", lambda: now[0])
    needed, other = task(Work(), needed_within=10), task(Work())
    now[0] += 10
    assert not needed.is_late
    now[0] += 0.1
    assert (needed.is_late, other.is_late) == (True, False)
    needed._succeed()
    assert not needed.is_late


def test_the_figure_of_the_last_success_moves_with_success_only():
    async def scene():
        one = task(Work(ValueError()))
        BACKGROUND_SUCCESS.labels("tested").set(0)
        await one.attempt()
        failed = figure(BACKGROUND_SUCCESS)
        await one.attempt()
        return failed, figure(BACKGROUND_SUCCESS) > 0

    assert asyncio.run(scene()) == (0, True)


def test_pauses_double_up_to_a_limit_with_jitter(monkeypatch):
    monkeypatch.setattr(recurring, "SHORTEST_PAUSE", 0.5)
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(recurring.asyncio, "sleep", sleep)

    async def scene():
        one = task(Work(*[ValueError()] * 1100), longest_pause=4)
        for _ in range(1100):
            await one.attempt()
            await one._pause()

    asyncio.run(scene())
    for seconds, longest in zip(slept, [0.5, 1, 2, 4, 4, 4], strict=False):
        assert longest / 2 <= seconds <= longest
    assert max(slept) <= 4
    assert len(set(slept)) > 50


@pytest.fixture
def lines(monkeypatch):
    """What the service logs, as it stands in its log."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_log()
    structlog.configure(cache_logger_on_first_use=False)
    monkeypatch.setattr(recurring, "_log", structlog.get_logger())
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_the_log_shows_where_it_failed_once_and_no_secret(lines):
    async def fails():
        password = "secret-value"
        raise ValueError(f"can't use {password}")

    async def scene():
        one = task(fails)
        for _ in range(5):
            await one.attempt()

    asyncio.run(scene())
    [line] = lines()
    assert (line["event"], line["task"], line["level"]) == ("background_failed", "tested", "error")
    assert line["exception"][0]["type"] == "ValueError"
    assert line["exception"][0]["frames"][-1].endswith("in fails")
    assert "secret-value" not in json.dumps(line)


def test_an_error_within_others_is_told_and_only_our_words_are():
    def raising():
        try:
            raise KeyError("secret-value")
        except KeyError as error:
            raise ExceptionGroup("secret-value", [CarnetError("ours"), OSError("x")]) from error

    with pytest.raises(ExceptionGroup) as caught:
        raising()
    error = caught.value
    told = describe_error((type(error), error, error.__traceback__))
    assert [one["type"] for one in told] == ["ExceptionGroup", "CarnetError", "OSError", "KeyError"]
    assert told[1]["message"] == "ours"
    assert "secret-value" not in json.dumps(told)


def test_a_log_that_can_not_be_written_ends_no_work(monkeypatch):
    class Broken:
        def error(self, *_, **__):
            raise BrokenPipeError

        info = error

    monkeypatch.setattr(recurring, "_log", Broken())

    async def scene():
        work = Work(ValueError(), ValueError())
        await until_done(work, task(work))
        return work.runs

    assert asyncio.run(scene()) >= 3


def test_a_task_that_ends_all_the_same_is_begun_anew(play, monkeypatch):
    monkeypatch.setattr(background, "RESTART_SECONDS", 0)
    ends = iter([None, Panic(), ValueError()])

    async def scene(service, _clock):
        over = asyncio.Event()

        async def run():
            end = next(ends, over)
            if end is over:
                over.set()
                await asyncio.sleep(3600)
            elif end is not None:
                raise end

        monkeypatch.setattr(service.background.tasks["sweep"], "run", run)
        working = asyncio.create_task(service.background.run())
        await asyncio.wait_for(over.wait(), 20)
        alive = not working.done()
        working.cancel()
        await asyncio.wait([working])
        return alive

    assert play(scene)


def test_waiting_ends_in_time_with_the_answer_or_without():
    async def quick():
        return 5

    async def scene():
        assert await within(10, quick()) == 5
        with pytest.raises(TimeoutError):
            await within(0.01, asyncio.sleep(3600))

    asyncio.run(scene())
