"""Authenticator apps and recovery codes: what lets in, once, and what becomes of it."""

import asyncio

import pyotp
import pytest
from tests.server.conftest import PASSWORD

from carnet.server.audit import OPERATOR, newest
from carnet.server.factors.factor_record import MOST_FACTORS, FactorRefused
from carnet.server.factors.recovery_codes import COUNT, read_code
from carnet.server.factors.totp import matching_step, provisioning_uri, written_secret
from carnet.server.sessions.sessions import BROWSER, FIRST_PARTY, NewSession

RFC_SECRET = b"12345678901234567890"
SECRET = b"s" * 20


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


def code_at(clock, secret=SECRET, steps=0):
    """What an app shows, by another implementation."""
    return pyotp.TOTP(_base32(secret)).at(clock() // 1_000_000 + 30 * steps)


def _base32(secret):
    return written_secret(secret).replace(" ", "")


async def with_app(service, clock, username="alice", factor_id="f1", secret=SECRET):
    account = await service.accounts.create(username, PASSWORD)
    await service.factors.add_totp(
        account, factor_id, secret, code_at(clock, secret), "Phone", OPERATOR
    )
    clock.advance(60)
    return account


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        *((59, "287082"), (1111111109, "081804"), (1111111111, "050471")),
        *((1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds, code):
    assert matching_step(RFC_SECRET, code, seconds) == seconds // 30


@pytest.mark.parametrize("steps", range(-3, 4))
def test_a_code_is_good_one_step_before_and_after_its_own(steps):
    now = 1_800_000_000
    shown = pyotp.TOTP(_base32(SECRET)).at(now + 30 * steps)
    expected = now // 30 + steps if abs(steps) <= 1 else None
    assert matching_step(SECRET, shown, now) == expected


def test_another_app_reads_what_the_qr_code_says():
    read = pyotp.parse_uri(provisioning_uri(SECRET, "Acme: Shop", "zoë@example.com"))
    assert (read.issuer, read.name) == ("Acme: Shop", "zoë@example.com")
    assert read.at(59) == pyotp.TOTP(_base32(SECRET)).at(59)


def test_the_code_of_an_app_lets_in_once(play):
    async def scene(service, clock):
        account = await with_app(service, clock)
        code = code_at(clock)
        typed = f" {code[:3]} {code[3:]} "
        together = [service.factors.check_code(account, typed, OPERATOR) for _ in range(5)]
        found = await asyncio.gather(*together)
        earlier = await service.factors.check_code(account, code_at(clock, steps=-1), OPERATOR)
        later = await service.factors.check_code(account, code_at(clock, steps=1), OPERATOR)
        return sorted(found, key=str), earlier, later

    found, earlier, later = play(scene)
    assert found == [None, None, None, None, "pwd otp mfa"]
    # What was shown before the code that was used is as old as that.
    assert (earlier, later) == (None, "pwd otp mfa")


def test_the_code_that_adds_an_app_does_not_let_in(play):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        code = code_at(clock)
        await service.factors.add_totp(account, "f1", SECRET, code, "", OPERATOR)
        return await service.factors.check_code(account, code, OPERATOR)

    assert play(scene) is None


def test_an_app_is_added_with_the_right_code_alone_and_once(play):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        with pytest.raises(FactorRefused) as refused:
            await service.factors.add_totp(account, "f1", SECRET, "000000", "", OPERATOR)
        for _ in range(2):
            await service.factors.add_totp(account, "f1", SECRET, code_at(clock), "", OPERATOR)
        return refused.value.code, await service.factors.of_account(account.id)

    code, factors = play(scene)
    assert code == "code_wrong"
    assert [(one.kind, one.name, one.used_at) for one in factors] == [
        ("totp", "Authenticator app", None)
    ]


def test_an_account_has_so_many_factors_and_no_more(play):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        for number in range(MOST_FACTORS):
            values = f"f{number}", SECRET, code_at(clock), f"{number}", OPERATOR
            await service.factors.add_totp(account, *values)
        with pytest.raises(FactorRefused) as refused:
            await service.factors.add_totp(account, "f", SECRET, code_at(clock), "", OPERATOR)
        return refused.value.code

    assert play(scene) == "too_many_factors"


@pytest.mark.parametrize("name", ["x" * 61, "a\nb", "\x00"])
def test_a_name_that_no_list_can_show_is_refused(play, name):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        with pytest.raises(FactorRefused) as refused:
            await service.factors.add_totp(account, "f", SECRET, code_at(clock), name, OPERATOR)
        return refused.value.code

    assert play(scene) == "name_invalid"


def test_a_secret_is_not_in_the_database_and_opens_in_its_own_row_alone(play):
    async def scene(service, clock):
        alice = await with_app(service, clock)
        mallory = await with_app(service, clock, "mallory", "f2", b"m" * 20)
        rows = await service.store.read("SELECT secret FROM factor ORDER BY id")
        # Whoever can write the database gives alice the secret of an app of theirs.
        await service.store.write("UPDATE factor SET secret = $1 WHERE id = 'f1'", rows[1][0])
        stolen = await service.factors.check_code(alice, code_at(clock, b"m" * 20), OPERATOR)
        own = await service.factors.check_code(mallory, code_at(clock, b"m" * 20), OPERATOR)
        return [bytes(row[0]) for row in rows], stolen, own

    rows, stolen, own = play(scene)
    assert all(SECRET not in row and b"m" * 20 not in row for row in rows)
    assert (stolen, own) == (None, "pwd otp mfa")


def test_a_factor_that_cant_be_read_leaves_the_others_good(play):
    async def scene(service, clock):
        account = await with_app(service, clock)
        codes = await service.factors.make_recovery_codes(account, OPERATOR)
        await service.factors.add_totp(
            account, "f0", b"o" * 20, code_at(clock, b"o" * 20), "", OPERATOR
        )
        clock.advance(60)
        await service.store.write("UPDATE factor SET secret = $1 WHERE id = 'f1'", b"")
        return [
            await service.factors.check_code(account, text, OPERATOR)
            for text in (code_at(clock), code_at(clock, b"o" * 20), codes[0])
        ]

    assert play(scene) == [None, "pwd otp mfa", "pwd mfa"]


def test_a_recovery_code_lets_its_own_account_in_once(play):
    async def scene(service, clock):
        alice = await with_app(service, clock)
        bob = await with_app(service, clock, "bob", "f2")
        codes = await service.factors.make_recovery_codes(alice, OPERATOR)
        other = await service.factors.check_code(bob, codes[0], OPERATOR)
        # Whoever can write the database gives bob a code of hers.
        await service.store.write("UPDATE recovery_code SET account_id = $1", bob.id)
        assert await service.factors.check_code(bob, codes[0], OPERATOR) is None
        await service.store.write("UPDATE recovery_code SET account_id = $1", alice.id)
        typed = codes[0].lower().replace("-", " ")
        found = await asyncio.gather(
            *(service.factors.check_code(alice, typed, OPERATOR) for _ in range(3))
        )
        left = await service.factors.recovery_codes_left(alice.id)
        await service.factors.make_recovery_codes(alice, OPERATOR)
        old = await service.factors.check_code(alice, codes[1], OPERATOR)
        return codes, other, sorted(found, key=str), left, old

    codes, other, found, left, old = play(scene)
    assert len(set(codes)) == COUNT == 10
    assert all(len(read_code(code) or "") == 16 for code in codes)
    assert other is None
    assert found == [None, None, "pwd mfa"]
    assert (left, old) == (9, None)


def test_recovery_codes_are_not_in_the_database(play):
    async def scene(service, clock):
        account = await with_app(service, clock)
        codes = await service.factors.make_recovery_codes(account, OPERATOR)
        rows = await service.store.read("SELECT code_hash FROM recovery_code")
        return codes, [bytes(row[0]) for row in rows]

    codes, hashes = play(scene)
    assert len(hashes) == 10
    assert all(read_code(code).encode() not in b"".join(hashes) for code in codes)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "12345",
        "1234567",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "-" * 70,
        "\x00" * 6,
        "é" * 6,
    ],
)
def test_what_is_no_code_is_refused(play, typed):
    async def scene(service, clock):
        account = await with_app(service, clock)
        return await service.factors.check_code(account, typed, OPERATOR)

    assert play(scene) is None


