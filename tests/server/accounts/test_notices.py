"""Notices: what people hear of by mail, once, in the transaction of what has happened."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import SECRET, code_at
from tests.server.inside import Inside
from tests.server.mail.inbox import text_of
from tests.server.mail.person import ALICE, deliver

from carnet.server.audit import OPERATOR
from carnet.server.store import StoreUnavailable


async def program(person):
    given = {"username": "alice", "password": PASSWORD}
    return (await person.client.post("/sessions", json=given)).status_code


def test_a_new_browser_is_told_of_once(scene_of, inbox):
    async def scene(person, account):
        for _ in range(2):
            assert await person.signs_in(password=PASSWORD) == "/me"
            await person.client.post("/sign-out", data={"x": "y"})
        await deliver(person.service)
        return len(inbox.mails), await Inside(person.service).sign_in()

    told, _ = scene_of(scene)
    assert told == 1
    assert inbox.subjects == ["New sign-in to your account (Carnet)"]


def test_it_speaks_the_language_of_the_account_and_not_that_of_who_has_done_it(scene_of, inbox):
    async def scene(person, account):
        await person.service.accounts.set_language(account.id, "de")
        person.client.headers["Accept-Language"] = "en"
        assert await person.signs_in(password=PASSWORD) == "/me"
        await deliver(person.service)

    scene_of(scene)
    assert inbox.subjects == ["Neue Anmeldung bei Ihrem Konto (Carnet)"]
    assert "das wir noch nicht kennen: Ein Python-Programm." in text_of(inbox.mails[0])


def test_where_none_was_chosen_it_speaks_as_the_pages_did_at_the_sign_in(scene_of, inbox):
    async def scene(person, account):
        person.client.headers["Accept-Language"] = "de"
        await person.signs_in(password=PASSWORD)
        await person.client.post("/sign-out", data={"x": "y"})
        person.client.headers["Accept-Language"] = ""
        await person.service.accounts.set_password(account.id, PASSWORD + "!", OPERATOR)
        await deliver(person.service)

    scene_of(scene)
    assert inbox.subjects[-1] == "Ihr Passwort wurde geändert (Carnet)"


def test_a_program_is_told_of_where_nobody_has_signed_in_from_there(scene_of, inbox):
    async def scene(person, account):
        statuses = [await program(person), await program(person)]
        await deliver(person.service)
        return statuses

    assert scene_of(scene) == [201, 201]
    assert inbox.subjects == ["New sign-in to your account (Carnet)"]


def test_a_wrong_password_is_told_to_nobody(scene_of, inbox):
    async def scene(person, account):
        assert await person.signs_in(password="wrong-one-again") == ""
        await deliver(person.service)

    scene_of(scene)
    assert inbox.mails == []


def test_what_changes_how_one_signs_in_is_told(scene_of, inbox):
    async def scene(person, account):
        service, factors = person.service, person.service.factors
        await factors.add_totp(account, "f1", SECRET, code_at(person.clock), "Phone", OPERATOR)
        await factors.make_recovery_codes(account, OPERATOR)
        await factors.reset(account.id, OPERATOR)
        await service.accounts.set_password(account.id, "another-long-password", OPERATOR)
        await deliver(service)

    scene_of(scene)
    assert sorted(inbox.subjects) == [
        "A way to sign in was added (Carnet)",
        "New recovery codes were made (Carnet)",
        "Your password was changed (Carnet)",
        "Your second factors were removed (Carnet)",
    ]
    assert all("the service's own administration" in text_of(mail) for mail in inbox.mails)


def test_a_change_that_is_undone_is_told_to_nobody(scene_of, inbox):
    async def scene(person, account):
        service, now = person.service, person.clock()

        def undone():
            yield from service.accounts.setting_password(account.id, "x", OPERATOR, now)
            raise StoreUnavailable("full")

        with pytest.raises(StoreUnavailable):
            await service.store.transact(undone)
        await deliver(service)

    scene_of(scene)
    assert inbox.mails == []


def test_who_has_proved_no_address_is_told_nothing_and_signs_in_all_the_same(scene_of, inbox):
    async def scene(person, account):
        bob = await person.service.accounts.create("bob", PASSWORD)
        await person.service.addresses.add(bob.id, "bob", "bob@example.com", OPERATOR)
        await deliver(person.service)
        inbox.envelopes.clear()
        where = await person.signs_in("bob", PASSWORD)
        await deliver(person.service)
        return where

    assert scene_of(scene) == "/me"
    assert inbox.to(ALICE) == inbox.to("bob@example.com") == []


def test_a_queue_that_is_full_keeps_nobody_from_signing_in(scene_of, monkeypatch):
    from carnet.server.mail import outbox

    monkeypatch.setattr(outbox.Outbox.add, "__defaults__", (outbox.DAY, 0))

    async def scene(person, account):
        return await person.signs_in(password=PASSWORD)

    assert scene_of(scene) == "/me"
