"""What a directory keeps by SCIM says which roles an account has, and lets nobody sign in."""

import pytest

from carnet.server.accounts.account_list import summaries
from carnet.server.audit import OPERATOR
from carnet.server.factors.factors import FactorRefused


async def with_passkey(service, account):
    values = ("key", account.id, "passkey", "Phone", b"c", b"sealed", 1, "", service.clock(), None)
    marks = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await service.store.write(f"INSERT INTO factor VALUES ({marks})", *values)


def test_the_last_way_in_stays_although_a_directory_keeps_the_account(directory):
    async def scene(directory):
        service = directory.service
        account = await service.accounts.by_id((await directory.user())["id"])
        await with_passkey(service, account)
        with pytest.raises(FactorRefused) as refused:
            await service.factors.remove(account, "key", None, OPERATOR)
        [shown] = await summaries(service.store, service.settings, service.clock())
        return refused.value.code, shown.passkeys, shown.identities

    assert directory(scene) == ("last_way_in", 1, 0)


def test_a_merge_moves_nothing_that_a_directory_keeps(directory):
    async def scene(directory):
        service = directory.service
        gone = (await directory.user())["id"]
        into = (await service.accounts.create("alice", "correct horse battery staple")).id
        shown = await service.merges.preview(gone, into, OPERATOR)
        await service.merges.merge(gone, into, shown.digest, OPERATOR)
        identities = await service.identities.of_account(into)
        return shown.identities, identities, await directory.found("/Users", 'userName eq "ada"')

    assert directory(scene) == ((), [], [])
