"""Serving an app of a command, from the moment it says that it serves."""

import asyncio
import os
import signal

import httpx
import pytest

from carnet.cli.serving import serve_app
from carnet.listening import listen, url_of


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_as_it_says_that_it_serves_ends_it_well(number):
    with listen("127.0.0.1", 0) as listener:
        announce = lambda: os.kill(os.getpid(), number)  # noqa: E731 - it is named by its use
        asyncio.run(serve_app(app, listener, announce=announce))


def test_it_answers_once_it_has_said_so():
    async def ask(url):
        async with httpx.AsyncClient(trust_env=False) as client:
            status = (await client.get(url)).status_code
        os.kill(os.getpid(), signal.SIGTERM)
        return status

    async def main(listener):
        asked = []
        await serve_app(
            app, listener, announce=lambda: asked.append(asyncio.create_task(ask(url_of(listener))))
        )
        return await asked[0]

    with listen("127.0.0.1", 0) as listener:
        assert asyncio.run(main(listener)) == 204
