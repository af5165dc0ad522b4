"""A process that was frozen, or runs in greenlets: it refuses what it can not know, and recovers.

A container that is paused, a machine that sleeps, a debugger: the process goes on as if no time had
passed, and the issuer has ended sessions meanwhile.
"""

import importlib.util
import signal
import subprocess
import sys
import time

import pytest
from tests import processes

MAX_AGE = 2


@pytest.fixture
def begin(issuer):
    issuer.revoked = []
    begun = []

    def begin_one(kind):
        process = processes.start(
            [sys.executable, "-m", "tests.verifier.freezing", kind, issuer.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)

        def ask(token):
            process.stdin.write(f"{token}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        return process, ask

    yield begin_one
    for process in begun:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def ask_until(ask, token, wanted):
    """Ask until there is this verdict; give those that came before it."""
    before = []
    while (said := ask(token)) != wanted:
        before.append(said)
        assert len(before) < 10_000, set(before)
        time.sleep(0.02)
    return set(before)


def test_a_process_that_was_frozen_refuses_until_there_is_proof_and_then_goes_on(issuer, begin):
    process, ask = begin("threads")
    ended, lives = issuer.token(sid="one"), issuer.token(sid="two")
    ask_until(ask, ended, "ada")
    process.send_signal(signal.SIGSTOP)
    # Meanwhile the issuer breaks the stream off and gives no other, a session ends, time passes.
    issuer.demands = {"X-Nobody": "sends"}
    issuer.closing.set()
    issuer.revoked.append("one")
    time.sleep(MAX_AGE + 1)
    process.send_signal(signal.SIGCONT)
    assert ask(ended) == "issuer_unavailable"
    assert ask(lives) == "issuer_unavailable"
    issuer.demands = {}
    assert "ada" not in ask_until(ask, ended, "revoked")
    assert ask_until(ask, lives, "ada") <= {"issuer_unavailable"}


@pytest.mark.skipif(
    importlib.util.find_spec("gevent") is None,
    reason="gevent is not installed: THE VERIFIER WAS NOT TRIED IN GREENLETS",
)
def test_in_greenlets_twenty_share_one_fetch_and_the_revocations_are_followed(issuer, begin):
    issuer.delay = 0.1
    _, ask = begin("gevent")
    token = issuer.token(sid="one")
    assert ask(token) == "ada"
    assert issuer.asked("/jwks") == 1
    issuer.revoked.append("one")
    issuer.closing.set()  # each stream is a snapshot from now on
    ask_until(ask, token, "revoked")
