"""Accounts: what makes them, what changes them, and what that does to their tokens."""

import asyncio
import functools

import pytest
from argon2 import PasswordHasher
from tests import password_cost

from carnet.server.accounts import passwords
from carnet.server.accounts.accounts import AccountRefused
from carnet.server.accounts.passwords import Passwords, TooBusy
from carnet.server.audit import OPERATOR, newest
from carnet.server.sessions.sessions import NewSession

PASSWORD = "paper-boat-harbour"


@pytest.mark.parametrize(
    ("username", "password", "code"),
    [
        ("", PASSWORD, "username_invalid"),
        ("a b", PASSWORD, "username_invalid"),
        ("a\nb", PASSWORD, "username_invalid"),
        ("x" * 129, PASSWORD, "username_invalid"),
        ("bob", "short", "password_invalid"),
        ("bob", "x" * 1025, "password_invalid"),
        ("bob", "Password1", "password_common"),
        ("bob", "iloveyou1", "password_common"),
        ("bobbybobby", "BobbyBobby", "password_common"),
        ("ADA", PASSWORD, "username_taken"),
    ],
)
def test_an_account_that_cant_be_made_is_refused_with_a_reason(play, username, password, code):
    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)
        with pytest.raises(AccountRefused) as refused:
            await service.accounts.create(username, password)
        assert password not in str(refused.value) or not password
        return refused.value.code

    assert play(scene) == code


@pytest.mark.parametrize("claims", [{"sub": "x"}, {"iss": 1}, {"sid": ""}, {"roles": []}])
def test_custom_claims_can_not_replace_the_services_own(play, claims):
    async def scene(service, _clock):
        with pytest.raises(AccountRefused) as refused:
            await service.accounts.create("ada", PASSWORD, claims=claims)
        return refused.value.code

    assert play(scene) == "claim_reserved"


def test_custom_claims_stand_in_the_tokens(play):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD, ["a"], {"department": "press"})
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        grant = await service.sessions.refresh(grant.refresh_token)
        return grant.claims, grant.roles

    assert play(scene) == ({"department": "press"}, ("a",))


async def changed_roles(service, account):
    await service.accounts.set_roles(account.id, ["b"], OPERATOR)


async def changed_claims(service, account):
    await service.accounts.set_claims(account.id, {"x": 1}, OPERATOR)


@pytest.mark.parametrize("change", [changed_roles, changed_claims])
def test_a_change_makes_older_tokens_stale_while_the_session_lives_on(play, change):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD, ["a"])
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        assert await service.sessions.accepts(grant.session_id, grant.version, "t")
        await change(service, account)
        assert not await service.sessions.accepts(grant.session_id, grant.version, "t")
        entries = await service.store.read("SELECT kind, value, version FROM revocation")
        following = await service.sessions.refresh(grant.refresh_token)
        assert await service.sessions.accepts(following.session_id, following.version, "t")
        return entries == [("sub", account.id, 2)], following.version

    assert play(scene) == (True, 2)


def test_the_same_roles_again_change_nothing(play):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD, ["a", "b"])
        await service.accounts.set_roles(account.id, ["b", "a", "b"], OPERATOR)
        return (await service.accounts.by_id(account.id)).version

    assert play(scene) == 1


def test_a_disabled_account_is_out_at_once_and_can_come_back(play):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD)
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        await service.accounts.disable(account.id, OPERATOR)
        assert await service.accounts.authenticate("ada", PASSWORD) is None
        assert await service.sessions.begin(account, NewSession("carnet", "default")) is None
        assert not await service.sessions.accepts(grant.session_id, grant.version, "t")
        with pytest.raises(Exception, match="ended"):
            await service.sessions.refresh(grant.refresh_token)
        await service.accounts.enable(account.id, OPERATOR)
        return (await service.accounts.authenticate("ada", PASSWORD)).username

    assert play(scene) == "ada"


def test_a_sign_in_that_races_with_a_new_password_begins_no_session(play):
    async def scene(service, _clock):
        account = await service.accounts.authenticate(
            "ada", PASSWORD
        ) or await service.accounts.create("ada", PASSWORD)
        await service.accounts.set_password(account.id, "another-paper-boat", OPERATOR)
        return await service.sessions.begin(account, NewSession("carnet", "default"))

    assert play(scene) is None


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def signed_in(service, password=PASSWORD):
    """Make an account with a session, and give both."""
    account = await service.accounts.create("ada", password, ["a"])
    return account, await service.sessions.begin(account, NewSession("carnet", "default"))


