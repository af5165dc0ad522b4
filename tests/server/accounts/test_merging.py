"""Accounts that get another name, and accounts that become a part of another one."""

from __future__ import annotations

import asyncio

import pytest
from tests.server.accounts.test_deletion import HERE, rows, tables_of_accounts, with_everything
from tests.server.conftest import PASSWORD
from tests.server.mail.inbox import link_of, text_of
from tests.server.mail.person import ALICE, deliver

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.accounts import Account
from carnet.server.accounts.email_addresses import MOST_ADDRESSES
from carnet.server.audit import OPERATOR, Origin, newest
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession, RefreshRefused

ADMINISTRATOR = Origin("198.51.100.1", "", "the-administrator")
ISSUER = "https://i.example"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def two(service, clock):
    """Make two accounts of ada's: one that has everything, with a proved address, and another."""
    gone, browser, program = await with_everything(service, clock)
    await service.addresses.add_verified(gone.id, "ada@example.net", OPERATOR)
    stays = await service.accounts.create("lovelace", PASSWORD, ["sales"])
    return gone, stays, browser, program


async def merge(service, gone, into, origin=ADMINISTRATOR):
    shown = await service.merges.preview(gone.id, into.id, origin)
    return await service.merges.merge(gone.id, into.id, shown.digest, origin)


async def refusal(work):
    with pytest.raises(AccountRefused) as refused:
        await work
    return refused.value.code


async def addresses(service, account):
    found = await service.addresses.of_account(account.id)
    return [(one.address, one.verified_at, one.primary) for one in found]


def test_an_account_is_renamed_and_stays_the_same_one(play):
    async def scene(service, clock):
        account = await service.accounts.create("ada", PASSWORD)
        session = await service.sessions.begin(account, NewSession(FIRST_PARTY, "default"))
        await service.accounts.rename(account.id, "Lovelace", ADMINISTRATOR)
        signed_in = await service.accounts.check("lovelace", PASSWORD)
        former = await service.accounts.check("ada", PASSWORD)
        refreshed = await service.sessions.refresh(session.refresh_token)
        # The name is free, and another's from then on.
        other = await service.accounts.create("ada", PASSWORD)
        revoked = await service.store.read(
            "SELECT version FROM revocation WHERE kind = 'sub' AND value = $1", account.id
        )
        entries = await newest(service.store, 9)
        renamed = [e.reason for e in entries if e.event == "account_renamed"]
        return account, signed_in, former, refreshed, other, revoked, renamed

    account, signed_in, former, refreshed, other, revoked, renamed = play(scene)
    assert (signed_in.id, signed_in.username) == (account.id, "lovelace")
    assert former.reason == "unknown_username"
    assert (refreshed.account_id, refreshed.version) == (account.id, 2)
    assert other.id != account.id
    assert revoked == [(2,)]
    assert renamed == ["ada lovelace"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bob", "username_taken"),
        ("ＢＯＢ", "username_taken"),  # noqa: RUF001 - the same name, as it is typed elsewhere
        ("b0b", "username_alike"),
        ("a b", "username_invalid"),
        ("admіn", "username_invalid"),  # noqa: RUF001 - of two scripts
    ],
)
def test_no_name_is_had_by_renaming_that_could_not_be_chosen(play, name, code):
    async def scene(service, clock):
        account = await service.accounts.create("ada", PASSWORD)
        await service.accounts.create("bob", PASSWORD)
        # All or nothing.
        change = service.accounts.change(account.id, OPERATOR, username=name, roles=["x"])
        return await refusal(change), await service.accounts.by_id(account.id) == account

    assert play(scene) == (code, True)


def test_a_name_that_looks_like_ones_own_can_be_had_and_the_same_one_changes_nothing(play):
    async def scene(service, clock):
        account = await service.accounts.create("bob", PASSWORD)
        await service.accounts.rename(account.id, " BOB ", OPERATOR)
        same = await service.accounts.by_id(account.id)
        await service.accounts.rename(account.id, "b0b", OPERATOR)
        return account, same, (await service.accounts.by_id(account.id)).username

    account, same, after = play(scene)
    assert same == account
    assert after == "b0b"


def test_of_two_that_rename_to_one_name_at_once_one_gets_it(play):
    async def scene(service, clock):
        made = [await service.accounts.create(name, PASSWORD) for name in ("ada", "bob")]
        renaming = [service.accounts.rename(one.id, "eve", OPERATOR) for one in made]
        outcomes = await asyncio.gather(*renaming, return_exceptions=True)
        return [getattr(one, "code", None) for one in outcomes]

    assert sorted(play(scene), key=str) == [None, "username_taken"]


