"""What is said of tools that are no longer as they were pinned: a line for each, once for each change.

Names and fields come from the server: what cannot be shown as it is, is not offered as part of a command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from codespar_cli.core.text import clean_line

if TYPE_CHECKING:
    from codespar_cli.core.administration.tool_drift import DriftChange

MOST_LINES = 50
_MOST_FIELDS = 3
_LONGEST = 80


class DriftNotes:
    """Called with everything that differs from the pins, with each list that a server gives. Not for several threads.

    What was said is remembered for as long as this process runs: the next one says it again until somebody approves it.
    """

    def __init__(self, note: Callable[[str], object]) -> None:
        self._note = note
        self._told: dict[str, dict[str, int]] = {}

    def __call__(self, server: str, changes: Sequence[DriftChange]) -> None:
        found: dict[str, list[DriftChange]] = {}
        for change in changes:
            found.setdefault(change.tool, []).append(change)
        told = self._told.get(server, {})
        # Numbers in place of the two sides: a definition may be long, and is remembered for good.
        self._told[server] = {tool: hash(repr(each)) for tool, each in found.items()}
        news = [tool for tool, number in self._told[server].items() if told.get(tool) != number]
        for tool in news[:MOST_LINES]:
            self._note(_line(server, tool, found[tool]))
        if len(news) > MOST_LINES:
            more = len(news) - MOST_LINES
            self._note(f"tool drift: {more} more tools of `{server}`: codespar mcp pins show {quote(server)}")


def _line(server: str, tool: str, changes: Sequence[DriftChange]) -> str:
    from codespar_cli.core.administration.tool_drift import GRADES

    by_weight = sorted(changes, key=lambda change: -GRADES.index(change.grade))
    fields = list(dict.fromkeys(map(_what, by_weight)))
    more = f" and {len(fields) - _MOST_FIELDS} more" if len(fields) > _MOST_FIELDS else ""
    what = f"{', '.join(fields[:_MOST_FIELDS])}{more}"
    shown = clean_line(tool, _LONGEST)
    # A name that is not shown whole, or would be read as an option, cannot be typed: then the whole server is shown.
    typed = f" {quote(tool)}" if shown == tool and not tool.startswith("-") else ""
    return (
        f"tool drift, {by_weight[0].grade}: `{server}/{shown}`: {what}: codespar mcp pins show {quote(server)}{typed}"
    )


def _what(change: DriftChange) -> str:
    if change.field != "tool":
        return clean_line(change.field, _LONGEST)
    if change.before is None:
        return "new"
    if change.after is None:
        return "gone"
    return f"`{clean_line(str(change.before), _LONGEST)}` is now `{clean_line(str(change.after), _LONGEST)}`"
