"""The log: JSON from the first line to the last, with the cause of every failure, and no secret."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys

import apsw
import httpx
import pytest
from tests import processes
from tests.server.conftest import PASSWORD

from carnet.server.running.workers import SHORT_LIVES

SECRET = "wrong-and-secret"


class Logging:
    """A `carnet serve --json-log`, and every line that it says."""

    def __init__(self, data, *flags, env):
        command = [sys.executable, "-m", "carnet", "serve", "--data", data, "--port", "0"]
        self.process = processes.start(
            [*command, "--audience", "orders", *flags],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        self.lines = []
        while "serving" not in [line["event"] for line in self.lines]:
            self.lines.append(json.loads(self.process.stderr.readline()))
        self.client = httpx.Client(base_url=self.lines[-1]["address"], timeout=60, trust_env=False)

    def post(self, path, **more):
        return self.client.post(path, **more)

    def sign_in(self, username="alice", password=PASSWORD):
        return self.post("/sessions", json={"username": username, "password": password})

    def end(self):
        """Stop it, and give all of its lines, each of which has to be JSON."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.lines += [json.loads(line) for line in self.process.stderr.read().splitlines()]
        assert self.process.wait(processes.PATIENCE) == 0
        assert all({"event", "level", "time"} <= line.keys() for line in self.lines)
        return self.lines

    def told(self, event):
        return [
            {name: value for name, value in line.items() if name not in ("level", "time")}
            for line in self.lines
            if line["event"] == event
        ]


@pytest.fixture
def serve(tmp_path, add_user):
    started = []

    def start(*flags, env=None):
        started.append(Logging(tmp_path / "data", "--json-log", *flags, env=env or {}))
        return started[-1]

    add_user()
    yield start
    for one in started:
        one.client.close()
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(processes.PATIENCE)
        one.process.stderr.close()


