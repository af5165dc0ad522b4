"""The requests that come most ask the system for a counted number of things.

strace writes down each call of the kernel that a real server makes, of whichever of its threads,
while the requests come one after the other over one connection. The ceilings have a little room for
what runs by itself meanwhile; whoever needs more says so here.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
from base64 import b64encode
from collections import Counter
from http.client import HTTPResponse
from urllib.parse import urlencode, urlsplit

import pytest
from tests import processes
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.service import open_service
from carnet.server.settings import Settings

TRACED = """
import os, sys
os.execvp("strace", [
    *("strace", "-D", "-f", "-qq", "-s", "40", "-o", {trace!r}),
    *(sys.executable, "-m", "carnet", *sys.argv[1:]),
])
"""
REQUESTS = 40
# Reading the request, writing the answer, and looking twice for the next; SQLite asks for two locks
# where something is read. A refresh besides hands its statement to the thread that writes, which
# wakes the loop, and a commit is written and synced.
CALLS = {"client credentials": 6, "introspection": 8, "refresh": 36}
SYNCS = {"client credentials": 0, "introspection": 0, "refresh": 1}


class Connection:
    """A connection over which each request goes out as one piece."""

    def __init__(self, url):
        at = urlsplit(url)
        self._socket = socket.create_connection((at.hostname, at.port), timeout=60)

    def post(self, path, form, user=None):
        body = urlencode(form).encode()
        head = [f"POST {path} HTTP/1.1", "Host: carnet", f"Content-Length: {len(body)}"]
        head.append("Content-Type: application/x-www-form-urlencoded")
        if user:
            head.append(f"Authorization: Basic {b64encode(':'.join(user).encode()).decode()}")
        self._socket.sendall("\r\n".join([*head, "", ""]).encode() + body)
        answer = HTTPResponse(self._socket)
        answer.begin()
        return answer.status, answer.read()

    def close(self):
        self._socket.close()


@pytest.fixture
def clients(tmp_path, add_user):
    """A program and a service, by name, with their secrets."""
    add_user()

    async def create():
        made = {}
        settings = Settings(data=str(tmp_path / "data"), audiences=("orders", "billing"))
        async with open_service(settings) as service:
            for name, member in (("job", "resources"), ("orders", "introspects")):
                metadata = ClientMetadata(
                    client_name=name, grant_types=("client_credentials",), **{member: ("orders",)}
                )
                client, secret = await service.registry.add_client(metadata, OPERATOR)
                made[name] = (client.id, secret)
        return made

    return asyncio.run(create())


def test_a_request_takes_so_many_calls_of_the_system(tmp_path, start, clients):
    if shutil.which("strace") is None or processes.run(["strace", "-qq", "true"]).returncode:
        pytest.skip("strace can't trace here: THE SYSTEM CALLS OF REQUESTS WERE NOT COUNTED")
    trace = tmp_path / "trace"
    server = start(program=("-c", TRACED.format(trace=str(trace))))
    said = server.sign_in(password=PASSWORD).json()
    connection = Connection(server.url)

    def asked(path, form, user=None):
        status, body = connection.post(path, form, user)
        assert status == 200, body
        return json.loads(body)

    def refresh():
        form = {"grant_type": "refresh_token", "refresh_token": said["refresh_token"]}
        said.update(asked("/token", form))

    introspected = {"token": said["access_token"]}
    ask = {
        "client credentials": lambda: asked(
            "/token", {"grant_type": "client_credentials"}, clients["job"]
        ),
        "introspection": lambda: asked("/introspection", introspected, clients["orders"]),
        "refresh": refresh,
    }
    for number, one in enumerate(ask.values()):
        # What is asked for the first time is set up for all others.
        one()
        connection.post(f"/begin-{number}", {})
        for _ in range(REQUESTS):
            one()
        connection.post(f"/end-{number}", {})
    connection.close()
    server.stop()

    written = trace.read_text()
    for number, what in enumerate(ask):
        between = written.partition(f"/begin-{number}")[2].partition(f"/end-{number}")[0]
        # A call that another thread's interrupts is written in two parts.
        calls = Counter(re.findall(r"^\d+ +(\w+)\(", between, re.MULTILINE))
        # OpenSSL asks whether the process was forked, as often as it likes.
        del calls["getpid"]
        assert sum(calls.values()) / REQUESTS <= CALLS[what], calls
        assert (calls["fdatasync"] + calls["fsync"]) // REQUESTS == SYNCS[what], calls
