"""Closing a verifier ends its thread, which waits for the issuer's next word; but no fork's."""

import asyncio
import os
import threading
import time

import pytest

from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier, follower


class Pulse:
    """What the issuer's stream waits on: it says nothing until it is told to."""

    def __init__(self):
        self._said = threading.Semaphore(0)
        self._closing = False

    def wait(self, _seconds):
        self._said.acquire()
        return self._closing

    def speak(self):
        self._said.release()

    def set(self):
        self._closing = True
        self._said.release(100)


@pytest.fixture
def silent(issuer, monkeypatch):
    # Else a long silence would end the thread as well, as that of an issuer that is gone.
    monkeypatch.setattr(follower, "SILENCE_SECONDS", 3600)
    issuer.revoked = ["ended"]
    issuer.closing = Pulse()
    return issuer


def followers():
    return {thread for thread in threading.enumerate() if thread.name == "carnet-revocations"}


@pytest.fixture
def begun():
    """Give the one thread that was begun since the beginning of the test."""
    before = followers()

    def since():
        (thread,) = followers() - before
        return thread

    return since


def test_closing_ends_the_thread_that_waits_for_the_issuer(silent, begun):
    verifier = AccessTokenVerifier(silent.url, "orders", revocations="required")
    verifier.verify(silent.token())
    thread = begun()
    verifier.close()
    thread.join(60)
    assert not thread.is_alive()
    assert verifier.health()[0].revocations == 1


def test_closing_in_a_loop_ends_it_too(silent, begun):
    async def run():
        async with AsyncAccessTokenVerifier(silent.url, "orders", revocations="required") as one:
            await one.verify(silent.token())
            return begun()

    thread = asyncio.run(run())
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_that_closes_leaves_its_parents_connection(silent, begun):
    verifier = AccessTokenVerifier(silent.url, "orders", revocations="required")
    verifier.verify(silent.token())
    thread = begun()
    child = os.fork()
    if child == 0:
        verifier.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    known = verifier._only.follower.list
    heard_at = known.heard_at
    # What is signed in the same second as the word before proves nothing new.
    time.sleep(1)
    silent.closing.speak()
    while known.heard_at == heard_at:
        time.sleep(0.01)
    assert silent.asked("/revocations") == 1
    verifier.close()
    thread.join(60)
    assert not thread.is_alive()
