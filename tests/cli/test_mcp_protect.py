"""`carnet mcp protect` as a command: how it starts, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from tests import processes
from tests.ports import free_ports, is_free

BEHIND = "http://127.0.0.1:1/mcp"
PASSWORD = "a-long-enough-password"


@pytest.fixture
def start(tmp_path):
    """Start the command in an empty folder; give it with its ports and the lines until it is up."""
    running = []

    def start_one(*arguments, server=(BEHIND,), ports=None, **options):
        port = ports or free_ports(2)
        process = processes.start(
            [
                *(sys.executable, "-m", "carnet", "mcp", "protect"),
                *("--listen", f"127.0.0.1:{port}", "--auth-listen", f"127.0.0.1:{port + 1}"),
                *arguments,
                "--",
                *server,
            ],
            **{
                "cwd": tmp_path,
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.STDOUT,
                "text": True,
                **options,
            },
        )
        running.append(process)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "to stop" in line or line.startswith("{"):
                break
        return process, port, lines

    yield start_one
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=processes.PATIENCE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ftp://127.0.0.1/mcp",), "name the MCP server's address"),
        (("http://me:secret@127.0.0.1/mcp",), "name the MCP server's address"),
        (("--", "no-such-program-anywhere"), "no program no-such-program-anywhere"),
        ((BEHIND, "--listen", "8000"), "127.0.0.1:8000"),
        ((BEHIND, "--listen", "0.0.0.0:8000"), "--public-url"),
        ((BEHIND, "--public-url", "http://mcp.example.com/mcp"), "https://"),
        ((BEHIND, "--public-url", "https://mcp.example.com/mcp"), "--auth-url"),
        ((BEHIND, "--auth-listen", "0.0.0.0:8400"), "--auth-url"),
        ((BEHIND, "--issuer", "https://auth.example.com", "--data", "d"), "--data is for"),
        ((BEHIND, "--issuer", "http://auth.example.com"), "https://"),
    ],
)
def test_what_cant_be_is_told_before_anything_is_made(carnet, tmp_path, arguments, said):
    done = carnet("mcp", "protect", *arguments, data=tmp_path / "data")
    assert done.returncode == 2
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("which", [0, 1])
def test_a_taken_port_is_one_line_before_anything_is_made(start, tmp_path, which):
    port = free_ports(2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + which))
        taken.listen()
        process, _, lines = start(ports=port)
    assert process.wait(processes.PATIENCE) == 2
    [line] = lines
    assert f"port {port + which}" in line
    assert ("--listen", "--auth-listen")[which] in line
    assert not list(tmp_path.iterdir())


def test_it_says_which_address_to_paste_and_how_to_stop(start):
    process, port, lines = start("--user", "ada")
    told = "".join(lines)
    assert f"carnet: http://127.0.0.1:{port}/mcp is ready" in told
    assert f"sign-in at  http://127.0.0.1:{port + 1}" in told
    assert f"kill {process.pid}" in told
    # Nothing is there to be protected yet.
    assert "nothing answers at the MCP server's address yet" in told


def test_a_made_up_password_is_in_a_file_and_not_in_the_output(start, tmp_path):
    process, port, lines = start("--user", "ada")
    file = tmp_path / "carnet-data" / "first-password"
    password = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(password) >= 20
    assert str(file.relative_to(tmp_path)) in "".join(lines)
    account = {"username": "ada", "password": password}
    address = f"http://127.0.0.1:{port + 1}/sessions"
    assert httpx.post(address, json=account, trust_env=False, timeout=60).status_code == 201
    process.terminate()
    said = process.communicate(timeout=processes.PATIENCE)[0]
    assert password not in "".join(lines) + said
    # Somebody has an account now.
    file.unlink()
    start("--user", "bob")
    assert not file.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no terminals of this kind")
def test_at_a_terminal_name_and_password_are_asked_for(tmp_path):
    port = free_ports(2)
    ours, theirs = pty.openpty()
    places = ("--listen", f"127.0.0.1:{port}", "--auth-listen", f"127.0.0.1:{port + 1}")
    process = processes.start(
        [sys.executable, "-m", "carnet", "mcp", "protect", *places, BEHIND],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = ""

    def wait_for(text):
        nonlocal said
        while text not in said:
            assert select.select([ours], [], [], processes.PATIENCE)[0], said
            said += os.read(ours, 1024).decode()

    try:
        # What is typed ahead of a question, terminals drop.
        for question, typed in (
            ("Username", "ada"),
            ("Password", PASSWORD),
            ("Once more", PASSWORD),
        ):
            wait_for(question)
            os.write(ours, f"{typed}\n".encode())
        wait_for("to stop")
        account = {"username": "ada", "password": PASSWORD}
        address = f"http://127.0.0.1:{port + 1}/sessions"
        assert httpx.post(address, json=account, trust_env=False, timeout=60).status_code == 201
        assert PASSWORD not in said
        assert not (tmp_path / "carnet-data" / "first-password").exists()
    finally:
        process.kill()
        process.wait(processes.PATIENCE)
        os.close(ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes_cleanly(start, number):
    process, port, _ = start()
    children = processes.descendants(process.pid)
    process.send_signal(number)
    said = process.stdout.read()
    assert process.wait(processes.PATIENCE) == 0
    assert "Traceback" not in said
    assert children
    assert all(map(processes.has_ended, children))
    assert all(is_free(port + number) for number in range(2))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_killed_it_leaves_no_process_behind(start, number):
    process, _, _ = start()
    children = processes.descendants(process.pid)
    process.send_signal(number)
    assert process.wait(processes.PATIENCE) == -number
    processes.wait_until(lambda: all(map(processes.has_ended, children)))


def test_an_authorization_server_that_dies_ends_the_command_with_an_error(start):
    process, port, _ = start()
    [child] = processes.descendants(process.pid)
    os.kill(child, signal.SIGKILL)
    said = process.stdout.read()
    assert process.wait(processes.PATIENCE) == 2
    assert "the authorization server has ended" in said
    assert "Traceback" not in said
    assert is_free(port)


def test_clients_register_themselves_on_this_machine_and_elsewhere_only_if_told(start):
    def told(port):
        address = f"http://127.0.0.1:{port + 1}/.well-known/oauth-authorization-server"
        return httpx.get(address, trust_env=False, timeout=60).json()

    public = (
        *("--json", "--public-url", "https://mcp.example.com"),
        *("--auth-url", "https://auth.example.com"),
    )
    _, port, _ = start()
    assert told(port)["registration_endpoint"] == f"http://127.0.0.1:{port + 1}/registration"
    process, port, lines = start(*public)
    said = json.loads(lines[-1])
    assert said["url"] == "https://mcp.example.com/mcp"
    assert said["issuer"] == told(port)["issuer"] == "https://auth.example.com"
    assert "registration_endpoint" not in told(port)
    process.terminate()
    process.wait(processes.PATIENCE)
    _, port, _ = start(*public, "--client-registration", "open")
    assert "registration_endpoint" in told(port)


def test_tokens_may_be_for_the_endpoint_with_its_scopes(start, carnet, tmp_path):
    _, port, _ = start("--scope", "notes:read")
    listed = carnet("resource", "list", "--json", data=tmp_path / "carnet-data")
    resources = {one["audience"]: one for one in json.loads(listed.stdout)}
    resource = resources[f"http://127.0.0.1:{port}/mcp"]
    assert resource["scopes"] == ["notes:read"]
    assert resource["unregistered_clients"] is True


def test_the_page_of_ones_account_is_opened_if_wanted(start, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(0o700)
    _, port, _ = start("--open", env={**os.environ, "BROWSER": f"{browser} %s"})
    processes.wait_until((tmp_path / "opened").exists)
    processes.wait_until((tmp_path / "opened").read_text)
    assert (tmp_path / "opened").read_text() == f"http://127.0.0.1:{port + 1}/me\n"


def test_with_an_issuer_of_ones_own_no_server_is_started(start, tmp_path):
    process, _, lines = start("--json", "--issuer", "https://auth.example.com")
    assert json.loads(lines[-1])["issuer"] == "https://auth.example.com"
    assert not processes.descendants(process.pid)
    assert not list(tmp_path.iterdir())
    assert re.search(r"nothing answers", "".join(lines))
