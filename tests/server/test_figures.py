"""The figures of the stream and of the database's connections, as Prometheus sees them."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from carnet.server.store.postgres_connections import MAX_CONNECTIONS


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return request.getfixturevalue("postgres_store") if request.param == "postgres" else ""


def figure(name):
    return REGISTRY.get_sample_value(f"carnet_{name}")


async def revoke(service, count):
    for number in range(count):
        await service.store.transact(
            lambda number=number: service.revocations.revoke_token(f"t{number}")
        )
    await service.background.follow()


def test_a_reader_that_does_not_read_shows_as_lag_until_it_has(play):
    async def scene(service, _clock):
        reader = service.revocation_stream.read(None)
        await anext(reader)
        await revoke(service, 3)
        seen = [(figure("revocation_seq"), figure("revocation_reader_lag"))]
        await anext(reader)
        # Until it asks for what follows, it may not have taken this.
        following = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        await service.background.follow()
        seen.append((figure("revocation_seq"), figure("revocation_reader_lag")))
        following.cancel()
        await asyncio.wait([following])
        await reader.aclose()
        await revoke(service, 2)
        return [*seen, (figure("revocation_seq"), figure("revocation_reader_lag"))]

    assert play(scene) == [(3, 3), (3, 0), (5, 0)]


def test_what_waits_for_the_database_is_counted(play, engine):
    async def scene(service, _clock):
        store, before = service.store, service.store.pool_use()
        if engine:
            work = [store.read("SELECT pg_sleep(1)") for _ in range(MAX_CONNECTIONS + 3)]
        else:
            work = [store.write("UPDATE counter SET value = value") for _ in range(5)]
        under_way = asyncio.gather(*work)
        full = MAX_CONNECTIONS if engine else 0
        while not store.pool_use().waiting or store.pool_use().size < full:  # noqa: ASYNC110
            await asyncio.sleep(0)  # The store tells nobody.
        busy = store.pool_use()
        await under_way
        await service.background.follow()
        after = [
            figure(name)
            for name in (
                "database_connections",
                "database_connections_in_use",
                "database_waiting",
            )
        ]
        return before, busy, after

    before, busy, (size, in_use, waiting) = play(scene)
    assert (before.in_use, before.waiting) == (0, 0)
    if engine:
        assert busy == (MAX_CONNECTIONS, MAX_CONNECTIONS, 3)
        assert size == MAX_CONNECTIONS
    else:
        assert busy == (2, 1, 5)
        assert size == 2
    assert (in_use, waiting) == (0, 0)
