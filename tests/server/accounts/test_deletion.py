"""Accounts that go: after a pause in which they can be kept, or at once, and what stays of them."""

from __future__ import annotations

import json

import pytest
from tests.server.conftest import PASSWORD

from carnet.server.accounts.account_list import summaries
from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.accounts import Account
from carnet.server.accounts.import_shapes import read_row
from carnet.server.accounts.importing import AccountImport
from carnet.server.audit import OPERATOR, Event, Origin, newest
from carnet.server.sessions.sessions import BROWSER, FIRST_PARTY, NewSession, RefreshRefused
from carnet.server.store import StoreUnavailable

DAY = 86_400
HERE = Origin("192.0.2.7", "A browser", None)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def rows(service, table):
    return await service.store.read(f"SELECT * FROM {table}")


async def with_everything(service, clock, username="ada"):
    """Make an account of which there is a row in every table that has rows of accounts."""
    account = await service.accounts.create(
        username, PASSWORD, ["press"], {"email": "ada@example.com"}, HERE
    )
    browser = await service.sessions.begin(account, NewSession(BROWSER, "default"), HERE)
    program = await service.sessions.begin(account, NewSession(FIRST_PARTY, "default"), HERE)
    told = NewSession(
        "app", "default", login_id=browser.session_id, logout_uri="http://127.0.0.1:1/l"
    )
    await service.sessions.begin(account, told, HERE)
    await service.accounts.set_claims(account.id, {"email": "ada@example.org"}, OPERATOR)
    account = await service.accounts.by_id(account.id)
    now, login = clock(), browser.session_id
    for table, row in {
        "factor": {
            "id": "f",
            "account_id": account.id,
            "kind": "totp",
            "name": "Phone",
            "secret": b"s",
            "counter": 0,
            "details": "",
            "created_at": now,
        },
        "recovery_code": {"account_id": account.id, "code_hash": b"h"},
        "remembered_browser": {
            "id": "b",
            "account_id": account.id,
            "secret_hash": b"b",
            "user_agent": "A browser",
            "created_at": now,
            "expires_at": now + 1,
        },
        "account_identity": {
            "issuer": "https://i.example",
            "subject": "ada",
            "account_id": account.id,
            "created_at": now,
        },
        "email_address": {
            "account_id": account.id,
            "normalized": "ada@example.org",
            "address": "ada@example.org",
            "is_primary": 1,
            "created_at": now,
        },
        "one_time_link": {
            "secret_hash": b"l",
            "purpose": "reset",
            "account_id": account.id,
            "address": "ada@example.org",
            "address_since": 0,
            "created_at": now,
            "expires_at": now + 1,
        },
        "consent": {
            "account_id": account.id,
            "client_id": "app",
            "resource": "default",
            "scope": "openid",
            "granted_at": now,
        },
        "authorization_code": {
            "code_hash": b"c",
            "account_id": account.id,
            "login_id": login,
            "request": "{}",
            "expires_at": now + 1,
        },
        "device_code": {
            "code_hash": b"d",
            "user_code_hash": b"u",
            "client_id": "app",
            "request": "{}",
            "expires_at": now + 1,
            "account_id": account.id,
        },
        "scim_user": {
            "account_id": account.id,
            "external_id": "ada",
            "content": "{}",
            "created_at": now,
            "changed_at": now,
        },
        "scim_group": {
            "id": "g",
            "display_name": "Press",
            "created_at": now,
            "changed_at": now,
        },
        "scim_member": {"group_id": "g", "account_id": account.id},
    }.items():
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        text = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})"
        await service.store.write(text, *row.values())
    return account, browser, program


async def tables_of_accounts(service):
    """The tables that refer to accounts, as the database itself says."""
    if service.settings.database:
        found = await service.store.read(
            "SELECT conrelid::regclass::text FROM pg_constraint "
            "WHERE contype = 'f' AND confrelid = 'account'::regclass"
        )
        return {name for (name,) in found}
    names = await service.store.read("SELECT name FROM sqlite_master WHERE type = 'table'")
    found = set()
    for (name,) in names:
        keys = await service.store.read('SELECT "table" FROM pragma_foreign_key_list($1)', name)
        found |= {name for (other,) in keys if other == "account"}
    return found


