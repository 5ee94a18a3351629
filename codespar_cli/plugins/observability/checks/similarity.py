"""When two calls ask for nearly the same: same names, same free text but for a word or two, sizes moved a little.

What identifies (paths, ids, numbers) is compared whole: reading ten files one after the other is work, not a loop. So is
turning pages: calls that differ in a paging argument are never alike.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from codespar_cli.plugins.observability.checks.json_values import is_scalar, json_type

Features: TypeAlias = frozenset[int]

ALIKE = 0.85
_MOST = 512
_LONGEST = 20_000
_WORD = re.compile(r"\w+")
_SIZES = frozenset(
    {"limit", "max", "count", "size", "depth", "timeout", "top", "n", "k", "num", "retries", "width", "height"}
)
_PAGING = frozenset(
    {"page", "offset", "cursor", "skip", "start", "end", "after", "before", "from", "to", "since", "until", "line"}
)


def features(tool: str, arguments: Any) -> Features:
    """What a call is made of, as at most 512 hashes: comparable within this process."""
    found: set[int] = {hash(("tool", tool))}
    waiting: list[tuple[str, Any]] = [("", arguments)]
    while waiting and len(found) < _MOST:
        path, value = waiting.pop()
        if isinstance(value, dict):
            found.add(hash(("object", path)))
            waiting.extend((f"{path}/{key}", item) for key, item in list(value.items())[:_MOST])
        elif isinstance(value, list):
            waiting.extend((f"{path}/*", item) for item in value[:_MOST])
        else:
            _add_scalar(path, value, found)
    return frozenset(found)


def _add_scalar(path: str, value: Any, found: set[int]) -> None:
    words = {part for part in re.split(r"[_\-.]", path.rsplit("/", 1)[-1].lower()) if part}
    if words & _PAGING:
        # Turned into more than all else together, so that another page is never alike.
        found.update(hash((path, "page", str(value)[:64], turn)) for turn in range(_MOST))
    elif isinstance(value, str) and " " in value.strip():
        found.update(hash((path, word.lower())) for word in _WORD.findall(value[:_LONGEST]))
    elif isinstance(value, int | float) and not isinstance(value, bool) and words & _SIZES:
        found.add(hash((path, json_type(value) != "string")))
    else:
        found.add(hash((path, value if is_scalar(value) else str(value)[:64])))


def alike(one: Features, other: Features) -> bool:
    """By Dice: twice what they share, by what they have."""
    return 2 * len(one & other) >= ALIKE * (len(one) + len(other))
