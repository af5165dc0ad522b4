"""Throttling: a guesser is slowed down, and nobody else is locked out for long."""


async def fail(service, username, address, times):
    for _ in range(times):
        await service.store.transact(lambda: service.throttle.failed(username, address))


def test_a_few_wrong_passwords_are_nobodys_business(play):
    async def scene(service, _clock):
        await fail(service, "ada", "192.0.2.1", 8)
        return await service.throttle.seconds_to_wait("ada", "192.0.2.1")

    assert play(scene) == 0


def test_a_guesser_waits_longer_with_each_guess_and_less_with_time(play):
    async def scene(service, clock):
        await fail(service, "ada", "192.0.2.1", 10)
        first = await service.throttle.seconds_to_wait("ada", "192.0.2.1")
        clock.advance(first - 1)
        second = await service.throttle.seconds_to_wait("ada", "192.0.2.1")
        clock.advance(1)
        return first, second, await service.throttle.seconds_to_wait("ada", "192.0.2.1")

    assert play(scene) == (30, 1, 0)


def test_the_owner_elsewhere_is_not_locked_out_by_a_guesser(play):
    async def scene(service, _clock):
        await fail(service, "ada", "192.0.2.1", 60)
        return await service.throttle.seconds_to_wait("ada", "198.51.100.7")

    assert play(scene) == 0


def test_a_guesser_with_many_addresses_is_slowed_down_and_the_owner_waits_seconds_at_worst(play):
    async def scene(service, clock):
        for number in range(110):
            await fail(service, "ada", f"192.0.2.{number}", 1)
        wait = await service.throttle.seconds_to_wait("ada", "198.51.100.7")
        clock.advance(wait)
        return wait, await service.throttle.seconds_to_wait("ada", "198.51.100.7")

    wait, after = play(scene)
    assert 0 < wait <= 20
    assert after == 0


def test_one_address_that_tries_many_names_is_slowed_down(play):
    async def scene(service, _clock):
        for number in range(32):
            await fail(service, f"user{number}", "192.0.2.1", 1)
        return await service.throttle.seconds_to_wait("somebody", "192.0.2.1")

    assert play(scene) > 0


def test_a_restart_forgives_nothing_and_the_table_is_swept_when_all_is_forgiven(play):
    async def guess(service, _clock):
        await fail(service, "ada", "192.0.2.1", 12)

    async def look(service, clock):
        wait = await service.throttle.seconds_to_wait("ada", "192.0.2.1")
        clock.advance(3600)
        await service.background.sweep()
        return wait > 0, await service.store.read("SELECT * FROM throttle")

    play(guess)
    assert play(look) == (True, [])


def test_what_was_typed_as_a_username_is_not_stored(play):
    async def scene(service, _clock):
        await fail(service, "my-secret-password", "192.0.2.1", 1)
        return str(await service.store.read("SELECT * FROM throttle"))

    assert "my-secret-password" not in play(scene)
