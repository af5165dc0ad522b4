"""The README's examples run as they stand."""

import asyncio
import re
import sys

import httpx
from tests import processes


def blocks(root):
    text = (root / "README.md").read_text("utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_readme_opens_with_one_sentence_and_one_command(root):
    lines = [line for line in (root / "README.md").read_text("utf-8").splitlines() if line]
    assert lines[0] == "# Carnet"
    assert lines[1].count(".") == 1
    assert lines[2:5] == ["```sh", "make demo", "```"]


def test_the_ten_line_example_prints_what_its_comments_say(root):
    code = blocks(root)[0]
    promised = re.findall(r"print\(.*\)  # (.*)", code)
    run = processes.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout.splitlines() == promised
    assert len(promised) == 2


def test_the_example_of_a_protected_service_is_a_working_app(root):
    space = {}
    exec(compile(blocks(root)[1], "README.md", "exec"), space)
    transport = httpx.ASGITransport(space["app"])

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
            return await client.get("/orders")

    answer = asyncio.run(ask())
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
