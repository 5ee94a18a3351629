"""A transparent proxy in front of any MCP server on stdio: bytes pass as they are, only `tools/call` is asked about."""
