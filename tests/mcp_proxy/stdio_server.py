"""An MCP server over standard input and output, unaware of any proxy."""

import os
import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("notes")
notes = []


@server.tool()
def remember(note: str) -> int:
    notes.append(note)
    return len(notes)


@server.tool()
def process() -> int:
    return os.getpid()


@server.tool()
def variable(name: str) -> str:
    return os.environ.get(name, "")


@server.tool()
async def count(context: Context) -> str:
    for step in range(3):
        await context.report_progress(step, 3)
    return "counted"


@server.tool()
def die() -> None:
    os._exit(1)


if "--dies" in sys.argv:
    sys.exit(1)
server.run("stdio")
