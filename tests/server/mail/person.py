"""Somebody with a browser of their own and a mailbox."""

from urllib.parse import urlsplit

import pytest
from tests.server.flows import hidden
from tests.server.inside import Inside
from tests.server.mail.inbox import link_of

NEW = "paper-boat-harbour"
ALICE = "alice@example.com"

on_both_engines = pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)


async def deliver(service):
    task = service.background.tasks["mail"]
    await task.attempt()
    assert task.failing is None


class Person(Inside):
    """Somebody with a browser who reads the mails."""

    def __init__(self, service, clock, inbox):
        super().__init__(service)
        self.clock = clock
        self.inbox = inbox

    async def forget(self, name="alice"):
        answer = await self.client.post("/forgot-password", data={"username": name})
        await deliver(self.service)
        return answer

    async def reset_link(self, name="alice"):
        await self.forget(name)
        return link_of(self.inbox.mails[-1])

    async def use(self, link, **form):
        """Open a link, and press its button."""
        page = await self.client.get(link)
        if page.status_code != 200:
            return page
        form = {**hidden(page.text), **form}
        return await self.client.post(urlsplit(link).path, data=form)

    async def reset(self, link, password=NEW):
        return await self.use(link, new_password=password)

    async def signs_in(self, username="alice", password=NEW):
        answer = await self.client.post(
            "/sign-in", data={"username": username, "password": password, "continue": "/me"}
        )
        return answer.headers.get("location", "")
