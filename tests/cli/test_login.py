"""``carnet login``, ``carnet token`` and ``carnet logout``, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests import processes
from tests.login import conftest

from carnet import inspect

start, state, server, alice = conftest.start, conftest.state, conftest.server, conftest.alice


def login(alice, *arguments):
    """Sign in with a code, and give what the command has written."""
    process = processes.start(
        [sys.executable, "-m", "carnet", "login", "--device", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            page, code = process.stderr.readline(), process.stderr.readline()
            assert page == f"Open  {alice.server.url}/device\n", page + process.stderr.read()
            alice.decide(code.removeprefix("Type  ").strip())
            output, errors = process.communicate(timeout=processes.PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    return output + errors


def held(state):
    """Give the file of the session, which is not that of the profile."""
    files = (state / "carnet" / "login").glob("*.json")
    [file] = [file for file in files if not file.name.startswith("profile-")]
    return file


def test_somebody_signs_in_uses_the_token_and_signs_out(carnet, alice, state):
    told = login(alice, "--issuer", alice.server.url)
    assert told == f"signed in at {alice.server.url}\n"
    printed = carnet("token")
    token = printed.stdout.strip()
    assert inspect(token).claims["client_id"] == "carnet-cli"
    assert printed.stdout == f"{token}\n"
    assert carnet("token").stdout == printed.stdout
    kept = json.loads(held(state).read_text())
    out = carnet("logout")
    assert (out.returncode, out.stdout, out.stderr) == (0, "", "signed out\n")
    for secret in (kept["access"], kept["refresh"]):
        assert secret not in told + out.stderr
    after = carnet("token")
    assert (after.returncode, after.stdout) == (1, "")
    assert "nobody is signed in" in after.stderr
    assert carnet("logout").stderr == "nobody was signed in\n"


def test_of_many_processes_one_refreshes(alice, state):
    login(alice, "--issuer", alice.server.url)
    file = held(state)
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "due_at": 0}))
    running = [
        processes.start(
            [sys.executable, "-m", "carnet", "token"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    printed = {process.communicate(timeout=processes.PATIENCE)[0] for process in running}
    assert {process.returncode for process in running} == {0}
    # Each refresh would give another token.
    assert len(printed) == 1
    assert printed != {kept["access"] + "\n"}


def test_profiles_keep_sign_ins_apart_and_the_last_ones_words_are_kept(carnet, alice):
    login(alice, "--issuer", alice.server.url, "--scope", "openid")
    login(alice, "--issuer", alice.server.url, "--resource", "billing", "--profile", "bills")
    login(alice, "--profile", "bills")
    first, second = carnet("token"), carnet("token", "--profile", "bills")
    assert inspect(first.stdout.strip()).claims["scope"] == "openid"
    assert inspect(second.stdout.strip()).claims["aud"] == "billing"
    assert carnet("token", "--profile", "none").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("login",), "name the issuer: --issuer"),
        (("login", "--issuer", "http://auth.example.com"), "https"),
        (("token", "--profile", "../x"), "A-Z a-z 0-9"),
    ],
)
def test_what_is_wrong_is_told(carnet, state, arguments, text):
    done = carnet(*arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_can_not_be_used_is_told(carnet, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    done = carnet("token")
    assert done.returncode == 2
    assert "set XDG_STATE_HOME" in done.stderr
