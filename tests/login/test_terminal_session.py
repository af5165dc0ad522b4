"""A person signs in at a terminal, with a browser here or elsewhere, and stays signed in."""

from __future__ import annotations

import stat
import time

import msgspec
import pytest

from carnet import ConfigurationError, GrantRefused, inspect
from carnet.login import FileStore, TerminalSession


@pytest.fixture
def session_of(server, alice):
    """Make sessions of a program at the terminal; `said` is what it has told the person."""

    def make(said=None, **more):
        lines = [] if said is None else said
        given = {"tell": lines.append, "open_browser": alice.open, **more}
        return TerminalSession(server.url, "carnet-cli", **given)

    return make


def deciding(alice, said, after=1):
    """A pause in which, after some others, the person decides."""
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == after:
            alice.decide(said[1].removeprefix("Type  "))

    return sleep, pauses


def kept(state):
    [file] = (state / "carnet" / "login").glob("*.json")
    return file


def test_a_browser_signs_the_person_in_and_the_tokens_are_kept(session_of, server, state):
    said = []
    session_of(said).sign_in("browser")
    token = session_of().access_token()
    claims = inspect(token).claims
    assert (claims["client_id"], claims["scope"]) == ("carnet-cli", "openid orders:read")
    assert session_of().access_token() == token
    later = session_of(clock=lambda: time.time() + 280)
    fresh = later.access_token()
    assert fresh != token
    assert inspect(fresh).claims["sid"] == claims["sid"]
    file = kept(state)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not [line for line in said if token in line]


def test_a_code_is_typed_elsewhere_while_the_program_waits(session_of, alice):
    said = []
    sleep, pauses = deciding(alice, said, after=2)
    session = session_of(said, sleep=sleep, scope="orders:read", resource="billing")
    session.sign_in("device")
    claims = inspect(session.access_token()).claims
    assert (claims["aud"], claims["scope"]) == ("billing", "orders:read")
    assert said == [f"Open  {alice.server.url}/device", said[1]]
    assert pauses == [5, 5]


def test_a_program_that_is_told_to_slow_down_does(session_of, alice):
    said = []
    sleep, pauses = deciding(alice, said, after=4)
    session_of(said, sleep=sleep).sign_in("device")
    # It asks at once here, not after the pauses.
    assert pauses == [5, 5, 10, 15]


@pytest.mark.parametrize("how", ["browser", "device"])
def test_who_does_not_allow_it_gives_no_tokens(session_of, alice, how):
    alice.typed["decision"] = "deny"
    said = []
    sleep, _ = deciding(alice, said)
    session = session_of(said, sleep=sleep)
    with pytest.raises(GrantRefused) as refused:
        session.sign_in(how)
    assert refused.value.code == "access_denied"
    with pytest.raises(GrantRefused) as refused:
        session.access_token()
    assert refused.value.code == "sign_in_needed"


def test_a_code_that_nobody_types_is_given_up_in_time(session_of):
    now = [time.time()]
    session = session_of(
        sleep=lambda seconds: now.append(now[-1] + 100 * seconds), clock=lambda: now[-1]
    )
    with pytest.raises(GrantRefused) as refused:
        session.sign_in("device")
    assert refused.value.code == "expired_token"
    assert len(now) == 3


def test_a_browser_in_which_nobody_signs_in_is_given_up(session_of):
    said = []
    session = session_of(said, open_browser=lambda _address: False)
    with pytest.raises(GrantRefused) as refused:
        session.sign_in("browser", timeout=0.01)
    assert refused.value.code == "expired_token"
    assert said[0] == "Open this address in a browser:"


def test_signing_out_ends_the_session_at_the_issuer_and_forgets_it(session_of, server, state):
    session = session_of()
    session.sign_in("browser")
    refresh = msgspec.json.decode(kept(state).read_bytes())["refresh"]
    assert session.sign_out()
    assert server.refresh(refresh, client_id="carnet-cli").json()["error"] == "invalid_grant"
    assert kept(state).read_text() == "{}"
    assert not session.sign_out()


def test_signing_in_again_ends_the_session_from_before(session_of, server, state):
    session = session_of()
    session.sign_in("browser")
    before = msgspec.json.decode(kept(state).read_bytes())["refresh"]
    session.sign_in("browser")
    assert server.refresh(before, client_id="carnet-cli").json()["error"] == "invalid_grant"
    assert session.access_token()


def test_a_session_that_was_ended_elsewhere_is_told_and_forgotten(session_of, server, state):
    session = session_of()
    session.sign_in("browser")
    refresh = msgspec.json.decode(kept(state).read_bytes())["refresh"]
    server.client.post("/revocation", data={"token": refresh, "client_id": "carnet-cli"})
    later = session_of(clock=lambda: time.time() + 280)
    for code in ("invalid_grant", "sign_in_needed"):
        with pytest.raises(GrantRefused) as refused:
            later.access_token()
        assert refused.value.code == code


def test_sessions_of_other_issuers_clients_scopes_and_resources_are_others(session_of, state):
    session_of().sign_in("browser")
    for more in ({"scope": "openid"}, {"resource": "billing"}):
        with pytest.raises(GrantRefused, match="sign in first"):
            session_of(**more).access_token()


@pytest.mark.parametrize("text", ["", "[]", "\0", '{"access": 1}'])
def test_what_is_no_session_in_the_store_counts_as_none(session_of, tmp_path, text):
    store = FileStore(tmp_path / "own.json")
    store.save(text)
    with pytest.raises(GrantRefused, match="sign in first"):
        session_of(store=store).access_token()


def test_another_way_than_there_is_is_told(session_of):
    with pytest.raises(ConfigurationError, match="auto, browser, device"):
        session_of().sign_in("telepathy")
