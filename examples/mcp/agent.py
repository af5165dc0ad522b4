"""A program that acts for a person: it reads their notes, and adds one if it is given one.

The first call opens the person's browser, where they sign in and allow it; adding a note opens it
once more, for that needs another scope. What was allowed is kept for the next run.
"""

import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from carnet.verifier.agents import AuthorizationCodeAuth

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8400")
NOTES = os.environ.get("NOTES", "http://127.0.0.1:8600/mcp")


async def main(*added: str) -> None:
    """Add notes, and print all of them."""
    auth = AuthorizationCodeAuth(NOTES, client_id="notes-agent", issuer=ISSUER)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60) as http,
        Client(streamable_http_client(NOTES, http_client=http)) as client,
    ):
        for text in added:
            await client.call_tool("add_note", {"text": text})
        found = await client.call_tool("list_notes", {})
        print(*(found.structured_content or {})["result"], sep="\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
