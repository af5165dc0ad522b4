"""An MCP server that keeps notes: a token lets a client in, and writing needs one scope more."""

import os

import uvicorn
from mcp.server.mcpserver import MCPServer

from carnet.verifier.mcp import BearerAuth, current_claims

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8400")
PORT = int(os.environ.get("PORT", "8600"))

auth = BearerAuth(ISSUER, resource=f"http://127.0.0.1:{PORT}/mcp", required_scopes=["notes:read"])
server = MCPServer("Notes")
notes: dict[str, list[str]] = {}


@server.tool()
def list_notes() -> list[str]:
    """The notes of the person who is signed in."""
    return notes.get(current_claims().subject or "", [])


@server.tool()
@auth.require_scope("notes:write")
def add_note(text: str) -> int:
    """Add a note, and give how many there are."""
    own = notes.setdefault(current_claims().subject or "", [])
    own.append(text)
    return len(own)


app = auth.protect(server.streamable_http_app())

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
