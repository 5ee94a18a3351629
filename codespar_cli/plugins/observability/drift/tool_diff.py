"""What changed between two definitions of one tool, each change with its grade."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from codespar_cli.core.administration.tool_drift import Grade
from codespar_cli.plugins.observability.drift.canonical import canonical
from codespar_cli.plugins.observability.drift.effect import Found, input_grade, output_grade
from codespar_cli.plugins.observability.drift.hidden import Path, hidden_places, may_hide
from codespar_cli.plugins.observability.drift.notation import HINTS, SUBSCHEMA_MAPS, meaning_of
from codespar_cli.plugins.observability.drift.schema_side import Side
from codespar_cli.plugins.observability.drift.schema_walk import Limits, Walk
from codespar_cli.plugins.observability.drift.solicitation import asks_for_more

_WORDS = frozenset({"title", "description", "icons"})
_PLAIN = re.compile(r"[A-Za-z0-9_$@/-]+")
_TASKS = ("forbidden", "required", "optional")
_MISSING: Any = object()


class Change(NamedTuple):
    """One change within a tool; `path` leads into its definition."""

    path: Path
    grade: Grade
    before: Any
    after: Any


def tool_changes(old: Mapping[str, Any], new: Mapping[str, Any], *, approved: bool = True) -> list[Change]:
    """Every change from the old definition to the new; none when both are the same JSON.

    What an old definition hides that nobody has `approved` is told again.
    """
    found: list[Change] = []
    for field in sorted({*old, *new}):
        before, after = old.get(field, _MISSING), new.get(field, _MISSING)
        if before is _MISSING or after is _MISSING or canonical(before) != canonical(after):
            found += _field_changes(field, before, after)
    return _with_hidden(found, new, known={text for _, text in hidden_in(old)} if approved else set())


def hidden_in(tool: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """The texts of a definition that hold characters nobody sees, and where."""
    return list(hidden_places(dict(tool))) if may_hide(canonical(tool)) else []


def hidden_changes(tool: Mapping[str, Any]) -> list[Change]:
    """What is to be said of a definition that nobody has approved, with nothing to compare it with."""
    return _with_hidden([], tool, known=set())


def field_name(path: Path) -> str:
    """`inputSchema.properties.path.type`; other names than such are quoted: `properties["a.b"]`, `anyOf[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text


def _field_changes(field: str, before: Any, after: Any) -> Iterator[Change]:
    if _means_the_same(field, before, after):
        yield Change((field,), "notation", _side(before), _side(after))
    elif field in _WORDS:
        yield Change((field,), "docs", _side(before), _side(after))
    elif field == "inputSchema":
        yield from _input_changes(before, after)
    elif field == "outputSchema":
        for found in _schema_changes(before, after):
            yield Change((field, *found.path), output_grade(found.effect), found.before, found.after)
    elif field == "annotations":
        yield from _annotation_changes(before, after)
    elif field == "execution":
        yield from _execution_changes(before, after)
    else:
        # `_meta`, and what this version of us has not heard of: it may steer a client, and breaks no call.
        yield Change((field,), "compatible", _side(before), _side(after))


def _means_the_same(field: str, before: Any, after: Any) -> bool:
    if field == "annotations":
        return meaning_of(field, _side(before)) == meaning_of(field, _side(after))
    return before is not _MISSING and after is not _MISSING and meaning_of(field, before) == meaning_of(field, after)


def _schema_changes(before: Any, after: Any) -> list[Found]:
    if before is _MISSING or after is _MISSING:
        effect = "narrower" if before is _MISSING else "wider"
        return [Found((), "narrower" if effect == "narrower" else "wider", _side(before), _side(after))]
    found = Walk(Side(before), Side(after), Limits()).run(before, after)
    # The meaning is another one, so something must be said; this is for what the walk has no words for.
    return found or [Found((), "other", before, after)]


def _input_changes(before: Any, after: Any) -> Iterator[Change]:
    asked: list[Path] = []
    for found in _schema_changes(before, after):
        grade = input_grade(found.effect)
        if found.adds_property is not None and asks_for_more(found.adds_property, found.after):
            asked.append(found.path)
            grade = "security"
        yield Change(("inputSchema", *found.path), grade, found.before, found.after)
    known = {name for _, name, _ in _arguments(before)}
    for path, name, schema in _arguments(after):
        # Also one that comes in a new branch or definition, which is no added property of anything.
        covered = any(path[: len(place)] == place for place in asked)
        if name not in known and not covered and asks_for_more(name, schema):
            asked.append(path)
            yield Change(("inputSchema", *path), "security", None, schema)


def _arguments(schema: Any) -> Iterator[tuple[Path, str, Any]]:
    waiting: deque[tuple[Path, Any]] = deque([((), schema)])
    while waiting:
        path, item = waiting.popleft()
        if isinstance(item, dict):
            for key, inner in item.items():
                if key in {"properties", "patternProperties"} and isinstance(inner, dict):
                    yield from (((*path, key, name), name, value) for name, value in inner.items())
                if key in SUBSCHEMA_MAPS and isinstance(inner, dict):
                    waiting.extend(((*path, key, name), value) for name, value in inner.items())
                elif key not in {"enum", "const", "default", "examples"}:
                    waiting.append(((*path, key), inner))
        elif isinstance(item, list):
            waiting.extend(((*path, index), inner) for index, inner in enumerate(item))


def _annotation_changes(before: Any, after: Any) -> Iterator[Change]:
    olds, news = (side if isinstance(side, dict) else {} for side in (before, after))
    for key in sorted({*olds, *news}):
        old, new = olds.get(key, _MISSING), news.get(key, _MISSING)
        if old is not _MISSING and new is not _MISSING and canonical(old) == canonical(new):
            continue
        grade: Grade = "docs" if key == "title" else "compatible"
        if key in HINTS:
            less_safe = HINTS[key]
            was, now = (_hint(side, less_safe=less_safe) for side in (old, new))
            if was == now:
                continue
            grade = "security" if now is less_safe else "compatible"
        yield Change(("annotations", key), grade, _side(old), _side(new))
    if not isinstance(_side(before), dict | None) or not isinstance(_side(after), dict | None):
        yield Change(("annotations",), "compatible", _side(before), _side(after))


def _hint(value: Any, *, less_safe: bool) -> bool:
    """What a client may rely on: anything but the plain safe value is none."""
    return (not less_safe) if value is (not less_safe) else less_safe


def _execution_changes(before: Any, after: Any) -> Iterator[Change]:
    olds, news = (side if isinstance(side, dict) else {} for side in (before, after))
    for key in sorted({*olds, *news}):
        old, new = olds.get(key), news.get(key)
        if canonical(old) == canonical(new):
            continue
        grade: Grade = "compatible"
        if key == "taskSupport" and (new or "forbidden") != "optional":
            grade = "notation" if {old, new} == {None, "forbidden"} else "breaking"
        yield Change(("execution", key), grade, old, new)
    if not isinstance(_side(before), dict | None) or not isinstance(_side(after), dict | None):
        yield Change(("execution",), "compatible", _side(before), _side(after))


def _with_hidden(found: list[Change], tool: Mapping[str, Any], *, known: set[str]) -> list[Change]:
    """A text that newly hides something is `security`, in place of the lesser change at the same place."""
    hides = {path: text for path, text in hidden_in(tool) if text not in known}
    kept = [change._replace(grade="security") if change.path in hides else change for change in found]
    told = {change.path for change in kept}
    return kept + [Change(path, "security", None, text) for path, text in hides.items() if path not in told]


def _side(value: Any) -> Any:
    return None if value is _MISSING else value
