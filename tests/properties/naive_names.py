"""What one tool is called, by another hand: read off the table of the contract."""

from __future__ import annotations

from functools import cache

PREFIXES = {"mcp__": "__", "mcp:": ":", "mcp_": "_", "": "/"}
SAME = {"shell": ["shell", "Bash", "run_shell_command"], "fs/read": ["fs/read", "Read", "read_file"]}
OWN = {name.lower(): canonical for canonical in SAME for name in SAME[canonical]}


def readings(tool: str) -> list[tuple[str, str]]:
    prefix = next(prefix for prefix in PREFIXES if tool.lower().startswith(prefix))
    separator = PREFIXES[prefix]
    parts = tool[len(prefix) :].split(separator, -1 if prefix else 1)
    return [(separator.join(parts[:cut]), separator.join(parts[cut:])) for cut in range(1, len(parts))]


@cache
def names(tool: str) -> tuple[str, set[str]]:
    """The canonical name that an allow knows, and every name by which a limit may know a tool."""
    canonical = next((name for name in SAME if tool in SAME[name]), tool)
    if tool.startswith(("mcp", "MCP:")):
        canonical = "/".join(readings(tool)[0])
    every = {tool, canonical}
    for server, name in readings(tool):
        every |= {f"{server}/{name}", f"mcp__{server}__{name}", f"MCP:{server}:{name}", f"mcp_{server}_{name}"}
    meant = {OWN.get(name.lower()) for name in every}
    return canonical, every.union(*(SAME[name] for name in meant if name))


@cache
def counted(tool: str) -> str:
    """What counters and holds go by: MCP names that differ only in where a server ends are one."""
    parts = [part for part in "_".join((readings(tool) or [()])[0]).replace(":", "_").split("_") if part]
    return OWN.get(tool.lower()) or (f"{parts[0]}/{'_'.join(parts[1:])}" if parts else tool)


@cache
def priced(tool: str) -> set[str]:
    """The names whose prices may be a tool's."""
    return {names(tool)[0], OWN.get(tool.lower(), tool), *("/".join(each) for each in readings(tool))}
