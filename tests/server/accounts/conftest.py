"""Accounts with addresses, and a mail server that listens."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.mail.inbox import Inbox
from tests.server.mail.person import ALICE, Person, deliver

from carnet.server.audit import OPERATOR


@pytest.fixture
def engine(request):
    given = getattr(request, "param", "sqlite")
    return "" if given == "sqlite" else request.getfixturevalue("postgres_store")


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def scene_of(play, inbox):
    """Run a scene with alice, who has proved an address, and a mail server that listens."""

    def run(scene, **settings):
        async def opened(service, clock):
            account = await service.accounts.create("alice", PASSWORD)
            await service.addresses.add_verified(account.id, ALICE, OPERATOR)
            async with inbox.open():
                await deliver(service)
                inbox.envelopes.clear()
                return await scene(Person(service, clock, inbox), account)

        return play(opened, **{**inbox.settings, **settings})

    return run
