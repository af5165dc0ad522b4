"""`carnet revocations follow` and `carnet verify` by discovery, at a real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from tests import processes


def test_an_ended_session_is_shown_as_it_ends(server):
    process = processes.start(
        [
            *(sys.executable, "-m", "carnet", "revocations", "follow"),
            *("--issuer", server.url, "--json", "--heartbeats"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONUNBUFFERED": "1", "PATH": "/usr/bin:/bin"},
    )
    try:
        # The first sign of life says that it is connected.
        assert json.loads(process.stdout.readline())["event"] == "heartbeat"
        session = server.sign_in().json()
        server.sign_out(session["access_token"])
        shown = next(
            entry for line in process.stdout if (entry := json.loads(line)).get("kind") == "sid"
        )
        assert shown["value"] == session["session_id"]
        assert shown["event"] == "increment"
        process.send_signal(signal.SIGINT)
        assert process.wait(processes.PATIENCE) == 130
        assert process.stderr.read().strip() == ""
    finally:
        process.kill()
        process.wait(processes.PATIENCE)
        process.stdout.close()
        process.stderr.close()


def test_a_token_is_checked_with_keys_found_by_the_issuers_name(server, carnet):
    token = server.sign_in().json()["access_token"]
    flags = ("--issuer", server.url, "--audience")
    assert carnet("verify", "-", *flags, "orders", stdin=token).returncode == 0
    done = carnet("verify", "-", *flags, "billing", "--json", stdin=token)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "audience_mismatch")
    server.stop()
    done = carnet("verify", "-", *flags, "orders", stdin=token)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
