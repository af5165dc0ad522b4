"""What is revoked, as the service itself and its administrators ask for it."""

import pytest

from carnet.server.audit import OPERATOR
from carnet.server.sessions.sessions import NewSession


async def revoke(service, *token_ids):
    def work():
        for token_id in token_ids:
            yield from service.revocations.revoke_token(token_id)

    await service.store.transact(work)


def test_one_token_is_revoked_and_no_other(play):
    async def scene(service, _clock):
        await revoke(service, "a")
        asked = service.revocations.is_token_revoked
        return await asked("a"), await asked("b")

    assert play(scene) == (True, False)


def test_the_newest_revocations_are_given_with_the_number_to_go_on_from(play):
    async def scene(service, _clock):
        await revoke(service, *"abcd")
        newest = await service.revocations.newest(2)
        following = await service.revocations.newest(2, after=newest.seq)
        await revoke(service, "e")
        later = await service.revocations.newest(9, after=newest.seq)
        values = [[entry.value for entry in some.entries] for some in (newest, following, later)]
        return values, following.seq - newest.seq, later.seq - newest.seq

    assert play(scene) == ([["c", "d"], [], ["e"]], 0, 1)


def test_an_account_leaves_one_client_with_the_sessions_there(play):
    async def scene(service, clock):
        account = await service.accounts.create("ada", "paper-boat-harbour")
        here = await service.sessions.begin(account, NewSession("app", "default"))
        there = await service.sessions.begin(account, NewSession("other", "default"))
        await service.store.transact(
            lambda: service.sessions.ending_with_client(
                account.id, "app", "application_disconnected", clock(), OPERATOR
            )
        )
        left = [session.id for session in await service.sessions.of_account(account.id)]
        revoked = [entry.value for entry in (await service.revocations.newest(9)).entries]
        return left == [there.session_id], revoked == [here.session_id]

    assert play(scene) == (True, True)


@pytest.mark.parametrize(
    "ending",
    [
        lambda service, account, grant: service.sessions.end(grant.session_id, "ended", OPERATOR),
        lambda service, account, grant: service.sessions.end_all(account.id, "ended", OPERATOR),
        lambda service, account, grant: service.sessions.revoke_token("a", None, OPERATOR),
        lambda service, account, grant: service.accounts.set_roles(account.id, ("b",), OPERATOR),
        lambda service, account, grant: service.accounts.set_password(
            account.id, "another-boat-harbour", OPERATOR
        ),
        lambda service, account, grant: service.accounts.rename(account.id, "eve", OPERATOR),
        lambda service, account, grant: service.deletions.delete(account.id, OPERATOR),
    ],
    ids=["session", "all sessions", "token", "roles", "password", "name", "account"],
)
def test_an_entry_that_waits_for_its_turn_outlives_every_token_of_until_then(
    play, monkeypatch, ending
):
    async def scene(service, clock):
        account = await service.accounts.create("ada", "paper-boat-harbour")
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        transact = service.store.transact

        async def after_a_while(work):
            clock.advance(3600)
            return await transact(work)

        monkeypatch.setattr(service.store, "transact", after_a_while)
        await ending(service, account, grant)
        rows = await service.store.read("SELECT MIN(expires_at) FROM revocation")
        return rows[0][0] - clock() >= service.settings.access_token_lifetime * 1_000_000

    assert play(scene)
