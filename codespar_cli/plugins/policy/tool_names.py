"""The names one tool goes by: hosts call the same thing differently, and a rule written for one name means them all.

A rule is about a call when it matches any of its names. Counters and prices go by the canonical name, so that nobody gets
a second budget for a second spelling. What each host sends: docs/policy.md, "Tool names".
"""

from __future__ import annotations

_SAME: dict[str, str] = {
    # Claude Code, Codex, Gemini CLI, Cursor, Copilot CLI
    **dict.fromkeys(("Bash", "shell", "run_shell_command", "run_terminal_cmd", "bash", "local_shell"), "shell"),
    **dict.fromkeys(("Read", "read_file"), "fs/read"),
    **dict.fromkeys(("Write", "write_file"), "fs/write"),
    **dict.fromkeys(("Edit", "MultiEdit", "apply_patch", "search_replace", "edit_file"), "fs/edit"),
    **dict.fromkeys(("WebFetch", "web_fetch"), "web/fetch"),
    **dict.fromkeys(("WebSearch", "google_web_search", "web_search"), "web/search"),
}


def canonical_name(tool: str) -> str:
    """`shell` for `Bash`, `github/create_issue` for `mcp__github__create_issue`; any other name as it is."""
    if tool in _SAME:
        return _SAME[tool]
    server, name = _of_mcp(tool)
    return f"{server}/{name}" if server and name else tool


def names_of(tool: str) -> tuple[str, ...]:
    """The name as it came, and the canonical one where it is another."""
    canonical = canonical_name(tool)
    return (tool,) if canonical == tool else (tool, canonical)


def _of_mcp(tool: str) -> tuple[str, str]:
    """Server and tool of an MCP tool's name as hosts spell it; the first separator parts them."""
    if tool.startswith("mcp__"):
        server, _, name = tool[5:].partition("__")
    elif tool.startswith(("MCP:", "mcp:")):
        server, _, name = tool[4:].partition(":")
    elif tool.startswith("mcp_"):
        server, _, name = tool[4:].partition("_")
    else:
        return "", ""
    return server, name