def test_whoever_leaves_is_signed_out_at_once_and_can_come_back(play):
    async def scene(service, clock):
        account, browser, program = await with_everything(service, clock)
        moment = await service.deletions.ask(account, browser.session_id, HERE)
        assert moment == clock() + 7 * DAY * 1_000_000
        assert await service.sessions.of_account(account.id) == []
        with pytest.raises(RefreshRefused):
            await service.sessions.refresh(program.refresh_token)
        clock.advance(6 * DAY)
        await service.deletions.run_due()
        leaving = await service.accounts.check("ada", PASSWORD)
        assert isinstance(leaving, Account)
        assert leaving.delete_at == moment
        # Nothing but a sign-in of its own begins a session.
        begun = await service.sessions.begin(leaving, NewSession(FIRST_PARTY, "default"))
        assert begun is None
        assert await service.deletions.keep(account.id, HERE)
        assert not await service.deletions.keep(account.id, HERE)
        kept = await service.accounts.by_id(account.id)
        assert await service.sessions.begin(kept, NewSession(FIRST_PARTY, "default"))
        clock.advance(30 * DAY)
        await service.deletions.run_due()
        return await service.accounts.by_id(account.id), await newest(service.store, 50)

    account, entries = play(scene)
    assert (account.username, account.delete_at) == ("ada", None)
    assert account.claims == {"email": "ada@example.org"}
    events = {entry.event for entry in entries}
    assert {"account_kept", "account_deletion_asked"} <= events
    assert "account_deleted" not in events


def test_what_is_deleted_is_gone_from_every_table(play):
    async def scene(service, clock):
        account, browser, _ = await with_everything(service, clock)
        other = await service.accounts.create("bob", PASSWORD)
        await service.sessions.begin(other, NewSession(FIRST_PARTY, "default"), HERE)
        tables = await tables_of_accounts(service)
        # Whoever adds a table adds it to what is deleted, and above to what there is.
        for table in tables:
            assert await rows(service, table), table
        await service.deletions.ask(account, browser.session_id, HERE)
        clock.advance(3600)
        await service.deletions.run_due()
        left = {table: await rows(service, table) for table in tables}
        telling = [row for row in left.pop("session") if account.id in row]
        assert len(telling) == 1
        assert not any("192.0.2.7" in row or "A browser" in row for row in telling)
        assert not any(left.values())
        # Seen by nobody, while a client has still to be told.
        assert await service.accounts.by_id(account.id) is None
        assert [one.username for one in await service.accounts.page()] == ["bob"]
        assert await summaries(service.store, service.settings, service.clock(), "e") == []
        with pytest.raises(AccountRefused):
            await service.accounts.find("ada")
        for typed in (f"deleted {account.id}", "ada"):
            assert not isinstance(await service.accounts.check(typed, PASSWORD), Account)
        # The name is free.
        await service.accounts.create("ada", PASSWORD)
        clock.advance(2 * DAY)
        await service.deletions.run_due()
        names = {name for (name,) in await service.store.read("SELECT username FROM account")}
        sessions = await service.store.read(
            "SELECT id FROM session WHERE account_id = $1", account.id
        )
        return names, sessions

    names, sessions = play(scene, account_deletion_pause=3600)
    assert (names, sessions) == ({"ada", "bob"}, [])


def test_a_client_is_told_of_a_session_that_ended_with_its_account(play):
    async def scene(service, clock):
        account, _, _ = await with_everything(service, clock)
        await service.deletions.delete(account.id, OPERATOR)
        [row] = await service.store.read("SELECT logout_uri, ended_at FROM session")
        due = await service.store.read(
            "SELECT id FROM session WHERE logout_uri IS NOT NULL AND ended_at IS NOT NULL"
        )
        # Once told, the row goes, and the account's with it.
        await service.store.write("UPDATE session SET logout_uri = NULL")
        await service.deletions.run_due()
        return row, due, await rows(service, "session"), await rows(service, "account")

    row, due, sessions, accounts = play(scene)
    assert row[0] == "http://127.0.0.1:1/l"
    assert len(due) == 1
    assert (sessions, accounts) == ([], [])


def test_the_audit_log_keeps_what_has_happened_and_nothing_of_the_person(play):
    async def scene(service, clock):
        account, _, _ = await with_everything(service, clock, "ada-lovelace")
        administrator = Origin("198.51.100.1", "", "the-administrator")
        await service.accounts.set_roles(account.id, ["ADMIN"], administrator)
        # What somebody did to others as an administrator.
        other = await service.accounts.create(
            "bob", PASSWORD, origin=Origin("192.0.2.7", "", account.id)
        )
        await service.deletions.delete(account.id, administrator)
        return account.id, other.id, await newest(service.store, 50)

    account_id, other_id, entries = play(scene)
    about = [entry for entry in entries if entry.account_id == account_id]
    assert {"account_created", "session_begun", "claims_changed", "roles_changed"} <= {
        entry.event for entry in about
    }
    written = json.dumps([entry._asdict() for entry in entries])
    for personal in ("192.0.2.7", "lovelace", "@example", "ADMIN", "press"):
        assert personal not in written, personal
    assert next(e for e in about if e.event == "session_begun").reason
    assert [entry.event for entry in about].count("account_deleted") == 1
    assert {e.address for e in about if e.actor == "the-administrator"} == {"198.51.100.1"}
    assert [e.actor for e in entries if e.account_id == other_id] == [account_id]


def test_tokens_of_a_deleted_account_are_revoked(play):
    async def scene(service, clock):
        account, _, _ = await with_everything(service, clock)
        await service.deletions.delete(account.id, OPERATOR)
        found = await service.store.read(
            "SELECT version FROM revocation WHERE kind = 'sub' AND value = $1 ORDER BY version",
            account.id,
        )
        return account.version, found

    version, found = play(scene)
    assert found[-1] == (version + 1,)


