"""What one tool is called, by another hand: read off the table of the contract."""

from __future__ import annotations

from functools import cache

PREFIXES = {"mcp__": "__", "MCP:": ":", "mcp_": "_", "": "/"}
SAME = {"shell": ["shell", "Bash", "run_shell_command"], "fs/read": ["fs/read", "Read", "read_file"]}


@cache
def names(tool: str) -> tuple[str, set[str]]:
    """The canonical name, and every name by which a limit may know a tool."""
    prefix = next(prefix for prefix in PREFIXES if tool.startswith(prefix))
    separator = PREFIXES[prefix]
    parts = tool.removeprefix(prefix).split(separator, -1 if prefix else 1)
    cuts = range(1, len(parts))
    readings = [(separator.join(parts[:cut]), separator.join(parts[cut:])) for cut in cuts]
    canonical = next((name for name in SAME if tool in SAME[name]), "/".join(readings[0]) if readings else tool)
    every = {tool, canonical}
    for server, name in readings:
        every |= {f"{server}/{name}", f"mcp__{server}__{name}", f"MCP:{server}:{name}", f"mcp_{server}_{name}"}
    return canonical, every.union(*(same for same in SAME.values() if every & set(same)))
