"""The Atlassian Document Format as text.

developer.atlassian.com, "Atlassian Document Format": a tree of nodes, `{type, text?, attrs?, content?}`. Jira Cloud
writes descriptions and comments in it, or as wiki text; Data Center writes text only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_NODES = 5_000
_MAX_PARTS = 1_000
_MAX_TEXT = 32_768  # as much as Jira lets a field hold
_ENDS_A_LINE = frozenset({"paragraph", "heading", "codeBlock", "tableRow", "caption", "blockTaskItem", "taskItem"})
# Nodes without text of their own, and which attribute a reader sees.
_SHOWN = {
    "mention": ("text", "id"),
    "emoji": ("text", "shortName"),
    "status": ("text",),
    "date": ("timestamp",),
    "inlineCard": ("url",),
    "blockCard": ("url",),
}


def plain_text(value: Any) -> str | None:
    """Text as it is, a document as its text, at most 5,000 nodes of it and 1,000 right within one; None for everything else."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        return None
    found: list[str] = []
    waiting: list[Any] = [value]  # no recursion: how deep a document goes is its author's choice
    for _ in range(_MAX_NODES):
        if not waiting:
            break
        node = waiting.pop()
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, Mapping):
            found.append(_own_text(node))
            waiting.extend(reversed(_parts(node)))
    return "".join(found).strip() or None


def _own_text(node: Mapping[str, Any]) -> str:
    kind, text, attributes = node.get("type"), node.get("text"), node.get("attrs")
    if kind == "hardBreak":
        return "\n"
    if isinstance(text, str):
        return text[:_MAX_TEXT]
    if isinstance(attributes, Mapping) and isinstance(kind, str):
        shown = (attributes.get(name) for name in _SHOWN.get(kind, ()))
        return next((text for text in shown if isinstance(text, str) and text), "")
    return ""


def _parts(node: Mapping[str, Any]) -> list[Any]:
    content, kind = node.get("content"), node.get("type")
    parts = content[:_MAX_PARTS] if isinstance(content, list) else []
    if any(isinstance(part, str) for part in parts):  # text stands in nodes of its own
        parts = [part for part in parts if not isinstance(part, str)]
    if kind == "listItem":
        parts = ["- ", *parts]
    return [*parts, "\n"] if isinstance(kind, str) and kind in _ENDS_A_LINE else parts
