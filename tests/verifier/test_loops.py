"""One asynchronous verifier, used from several event loops."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.verifier.conftest import METADATA

from carnet import IssuerUnavailable
from carnet.jwt.key_source import COOLDOWN, RETRY
from carnet.verifier import AsyncAccessTokenVerifier

THREADS = 8


@pytest.fixture
def verifier(issuer, clock):
    return AsyncAccessTokenVerifier(issuer.url, "orders", clock=clock, revocations="off")


@pytest.fixture
def left():
    """A loop that is left in the middle of its work, and stays open."""
    loop = asyncio.new_event_loop()
    yield loop
    if not loop.is_closed():
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def begin(loop, work):
    """Run a loop until its work has begun a fetch, and leave it there."""
    loop.create_task(work)
    for _ in range(3):
        loop.run_until_complete(asyncio.sleep(0))


def verify(verifier, token):
    """Verify in a loop of its own, which has an end."""
    return asyncio.run(asyncio.wait_for(verifier.verify(token), 60)).subject


def test_loops_that_follow_each_other_share_the_keys(verifier, issuer):
    for _ in range(5):
        assert verify(verifier, issuer.token()) == "ada"
    assert issuer.asked("/jwks") == 1


def test_the_loops_of_several_threads_share_one_fetch(verifier, issuer):
    issuer.delay = 0.05
    ready = threading.Barrier(THREADS)

    def in_a_thread(_):
        ready.wait(60)
        return verify(verifier, issuer.token())

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(in_a_thread, range(THREADS))) == ["ada"] * THREADS
    assert (issuer.asked(METADATA), issuer.asked("/jwks")) == (1, 1)


def test_keys_stay_fresh_where_each_request_has_a_loop_of_its_own(verifier, issuer, clock):
    assert verify(verifier, issuer.token()) == "ada"
    for rotation in range(3):
        clock.now += 300
        issuer.rotate()
        # The fetch behind the first request may end with its loop; the next one waits for it.
        old = issuer.asked("/jwks")
        for _ in range(3):
            assert verify(verifier, issuer.token(clock=clock)) == "ada", rotation
        assert issuer.asked("/jwks") > old


@pytest.mark.parametrize("closed", [False, True])
def test_a_fetch_that_its_loop_has_left_is_begun_anew(
    verifier, issuer, left, clock, closed, caplog
):
    begin(left, verifier.verify(issuer.token()))
    assert verifier.health()[0].fetches == 1
    if closed:
        left.close()
    # Nothing is due so soon after the last try, and there are no keys.
    assert verify(verifier, issuer.token()) == "ada"
    assert verifier.health()[0].fetches == 2
    caplog.clear()  # asyncio tells of the task that was left


def test_a_new_key_is_found_though_a_loop_has_left_its_fetch(verifier, issuer, left, clock):
    assert verify(verifier, issuer.token()) == "ada"
    clock.now += 300
    begin(left, verifier.verify(issuer.token(clock=clock)))
    fetches = verifier.health()[0].fetches
    issuer.rotate()
    clock.now += max(COOLDOWN, RETRY)
    assert verify(verifier, issuer.token(clock=clock)) == "ada"
    assert verifier.health()[0].fetches == fetches + 1


def test_a_loop_that_stops_holds_up_nobody_who_has_joined_its_fetch(
    verifier, issuer, left, monkeypatch
):
    monkeypatch.setattr("carnet.verifier.access_token.REFRESH_SECONDS", 0)
    begun, joined, refresh = threading.Event(), threading.Event(), verifier._refresh

    def refreshing(one):
        fetch = refresh(one)
        (joined if begun.is_set() else begun).set()
        return fetch

    monkeypatch.setattr(verifier, "_refresh", refreshing)
    issuer.hanging.add(METADATA)

    def run_until_joined():
        left.create_task(verifier.verify(issuer.token()))
        left.run_until_complete(asyncio.to_thread(joined.wait, 60))

    thread = threading.Thread(target=run_until_joined)
    thread.start()
    assert begun.wait(60)
    with pytest.raises(IssuerUnavailable):
        verify(verifier, issuer.token())
    thread.join(60)
