"""The demo: three real processes and the walk through them."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from tests import processes
from tests.ports import free_ports, is_free

from carnet import inspect


def test_every_step_of_the_walk_goes_as_told_twice_on_the_same_data(carnet, tmp_path):
    port = free_ports(3)
    arguments = ("demo", "--exit", "--port", str(port), "--data", str(tmp_path / "data"))
    for _ in range(2):
        done = carnet(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        assert "All 13 steps went as told" in done.stdout
        assert "\x1b" not in done.stdout
        for code in (
            "signature_invalid",
            "audience_mismatch",
            "role_missing",
            "expired",
            "revoked",
        ):
            assert f"code: {code}\n" in done.stdout
    assert all(is_free(port + number) for number in range(3))


@pytest.fixture
def running(tmp_path):
    port = free_ports(3)
    demo = processes.start(
        [sys.executable, "-m", "carnet", "demo", "--port", str(port), "--data", str(tmp_path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if line.startswith("curl"):
            break
    yield demo, port, "".join(lines)
    if demo.poll() is None:
        demo.kill()
    demo.wait(processes.PATIENCE)
    demo.stdout.close()


def test_after_the_walk_all_keeps_running_and_what_it_says_to_try_works(running):
    _, port, told = running
    account = re.search(r"accounts: (\w+) .* password (\S+)", told)
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(
            f"http://127.0.0.1:{port}/sessions",
            json={"username": account[1], "password": account[2]},
        )
        token = answer.json()["access_token"]
        orders = client.get(
            f"http://127.0.0.1:{port + 1}/orders", headers={"Authorization": f"Bearer {token}"}
        )
    assert orders.status_code == 200
    assert all(f"127.0.0.1:{port}{page} " in told for page in ("/me", "/admin", "/debugger"))
    assert "carnet:admin" in inspect(token).claims["roles"]
    commands = told[told.index("TOKEN=") :]
    shell = processes.run(["sh", "-c", commands], capture_output=True, text=True)
    assert "200 OK" in shell.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes_cleanly(running, number):
    demo, port, _ = running
    demo.send_signal(number)
    rest = demo.stdout.read()
    assert demo.wait(processes.PATIENCE) == 0
    assert "Traceback" not in rest
    assert rest.endswith("Stopped.\n")
    assert all(is_free(port + number) for number in range(3))


# A terminal that is closed sends SIGHUP.
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_killed_demo_leaves_no_process_behind(running, number):
    demo, port, _ = running
    children = processes.descendants(demo.pid)
    assert len(children) >= 3
    demo.send_signal(number)
    assert demo.wait(processes.PATIENCE) == -number
    processes.wait_until(lambda: all(map(processes.has_ended, children)))
    assert all(is_free(port + number) for number in range(3))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_taken_port_is_one_line_before_anything_is_made(carnet, tmp_path, which):
    port = free_ports(3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + which))
        taken.listen()
        done = carnet("demo", "--exit", "--port", str(port), "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert f"port {port + which}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cant_be_written_is_one_line(carnet, tmp_path):
    (tmp_path / "file").write_text("")
    port = free_ports(3)
    done = carnet("demo", "--exit", "--port", str(port), "--data", str(tmp_path / "file" / "d"))
    assert done.returncode == 2
    assert "can't make the data folder" in done.stderr
    assert done.stderr.count("\n") == 1
