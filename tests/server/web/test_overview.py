"""The overview of the administration: what is still to do, and the charts."""

import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register

from carnet.server.pages.admin.checklist import checklist
from carnet.server.store.backup import back_up, last_backup

MAIL = {
    "smtp_host": "127.0.0.1",
    "smtp_port": 1,
    "smtp_security": "none",
    "mail_from": "a@b.example",
}


@pytest.fixture
def engine(request):
    return request.getfixturevalue("postgres_store") if hasattr(request, "param") else ""


async def overview(service, path="/admin"):
    browser = Inside(service)
    await browser.sign_in()
    answer = await browser.client.get(path)
    assert answer.status_code == 200
    return answer.text


def left(page):
    """Give what the list says is to do, by its titles."""
    items = re.findall(r"<strong>([^<]*)</strong> <span class=\"tag[^>]*>(Done|To do)<", page)
    return [title for title, state in items if state == "To do"]


def back_up_now(service):
    database = service.folder.database
    list(back_up(database, database.with_name("copy.db")))


def test_the_list_knows_what_is_done_and_goes_when_all_is(play):
    async def scene(service, clock):
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        browser = Inside(service)
        await browser.sign_in()
        first = left(await overview(service))
        second = await service.accounts.create("bob", PASSWORD, ("carnet:admin",))
        await service.accounts.create("carol", PASSWORD, ("xcarnet:admin", "carnet:admin2"))
        await register(service)
        back_up_now(service)
        clock.now = last_backup(service.folder.database)
        then = left(await overview(service))
        for number, account in enumerate((second, await service.accounts.find("alice"))):
            await service.store.write(
                "INSERT INTO factor (id, account_id, kind, name, credential_id, secret, counter,"
                " details, created_at) VALUES ($1, $2, 'passkey', '', $3, $3, 0, '{}', 0)",
                *(f"f{number}", account.id, b"%d" % number),
            )
        items = await checklist(service)
        page = await browser.client.get("/admin")
        assert page.status_code == 200
        clock.advance(8 * 86_400)
        return first, then, items, page.text, await checklist(service)

    issuer = "https://auth.example.com"
    first, then, items, page, later = play(scene, issuer=issuer, **MAIL)
    assert first == [
        *("A second administrator", "A second factor for every administrator"),
        *("A backup of the last seven days", "A client"),
    ]
    assert then == ["A second factor for every administrator"]
    assert all(item.done for item in items)
    assert "Before you go live" not in page
    assert [item.name for item in later if not item.done] == ["backup"]


def test_an_address_that_only_this_machine_reaches_and_no_mail_are_to_do(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        return left(await overview(service))

    assert play(scene)[:2] == ["A public address", "Mail"]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_of_a_backup_of_postgresql_nothing_is_said(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        return left(await overview(service))

    assert "A backup of the last seven days" not in play(scene)


@pytest.mark.parametrize(
    ("query", "bars"), [("", "hour"), ("?range=days", "day"), ("?range=x", "hour")]
)
def test_the_charts_cover_hours_or_days_and_say_what_they_show(play, query, bars):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
        return await overview(service, f"/admin{query}")

    page = play(scene)
    assert f"Sign-ins by {bars}: 1 in all, at most 1 in one {bars}." in page
    assert page.count('<rect class="bar-sign-ins"') == 1
