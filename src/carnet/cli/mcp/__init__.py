"""``carnet mcp``: access tokens in front of MCP servers."""
