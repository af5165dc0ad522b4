"""Throttling: a guesser is slowed down, and nobody else is locked out."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs
from tests.server.factors.test_factors import SECRET, code_at

from carnet.server.accounts import throttle
from carnet.server.accounts.throttle import Delayed
from carnet.server.audit import OPERATOR, Origin, newest
from carnet.server.web.password_sign_in import SignInRefused, change_password
from carnet.server.web.password_sign_in import sign_in as prove

PASSWORD = "paper-boat-harbour"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def wait(service, username, address, device="", *, failing=False):
    """Make an attempt, and give the seconds that it has to wait: 0 where it was looked at."""
    try:
        async with service.throttle.sign_in(username, address, device) as attempt:
            if not failing:
                attempt.forgive()
    except Delayed as delayed:
        return delayed.seconds
    return 0


async def fail(service, username, address, times, device=""):
    return [await wait(service, username, address, device, failing=True) for _ in range(times)]


async def sign_in(service, username="ada", password=PASSWORD, address=HERE, device=""):
    """Sign in for real, and give the outcome."""
    try:
        async with prove(service, username, password, Origin(address), device):
            pass
    except SignInRefused as error:
        return error.code
    return "accepted"


def test_a_few_wrong_passwords_are_nobodys_business(play):
    async def scene(service, _clock):
        await fail(service, "ada", HERE, 7)
        return await wait(service, "ada", HERE)

    assert play(scene) == 0


def test_a_guesser_waits_less_with_time_and_never_long(play):
    async def scene(service, clock):
        waits = await fail(service, "ada", HERE, 100)
        assert waits[:8] == [0] * 8
        first = max(waits)
        clock.advance(first - 1)
        second = await wait(service, "ada", HERE)
        clock.advance(1)
        return first, second, await wait(service, "ada", HERE)

    assert play(scene) == (15, 1, 0)


def test_of_many_guesses_at_the_same_moment_no_more_are_looked_at_than_there_are_slots(play):
    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)
        guesses = (sign_in(service, password=f"wrong {number}") for number in range(40))
        outcomes = await asyncio.gather(*guesses)
        return outcomes.count("credentials_wrong"), outcomes.count("too_many_failures")

    assert play(scene) == (8, 32)


def test_whoever_has_to_wait_with_a_password_or_a_code_is_told_of_in_the_log(play):
    async def scene(service, clock):
        account = await service.accounts.create("ada", PASSWORD)
        about = SECRET, code_at(clock), "Phone", OPERATOR
        await service.factors.add_totp(account, "f1", *about)
        for code in ["000000"] * 6:
            with suppress(SignInRefused):
                async with prove(service, "ada", PASSWORD, Origin(HERE), code=code):
                    pass
        await fail(service, "ada", HERE, 8)
        await sign_in(service)

    with capture_logs() as lines:
        play(scene)
    waits = [line for line in lines if line.get("reason") == "too_many_failures"]
    line = {"event": "sign_in_refused", "reason": "too_many_failures", "address": HERE}
    assert waits == [{**line, "log_level": "info"}] * 2


def test_many_programs_may_sign_in_with_one_account_at_the_same_moment(play):
    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)
        outcomes = []
        for _ in range(3):
            outcomes += await asyncio.gather(*(sign_in(service) for _ in range(16)))
        # They have cost nobody anything.
        return set(outcomes), await fail(service, "ada", HERE, 9), service.throttle._waiting

    outcomes, waits, waiting = play(scene)
    assert outcomes == {"accepted"}
    assert waits == [0] * 8 + [15]
    assert waiting == {}


@pytest.mark.parametrize("typed", ["aDa", "\uff41\uff44\uff41", " ada", "ada\u3000", "ADA "])
def test_a_name_counts_as_the_account_that_it_is(play, typed):
    async def scene(service, _clock):
        await fail(service, "ada", HERE, 4)
        await fail(service, typed, HERE, 4)
        return await wait(service, "ada", HERE)

    assert play(scene) > 0


def test_a_guesser_with_a_network_of_ipv6_counts_as_one(play):
    async def scene(service, _clock):
        await fail(service, "ada", "2001:db8::1", 4)
        await fail(service, "ada", "2001:db8::2", 4)
        return await wait(service, "ada", "2001:db8::3"), await wait(service, "ada", "2001:db9::1")

    wait_same, wait_other = play(scene)
    assert wait_same > 0
    assert wait_other == 0


def test_the_owner_elsewhere_is_not_locked_out_by_a_guesser(play):
    async def scene(service, _clock):
        await fail(service, "ada", HERE, 60)
        return await wait(service, "ada", ELSEWHERE)

    assert play(scene) == 0


def test_a_guesser_with_many_addresses_is_slowed_down(play):
    async def scene(service, _clock):
        waits = [
            await wait(service, "ada", f"192.0.2.{number}", failing=True) for number in range(130)
        ]
        return waits[:100], set(waits[100:])

    assert play(scene) == ([0] * 100, {2})


@pytest.mark.parametrize("known_by", ["address", "browser"])
def test_addresses_without_end_do_not_keep_out_who_has_signed_in_before(play, known_by):
    async def scene(service, clock):
        await service.accounts.create("ada", PASSWORD)
        if known_by == "address":
            assert await sign_in(service, address=ELSEWHERE) == "accepted"
        device = "a browser" if known_by == "browser" else ""
        outcomes, strangers = [], []
        for number in range(110):
            # They take every slot as soon as there is one.
            await fail(service, "ada", f"192.0.2.{number}", 1)
        for number in range(5):
            clock.advance(2)
            await fail(service, "ada", f"203.0.113.{number}", 1)
            strangers.append(await wait(service, "ada", "203.0.113.99"))
            outcomes.append(await sign_in(service, address=ELSEWHERE, device=device))
        return set(outcomes), strangers

    outcomes, strangers = play(scene)
    assert outcomes == {"accepted"}
    assert strangers == [2] * 5


def test_a_known_browser_and_a_known_address_have_slots_of_their_own_and_no_more(play):
    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)
        await sign_in(service, address=ELSEWHERE)
        known = [await sign_in(service, password="x", address=ELSEWHERE) for _ in range(9)]
        browser = await fail(service, "ada", HERE, 9, "a browser")
        return known.count("credentials_wrong"), known[-1], browser

    assert play(scene) == (8, "too_many_failures", [0] * 8 + [15])


def test_an_address_is_known_for_a_season_and_for_the_account_that_signed_in_there(play):
    async def scene(service, clock):
        await service.accounts.create("ada", PASSWORD)
        await sign_in(service, address=ELSEWHERE)
        for number in range(100):
            await fail(service, "ada", f"192.0.2.{number}", 1)
            await fail(service, "bob", f"192.0.2.{number}", 1)
        first = await wait(service, "ada", ELSEWHERE), await wait(service, "bob", ELSEWHERE)
        clock.advance(91 * 86_400)
        for number in range(100):
            await fail(service, "ada", f"192.0.2.{number}", 1)
        later = await wait(service, "ada", ELSEWHERE)
        await service.background.sweep()
        return first, later, await service.store.read("SELECT * FROM familiar")

    assert play(scene) == ((0, 2), 2, [])


def test_one_address_that_tries_many_names_is_slowed_down(play):
    async def scene(service, _clock):
        for number in range(30):
            await fail(service, f"user{number}", HERE, 1)
        return await wait(service, "somebody", HERE)

    assert play(scene) == 4


def test_a_password_change_has_slots_of_its_own(play):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD)
        outcomes = []
        for number in range(9):
            passwords = (f"wrong {number}", "another-paper-boat")
            with pytest.raises(SignInRefused) as refused:
                await change_password(service, account, passwords, "s", Origin(HERE))
            outcomes.append(refused.value.code)
        return outcomes, await sign_in(service)

    outcomes, signing_in = play(scene)
    assert outcomes == ["credentials_wrong"] * 8 + ["too_many_failures"]
    assert signing_in == "accepted"


def test_strangers_do_not_keep_the_owner_from_changing_the_password(play):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD)
        await fail(service, "ada", HERE, 60)
        for number in range(110):
            await fail(service, "ada", f"192.0.2.{number}", 1)
        with pytest.raises(SignInRefused) as refused:
            await change_password(
                service, account, ("wrong", "another-paper-boat"), "s", Origin(HERE)
            )
        return refused.value.code

    assert play(scene) == "credentials_wrong"


def test_a_restart_forgives_nothing_and_the_table_is_swept_when_all_is_forgiven(play):
    async def guess(service, _clock):
        await fail(service, "ada", HERE, 12)

    async def look(service, clock):
        seconds = await wait(service, "ada", HERE)
        clock.advance(3600)
        await service.background.sweep()
        return seconds > 0, await service.store.read("SELECT * FROM throttle")

    play(guess)
    assert play(look) == (True, [])


def test_a_clock_that_is_set_back_makes_nobody_wait_for_it(play):
    async def scene(service, clock):
        await fail(service, "ada", HERE, 12)
        clock.advance(-3600)
        return await wait(service, "ada", HERE)

    assert play(scene) == 0


def test_names_and_addresses_without_end_add_no_rows_without_end(play, monkeypatch):
    monkeypatch.setattr(throttle, "BUCKETS", 8)

    async def scene(service, clock):
        for number in range(100):
            await fail(service, f"name {number}", f"192.0.{number % 200}.{number % 7}", 1)
            clock.advance(60)
        [(rows,)] = await service.store.read("SELECT COUNT(*) FROM throttle")
        return rows, await service.store.read("SELECT * FROM familiar")

    rows, familiar = play(scene)
    assert rows <= 3 * 8
    assert familiar == []


def test_a_flood_of_refusals_does_not_fill_the_audit_log(play, monkeypatch):
    monkeypatch.setattr(throttle, "AUDITED_HERE", throttle.Allowance(3, 60_000_000))
    monkeypatch.setattr(throttle, "AUDITED", throttle.Allowance(5, 10_000_000))

    async def guess(service, addresses):
        for number, address in enumerate(addresses):
            assert await sign_in(service, f"name{number}", "x", address) == "credentials_wrong"
        entries = await newest(service.store, 1000)
        return [entry.event for entry in entries].count("sign_in_refused")

    async def scene(service, clock):
        here = await guess(service, [HERE] * 6)
        everywhere = await guess(service, [f"198.51.100.{n}" for n in range(6)])
        clock.advance(10)
        return here, everywhere, await guess(service, [ELSEWHERE])

    assert play(scene) == (3, 5, 6)


def test_unknown_disabled_and_wrong_cost_the_same_statements(play):
    async def scene(service, clock):
        await service.accounts.create("ada", PASSWORD)
        bob = await service.accounts.create("bob", PASSWORD)
        await service.accounts.disable(bob.id, Origin())
        counts = []
        for username, password in [("ada", "x"), ("nobody", "x"), ("bob", PASSWORD)]:
            before = service.store.statements_run
            assert await sign_in(service, username, password) == "credentials_wrong"
            counts.append(service.store.statements_run - before)
        return len(set(counts))

    assert play(scene) == 1


def test_what_was_typed_as_a_username_is_not_stored(play):
    async def scene(service, _clock):
        await fail(service, "my-secret-password", HERE, 1)
        return str(await service.store.read("SELECT * FROM throttle"))

    assert "my-secret-password" not in play(scene)
