"""docs/how-to/sign-in-from-a-terminal.md: its commands and its program are run as it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests import processes
from tests.login.conftest import Alice
from tests.server import conftest
from tests.server.conftest import PASSWORD

from carnet import InvalidToken
from carnet.verifier import AccessTokenVerifier

start = conftest.start

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sign-in-from-a-terminal.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]


class Orders(BaseHTTPRequestHandler):
    verifier = None

    def do_GET(self):
        try:
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            scopes = self.verifier.verify(token).scopes
            status, body = 200, f"the orders, by {scheme} with {' '.join(sorted(scopes))}\n"
        except InvalidToken as error:
            status, body = 401, f"{error.code}\n"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def service(start, carnet, tmp_path):
    """The service of the page, with its account."""
    added = carnet(
        *("user", "add", "alice", "--password-file", "-"),
        data=tmp_path / "data",
        stdin=PASSWORD + "\n",
    )
    assert added.returncode == 0, added.stderr
    return start()


@pytest.fixture
def orders(service):
    """The service that the tokens are for."""
    with AccessTokenVerifier(service.url, "orders") as verifier:
        handler = type("Verified", (Orders,), {"verifier": verifier})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
            thread = threading.Thread(target=http.serve_forever, args=(0.02,))
            thread.start()
            yield f"http://127.0.0.1:{http.server_port}"
            http.shutdown()
            thread.join()


@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")),
    reason="bash or curl is missing: THE PAGE WAS NOT TRIED",
)
def test_the_page_from_its_beginning_to_its_end(service, orders, tmp_path):
    python = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
        "CARNET_DATA": str(service.data),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }

    def here(text):
        return text.replace("http://127.0.0.1:8400", service.url).replace(
            "http://127.0.0.1:8001", orders
        )

    def run(command, *, decides=False):
        """Run a command, and give what it prints; somebody types the code that it shows."""
        with processes.start(
            ["bash", "-euc", here(command)],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            if decides:
                assert process.stderr.readline() == f"Open  {service.url}/device\n"
                code = process.stderr.readline().removeprefix("Type  ").strip()
                Alice(service).decide(code)
            told, problems = process.communicate(timeout=processes.PATIENCE)
        assert process.returncode == 0, problems
        return told

    [program] = [text for language, text in BLOCKS if language == "python"]
    (tmp_path / "shop.py").write_text(here(program), "utf-8")
    registering, script, own = SHELL
    run(registering)
    login, call, logout = script.splitlines()
    run(login, decides=True)
    assert run(f"{call} -sS") == "the orders, by Bearer with openid orders:read\n"
    run(logout)
    login, call, logout = own.splitlines()
    run(login, decides=True)
    assert run(call) == "the orders, by Bearer with orders:read\n\n"
    run(logout)
    assert run(f"{call} 2>&1 || true") == "Sign in first: python -m shop login\n"