def test_what_can_live_on_in_the_other_account_does(play):
    async def scene(service, clock):
        gone, stays, _, _ = await two(service, clock)
        # A claim of the one that stays, which the other has proved.
        await service.addresses.add(stays.id, "lovelace", "ada@example.net", OPERATOR)
        # What the other has consented to itself stays as it is.
        await service.store.write(
            "INSERT INTO consent (account_id, client_id, resource, scope, granted_at) "
            "VALUES ($1, 'app', 'default', 'x', 1), ($2, 'other', 'default', 'openid', 1)",
            *(stays.id, gone.id),
        )
        shown = await service.merges.preview(gone.id, stays.id, ADMINISTRATOR)
        assert (await service.accounts.by_id(gone.id)).username == "ada"
        clock.advance(1)
        assert await service.merges.merge(gone.id, stays.id, shown.digest, ADMINISTRATOR) == shown
        [identity] = await service.identities.of_account(stays.id)
        consents = await service.store.read(
            "SELECT client_id, scope FROM consent WHERE account_id = $1 ORDER BY client_id",
            stays.id,
        )
        mails = await addresses(service, stays)
        return shown, identity, consents, mails, await service.accounts.find("lovelace"), clock()

    shown, identity, consents, mails, stays, now = play(scene)
    assert shown.identities == ((ISSUER, "ada"),)
    assert shown.emails == ("ada@example.net",)
    assert (shown.applications, shown.lost_roles) == (("other",), ("press",))
    assert (identity.issuer, identity.subject, identity.created_at) == (ISSUER, "ada", now)
    assert consents == [("app", "x"), ("other", "openid")]
    assert mails == [("ada@example.net", now, True)]
    assert (stays.roles, stays.version) == (("sales",), 1)


def test_an_identity_that_moved_takes_nothing_along_and_nothing_away(play):
    async def scene(service, clock):
        gone, stays, _, _ = await two(service, clock)
        # It has brought a role to the one account that the other has of its own.
        await service.store.write("UPDATE account_identity SET roles = $1", '["sales"]')
        await merge(service, gone, stays)
        before = (await service.accounts.by_id(stays.id)).roles
        assert await service.identities.unlink(stays.id, ISSUER, "ada", OPERATOR)
        return before, (await service.accounts.by_id(stays.id)).roles

    assert play(scene) == (("sales",), ("sales",))


def test_what_lets_into_the_one_account_never_lets_into_the_other(play):
    async def scene(service, clock):
        gone, stays, _, program = await two(service, clock)
        await merge(service, gone, stays)
        kept = await service.accounts.check("lovelace", PASSWORD)
        assert isinstance(kept, Account)
        assert kept.id == stays.id
        for name in ("ada", f"deleted {gone.id}"):
            assert not isinstance(await service.accounts.check(name, PASSWORD), Account)
        with pytest.raises(RefreshRefused):
            await service.sessions.refresh(program.refresh_token)
        tables = await tables_of_accounts(service) - {
            "session",
            *("account_identity", "email_address", "consent"),
        }
        return {table: await rows(service, table) for table in tables}

    assert not any(play(scene).values())


def test_the_subject_is_gone_as_after_a_deletion(play):
    async def scene(service, clock):
        gone, stays, _, _ = await two(service, clock)
        await merge(service, gone, stays)
        [telling] = await service.store.read(
            "SELECT logout_uri, ended_reason FROM session WHERE account_id = $1", gone.id
        )
        revoked = await service.store.read(
            "SELECT version FROM revocation WHERE kind = 'sub' AND value = $1 ORDER BY version",
            gone.id,
        )
        entries = await newest(service.store, 50)
        merged = [e for e in entries if e.event in ("account_merged", "account_deleted")]
        return gone, stays, telling, revoked, merged, await service.accounts.by_id(gone.id)

    gone, stays, telling, revoked, merged, found = play(scene)
    assert telling == ("http://127.0.0.1:1/l", "account_deleted")
    assert revoked[-1] == (gone.version + 1,)
    assert found is None
    assert {(e.event, e.account_id, e.reason, e.actor) for e in merged} == {
        ("account_merged", stays.id, f"ada {gone.id}", "the-administrator"),
        ("account_deleted", gone.id, "merged", "the-administrator"),
    }


def test_of_a_deleted_account_the_audit_log_does_not_say_what_was_merged_into_it(play):
    async def scene(service, clock):
        gone, stays, _, _ = await two(service, clock)
        await merge(service, gone, stays)
        await service.accounts.rename(stays.id, "byron", OPERATOR)
        await service.deletions.delete(stays.id, OPERATOR)
        return [str(entry) for entry in await newest(service.store, 50)]

    written = play(scene)
    assert not any(name in one for one in written for name in ("'ada", "lovelace", "byron"))


