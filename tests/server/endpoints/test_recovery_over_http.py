"""Invitations, links for a new password and addresses, as an administrator's program has them."""

import pytest
from tests.server.asgi import JSON, opened

from carnet.server.audit import newest


@pytest.fixture
def run(tmp_path):
    import asyncio

    def run_scene(scene):
        async def play():
            async with opened(tmp_path) as asked:
                return await scene(asked)

        return asyncio.run(play())

    return run_scene


async def ask(asked, method, path, body=b"", bearer=True, query=b""):
    headers = [JSON, *(asked.bearer if bearer else [])]
    return await asked(method, path, headers=headers, body=body, query=query)


def test_somebody_is_invited_by_a_link(run):
    async def scene(asked):
        made = await ask(asked, "POST", "/invitations", b'{"username": "carol", "roles": ["x"]}')
        again = await ask(asked, "POST", "/invitations", b'{"username": "carol"}')
        return made.status, made.json(), again.status, await newest(asked.service.store, 9)

    status, made, again, events = run(scene)
    assert (status, again) == (201, 400)
    assert made["account"]["username"] == "carol"
    assert made["account"]["roles"] == ["x"]
    assert made["link"].startswith("https://auth.example.com/link/invite?secret=")
    assert {"account_created", "link_made"} <= {entry.event for entry in events}


def test_an_account_gets_a_link_and_an_address(run):
    async def scene(asked):
        account = await asked.service.accounts.find("alice")
        path = f"/accounts/{account.id}"
        link = await ask(asked, "POST", f"{path}/reset-link")
        added = await ask(asked, "POST", f"{path}/emails", b'{"email": "A@example.com"}')
        wrong = await ask(asked, "POST", f"{path}/emails", b'{"email": "a"}')
        gone = await ask(asked, "DELETE", f"{path}/emails", query=b"email=a%40example.com")
        left = await ask(asked, "GET", f"{path}/emails")
        return link, added, wrong, gone, left

    link, added, wrong, gone, left = run(scene)
    assert link.status == 201
    assert link.json()["link"].startswith("https://auth.example.com/link/reset?secret=")
    assert added.json() == {
        "emails": [{"email": "A@example.com", "verified": True, "primary": True}]
    }
    assert (wrong.status, gone.status, left.json()) == (400, 204, {"emails": []})


@pytest.mark.parametrize("path", ["/invitations", "/accounts/x/reset-link", "/accounts/x/emails"])
def test_nobody_else_is_answered(run, path):
    async def scene(asked):
        return (await ask(asked, "POST", path, b"{}", bearer=False)).status

    assert run(scene) == 401
