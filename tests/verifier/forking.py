"""A program that forks in the middle of a fetch, as servers do, for tests of that.

It makes what its first argument names, and says "ready". After a line from its input it begins the
work in a thread; after another one it forks, and the fork says what comes of the work there. A fork
that waits in vain is ended by an alarm, and says nothing.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from carnet import InvalidToken, IssuerUnavailable
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier
from carnet.verifier.httpx_auth import ClientCredentialsAuth

HANGS_AFTER = 60


class Clock:
    """A clock that is ahead of the real one."""

    ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


def verdict(verify):
    try:
        verify()
    except InvalidToken as error:
        return error.code
    except IssuerUnavailable as error:
        return str(error)
    return "accepted"


def verdicts(verify, count=20):
    """What twenty threads come to at once."""
    with ThreadPoolExecutor(count) as pool:
        return sorted(set(pool.map(lambda _: verdict(verify), range(count))))


def first_fetch(url, token, *_):
    verifier = AccessTokenVerifier(url, "orders", revocations="off")
    verify = lambda: verifier.verify(token)  # noqa: E731
    return verify, lambda: verdicts(verify)


def first_fetch_in_a_loop(url, token, *_):
    verifier = AsyncAccessTokenVerifier(url, "orders", revocations="off")

    async def twenty():
        await asyncio.gather(*(verifier.verify(token) for _ in range(20)))

    verify = lambda: asyncio.run(twenty())  # noqa: E731
    return verify, lambda: [verdict(verify)]


def refresh_behind(url, token, *_):
    clock = Clock()
    verifier = AccessTokenVerifier(url, "orders", revocations="off", clock=clock)

    verifier.verify(token)
    clock.ahead = 250
    verify = lambda: verifier.verify(token)  # noqa: E731

    def again():
        said = verdict(verify)
        for thread in threading.enumerate():
            if thread.name == "carnet-keys":
                thread.join()
        return [said, verifier.health()[0].age]

    return verify, again


def unknown_key(url, token, newer):
    clock = Clock()
    verifier = AccessTokenVerifier(url, "orders", revocations="off", clock=clock)

    verifier.verify(token)
    clock.ahead = 31
    verify = lambda: verifier.verify(newer)  # noqa: E731
    return verify, lambda: verdicts(verify)


def token_for_a_call(url, *_):
    auth = ClientCredentialsAuth(url, "reports", client_secret="s" * 32, for_origins=[url])

    def work():
        with httpx.Client(trust_env=False, timeout=None) as client:
            return client.get(f"{url}/jwks", auth=auth).status_code

    return work, lambda: [verdict(work)]


def say(text):
    print(text, flush=True)


def main(name, url, *tokens):
    work, in_the_fork = globals()[name](url, *tokens)
    say("ready")
    sys.stdin.readline()
    threading.Thread(target=verdict, args=(work,), daemon=True).start()
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        signal.alarm(HANGS_AFTER)
        say(json.dumps(in_the_fork()))
        os._exit(0)
    os.waitpid(child, 0)
    say("ended")
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
