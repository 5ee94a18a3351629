"""What a host's tool is called everywhere else. A test holds this to the names that policies know."""

from __future__ import annotations

_SAME = {
    "shell": ("Bash", "bash", "Shell", "shell", "local_shell", "run_shell_command", "run_terminal_cmd"),
    "fs/read": ("Read", "read_file"),
    "fs/write": ("Write", "write_file"),
    "fs/edit": ("Edit", "MultiEdit", "apply_patch", "search_replace", "edit_file"),
    "web/fetch": ("WebFetch", "web_fetch"),
    "web/search": ("WebSearch", "google_web_search", "web_search"),
}
_CANONICAL = {name: canonical for canonical, names in _SAME.items() for name in names}
_MCP = (("mcp__", "__"), ("MCP:", ":"), ("mcp_", "_"))


def canonical_name(tool: str) -> str:
    """`github/create_issue` for `mcp__github__create_issue`, `MCP:github:create_issue` and `mcp_github_create_issue`."""
    if tool in _CANONICAL:
        return _CANONICAL[tool]
    for prefix, separator in _MCP:
        if tool.startswith(prefix):
            server, _, name = tool[len(prefix) :].partition(separator)
            return f"{server}/{name}" if server and name else tool
    return tool
