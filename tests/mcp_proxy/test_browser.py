"""A person lets a foreign client in with a real browser."""

from __future__ import annotations

import asyncio
import queue
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import processes
from tests.mcp_proxy.conftest import PASSWORD
from tests.mcp_proxy.foreign_clients import CALLBACK, sdk_client

# An address where nothing answers stays in the address bar of a whole browser alone.
NEEDS_WINDOWS = True

STDIO = (sys.executable, str(Path(__file__).parent / "stdio_server.py"))


class AtTheScreen:
    """Somebody whose browser another thread drives."""

    def __init__(self):
        self.asked, self.came_to = queue.Queue(), queue.Queue()

    def let_in(self, address):
        self.asked.put(address)
        return self.came_to.get(timeout=processes.PATIENCE)


def test_a_person_signs_in_allows_the_client_and_it_calls_a_tool(protect, browser):
    protected = protect(server=STDIO)
    person = AtTheScreen()

    async def scene():
        async with sdk_client(protected.url, person) as session:
            return (await session.call_tool("remember", {"note": "milk"})).content[0].text

    context = browser.new_context()
    context.route(f"{CALLBACK}**", lambda route: route.fulfill(body="You can go back."))
    page = context.new_page()
    with ThreadPoolExecutor(1) as pool:
        called = pool.submit(asyncio.run, scene())
        page.goto(person.asked.get(timeout=processes.PATIENCE))
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Allow", exact=True).wait_for()
        text = page.get_by_role("main").inner_text()
        assert "The SDK's client" in text
        assert protected.url in text
        page.get_by_role("button", name="Allow", exact=True).click()
        page.wait_for_url(f"{CALLBACK}**")
        person.came_to.put(page.url)
        assert called.result(processes.PATIENCE) == "1"
    context.close()
