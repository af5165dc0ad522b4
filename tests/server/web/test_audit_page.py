"""The audit log of the administration: what it says that it shows, names, and files."""

import csv
import io
import json

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside

from carnet.server.audit import Event, Origin, record
from carnet.server.pages.admin import audit as page


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return request.getfixturevalue("postgres_store") if request.param == "postgres" else ""


async def administrator(service):
    await service.accounts.create("alice", PASSWORD, ("carnet:admin",))
    browser = Inside(service)
    await browser.sign_in()
    return browser


async def add(service, number, account_id, reason=None):
    def work():
        origin = Origin("192.0.2.1", actor=account_id)
        for at in range(number):
            yield from record(
                at, Event.SIGN_IN_REFUSED, origin, account_id=account_id, reason=reason
            )

    await service.store.transact(work)


def test_it_says_what_it_shows_and_whom_it_speaks_of_in_one_statement(play):
    async def scene(service, _clock):
        browser = await administrator(service)
        for number in range(30):
            account = await service.accounts.create(f"user{number}", None)
            await add(service, 1, account.id)
        before = service.store.statements_run
        whole = await browser.client.get("/admin/audit?event=sign_in_refused")
        statements = service.store.statements_run - before
        await browser.client.get("/admin/audit?event=key_created")
        fewer = service.store.statements_run - before - statements
        named = await browser.client.get("/admin/audit?account=user7&since=1970-01-01")
        return statements, fewer, whole.text, named.text

    statements, fewer, whole, named = play(scene)
    assert statements == fewer
    assert "Event: sign in refused" in whole
    assert all(f">user{number}</a>" in whole for number in range(30))
    assert "Account: user7" in named
    assert "From this day: 1970-01-01" in named
    assert ">user8</a>" not in named


def test_what_the_filters_let_through_is_downloaded_page_by_page_up_to_a_bound(play, monkeypatch):
    monkeypatch.setattr(page, "EXPORTED_AT_ONCE", 10)
    monkeypatch.setattr(page, "MOST_EXPORTED", 25)

    async def scene(service, _clock):
        browser = await administrator(service)
        bob = await service.accounts.create("bob", None)
        await add(service, 12, bob.id, "=1+1")
        before = service.store.statements_run
        some = await browser.client.get("/admin/audit/export.csv?account=bob&event=sign_in_refused")
        statements = service.store.statements_run - before
        await add(service, 20, bob.id)
        many = await browser.client.get("/admin/audit/export.json?account=bob")
        none = await browser.client.get("/admin/audit/export.json?event=key_removed")
        wrong = await browser.client.get("/admin/audit/export.csv?since=never")
        other = await browser.client.get("/admin/audit/export.xml")
        return bob.id, some, statements, many, none, wrong, other

    bob_id, some, statements, many, none, wrong, other = play(scene)
    rows = list(csv.DictReader(io.StringIO(some.text)))
    assert len(rows) == 12
    assert rows[-1] == {
        "time": "1970-01-01T00:00:00Z",
        "event": "sign_in_refused",
        "account": "bob",
        "account_id": bob_id if not bob_id.startswith(page.CALCULATED) else f"'{bob_id}",
        "session_id": "",
        "by": "bob",
        "address": "192.0.2.1",
        "reason": "'=1+1",
    }
    assert 'filename="audit.csv"' in some.headers["content-disposition"]
    assert statements <= 4, "the session, the account of the filter, and two pages"
    assert len(json.loads(many.text)) == 25
    assert json.loads(none.text) == []
    assert (wrong.status_code, other.status_code) == (303, 404)


def test_it_is_for_administrators_alone(play):
    async def scene(service, _clock):
        await service.accounts.create("bob", PASSWORD)
        browser = Inside(service, "bob")
        await browser.sign_in()
        return (await browser.client.get("/admin/audit/export.csv")).status_code

    assert play(scene) == 403
