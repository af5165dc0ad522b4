"""The microservices of examples/, started as their README says, and used from a real browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests import processes
from tests.ports import free_ports

PASSWORD = "paper-boat-harbour"


def start(root, *more):
    """Start the example; give it after it has played itself, and what it said."""
    if not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("there is no nginx: apt-get install nginx-light")
    run = root / "examples" / "microservices" / "run.py"
    process = processes.start(
        [sys.executable, run, "--port", str(free_ports(6)), *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Open "):
            break
    return process, said


@pytest.fixture(scope="module")
def example(root):
    """What the running example has said."""
    process, said = start(root)
    yield said
    process.send_signal(signal.SIGINT)
    assert process.wait(processes.PATIENCE) == 0
    process.stdout.close()


def test_it_plays_through_as_told(example):
    told = {line[:32].strip(): line[33:].strip() for line in example if len(line) > 33}
    assert {name: text[:3] for name, text in told.items() if text[:3].isdigit()} == {
        "stock, before signing in": "401",
        "signing in": "200",
        "orders, by cookie (FastAPI)": "200",
        "stock, behind the gate": "200",
        "signing out": "200",
        "orders, after that": "401",
    }
    # What the request itself said under the gate's names never arrives.
    stock = json.loads(told["stock, behind the gate"][4:])
    assert list(stock["for"]) == ["X-Auth-Subject"]
    assert stock["for"]["X-Auth-Subject"] != "root"
    nightly = json.loads(told["the nightly job, at billing"])
    assert nightly == {"invoices": [17, 18], "to": "nightly"}


def test_a_person_signs_in_with_the_page_and_no_script_sees_a_token(example, browser):
    address = next(line for line in example if line.startswith("Open ")).split()[1]
    context = browser.new_context()
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    for button, content in (("Show the orders", "tea"), ("Show the stock", "stock")):
        page.get_by_role("button", name=button).click()
        page.wait_for_function(
            "text => document.querySelector('#answer').textContent.includes(text)", arg=content
        )
        assert page.locator("#answer").text_content().startswith("200 ")
    assert page.evaluate("document.cookie") == ""
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    assert all(cookie["httpOnly"] for cookie in cookies.values())
    assert "carnet-access" in cookies
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").wait_for()
    assert "carnet-access" not in {cookie["name"] for cookie in context.cookies()}
    assert problems == []
    context.close()


@pytest.fixture
def folder():
    """A folder that PostgreSQL's account can pass through.

    Not pytest's own: each run of pytest on the machine shuts that again, this one or another.
    """
    with tempfile.TemporaryDirectory(prefix="carnet-example-") as path:
        yield Path(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_it_leaves_no_process_behind_however_it_ends(root, folder, number):
    data = folder / "data"
    process, said = start(root, "--data", data)
    assert "Open " in said[-1]
    # PostgreSQL is nobody's child, and so are its own processes; it names its folder.
    server = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
    started = {server} | processes.descendants(server) | processes.descendants(process.pid)
    assert len(started) > 10
    process.send_signal(number)
    assert process.wait(processes.PATIENCE) == (-number if number == signal.SIGKILL else 0)
    processes.wait_until(lambda: all(map(processes.has_ended, started)))
    process.stdout.close()