def test_without_a_pause_the_account_is_deleted_at_once_and_says_nothing_of_from_where(play):
    async def scene(service, clock):
        account, browser, _ = await with_everything(service, clock)
        await service.deletions.ask(account, browser.session_id, HERE)
        entries = await newest(service.store, 50)
        return await service.accounts.by_id(account.id), entries, account.id

    gone, entries, account_id = play(scene, account_deletion_pause=0)
    assert gone is None
    assert [e.actor for e in entries if e.event == "account_deleted"] == [account_id]
    assert not any(entry.address for entry in entries)


def test_an_account_that_has_changed_or_whose_session_has_ended_is_not_deleted(play):
    async def scene(service, clock):
        account, browser, _ = await with_everything(service, clock)
        codes = []
        older = account._replace(version=account.version - 1)
        for one, session in ((older, browser.session_id), (account, "no-session")):
            with pytest.raises(AccountRefused) as refused:
                await service.deletions.ask(one, session, HERE)
            codes.append(refused.value.code)
        return codes, (await service.accounts.by_id(account.id)).delete_at

    assert play(scene) == (["account_changed"] * 2, None)


def test_whom_an_administrator_has_disabled_does_not_come_back_by_leaving(play):
    async def scene(service, clock):
        account, browser, _ = await with_everything(service, clock)
        await service.deletions.ask(account, browser.session_id, HERE)
        await service.accounts.disable(account.id, OPERATOR)
        refused = await service.accounts.check("ada", PASSWORD)
        await service.deletions.keep(account.id, OPERATOR)
        found = await service.accounts.by_id(account.id)
        begun = await service.sessions.begin(found, NewSession(FIRST_PARTY, "default"))
        return refused.reason, begun

    assert play(scene) == ("account_disabled", None)


def test_an_account_that_cant_be_deleted_keeps_no_other_one_there(play, monkeypatch):
    async def scene(service, clock):
        for name in ("ada", "bob", "eve"):
            account = await service.accounts.create(name, PASSWORD)
            session = await service.sessions.begin(account, NewSession(BROWSER, "default"))
            await service.deletions.ask(account, session.session_id, HERE)
        clock.advance(8 * DAY)
        poisoned = min([one.id for one in await service.accounts.page()])
        work = service.deletions._deleting

        def failing(account_id, *more):
            if account_id == poisoned:
                raise StoreUnavailable("not this one")
            return work(account_id, *more)

        monkeypatch.setattr(service.deletions, "_deleting", failing)
        with pytest.raises(ExceptionGroup):
            await service.deletions.run_due()
        return [one.id for one in await service.accounts.page()] == [poisoned]

    assert play(scene)


def test_an_account_is_deleted_once(play):
    async def scene(service, clock):
        account, _, _ = await with_everything(service, clock)
        results = [await service.deletions.delete(account.id, OPERATOR) for _ in range(2)]
        entries = await newest(service.store, 50)
        return results, [e.event for e in entries].count(Event.ACCOUNT_DELETED)

    assert play(scene) == ([True, False], 1)


def test_what_is_exported_is_imported_as_it_was(play, tmp_path):
    from carnet.server.accounts.exporting import export_accounts

    async def scene(service, clock):
        await service.accounts.create("ada", PASSWORD, ["press"], {"email": "a@example.com"})
        bob = await service.accounts.create("bob", PASSWORD)
        await service.accounts.disable(bob.id, OPERATOR)
        plain = [one async for one in export_accounts(service.store, with_hashes=False)]
        exported = [one async for one in export_accounts(service.store, with_hashes=True)]
        before = [one._replace(version=1) for one in await service.accounts.page()]
        for one in before:
            await service.deletions.delete(one.id, OPERATOR)
        assert await service.accounts.page() == []
        text = [json.loads(json.dumps(one)) for one in exported]
        results = await AccountImport(service.store, clock()).add([read_row(one) for one in text])
        found = await service.accounts.check("ada", PASSWORD)
        return plain, results, before, await service.accounts.page(), found

    plain, results, before, after, found = play(scene)
    assert not any("password_hash" in one for one in plain)
    assert [one.outcome.value for one in results] == ["imported"] * 2
    assert after == before
    assert isinstance(found, Account)


def test_an_address_that_was_proved_is_among_the_claims_that_are_exported(play):
    from carnet.server.accounts.exporting import export_accounts

    async def scene(service, clock):
        ada = await service.accounts.create("ada", PASSWORD, (), {"email": "old@example.com"})
        await service.addresses.add_verified(ada.id, "ada@example.com", OPERATOR)
        return [one async for one in export_accounts(service.store, with_hashes=False)]

    [exported] = play(scene)
    assert exported["claims"] == {"email": "ada@example.com", "email_verified": True}
