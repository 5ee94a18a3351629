"""A server's `tools/list`: the pages put together, and tools cut out of one where they are not to be seen.

Cutting leaves every other byte as it was: the result is never written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codespar_cli.mcp import spans

_MOST_PAGES = 1000
_MOST_BYTES = 8 << 20
"""Of all the pages of a list, the first one apart."""


class Pages:
    """The tools of a list that comes in pages, in the order they are asked for. Not safe to share between threads."""

    def __init__(self) -> None:
        self._tools: list[Any] = []
        self._next: Any = None
        self._pages = 0
        self._bytes = 0

    def add(self, cursor: Any, result: Mapping[str, Any], size: int = 0) -> list[Any] | None:
        """One page of `size` bytes, asked for with this cursor. The whole list once the last page is there, else None."""
        tools = result.get("tools")
        if not isinstance(tools, list):
            return None
        if cursor is None:
            self._tools, self._pages, self._bytes = [], 0, 0
        elif cursor != self._next or self._pages >= _MOST_PAGES or self._bytes + size > _MOST_BYTES:
            return None  # a page of another list than the one that was begun, or of one that does not end
        self._tools = [*self._tools, *tools]
        self._pages += 1
        self._bytes += size
        self._next = result.get("nextCursor")
        return None if self._next is not None else self._tools


def without_tools(line: bytes, is_hidden: Callable[[str], bool]) -> bytes:
    """A response to `tools/list` less the tools that are hidden. What cannot be read comes back as it is."""
    try:
        text = line.decode()
        result = spans.only(text, "result")
        listed = None if result is None else spans.only(text, "tools", result.start)
        if listed is None:
            return line
        found = list(spans.elements(text, listed.start))
        kept = [span for span in found if not _is_hidden(text, span, is_hidden)]
    except (ValueError, RecursionError):
        return line
    if len(kept) == len(found):
        return line
    items = ",".join(text[span.start : span.end] for span in kept)
    return f"{text[: listed.start]}[{items}]{text[listed.end :]}".encode()


def _is_hidden(text: str, span: spans.Span, is_hidden: Callable[[str], bool]) -> bool:
    if text[span.start] != "{":
        return False
    name = spans.only(text, "name", span.start)
    if name is None or text[name.start] != '"':
        return False
    return is_hidden(spans.value_at(text, name))
