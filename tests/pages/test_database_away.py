"""What a page answers while its database does not."""

from __future__ import annotations

import asyncio

import httpx
from tests.server.conftest import PASSWORD

from carnet.server.app import build_app
from carnet.server.service import open_service
from carnet.server.settings import Settings
from carnet.server.store import StoreUnavailable


class _Failing:
    """A store that can be taken away."""

    def __init__(self, store):
        self.store = store
        self.away = False

    def __getattr__(self, name):
        if self.away:
            raise StoreUnavailable("it is away")
        return getattr(self.store, name)


def test_a_database_that_is_away_loses_nothing_that_was_typed(tmp_path):
    settings = Settings(data=str(tmp_path / "data"), sign_up=True, issuer="http://carnet.test")

    async def scene():
        async with open_service(settings) as service:
            failing = _Failing(service.store)
            for part in (service.accounts, service.sessions, service.throttle):
                part._store = failing
            await service.accounts.create("alice", PASSWORD, ["carnet:admin"])
            transport = httpx.ASGITransport(build_app(service))
            headers = {"Accept": "text/html", "Origin": "http://carnet.test"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://carnet.test", headers=headers
            ) as client:
                form = {"username": "alice", "password": PASSWORD}
                assert (await client.post("/sign-in", data=form)).status_code == 303
                failing.away = True
                form = {"username": "<alice>", "password": PASSWORD, "new_password": PASSWORD}
                made = {**form, "roles": "sales", "claims": '{\n"a": 1}'}
                answers = [
                    await client.post("/sign-in", data=form),
                    await client.post("/sign-up", data=form),
                    await client.post("/admin/users/new", data=made),
                    await client.post("/me/sessions/end", data={"id": "s"}),
                    await client.get("/me"),
                ]
                failing.away = False
                assert (await client.post("/admin/users/new", data=made)).status_code == 303
                return answers

    answers = asyncio.run(scene())
    assert [answer.status_code for answer in answers] == [503] * 5
    for answer in answers[:3]:
        assert 'value="&lt;alice&gt;"' in answer.text
        assert PASSWORD not in answer.text
    assert "sales" in answers[2].text
