"""Accounts that an invitation or a sign-up made and nobody finished: they go, and no others."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.server.accounts.test_deletion import with_everything
from tests.server.conftest import PASSWORD

from carnet.server.accounts.deletion import LATE
from carnet.server.accounts.one_time_links import INVITE, LIFETIMES, RESET
from carnet.server.accounts.recovery import Handed
from carnet.server.audit import OPERATOR, Origin, newest
from carnet.server.sessions.sessions import BROWSER, NewSession

WEEK = LIFETIMES[INVITE]
DAY = LATE // 1_000_000
HERE = Origin("192.0.2.7", "A browser", None)
MAIL = {"smtp_host": "127.0.0.1", "mail_from": "no-reply@example.com"}


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def invite(service, name="ada", email=""):
    return await service.recovery.invite(name, OPERATOR, ["press"], {"x": 1}, email)


async def names(service):
    return [one.username for one in await service.accounts.page()]


async def sweep(service, account_id=""):
    """Let it run, and have it look at one account that it may have listed a moment before."""
    await service.deletions.run_due()
    if account_id:
        now = service.clock()
        await service.store.transact(lambda: service.deletions._sweeping(account_id, now))


def secret_of(handed: Handed) -> str:
    return parse_qs(urlsplit(handed.link).query)["secret"][0]


def test_what_nobody_finished_goes_a_day_after_its_link_and_its_name_is_free(play):
    async def scene(service, clock):
        await service.recovery.sign_up("lovelace", "ada@example.org", HERE)
        account, _ = await invite(service, email="ada@example.com")
        clock.advance(WEEK + DAY)
        await sweep(service, account.id)
        before = await names(service)
        clock.advance(1)
        await sweep(service)
        entries = await newest(service.store, 50)
        rows = [
            await service.store.read(f"SELECT * FROM {table}")
            for table in ("account", "email_address", "one_time_link")
        ]
        await service.accounts.create("ada", PASSWORD)
        return before, rows, entries

    before, rows, entries = play(scene, **MAIL)
    assert before == ["ada", "lovelace"]
    assert rows == [[], [], []]
    deleted = [entry for entry in entries if entry.event == "account_deleted"]
    assert [(entry.actor, entry.reason) for entry in deleted] == [("service", "never_finished")] * 2
    written = json.dumps([entry._asdict() for entry in entries])
    assert not any(told in written for told in ("ada", "lovelace", "example", "192.0.2.7", "press"))


async def set_a_password(service, account, handed):
    await service.recovery.set_password(INVITE, secret_of(handed), PASSWORD, HERE)


async def set_a_password_and_lose_it(service, account, handed):
    await set_a_password(service, account, handed)
    now = service.clock()
    await service.store.transact(
        lambda: service.accounts.setting_password(account.id, "", OPERATOR, now)
    )


async def be_given_a_password(service, account, handed):
    await service.accounts.set_password(account.id, PASSWORD, OPERATOR)


async def sign_in_once(service, account, handed):
    """Sign in, as with a provider, and lose everything but the account."""
    assert await service.sessions.begin(account, NewSession(BROWSER, "default"))
    await service.store.write("DELETE FROM session")


async def be_linked(service, account, handed):
    await service.identities.link(account.id, "https://idp.example", "U1", OPERATOR)


async def have_an_address(service, account, handed):
    await service.addresses.add_verified(account.id, "ada@example.com", OPERATOR)


async def be_disabled(service, account, handed):
    await service.accounts.disable(account.id, OPERATOR)


async def leave(service, account, handed):
    await service.store.write("UPDATE account SET delete_at = $1 WHERE id = $2", 2**61, account.id)


async def have_a_factor(service, account, handed):
    await service.store.write(
        "INSERT INTO factor (id, account_id, kind, name, secret, counter, details, created_at) "
        "VALUES ('f', $1, 'passkey', '', $2, 0, '', 1)",
        *(account.id, b""),
    )


async def have_a_session(service, account, handed):
    """Have one that something else than a sign-in has left there."""
    await sign_in_once(service, account, handed)
    other = await service.accounts.create("bob", PASSWORD)
    assert await service.sessions.begin(other, NewSession(BROWSER, "default"))
    await service.store.write("UPDATE session SET account_id = $1", account.id)
    await service.store.write("UPDATE account SET unfinished_until = 1 WHERE id = $1", account.id)


async def have_a_password(service, account, handed):
    """Have one that something else than a link has left there."""
    await service.store.write("UPDATE account SET password_hash = 'h' WHERE id = $1", account.id)


@pytest.mark.parametrize(
    "do",
    [
        *(set_a_password, set_a_password_and_lose_it, be_given_a_password, sign_in_once),
        *(be_linked, have_an_address, be_disabled, leave, have_a_factor, have_a_session),
        have_a_password,
    ],
)
def test_what_somebody_has_used_or_has_a_way_into_stays(play, do):
    async def scene(service, clock):
        account, handed = await invite(service)
        await do(service, account, handed)
        clock.advance(WEEK + 2 * DAY)
        await sweep(service, account.id)
        return "ada" in await names(service)

    assert play(scene)


def test_a_link_that_is_good_keeps_the_account(play):
    async def scene(service, clock):
        account, _ = await invite(service)
        clock.advance(WEEK - 1)
        handed = await service.recovery.hand_over(account.id, RESET, OPERATOR)
        clock.advance(2 * DAY)
        await sweep(service, account.id)
        kept = await names(service)
        clock.advance(1)
        await sweep(service)
        return kept, await names(service), handed.expires_at

    kept, gone, _ = play(scene)
    assert (kept, gone) == (["ada"], [])


def test_accounts_that_nobody_was_invited_to_stay(play):
    async def scene(service, clock):
        await with_everything(service, clock)
        await service.accounts.create("without-anything", None)
        now = service.clock()
        await service.store.transact(
            lambda: service.accounts.adding_without_password("by-a-provider", now, OPERATOR)
        )
        clock.advance(1000 * DAY)
        await sweep(service)
        return await names(service)

    assert play(scene) == ["ada", "by-a-provider", "without-anything"]