def test_what_has_changed_since_it_was_shown_is_not_done(play):
    async def scene(service, clock):
        gone, stays, _, _ = await two(service, clock)
        shown = await service.merges.preview(gone.id, stays.id, OPERATOR)
        # Whoever has the account adds a way in, while the administrator reads.
        await service.identities.link(gone.id, "https://evil.example", "mallory", OPERATOR)
        merging = service.merges.merge(gone.id, stays.id, shown.digest, OPERATOR)
        return await refusal(merging), await service.identities.of_account(stays.id)

    assert play(scene) == ("account_changed", [])


def test_an_older_address_of_the_one_that_goes_counts_for_less_than_one_of_the_other(play):
    async def scene(service, clock):
        gone = await service.accounts.create("mallory", PASSWORD)
        await service.addresses.add_verified(gone.id, "mallory@example.net", OPERATOR)
        clock.advance(86_400)
        stays = await service.accounts.create("ada", PASSWORD)
        await service.addresses.add_verified(stays.id, "ada@example.com", OPERATOR)
        clock.advance(86_400)
        await merge(service, gone, stays)
        return await addresses(service, stays)

    own, moved = play(scene)
    assert (own[0], own[2], moved[0], moved[2]) == (
        *("ada@example.com", True),
        *("mallory@example.net", False),
    )
    # "This was not me" removes what is younger than the address that the notice went to.
    assert own[1] < moved[1]


def test_accounts_that_cant_be_merged_are_left_as_they_are(play):
    async def scene(service, clock):
        gone, stays, _, _ = await two(service, clock)
        look = service.merges.preview
        codes = [
            await refusal(look(gone.id, gone.id, OPERATOR)),
            await refusal(look(gone.id, "nobody", OPERATOR)),
            await refusal(look(gone.id, stays.id, HERE._replace(actor=gone.id))),
        ]
        for account in (gone, stays):
            await service.accounts.disable(account.id, OPERATOR)
            codes.append(await refusal(look(gone.id, stays.id, OPERATOR)))
            await service.accounts.enable(account.id, OPERATOR)
        for number in range(MOST_ADDRESSES):
            await service.addresses.add_verified(stays.id, f"a{number}@example.org", OPERATOR)
        codes.append(await refusal(look(gone.id, stays.id, OPERATOR)))
        session = await service.sessions.begin(
            await service.accounts.by_id(gone.id), NewSession(FIRST_PARTY, "default")
        )
        leaving = await service.accounts.by_id(gone.id)
        await service.deletions.ask(leaving, session.session_id, OPERATOR)
        codes.append(await refusal(look(gone.id, stays.id, OPERATOR)))
        return codes

    assert play(scene) == [
        *("account_same", "account_unknown", "account_own"),
        *("account_disabled", "account_disabled", "too_many_emails", "account_disabled"),
    ]


def test_of_two_merges_of_two_accounts_into_each_other_one_is_done(play):
    async def scene(service, clock):
        made = [await service.accounts.create(name, PASSWORD) for name in ("ada", "bob")]
        ways = [made, made[::-1]]
        shown = [await service.merges.preview(a.id, b.id, OPERATOR) for a, b in ways]
        merging = [
            service.merges.merge(a.id, b.id, one.digest, OPERATOR)
            for (a, b), one in zip(ways, shown, strict=True)
        ]
        outcomes = await asyncio.gather(*merging, return_exceptions=True)
        left = await service.accounts.page()
        return sorted(str(getattr(one, "code", None)) for one in outcomes), len(left)

    assert play(scene) == (["None", "account_unknown"], 1)


@pytest.mark.parametrize("engine", [""])
def test_whoever_says_that_it_was_not_them_is_rid_of_what_was_merged(scene_of, inbox):
    async def scene(person, stays):
        service, evil = person.service, "mallory@evil.example"
        gone = await service.accounts.create("mallory", PASSWORD)
        await service.addresses.add_verified(gone.id, evil, OPERATOR)
        await service.identities.link(gone.id, ISSUER, "mallory", OPERATOR)
        person.clock.advance(5)
        await merge(service, gone, stays)
        await deliver(service)
        told = [mail["To"] for mail in inbox.mails if mail["Subject"].startswith("Another account")]
        notice = inbox.to(ALICE)[-1]
        answer = await person.use(link_of(notice))
        left = await addresses(service, stays)
        return told, text_of(notice), answer.text, left, await service.accounts.by_id(stays.id)

    told, text, answer, left, account = scene_of(scene)
    assert sorted(told) == [ALICE, "mallory@evil.example"]
    assert "The account mallory was merged into it." in text
    assert "The account is locked" in answer
    assert ([address for address, *_ in left], account.disabled) == ([ALICE], True)
