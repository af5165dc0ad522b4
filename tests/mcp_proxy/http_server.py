"""An MCP server over HTTP, unaware of any proxy: ``python http_server.py PORT``."""

import sys

from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_headers

server = FastMCP("weather")


@server.tool
def who() -> dict:
    return get_http_headers(include_all=True)


@server.tool
async def count(context: Context) -> str:
    for step in range(3):
        await context.report_progress(step, 3)
    return "counted"


@server.tool
async def ask(context: Context) -> str:
    answer = await context.elicit("Which?", response_type=str)
    return f"{answer.action} {answer.data}"


server.run("http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
