"""A proxy that puts access tokens in front of an MCP server that knows nothing of them."""
