"""Two hundred tries with somebody's name and as many with nobody's are answered alike.

So is the work that is done for them. How long they take is measured by
``python -m benchmarks.enumeration``.
"""

import argon2
import pytest
from tests.server.accounts.enumeration import SETTINGS, WAYS, answer_of, with_people

TRIES = 200
HOUR = 3600
HASHES = {
    "sign-in": 1,
    "sign-in with an address": 1,
    "sign-in of a program": 1,
}


@pytest.fixture
def hashes(monkeypatch):
    """Count the passwords that are hashed or compared with a hash."""
    done = [0]
    for name in ("hash", "verify"):
        work = getattr(argon2.PasswordHasher, name)

        def counting(*arguments, work=work):
            done[0] += 1
            return work(*arguments)

        monkeypatch.setattr(argon2.PasswordHasher, name, counting)
    return done


async def mails(service):
    [(count,)] = await service.store.read("SELECT COUNT(*) FROM mail")
    return count


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_is_somebody_s_is_answered_as_any_other(play, hashes, way):
    async def scene(service, clock):
        app = await with_people(service)
        found = {True: set(), False: set()}
        for number in range(TRIES):
            for known in (True, False):
                clock.advance(HOUR)
                queued = await mails(service)
                before, hashes[0] = service.store.statements_run, 0
                answer = await answer_of(app, way, number, known=known)
                work = service.store.statements_run - before, hashes[0]
                found[known].add((*answer, *work, await mails(service) - queued))
        return found

    found = play(scene, **SETTINGS)
    assert found[True] == found[False]
    [(status, _, text, _, hashed, _)] = found[True]
    assert status in (200, 401)
    assert hashed == HASHES.get(way, 0)
    assert text
