"""A real service with a client for command lines, and a person with a browser."""

from __future__ import annotations

import threading

import httpx
import pytest
from tests.server import conftest
from tests.server.flows import Person, add_client, hidden

start = conftest.start

GRANTS = (
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
)


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The folder in which the person's programs keep things."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def server(start, tmp_path, state):
    add_client(
        tmp_path / "data",
        "carnet-cli",
        client_name="Carnet CLI",
        redirect_uris=("http://127.0.0.1/callback",),
        grant_types=GRANTS,
        scope="openid orders:read",
    )
    return start()


class Alice(Person):
    """Somebody who does in a browser what a program on the terminal asks for."""

    def open(self, address):
        """Sign in at an address, and follow the redirect to the program, meanwhile."""
        threading.Thread(target=self._come_back, args=(address,), daemon=True).start()
        return True

    def _come_back(self, address):
        end = self.go(address)
        assert httpx.get(end, trust_env=False, timeout=60).status_code == 200

    def decide(self, code):
        """Type the code of a device, and decide."""
        page = self.client.get("/device", params={"user_code": code})
        while page.is_redirect:
            page = self.client.get(page.headers["location"])
        if 'action="/sign-in"' in page.text:
            answer = self.client.post("/sign-in", data={**self.typed, **hidden(page.text)})
            page = self.client.get(answer.headers["location"])
        assert "did you begin this?" in page.text, page.text
        form = {**hidden(page.text), "decision": self.typed["decision"]}
        assert self.client.post("/device/decision", data=form).status_code == 200


@pytest.fixture
def alice(server):
    return Alice(server)