def interrupted(service, monkeypatch, name, meanwhile):
    """Let something be done and committed while the next password is hashed or checked."""
    passwords = service.accounts._passwords
    real = getattr(passwords, name)

    async def work(*arguments):
        result = await real(*arguments)
        monkeypatch.undo()
        await meanwhile()
        return result

    monkeypatch.setattr(passwords, name, work)


async def reset(service, account, grant):
    await service.accounts.set_password(account.id, "what-the-operator-gave", OPERATOR)


async def sign_out(service, account, grant):
    await service.sessions.end(grant.session_id, "signed_out", OPERATOR)


async def disable(service, account, grant):
    await service.accounts.disable(account.id, OPERATOR)


async def disable_and_enable(service, account, grant):
    await disable(service, account, grant)
    await service.accounts.enable(account.id, OPERATOR)


async def switch_off(service, account, grant):
    # As nothing here does it: without a new version.
    await service.store.write("UPDATE account SET disabled_at = 1")


async def other_roles(service, account, grant):
    await service.accounts.set_roles(account.id, ["b"], OPERATOR)


async def swapped_hash(service, account, grant):
    # As another process does that makes a hash of older parameters anew.
    renewed = await service.accounts._passwords.hash("another-paper-boat")
    await service.store.write("UPDATE account SET password_hash = $1", renewed)


@pytest.mark.parametrize("step", ["check", "hash"])
@pytest.mark.parametrize(
    "meanwhile",
    [reset, sign_out, disable, disable_and_enable, switch_off, other_roles, swapped_hash],
)
def test_a_password_change_in_flight_undoes_nothing(play, monkeypatch, step, meanwhile):
    async def scene(service, _clock):
        account, grant = await signed_in(service)
        interrupted(
            service, monkeypatch, step, functools.partial(meanwhile, service, account, grant)
        )
        before = await service.store.read("SELECT password_hash FROM account")
        with pytest.raises(AccountRefused, match="sign in again") as refused:
            await service.accounts.change_password(
                account, PASSWORD, "quite-another-boat", grant.session_id, OPERATOR
            )
        after = await service.store.read("SELECT password_hash FROM account")
        is_kept = (before == after) is (meanwhile not in (reset, swapped_hash))
        return (
            refused.value.code,
            is_kept,
            await service.accounts.authenticate("ada", "quite-another-boat"),
        )

    assert play(scene) == ("account_changed", True, None)


def test_a_session_of_another_account_changes_nothing(play):
    async def scene(service, _clock):
        account, _ = await signed_in(service)
        bob = await service.accounts.create("bob", PASSWORD)
        other = await service.sessions.begin(bob, NewSession("carnet", "default"))
        with pytest.raises(AccountRefused) as refused:
            await service.accounts.change_password(
                account, PASSWORD, "quite-another-boat", other.session_id, OPERATOR
            )
        return refused.value.code

    assert play(scene) == "account_changed"


def test_a_session_that_is_over_by_its_age_changes_nothing(play):
    async def scene(service, clock):
        account, grant = await signed_in(service)
        clock.advance(91 * 86_400)
        with pytest.raises(AccountRefused) as refused:
            await service.accounts.change_password(
                account, PASSWORD, "quite-another-boat", grant.session_id, OPERATOR
            )
        return refused.value.code

    assert play(scene) == "account_changed"


def test_of_several_password_changes_at_once_one_is_made(play):
    async def scene(service, _clock):
        account, grant = await signed_in(service)
        wanted = [f"another-boat-{number}" for number in range(4)]
        outcomes = await asyncio.gather(
            *(
                service.accounts.change_password(account, PASSWORD, new, grant.session_id, OPERATOR)
                for new in wanted
            ),
            return_exceptions=True,
        )
        good = [new for new in wanted if await service.accounts.authenticate("ada", new)]
        # One that is read after another was made finds that its current password is wrong.
        refused = [
            one for one in outcomes if getattr(one, "code", one) in (False, "account_changed")
        ]
        entries = [entry.event for entry in await newest(service.store, 100)]
        return (
            len(refused),
            [outcomes[wanted.index(new)] for new in good],
            entries.count("password_changed"),
        )

    assert play(scene) == (3, [True], 1)


