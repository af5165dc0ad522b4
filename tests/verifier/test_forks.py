"""A fork in the middle of a fetch leaves nobody waiting, and nothing of its parent open."""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from tests import processes
from tests.verifier.conftest import METADATA

from carnet import Key
from carnet.jwt.key_source import KeySource
from carnet.jwt.token_cache import TokenCache
from carnet.verifier.connections import Connections
from carnet.verifier.dpop import Proofs
from carnet.verifier.follower import Follower

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


class Forking:
    """The program that forks, and what its fork says."""

    def __init__(self, name, issuer, *tokens):
        self._process = processes.start(
            [sys.executable, "-m", "tests.verifier.forking", name, issuer.url, *tokens],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def go_on(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def fork(self):
        """Fork, and give what the fork says; nothing where it had to be ended."""
        self.go_on()
        said = [line for line in self._process.stdout if line != "ended\n"]
        self._process.wait(processes.PATIENCE)
        self._process.stdin.close()
        self._process.stdout.close()
        return json.loads(said[0]) if said else None


class Once:
    """An address that hangs for the first who asks it."""

    def __init__(self, path):
        self._path = path
        self._asked = threading.Event()

    def __contains__(self, path):
        hangs = path == self._path and not self._asked.is_set()
        if hangs:
            self._asked.set()
        return hangs

    def wait(self):
        assert self._asked.wait(processes.PATIENCE)


def hang_once(issuer, path):
    """Have the next request for an address hang, and only that one; give what waits for it."""
    issuer.hanging = Once(path)
    return issuer.hanging


@pytest.mark.parametrize("name", ["first_fetch", "first_fetch_in_a_loop"])
def test_a_fork_in_the_middle_of_the_first_fetch_makes_one_of_its_own(issuer, name):
    program = Forking(name, issuer, issuer.token())
    hanging = hang_once(issuer, "/jwks")
    program.go_on()
    hanging.wait()
    before = issuer.asked("/jwks")
    assert program.fork() == ["accepted"]
    assert issuer.asked("/jwks") == before + 1  # which twenty have shared


def test_a_fork_in_the_middle_of_a_refresh_refreshes_by_itself(issuer):
    program = Forking("refresh_behind", issuer, issuer.token(exp=4_000_000_000))
    hanging = hang_once(issuer, "/jwks")
    program.go_on()
    hanging.wait()
    before = issuer.asked("/jwks")
    said, age = program.fork()
    assert said == "accepted"
    assert age < 250  # the keys are those that the fork has fetched
    assert issuer.asked("/jwks") == before + 1


def test_a_fork_in_the_middle_of_a_search_for_a_newer_key_finds_it(issuer):
    key = Key.generate("ES256")
    program = Forking("unknown_key", issuer, issuer.token(), issuer.token(key))
    hanging = hang_once(issuer, "/jwks")
    issuer.key = key
    program.go_on()
    hanging.wait()
    before = issuer.asked("/jwks")
    assert program.fork() == ["accepted"]
    assert issuer.asked("/jwks") == before + 1


def test_a_fork_in_the_middle_of_getting_a_token_for_a_call_gets_one_itself(issuer):
    program = Forking("token_for_a_call", issuer)
    hanging = hang_once(issuer, METADATA)
    program.go_on()
    hanging.wait()
    before = issuer.asked(METADATA)
    # This issuer gives no tokens: what counts is that it was asked, and that the fork was told.
    assert "names no token_endpoint" in program.fork()[0]
    assert issuer.asked(METADATA) == before + 1


def test_workers_of_gunicorn_that_are_forked_in_the_middle_of_a_fetch_serve(issuer, root):
    issuer.revoked = []
    hanging, token = hang_once(issuer, "/jwks"), issuer.token()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number, port = listener.fileno(), listener.getsockname()[1]
        process = processes.start(
            [
                *(sys.executable, "-m", "gunicorn", "--preload", "--threads=4"),
                *("--bind", f"fd://{number}", "tests.verifier.services.for_preload:app"),
            ],
            pass_fds=[number],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "ISSUERS": f"{issuer.url} http://127.0.0.1:1",
                "TOKEN": token,
                "PYTHONPATH": str(root),
            },
        )
    try:
        hanging.wait()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(trust_env=False, timeout=processes.PATIENCE) as client:
            answer = client.get(f"http://127.0.0.1:{port}/", headers=headers)
        assert (answer.status_code, answer.text) == (200, "served")
        assert issuer.asked("/jwks") == 2  # the one that hangs, and the worker's
    finally:
        process.terminate()
        process.wait(processes.PATIENCE)


def in_a_fork(work):
    """Run something in a fork, and tell whether it came to its end there."""
    child = os.fork()
    if child == 0:
        # Whatever happens, the fork must not go on with the tests.
        try:
            signal.alarm(60)
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def held(lock):
    """Have another thread hold a lock, until the event that this gives is set."""
    holding, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            holding.set()
            done.wait()

    threading.Thread(target=hold).start()
    holding.wait()
    return done


def take_proof(proofs):
    proofs._take(("a", "b"), 0)
    return True


def put_token(cache):
    cache.put("token", {}, (0, 1), 0)
    return len(cache) == 1


def follow(follower):
    follower.ensure()
    return follower._pid == os.getpid()


def end(connections):
    connections.end()
    return connections.ended


@pytest.mark.parametrize(
    ("make", "work"),
    [
        (Proofs, take_proof),
        (lambda: TokenCache(10_000), put_token),
        (lambda: Follower(KeySource("https://auth.example.com"), lambda: False), follow),
        (Connections, end),
    ],
    ids=["proofs", "tokens", "follower", "connections"],
)
def test_a_lock_that_another_thread_holds_is_free_in_a_fork(make, work):
    one = make()
    done = held(one._lock)
    try:
        assert in_a_fork(lambda: work(one))
    finally:
        done.set()


def test_a_proof_that_was_used_before_the_fork_stays_used():
    proofs = Proofs()
    take_proof(proofs)

    def again():
        try:
            return not take_proof(proofs)
        except Exception as error:
            return error.code == "proof_invalid"

    assert in_a_fork(again)


def test_what_is_in_the_middle_of_being_remembered_is_forgotten_in_a_fork():
    cache = TokenCache(10_000)
    put_token(cache)
    assert in_a_fork(lambda: len(cache) == 0 and cache.used == 0 and put_token(cache))
    assert len(cache) == 1


def test_a_closed_follower_stays_closed_in_a_fork():
    follower = Follower(KeySource("https://auth.example.com"), lambda: False)
    follower.close()

    def begins():
        follower.ensure()
        return follower._pid is None

    assert in_a_fork(begins)


def test_nothing_is_held_only_because_a_fork_may_come():
    from carnet.jwt import forks

    gc.collect()
    before = len(forks._known)
    proofs = Proofs()
    assert len(forks._known) == before + 1
    del proofs
    assert len(forks._known) == before
