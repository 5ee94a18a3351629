"""The names one tool goes by: hosts call the same thing differently, and a rule written for one name means them all.

Counters and holds go by one name for every spelling, so that nobody gets a second budget for a second one; a price is
the dearest of what a name can mean. What each host sends: docs/policy.md, "Tool names".

Spellings can be ambiguous: `mcp_a_b_c` is `a/b_c` or `a_b/c`, and either may be what runs. So the two kinds of rules
read them differently. An allow matches only the name as it came or the canonical one, which parts at the first
separator: whoever can choose a spelling gains nothing by it. A rule that limits (deny, approve, budget, rate, window)
is about a call when it matches any name that the tool could go by; a host's own names are then taken in any case, and a
server or tool may be empty. Only a pattern that begins with `*` and has no `__` was written for no spelling, and is
matched as an allow is, so that `*` stays within a segment. Apart from that case counts, here as in every name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SAME: dict[str, str] = {
    # Claude Code, Codex, Gemini CLI, Cursor, Copilot CLI
    **dict.fromkeys(
        ("Bash", "shell", "Shell", "run_shell_command", "run_terminal_cmd", "bash", "local_shell"), "shell"
    ),
    **dict.fromkeys(("Read", "read_file"), "fs/read"),
    **dict.fromkeys(("Write", "write_file"), "fs/write"),
    **dict.fromkeys(("Edit", "MultiEdit", "apply_patch", "search_replace", "edit_file"), "fs/edit"),
    **dict.fromkeys(("WebFetch", "web_fetch"), "web/fetch"),
    **dict.fromkeys(("WebSearch", "google_web_search", "web_search"), "web/search"),
}
_ALIASES: dict[str, tuple[str, ...]] = {
    canonical: (canonical, *(name for name, same in _SAME.items() if same == canonical))
    for canonical in dict.fromkeys(_SAME.values())
}
_FOLDED = {name.lower(): canonical for name, canonical in _SAME.items()}
# How MCP hosts begin a tool's name, and what parts server and tool after it; the first that fits is meant.
_MCP = (("mcp__", "__"), ("mcp:", ":"), ("mcp_", "_"))
MOST_READINGS = 16
"""A name that can be read in more ways is no name that a policy can judge."""


def canonical_name(tool: str) -> str:
    """`shell` for `Bash`, `github/create_issue` for `mcp__github__create_issue`; any other name as it is."""
    if tool in _SAME:
        return _SAME[tool]
    rest, separator = _of_mcp(tool if tool.startswith(("mcp", "MCP:")) else "")
    server, _, name = rest.partition(separator or "/")
    return f"{server}/{name}" if server and name else tool


def names_of(tool: str) -> tuple[str, ...]:
    """The name as it came, and the canonical one where it is another."""
    canonical = canonical_name(tool)
    return (tool,) if canonical == tool else (tool, canonical)


def counted_name(tool: str) -> str:
    """The name that counters and holds go by: one for all spellings of a tool, in any case where they are a host's own.

    It is the canonical name wherever that is certain. What parts server and tool is not: `git_hub/pay` and
    `git/hub_pay` are both called `mcp_git_hub_pay`, so all three are counted together, as `git/hub_pay`.
    """
    own = _FOLDED.get(tool.lower())
    if own is not None:
        return own
    found = next(_readings(tool), None)
    if found is None:
        return tool
    server, separator, rest = _with_single_separators("_".join(found)).partition("_")
    return f"{server}/{rest}" if separator else tool


def priced_names(tool: str) -> tuple[str, ...]:
    """Every name whose price may be that of a call of this tool: canonical names of all it can mean."""
    own = _FOLDED.get(tool.lower(), tool)
    return tuple(dict.fromkeys((canonical_name(tool), own, *map("/".join, _readings(tool)))))


def every_name(tool: str) -> tuple[str, ...]:
    """Every name by which a rule that limits may know this tool: as it came first, each once."""
    found = dict.fromkeys(names_of(tool))
    for server, name in _readings(tool):
        found.update(dict.fromkeys((f"{server}/{name}", f"mcp__{server}__{name}", f"MCP:{server}:{name}")))
        found[f"mcp_{server}_{name}"] = None
    for known in tuple(found):
        canonical = known if known in _ALIASES else _FOLDED.get(known.lower())
        if canonical is not None:
            found.update(dict.fromkeys(_ALIASES[canonical]))
    return tuple(found)


def is_too_ambiguous(tool: str) -> bool:
    rest, separator = _of_mcp(tool)
    return bool(separator) and rest.count(separator) > MOST_READINGS


def _readings(tool: str) -> Iterator[tuple[str, str]]:
    """Every server and tool that an MCP name can mean; of `server/tool` only one, since that is our own spelling."""
    rest, separator = _of_mcp(tool)
    if not separator:
        server, slash, name = tool.partition("/")
        if slash:
            yield server, name
        return
    at = rest.find(separator)
    while at >= 0:
        yield rest[:at], rest[at + len(separator) :]
        at = rest.find(separator, at + 1)


def _with_single_separators(name: str) -> str:
    """Each run of `_` and `:` as one `_`."""
    name = name.replace(":", "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name


def _of_mcp(tool: str) -> tuple[str, str]:
    """What follows the host's prefix, and the separator of server and tool; no separator for any other name."""
    folded = tool[:5].lower()
    for prefix, separator in _MCP:
        if folded.startswith(prefix):
            return tool[len(prefix) :], separator
    return tool, ""