def test_a_hash_made_anew_at_sign_in_does_not_undo_a_reset(play, monkeypatch):
    async def scene(service, _clock):
        account, _ = await signed_in(service)
        old = PasswordHasher(1, 8 * 1024, 1).hash(PASSWORD)
        await service.store.write("UPDATE account SET password_hash = $1", old)
        interrupted(service, monkeypatch, "hash", functools.partial(reset, service, account, None))
        stale = await service.accounts.authenticate("ada", PASSWORD)
        begun = await service.sessions.begin(stale, NewSession("carnet", "default"))
        return begun, await service.accounts.authenticate("ada", PASSWORD)

    assert play(scene) == (None, None)


def test_several_changes_are_made_together_or_not_at_all(play):
    async def scene(service, _clock):
        account, _ = await signed_in(service)
        with pytest.raises(AccountRefused):
            await service.accounts.change(
                account.id, OPERATOR, roles=["b"], claims={"sub": "x"}, disabled=True
            )
        first = await service.accounts.by_id(account.id)
        await service.accounts.change(
            account.id, OPERATOR, roles=["b"], claims={"x": 1}, disabled=True
        )
        return first == account, await service.accounts.by_id(account.id)

    same, changed = play(scene)
    assert same
    assert (changed.roles, changed.claims, changed.disabled) == (("b",), {"x": 1}, True)


def test_a_password_for_nobody_is_refused(play):
    async def scene(service, _clock):
        with pytest.raises(AccountRefused) as refused:
            await service.accounts.set_password("nobody", "quite-another-boat", OPERATOR)
        return refused.value.code

    assert play(scene) == "account_unknown"


def test_a_hash_of_older_parameters_is_made_anew_at_sign_in(play, monkeypatch):
    for name, value in password_cost.REAL.items():
        monkeypatch.setattr(passwords, name, value)

    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)
        old = PasswordHasher(1, 8 * 1024, 1).hash(PASSWORD)
        await service.store.write("UPDATE account SET password_hash = $1", old)
        assert await service.accounts.authenticate("ada", PASSWORD)
        [(renewed,)] = await service.store.read("SELECT password_hash FROM account")
        assert await service.accounts.authenticate("ada", PASSWORD)
        return renewed.split("$")[3]

    assert play(scene) == "m=19456,t=2,p=1"


def test_a_password_is_the_same_however_its_accents_were_typed(play):
    async def scene(service, _clock):
        await service.accounts.create("ada", "caf\u00e9-au-lait-2")
        return await service.accounts.authenticate("ada", "cafe\u0301-au-lait-2") is not None

    assert play(scene)


def test_unknown_disabled_and_wrong_cost_one_hash_each():
    async def scene():
        passwords = Passwords(1)
        hashed = []
        passwords._run = lambda work, run=passwords._run: hashed.append(1) or run(work)
        encoded = await passwords.hash(PASSWORD)
        hashed.clear()
        outcomes = [
            await passwords.check(PASSWORD, encoded),
            await passwords.check("wrong", encoded),
            await passwords.check("wrong", None),
            await passwords.check(PASSWORD, "not a hash"),
        ]
        passwords.close()
        return outcomes, len(hashed)

    assert asyncio.run(scene()) == ([True, False, False, False], 4)


def test_a_flood_of_sign_ins_is_turned_away_instead_of_queued_for_ever():
    async def scene():
        passwords = Passwords(1)
        outcomes = await asyncio.gather(
            *(passwords.check("x", None) for _ in range(40)), return_exceptions=True
        )
        passwords.close()
        return sum(isinstance(outcome, TooBusy) for outcome in outcomes), outcomes.count(False)

    assert asyncio.run(scene()) == (23, 17)


def test_what_is_done_to_accounts_stands_in_the_audit_log_without_secrets(play):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD)
        await service.accounts.set_roles(account.id, ["b"], OPERATOR)
        await service.accounts.set_password(account.id, "another-paper-boat", OPERATOR)
        await service.accounts.disable(account.id, OPERATOR)
        await service.accounts.enable(account.id, OPERATOR)
        entries = await newest(service.store, 100)
        assert "paper-boat" not in str(entries)
        return [entry.event for entry in entries if entry.account_id == account.id]

    assert sorted(play(scene)) == [
        *("account_created", "account_disabled", "account_enabled"),
        *("password_changed", "roles_changed"),
    ]
