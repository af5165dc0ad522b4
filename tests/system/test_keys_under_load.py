"""Keys change while services are at work, and many services begin at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.system.load import Load
from tests.system.waiting import followed, refusal, until

from carnet import inspect
from carnet.jwt.key_source import COOLDOWN


def kid(token):
    return inspect(token).header["kid"]


def test_keys_rotated_ten_times_under_load_refuse_no_good_token(start, add_user, verify, carnet):
    add_user()
    server = start("--access-token-lifetime", "3600")
    ahead = 0.0

    def clock():
        return time.time() + ahead

    modes = ("required", "best_effort", "off")
    verifiers = [
        # Half of them check each token's signature each time. The leeway is for the clock, which is
        # set ahead below: what the issuer has just said would look old.
        verify(
            server.url,
            clock=clock,
            leeway=11 * (COOLDOWN + 1),
            revocations=modes[n % 3],
            cache=(n % 2) * 1_000_000,
        )
        for n in range(12)
    ]
    first = server.sign_in().json()["access_token"]
    kids = [kid(first)]
    load = Load(verifiers, [first])
    with load.running():
        until(load.each_has_been_through())
        for _ in range(10):
            done = carnet("keys", "rotate", "--now", data=server.data)
            assert done.returncode == 0, done.stderr
            until(lambda: kid(server.sign_in().json()["access_token"]) not in kids)
            fresh = server.sign_in().json()["access_token"]
            kids.append(kid(fresh))
            # As if the last rotation had been longer ago than the cooldown of an unknown key.
            ahead += COOLDOWN + 1
            load.add(fresh)
            until(load.each_has_been_through())
    assert load.refused == []
    assert len(set(kids)) == 11
    # The last key's events are believed as well.
    server.sign_out(fresh)
    for verifier in verifiers:
        if followed(verifier):
            assert refusal(verifier, fresh, 15).code == "revoked"
            assert verifier.verify(first)


def test_two_hundred_verifiers_that_start_at_once_are_served(server, verify):
    verifiers = [verify(server.url, revocations="required") for _ in range(200)]
    ended, good = (server.sign_in().json()["access_token"] for _ in range(2))
    barrier = Barrier(len(verifiers))

    def begin(verifier):
        barrier.wait()
        return verifier.verify(ended).subject

    with ThreadPoolExecutor(len(verifiers)) as pool:
        assert len(set(pool.map(begin, verifiers))) == 1
    server.sign_out(ended)
    for verifier in verifiers:
        assert refusal(verifier, ended, 15).code == "revoked"
        assert verifier.verify(good)
        assert verifier.health()[0].fetches == 1
