"""What changed between two sets of tools: some came, some went, and one that went may have come back under another name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from codespar_cli.plugins.observability.drift.canonical import canonical

_ALIKE = 0.72
"""Definitions without their names: how alike they must be to be called one tool. Of 1."""
_LONGEST = 4_000
_MOST_PAIRS = 2_000


def renamed(gone: Mapping[str, Any], come: Mapping[str, Any]) -> dict[str, str]:
    """Old names to new ones, each at most once, the most alike first; the same definition before all others."""
    found: dict[str, str] = {}
    bodies = {name: _body(tool) for name, tool in come.items()}
    by_body = {body: name for name, body in reversed(list(bodies.items()))}
    for old, tool in gone.items():
        twin = by_body.get(_body(tool))
        if twin is not None and twin not in found.values() and _says_something(tool):
            found[old] = twin
    olds = {name: _body(tool) for name, tool in gone.items() if name not in found}
    news = {name: body for name, body in bodies.items() if name not in set(found.values())}
    if len(olds) * len(news) <= _MOST_PAIRS:
        for _, old, new in sorted(_alike(olds, news), reverse=True):
            if old not in found and new not in found.values():
                found[old] = new
    return found


def _alike(olds: Mapping[str, str], news: Mapping[str, str]) -> Iterator[tuple[float, str, str]]:
    for new, body in news.items():
        matcher = SequenceMatcher(None, "", body[:_LONGEST], autojunk=False)
        for old, other in olds.items():
            matcher.set_seq1(other[:_LONGEST])
            if matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE:
                ratio = matcher.ratio()
                if ratio >= _ALIKE:
                    yield ratio, old, new


def _body(tool: Mapping[str, Any]) -> str:
    return canonical({key: value for key, value in tool.items() if key not in {"name", "title"}})


def _says_something(tool: Mapping[str, Any]) -> bool:
    """Two tools of which nothing is told but `{"type": "object"}` are alike without being one."""
    return bool(tool.get("description")) or len(_body(tool)) > len('{"inputSchema":{"type":"object"}}')
