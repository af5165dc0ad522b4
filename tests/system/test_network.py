"""What verifiers do while the network and the issuer misbehave: nothing good refused for it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.system.wire import Wire

from carnet import InvalidToken, IssuerUnavailable
from carnet.verifier import AccessTokenVerifier

HEARTBEAT = {"CARNET_REVOCATION_HEARTBEAT": "1"}


@pytest.fixture
def wire():
    one = Wire()
    yield one
    one.close()


@pytest.fixture
def behind(wire, start, add_user):
    """A real server with alice, whose verifiers reach it over the wire only."""
    add_user()
    server = start("--issuer", wire.url, env=HEARTBEAT)
    wire.port = int(server.url.rpartition(":")[2])
    return server


def until(done, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def verdict(verifier, token):
    try:
        verifier.verify(token)
    except InvalidToken as error:
        return error.code
    except IssuerUnavailable:
        return "unavailable"
    return "accepted"


def test_a_stream_that_is_cut_delayed_and_truncated_loses_no_revocation(wire, behind):
    good = behind.sign_in().json()["access_token"]
    with AccessTokenVerifier(
        wire.url, "orders", revocations="required", revocations_max_age=60
    ) as verifier:
        assert verdict(verifier, good) == "accepted"
        # Within the headers, within the snapshot's signature, whole events late, and none at all.
        for limit, delay in ((40, 0.0), (500, 0.0), (None, 0.1), (0, 0.0)):
            ended = behind.sign_in().json()["access_token"]
            assert verdict(verifier, ended) == "accepted"
            wire.limit, wire.delay = limit, delay
            seen = wire.connections
            wire.break_off()
            behind.sign_out(ended)
            until(lambda: wire.connections > seen + 1 or limit is None)  # noqa: B023 - called here
            assert verdict(verifier, good) == "accepted"
            wire.limit, wire.delay = None, 0.0
            until(lambda: verdict(verifier, ended) == "revoked")  # noqa: B023 - called here
            assert verdict(verifier, good) == "accepted"


def test_a_network_that_is_gone_for_too_long_shuts_and_its_return_opens(wire, behind):
    good, ended = (behind.sign_in().json()["access_token"] for _ in range(2))
    with AccessTokenVerifier(
        wire.url, "orders", revocations="required", revocations_max_age=5
    ) as verifier:
        assert verdict(verifier, ended) == "accepted"
        wire.cut = True
        wire.break_off()
        behind.sign_out(ended)
        until(lambda: verifier.health()[0].revocations_age > 5)
        assert verdict(verifier, good) == verdict(verifier, ended) == "unavailable"
        wire.cut = False
        until(lambda: verdict(verifier, good) == "accepted")
        assert verdict(verifier, ended) == "revoked"


def test_two_hundred_verifiers_that_start_at_once_are_all_served(server):
    good = server.sign_in().json()["access_token"]
    verifiers = [AccessTokenVerifier(server.url, "orders", revocations="off") for _ in range(200)]
    with ThreadPoolExecutor(200) as pool:
        assert set(pool.map(verdict, verifiers, [good] * 200)) == {"accepted"}
    assert all(verifier.health()[0].fetches == 1 for verifier in verifiers)


def test_ten_rotations_under_load_refuse_no_good_token(start, add_user, carnet):
    add_user()
    server = start("--access-token-lifetime", "3600")
    clock = [time.time()]
    with AccessTokenVerifier(server.url, "orders", clock=lambda: clock[0]) as verifier:
        tokens = [server.sign_in().json()["access_token"]]
        verdicts, stop = {verdict(verifier, tokens[0])}, threading.Event()

        def load():
            while not stop.is_set():
                for token in tokens:
                    verdicts.add(verdict(verifier, token))
                time.sleep(0.001)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(10):
                known = jwks(server)
                carnet("keys", "rotate", "--now", data=server.data)
                until(lambda: jwks(server) > known)  # noqa: B023 - called here
                # An emergency rotation is followed as soon as the cooldown of unknown keys allows.
                clock[0] += 31
                token = server.sign_in().json()["access_token"]
                verdicts.add(verdict(verifier, token))
                tokens.append(token)
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)
    assert verdicts == {"accepted"}


def jwks(server):
    return {key["kid"] for key in server.client.get("/.well-known/jwks.json").json()["keys"]}