def test_a_removed_factor_ends_the_other_sessions_and_makes_older_tokens_stale(play):
    async def scene(service, clock):
        account = await with_app(service, clock)
        await service.factors.make_recovery_codes(account, OPERATOR)
        here = await service.sessions.begin(account, NewSession(BROWSER, "default"))
        await service.sessions.begin(account, NewSession(FIRST_PARTY, "default"))
        removed = [
            await service.factors.remove(account, "f1", here.session_id, OPERATOR) for _ in range(2)
        ]
        left = await service.sessions.of_account(account.id)
        after = await service.accounts.by_id(account.id)
        codes = await service.factors.recovery_codes_left(account.id)
        stale = await service.revocations.newest(10)
        return removed, [one.id for one in left] == [here.session_id], after.version, codes, stale

    removed, kept, version, codes, stale = play(scene)
    assert removed == [True, False]
    assert kept
    assert version == 2
    assert codes == 0
    assert ("sub", 2) in [(entry.kind, entry.version) for entry in stale.entries]


def test_a_session_that_has_ended_removes_nothing_and_nobody_removes_anothers(play):
    async def scene(service, clock):
        alice = await with_app(service, clock)
        bob = await service.accounts.create("bob", PASSWORD)
        his = await service.sessions.begin(bob, NewSession(BROWSER, "default"))
        others = await service.factors.remove(bob, "f1", his.session_id, OPERATOR)
        hers = await service.sessions.begin(alice, NewSession(BROWSER, "default"))
        await service.sessions.end(hers.session_id, "signed_out", OPERATOR)
        with pytest.raises(FactorRefused) as refused:
            await service.factors.remove(alice, "f1", hers.session_id, OPERATOR)
        return others, refused.value.code, await service.factors.kinds(alice.id)

    assert play(scene) == (False, "account_changed", ("totp",))


def test_a_reset_takes_everything_and_ends_every_session(play):
    async def scene(service, clock):
        account = await with_app(service, clock)
        await service.factors.make_recovery_codes(account, OPERATOR)
        await service.sessions.begin(account, NewSession(BROWSER, "default"))
        removed = [await service.factors.reset(account.id, OPERATOR) for _ in range(2)]
        state = (
            await service.factors.kinds(account.id),
            await service.factors.recovery_codes_left(account.id),
            await service.sessions.of_account(account.id),
        )
        return removed, state, [entry.event for entry in await newest(service.store, 4)]

    removed, state, events = play(scene)
    assert removed == [1, 0]
    assert state == ((), 0, [])
    assert "factors_reset" in events
