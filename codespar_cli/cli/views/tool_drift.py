"""What `metrics drift` and `mcp pins` show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from codespar_cli.core.administration.tool_drift import GRADES, DriftChange, ToolPin
from codespar_cli.core.clock import iso_second
from codespar_cli.core.text import visible

CHANGES = ("server", "tool", "grade", "field", "before", "after")
PINS = ("server", "tool", "status", "approved by", "pinned", "sha256")
_LONGEST = 60
_SHOWN_DIGEST = 12
_MOST_LINES = 200
_LONGEST_SIDE = 2_000
_LONG_BLANK = re.compile(r"\s{20,}|(?:[^\S\n]*\n){9,}")
_BLANK_SIGNS = re.compile("[\u2800\U00013441\U00013442\U00016fe4\U0001d159]")


def change_rows(changes: Iterable[DriftChange]) -> list[tuple[str, ...]]:
    return [
        (change.server, change.tool, change.grade, change.field, *_cells(change.before, change.after))
        for change in changes
    ]


def change_lines(changes: Iterable[DriftChange]) -> Iterator[tuple[str, str]]:
    """Both sides in full, for somebody who is to agree; with the style of each line."""
    for change in changes:
        style = "red" if change.grade in {"breaking", "security"} else ""
        yield f"{change.grade}  {change.server}  {change.tool}  {change.field}", style
        for sign, side in (("-", change.before), ("+", change.after)):
            for line in _text(side).splitlines() if side is not None else ():
                rest = len(line) - _LONGEST_SIDE
                yield f"  {sign} {line[:_LONGEST_SIDE]}{f'… {rest} more: -o json' if rest > 0 else ''}", "dim"


def summary(changes: Sequence[DriftChange]) -> str:
    """`3 changes: 1 security, 2 docs`, the worst first."""
    counts = {grade: sum(change.grade == grade for change in changes) for grade in reversed(GRADES)}
    told = ", ".join(f"{count} {grade}" for grade, count in counts.items() if count)
    return f"{len(changes)} change{'' if len(changes) == 1 else 's'}: {told}"


def pin_row(pin: ToolPin) -> tuple[str, ...]:
    digest = pin.fingerprint[:_SHOWN_DIGEST]
    return (pin.server, pin.tool, pin.status, pin.approved_by or "-", iso_second(pin.pinned_at), digest)


def pin_lines(pin: ToolPin) -> Iterator[str]:
    yield f"{pin.tool} of {pin.server}: {pin.status}, revision {pin.revision}"
    yield f"first seen  {iso_second(pin.first_seen)}" + (f", server version {pin.version}" if pin.version else "")
    if pin.approved_at is not None:
        yield f"approved    {iso_second(pin.approved_at)} by {pin.approved_by}"
    else:
        yield "approved    by nobody: pinned as it was first seen"
    yield f"sha256      {pin.fingerprint}"
    yield f"meaning     {pin.meaning}"
    for field, digest in pin.fields.items():
        yield f"  {digest[:_SHOWN_DIGEST]}  {field}"
    lines = json.dumps(pin.pinned, indent=2, ensure_ascii=False).splitlines()
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"… {len(lines) - _MOST_LINES} more lines: -o json shows them"


def _cells(before: Any, after: Any) -> tuple[str, str]:
    """Both sides on one line each. Where long ones begin alike, what is alike is left out."""
    first, second = (visible(_text(side)) for side in (before, after))
    if max(len(first), len(second)) <= _LONGEST:
        return first, second
    alike = next((at for at, (one, two) in enumerate(zip(first, second, strict=False)) if one != two), 0)
    start = max(alike - _LONGEST // 3, 0) if min(len(first), len(second)) > 1 else 0
    return _cut(first, start), _cut(second, start)


def _cut(text: str, start: int) -> str:
    if len(text) <= _LONGEST:
        return text
    head = "…" if start else ""
    tail = "…" if len(text) > start + _LONGEST else ""
    return head + text[start : start + _LONGEST] + tail


def _text(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _blanks_told(text)


def _blanks_told(text: str) -> str:
    """What is behind a long blank, or drawn as one, must not be out of sight here as well."""
    text = _LONG_BLANK.sub(lambda blank: f" [{len(blank[0])} blank characters, then] ", text.rstrip())
    return _BLANK_SIGNS.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)