# What Python runs first in every process of the server, workers too.
FAULTY = """
import asyncio, sys, threading, warnings
if "serve" in sys.argv or "--multiprocessing-fork" in sys.argv:
    import carnet.server.endpoints.probes as probes

    class Bad:
        def __del__(self):
            raise KeyError("wrong-and-secret")

    async def health(request):
        threading.Thread(target=lambda: {}["wrong-and-secret"]).start()
        asyncio.get_running_loop().call_soon(lambda: {}["wrong-and-secret"])
        warnings.warn("this is old")
        Bad()
        raise ZeroDivisionError("wrong-and-secret")

    probes.health = health
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_line_is_json_from_the_first_to_the_last(serve, tmp_path, workers):
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "sitecustomize.py").write_text(FAULTY)
    server = serve(
        *("--workers", workers),
        env={"PYTHONPATH": str(tmp_path / "faults"), "CARNET_PROT": "1"},
    )
    assert server.lines[0]["event"] == "setting_ignored"
    assert "CARNET_PROT" in server.lines[0]["reason"]
    answer = server.client.get("/healthz")
    assert answer.status_code == 500
    assert SECRET not in answer.text
    if workers == "2":
        dead = processes.workers_of(server.process.pid)[0]
        os.kill(dead, signal.SIGKILL)
        processes.wait_for_successor(server.process.pid, dead)
    lines = server.end()
    assert SECRET not in str(lines)
    events = [line["event"] for line in lines]
    assert {"uncaught_in_thread", "unraisable"} <= {*events}
    assert [line for line in events if "this is old" in line]
    assert [one["reason"] for one in server.told("request_failed")] == ["ZeroDivisionError"]
    assert ("worker_died" in events) is (workers == "2")
    [traced] = [line for line in lines if line["event"].startswith("Exception in ASGI")]
    assert traced["exception"][0]["type"] == "ZeroDivisionError"
    assert "health" in traced["exception"][0]["frames"][-1]


def test_what_ends_the_start_is_json_too(carnet, tmp_path):
    (tmp_path / "carnet.toml").write_text("json_log = true\nport = 'eighty'\n")
    flags = {
        "flag": ("--json-log", "--port", "70000"),
        "file": ("--config", str(tmp_path / "carnet.toml")),
        "variable": ("--port", "70000"),
    }
    for where, given in flags.items():
        env = {"CARNET_JSON_LOG": "true"} if where == "variable" else {}
        done = carnet("serve", *given, data=tmp_path / "data", env=env)
        assert (done.returncode, done.stdout) == (2, "")
        [line] = [json.loads(line) for line in done.stderr.splitlines()]
        assert line["event"] == "serve_failed"
        assert line["reason"].startswith("the setting port is invalid")


def test_a_database_that_fails_is_told_with_every_503(serve, tmp_path):
    server = serve()
    token = server.sign_in().json()["refresh_token"]
    database = apsw.Connection(str(tmp_path / "data" / "carnet.db"))
    database.execute("ALTER TABLE session RENAME TO away")
    database.execute("ALTER TABLE throttle RENAME TO throttle_away")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert server.post("/token", data=form).status_code == 503
    origin = {"Origin": str(server.client.base_url)}
    page = {"username": "alice", "password": PASSWORD}
    assert server.post("/sign-in", data=page, headers=origin).status_code == 503
    database.execute("ALTER TABLE counter RENAME TO counter_away")
    assert server.client.get("/readyz").status_code == 503
    database.execute("ALTER TABLE counter_away RENAME TO counter")
    database.close()
    server.end()
    told = server.told("request_failed")
    assert [(one["at"], one["status"]) for one in told] == [
        ("issue_token", 503),
        ("sign_in", 503),
        ("readiness", 503),
    ]
    assert "no such table" in told[0]["reason"]
    assert "no such table" in told[1]["reason"]
    assert token not in str(server.lines)
    assert PASSWORD not in str(server.lines)


def test_a_refused_sign_in_is_told_with_its_reason_and_never_with_what_was_typed(serve, carnet):
    server = serve()
    data = server.process.args[server.process.args.index("--data") + 1]
    [alice] = json.loads(carnet("user", "list", "--json", data=data).stdout)
    answers = [
        server.sign_in(password=SECRET),
        server.sign_in(username=SECRET),
    ]
    assert carnet("user", "disable", "alice", data=data).returncode == 0
    answers.append(server.sign_in())
    server.end()
    reasons = [(one["reason"], one["account"]) for one in server.told("sign_in_refused")]
    assert reasons == [
        ("wrong_password", alice["id"]),
        ("unknown_username", None),
        ("account_disabled", alice["id"]),
    ]
    assert SECRET not in str(server.lines)
    # Whoever tries is told none of it.
    assert len({answer.text for answer in answers}) == 1
    assert alice["id"] not in answers[0].text
    entries = [
        json.loads(line) for line in carnet("audit", "--json", data=data).stdout.splitlines()
    ]
    refused = [one["account_id"] for one in entries if one["event"] == "sign_in_refused"]
    assert refused == [alice["id"], None, alice["id"]]


def test_a_client_that_is_refused_is_told_with_the_reason_and_no_stranger_is_named(serve, carnet):
    server = serve()
    data = server.process.args[server.process.args.index("--data") + 1]
    made = carnet("client", "add", "Shop", "--id", "shop", "--json", data=data)
    secret = json.loads(made.stdout)["client_secret"]
    public = carnet(
        *("client", "add", "Phone", "--id", "phone", "--auth", "none"),
        *("--redirect-uri", "com.example.app:/callback"),
        data=data,
    )
    assert public.returncode == 0, public.stderr
    known = {"grant_type": "client_credentials", "client_id": "phone"}
    processes.wait_until(lambda: server.post("/token", data=known).status_code == 400)

    def basic(name, password):
        pair = base64.b64encode(f"{name}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def ask(headers=None, **form):
        answer = server.post(
            "/token", data={"grant_type": "client_credentials", **form}, headers=headers
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        return answer.json()

    answers = [
        ask(basic("shop", SECRET)),
        ask(basic(SECRET, secret)),
        ask({"Authorization": f"Basic {SECRET}"}),
        ask(client_id="shop", client_secret=secret),
        ask(client_id="shop"),
        ask(client_id=SECRET),
        ask(
            client_assertion=SECRET,
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
    ]
    asked = server.post("/introspection", data={"client_id": "phone", "token": "x"})
    assert asked.status_code == 401
    server.end()
    told = server.told("client_refused")[-8:]
    assert [(one["reason"], one["client"]) for one in told] == [
        ("wrong_secret", "shop"),
        ("unknown_client", None),
        ("malformed_basic", None),
        ("another_method", "shop"),
        ("nothing_proved", "shop"),
        ("unknown_client", None),
        ("unknown_client", None),
        ("public_client", "phone"),
    ]
    assert len({str(answer) for answer in answers}) == 1
    for hidden in (SECRET, secret):
        assert hidden not in str(server.lines)


def test_a_worker_that_can_not_begin_ends_no_other_and_all_of_them_end_with_a_reason(
    serve, tmp_path
):
    server = serve("--workers", "2")
    first, second = processes.workers_of(server.process.pid)
    os.kill(first, signal.SIGSTOP)
    # It is the second worker that answers: it has begun.
    assert server.client.get("/readyz").status_code == 200
    (tmp_path / "data" / "master.key").write_text(SECRET)
    os.kill(first, signal.SIGKILL)
    lines = []
    # More than the number of failures that is the end where no other worker serves.
    while [line["event"] for line in lines].count("worker_failed") < SHORT_LIVES + 2:
        lines.append(json.loads(server.process.stderr.readline()))
    assert server.client.get("/readyz").status_code == 200
    os.kill(second, signal.SIGKILL)
    lines += [json.loads(line) for line in server.process.stderr.read().splitlines()]
    assert server.process.wait(processes.PATIENCE) == 2
    failed = [line for line in lines if line["event"] == "worker_failed"]
    assert "is not a master key" in failed[0]["exception"][0]["message"]
    assert (lines[-1]["event"], lines[-1]["code"]) == ("serve_failed", "workers_die")
    assert SECRET not in str(lines)
