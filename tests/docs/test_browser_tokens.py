"""The examples of docs/browser-tokens.md run as they stand."""

import asyncio
import re
from pathlib import Path

import httpx

PAGE = Path(__file__).parents[2] / "docs" / "browser-tokens.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_example_of_an_app_refuses_who_is_not_signed_in():
    space = {}
    exec(compile(BLOCKS[0], PAGE.name, "exec"), space)
    transport = httpx.ASGITransport(space["app"])
    # The same app, with people signing in on the issuer's page.
    exec(compile(BLOCKS[1], PAGE.name, "exec"), space)
    assert space["app"] is not transport.app

    async def ask():
        async with httpx.AsyncClient(
            transport=transport, base_url="https://app.example.com"
        ) as client:
            answers = [await client.get("/orders"), await client.get("/session")]
            answers.append(await client.post("/session", json={}))
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [401, 401, 403]


def test_the_example_of_calls_makes_both_clients():
    space = {}
    exec(compile(BLOCKS[2], PAGE.name, "exec"), space)
    space["orders"].close()
    asyncio.run(space["mine"].aclose())
    assert "read from" not in repr(vars(space["auth"])["_endpoint"]) + repr(space["session"])


def test_the_example_of_calls_for_a_person_makes_both_clients(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {}
    exec(compile(BLOCKS[3], PAGE.name, "exec"), space)
    space["notes"].close()
    asyncio.run(space["orders"].aclose())
    assert list(tmp_path.iterdir()) == []
