"""Closing a verifier ends its thread, which waits for the issuer's next word; but no fork's."""

import asyncio
import contextlib
import gc
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from tests import processes
from tests.verifier.test_forks import in_a_fork

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


def connections_to(port):
    """How many connections to a port of this machine this process has."""
    peers = []
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(file.name))) as one:
            peers.append(one.getpeername()[1:2])
    return peers.count((port,))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system has no /proc")
def test_a_fork_does_not_keep_its_parents_connection_open(silent, begun):
    verifier = AccessTokenVerifier(silent.url, "orders", revocations="required")
    verifier.verify(silent.token())
    port = int(silent.url.rpartition(":")[2])
    assert connections_to(port) > 0
    assert in_a_fork(lambda: connections_to(port) == 0)
    verifier.close()
    begun().join(60)


def test_a_verifier_that_nobody_holds_any_more_leaves_no_thread(silent, begun):
    verifier = AccessTokenVerifier(silent.url, "orders", revocations="required")
    verifier.verify(silent.token())
    thread = begun()
    del verifier
    gc.collect()
    silent.closing.speak()
    thread.join(60)
    assert not thread.is_alive()


def speak_until(silent, threads, left):
    """Have the issuer speak until no more than so many threads live; give those."""

    def are_left():
        silent.closing.speak()
        return sum(thread.is_alive() for thread in threads) <= left

    processes.wait_until(are_left)
    return {thread for thread in threads if thread.is_alive()}


def test_an_app_that_is_made_anew_leaves_no_thread(silent):
    from flask import Flask

    from carnet.verifier.flask import Bearer, require_token

    def make():
        app = Flask("shop")
        app.config["CARNET"] = {"issuer": silent.url, "audience": "orders"}
        Bearer(app)
        app.add_url_rule("/orders", view_func=require_token(lambda: "ok"))
        return app.test_client()

    before, headers = followers(), {"Authorization": f"Bearer {silent.token()}"}
    for _ in range(5):
        client = make()
        assert client.get("/orders", headers=headers).status_code == 200
    gc.collect()
    # Only the last app's goes on, and that one for as long as the app is there.
    live = speak_until(silent, followers() - before, 1)
    assert len(live) == 1
    del client
    gc.collect()
    speak_until(silent, live, 0)
