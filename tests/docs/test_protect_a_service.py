"""Each service of docs/protect-a-service.md runs, and is shut to who brings no token."""

import re
import sys
from pathlib import Path

import pytest
from tests import processes

PAGE = Path(__file__).parents[2] / "docs" / "protect-a-service.md"
_, *PARTS = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
SECTIONS = [part for part in PARTS if "```python" in part]

ASKING = {
    "ASGI": """
import asyncio, httpx
async def ask():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
        return await client.get("/orders")
answer = asyncio.run(ask())
""",
    "WSGI": """
import httpx
with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://orders") as client:
    answer = client.get("/orders")
""",
    "gRPC": """
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    try:
        channel.unary_unary("/orders.Orders/List")(b"", timeout=60)
    except grpc.RpcError as error:
        print(error.code().name, dict(error.trailing_metadata())["carnet-code"])
server.stop(None).wait()
""",
}
PRINTING = """
print(answer.status_code, answer.headers["www-authenticate"], answer.json()["code"])
"""
SCOPE = ' scope="orders:read"'
# What the challenge of each says besides: an app without decorators has no scope that is known.
METADATA = ' resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"'
CHALLENGE = {
    "Any ASGI app": "",
    "Any WSGI app": "",
    "Clients that find the issuer by themselves": METADATA,
    "MCP servers of the MCP SDK": METADATA,
    "MCP servers of FastMCP": METADATA,
}
WSGI = ("Django", "Django REST framework", "Flask", "Any WSGI app")


def title_of(section):
    return section.partition("\n")[0]


@pytest.mark.parametrize("section", SECTIONS, ids=title_of)
def test_a_service_of_the_page_refuses_who_brings_no_token(section, tmp_path):
    title = title_of(section)
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    if title == "gRPC":
        code, expected = code + ASKING["gRPC"], "UNAUTHENTICATED token_missing\n"
    else:
        kind = "WSGI" if title in WSGI else "ASGI"
        asking = ASKING[kind].replace("/orders", "/mcp") if "MCP" in title else ASKING[kind]
        code += asking + PRINTING
        expected = f"401 Bearer{CHALLENGE.get(title, SCOPE)} token_missing\n"
    (tmp_path / "shop.py").write_text(code, "utf-8")
    run = processes.run(
        [sys.executable, "shop.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert run.stdout == expected, run.stderr
