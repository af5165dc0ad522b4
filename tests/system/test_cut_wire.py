"""The wire to the issuer fails, or the issuer does: what is refused, and what is not."""

import pytest
from tests.system.load import Load
from tests.system.waiting import followed, refusal, until

from carnet import InvalidToken, IssuerUnavailable

HEARTBEATS = {"CARNET_REVOCATION_HEARTBEAT": "1"}


@pytest.fixture
def serve(start, add_user, wire):
    """Start a server with alice behind the wire, again on the port that it had."""
    add_user()

    def serve_again():
        port = ("--port", str(wire.port)) if wire.port else ()
        server = start("--issuer", wire.url, *port, env=HEARTBEATS)
        wire.port = int(server.url.rpartition(":")[2])
        return server

    return serve_again


def sign_in(server):
    return server.sign_in().json()["access_token"]


def following(verify, wire, token, **options):
    """Make a verifier of each mode that follows the stream."""
    verifiers = [
        verify(wire.url, revocations="required", **options),
        verify(wire.url, revocations="best_effort"),
    ]
    for verifier in verifiers:
        verifier.verify(token)
    until(lambda: all(map(followed, verifiers)))
    return verifiers


@pytest.mark.parametrize("fault", ["refuse", "truncate", "trickle"])
def test_a_stream_that_fails_again_and_again_loses_no_revocation_and_refuses_nothing_good(
    serve, wire, verify, fault
):
    server = serve()
    good, *ended = (sign_in(server) for _ in range(7))
    verifiers = following(verify, wire, good, revocations_max_age=60)
    for verifier in verifiers:
        for token in ended:
            verifier.verify(token)
    load = Load(verifiers, [good])
    with load.running():
        wire.fault = fault
        for number, token in enumerate(ended):
            # The last two end while nothing is wrong any more, on a stream that began so.
            if number == 4:
                wire.fault = None
            before = wire.streams
            wire.cut()
            server.sign_out(token)
            until(lambda before=before: wire.streams >= before + 2)
            if fault != "refuse" or wire.fault is None:
                for verifier in verifiers:
                    assert refusal(verifier, token, 20).code == "revoked"
        for verifier in verifiers:
            for token in ended:
                assert refusal(verifier, token, 20).code == "revoked"
    assert load.refused == []
    assert min(load.rounds) > 0


def test_a_stream_that_is_silent_makes_required_refuse_everything_and_best_effort_nothing(
    serve, wire, verify
):
    server = serve()
    good, ended = sign_in(server), sign_in(server)
    required, best_effort = verifiers = following(verify, wire, good, revocations_max_age=4)
    wire.fault = "stall"
    server.sign_out(ended)
    until(lambda: required.health()[0].revocations_age > 4)
    for _ in range(100):
        for token in (ended, good):
            with pytest.raises(IssuerUnavailable, match="is silent"):
                required.verify(token)
            assert best_effort.verify(token)
    wire.cut()
    wire.fault = None
    for verifier in verifiers:
        until(lambda verifier=verifier: accepts(verifier, good))
        assert refusal(verifier, ended).code == "revoked"


def accepts(verifier, token):
    try:
        return verifier.verify(token)
    except IssuerUnavailable:
        return None


def test_an_issuer_that_is_killed_and_comes_back_on_its_port_is_followed_on(serve, wire, verify):
    server = serve()
    good, before, after = (sign_in(server) for _ in range(3))
    verifiers = following(verify, wire, good, revocations_max_age=60)
    for verifier in verifiers:
        verifier.verify(before)
        verifier.verify(after)
    load = Load(verifiers, [good])
    with load.running():
        # The verifiers can't hear of it before it dies, but its database has it.
        wire.fault = "stall"
        server.sign_out(before)
        server.stop(9)
        # In this order, so that what was held back stays unsaid.
        wire.cut()
        wire.fault = None
        until(lambda: all(verifier.health()[0].revocations_error for verifier in verifiers))
        for verifier in verifiers:
            assert verifier.verify(before)
        server = serve()
        for verifier in verifiers:
            assert refusal(verifier, before, 20).claim == "sid"
        server.sign_out(after)
        for verifier in verifiers:
            assert refusal(verifier, after, 20).claim == "sid"
    assert load.refused == []


def test_verified_requests_send_not_a_byte_to_the_issuer(serve, wire, verify):
    server = serve()
    tokens = [sign_in(server) for _ in range(20)]
    verifiers = [verify(wire.url, revocations="required", cache=cache) for cache in (0, 1_000_000)]
    for verifier in verifiers:
        verifier.verify(tokens[0])
    until(lambda: all(map(followed, verifiers)))
    asked = wire.asked
    assert asked
    for _ in range(50):
        for verifier in verifiers:
            for token in tokens:
                verifier.verify(token)
            with pytest.raises(InvalidToken):
                verifier.verify(tokens[0][:-2] + "AA")
    assert wire.asked == asked
    assert [verifier.health()[0].fetches for verifier in verifiers] == [1, 1]
