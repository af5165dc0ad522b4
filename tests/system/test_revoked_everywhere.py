"""From the commit that ends a session to its refusal in every service: the whole way, for real."""

import os
import time

import pytest
from tests.system.waiting import followed, refusal, until

from carnet import ConfigurationError, InvalidToken, IssuerUnavailable
from carnet.verifier import AccessTokenVerifier


@pytest.mark.parametrize("mode", ["best_effort", "required"])
def test_an_ended_session_is_refused_by_every_verifier_without_a_call_for_each_request(
    server, verify, mode
):
    verifiers = [verify(server.url, revocations=mode) for _ in range(10)]
    body, other = server.sign_in().json(), server.sign_in().json()
    for verifier in verifiers:
        verifier.verify(body["access_token"])
    until(lambda: all(map(followed, verifiers)))
    before = server.client.get("/metrics").text.count("carnet_requests_total{")
    server.sign_out(body["access_token"])
    for verifier in verifiers:
        error = refusal(verifier, body["access_token"])
        assert (error.code, error.claim) == ("revoked", "sid")
        for _ in range(100):
            verifier.verify(other["access_token"])
    metrics = server.client.get("/metrics").text
    assert metrics.count("carnet_requests_total{") <= before + 2
    assert 'carnet_requests_total{at="key_set",status="200"} 10.0' in metrics


def test_other_roles_make_older_tokens_stale_and_a_refresh_brings_good_ones(server, verify, carnet):
    verifier = verify(server.url)
    body = server.sign_in().json()
    assert verifier.verify(body["access_token"]).roles == ("ADMIN",)
    until(lambda: followed(verifier))
    carnet("user", "roles", "alice", "USER", data=server.data)
    assert refusal(verifier, body["access_token"]).claim == "sub_ver"
    following = server.refresh(body["refresh_token"]).json()
    assert verifier.verify(following["access_token"]).roles == ("USER",)


def test_one_revoked_token_is_refused_alone(server, verify):
    verifier = verify(server.url)
    body = server.sign_in().json()
    following = server.refresh(body["refresh_token"]).json()
    verifier.verify(body["access_token"])
    until(lambda: followed(verifier))
    server.client.post("/revocation", data={"token": body["access_token"]})
    assert refusal(verifier, body["access_token"]).claim == "jti"
    verifier.verify(following["access_token"])


def test_a_session_that_ended_before_the_verifier_began_is_refused_from_the_first_token(
    server, verify
):
    body = server.sign_in().json()
    server.sign_out(body["access_token"])
    with pytest.raises(InvalidToken) as refused:
        verify(server.url, revocations="required").verify(body["access_token"])
    assert refused.value.code == "revoked"


def test_with_required_nothing_is_accepted_once_the_issuer_was_silent_for_too_long(
    start, add_user, verify
):
    add_user()
    server = start()
    required = verify(server.url, revocations="required", revocations_max_age=1)
    best_effort = verify(server.url)
    token = server.sign_in().json()["access_token"]
    required.verify(token)
    best_effort.verify(token)
    server.stop(9)
    until(lambda: required.health()[0].revocations_age > 1)
    with pytest.raises(IssuerUnavailable, match="were last confirmed"):
        required.verify(token)
    assert best_effort.verify(token)
    assert best_effort.health()[0].revocations_error


def test_a_restarted_server_is_followed_again_from_where_it_was(start, add_user, verify):
    add_user()
    first = start("--issuer", "http://127.0.0.1:1")
    port = first.url.rpartition(":")[2]
    first.stop()
    server = start("--issuer", first.url, "--port", port)
    verifier = verify(server.url)
    body, other = server.sign_in().json(), server.sign_in().json()
    verifier.verify(body["access_token"])
    until(lambda: followed(verifier))
    server.stop(9)
    again = start("--issuer", first.url, "--port", port)
    again.sign_out(body["access_token"])
    assert refusal(verifier, body["access_token"], 15).code == "revoked"
    verifier.verify(other["access_token"])


def test_a_fork_follows_the_stream_itself(server, verify):
    verifier = verify(server.url, revocations="required")
    body = server.sign_in().json()
    verifier.verify(body["access_token"])
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            verifier.verify(body["access_token"])
            server_ended = os.read(reader, 1)
            code = refusal(verifier, body["access_token"]).code if server_ended else ""
            os._exit(0 if code == "revoked" else 1)
        except BaseException:
            os._exit(2)
    time.sleep(1)
    server.sign_out(body["access_token"])
    os.write(writer, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    "options",
    [
        {"revocations": "sometimes"},
        {"revocations": "required", "jwks_uri": "https://a.example/jwks"},
        {"revocations_max_age": -1},
    ],
)
def test_wrong_options_are_told_at_once(options):
    with pytest.raises(ConfigurationError):
        AccessTokenVerifier("https://a.example", "orders", **options)
