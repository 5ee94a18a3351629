"""What the change of a schema does to the values it takes, keyword by keyword, with the place and both sides.

Everything that cannot be told is OTHER: a caller is rather warned of a change that is none than the other way round.
The keywords of one object must all hold, so each is judged by itself; those that look at each other (`properties` and
`additionalProperties`, `prefixItems` and `items`, `if` and `then`) are judged together.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from codespar_cli.plugins.observability.drift import schema_applied, schema_dialect
from codespar_cli.plugins.observability.drift.effect import ABSENT, UNSAID, Effect, Found, flipped
from codespar_cli.plugins.observability.drift.notation import SUBSCHEMA_MAPS
from codespar_cli.plugins.observability.drift.schema_keywords import KNOWN, Schema, differs, keyword_changes
from codespar_cli.plugins.observability.drift.schema_side import Side, assertions

Path = tuple[str | int, ...]

_MOST_STEPS = 50_000
"""How many pairs of schemas one comparison looks at; what is left then is OTHER. Some seconds at the very most."""
_MOST_LEVELS = 40
_REFERENCES = ('$ref"', '$dynamicRef"', '$recursiveRef"')


class Limits:
    """What a comparison and all its trials may use together."""

    def __init__(self) -> None:
        self.steps = 0
        self.trials: dict[tuple[int, int], frozenset[Effect]] = {}
        self.kept: list[Any] = []


class Walk:
    """One comparison. References are taken up after the place they were met at, each pair of targets once."""

    def __init__(self, old: Side, new: Side, limits: Limits, level: int = 0) -> None:
        self.old = old
        self.new = new
        self.limits = limits
        self.found: list[Found] = []
        self._level = level
        self._seen: set[tuple[int, int, bool]] = set()
        self._waiting: deque[tuple[Any, Any, Path, bool]] = deque()
        self._definitions: list[tuple[Path, Any, Any]] = []

    def run(self, old: Any, new: Any, path: Path = ()) -> list[Found]:
        self.compare(old, new, path, flip=False)
        while self._waiting:
            first, second, place, flip = self._waiting.popleft()
            self._judge(first, second, place, flip)
        self._unused_definitions()
        return self.found

    def same(self, old: Any, new: Any) -> bool:
        """Whether two schemas mean the same by their text alone; a reference may lead to something else."""
        text = self.old.text(old)
        return text == self.new.text(new) and not any(word in text for word in _REFERENCES)

    def record(
        self, path: Path, effect: Effect, before: Any, after: Any, *, flip: bool, adds: str | None = None
    ) -> None:
        told = flipped(effect) if flip else effect
        before, after = (None if side is ABSENT or side is UNSAID else side for side in (before, after))
        self.found.append(Found(path, told, before, after, adds))

    def compare(self, old: Any, new: Any, path: Path, *, flip: bool) -> None:
        """Find every difference of two schemas."""
        if self.same(old, new):
            return
        self.limits.steps += 1
        if self.limits.steps > _MOST_STEPS or self._level > _MOST_LEVELS:
            self.record(path, "other", old, new, flip=flip)
            return
        (first, through), (second, onward) = self.old.follow(old), self.new.follow(new)
        if first is not old or second is not new:
            self._texts_around(old, new, first, second, path, flip=flip)
        if through is None and onward is None:
            self._level += 1
            self._judge(first, second, path, flip)
            self._level -= 1
        elif (id(first), id(second), flip) not in self._seen:
            self._seen.add((id(first), id(second), flip))
            self._waiting.append((first, second, _place(through, onward) or path, flip))

    def effects(self, old: Any, new: Any) -> frozenset[Effect]:
        """What a change would do, without reporting it."""
        key = (id(old), id(new))
        if key not in self.limits.trials:
            self.limits.kept += (old, new)
            trial = Walk(self.old, self.new, self.limits, self._level + 1)
            trial._seen = set(self._seen)  # what is being compared further up is reported there
            self.limits.trials[key] = frozenset(found.effect for found in trial.run(old, new))
        return self.limits.trials[key]

    def _judge(self, old: Any, new: Any, path: Path, flip: bool) -> None:
        said, now_said = old, new
        old, new = ({} if side is True else side for side in (old, new))
        if old is False or new is False:
            if old is not new:
                self.record(path, "wider" if old is False else "narrower", said, now_said, flip=flip)
        elif not isinstance(old, dict) or not isinstance(new, dict):
            self.record(path, "other", old, new, flip=flip)
        elif self.same(old, new):
            return
        elif self._leads_away(old, new):
            self.record((*path, "$ref"), "other", old.get("$ref", ABSENT), new.get("$ref", ABSENT), flip=flip)
        elif schema_applied.are_alternatives(self, old, new):
            schema_applied.alternatives(self, old, new, path, flip)
        else:
            self._keywords(old, new, path, flip)

    def _leads_away(self, old: Schema, new: Schema) -> bool:
        """Whether one side is a reference that cannot be followed, and the other is not the same one."""
        away = [assertions(side) == {"$ref"} for side in (old, new)]  # one that can be was followed before this
        return any(away) and (away[0] != away[1] or differs(old, new, "$ref"))

    def _keywords(self, old: Schema, new: Schema, path: Path, flip: bool) -> None:
        for key, effect in keyword_changes(old, new):
            self.record((*path, key), effect, old.get(key, ABSENT), new.get(key, ABSENT), flip=flip)
        if differs(old, new, "$schema"):
            effect = schema_dialect.effect(old, new)
            self.record((*path, "$schema"), effect, old.get("$schema"), new.get("$schema"), flip=flip)
        before = len(self.found)
        for applied in schema_applied.GROUPS:
            applied(self, old, new, path, flip)
        self._without_effect(old, new, path, self.found[before:], flip)
        self._note_definitions(old, new, path)
        for key in sorted({*old, *new} - KNOWN - schema_applied.KNOWN - {"$schema", "$defs", "definitions"}):
            if differs(old, new, key):
                effect = schema_dialect.unknown(key)
                self.record((*path, key), effect, old.get(key, ABSENT), new.get(key, ABSENT), flip=flip)

    def _without_effect(self, old: Schema, new: Schema, path: Path, told: list[Found], flip: bool) -> None:
        """A keyword that came or went and changed nothing, such as `propertyNames: {}`: another way of writing."""
        places = {found.path[len(path)] for found in told if len(found.path) > len(path)}
        for key in sorted((old.keys() | new.keys()) & schema_applied.KNOWN - places):
            first, second = (
                side.normal({key: schema[key]}) if key in schema else {} for side, schema in self._sides(old, new)
            )
            if first.keys() != second.keys() or _names(key, first) != _names(key, second):
                self.record((*path, key), "equal", old.get(key, ABSENT), new.get(key, ABSENT), flip=flip)

    def _sides(self, old: Schema, new: Schema) -> tuple[tuple[Side, Schema], tuple[Side, Schema]]:
        return (self.old, old), (self.new, new)

    def _texts_around(self, old: Any, new: Any, first: Any, second: Any, path: Path, *, flip: bool) -> None:
        """What is written beside a reference, or the reference itself: it takes no part in what is accepted."""
        outer = [side if isinstance(side, dict) else {} for side in (old, new)]
        before, after = outer
        for key, effect in keyword_changes(
            {} if first is old else _said(before), {} if second is new else _said(after)
        ):
            if effect in {"docs", "equal"}:
                self.record((*path, key), effect, before.get(key, ABSENT), after.get(key, ABSENT), flip=flip)
        both = isinstance(first, dict) and isinstance(second, dict)
        if not (both and self._leads_away(first, second)) and before.get("$ref") != after.get("$ref"):
            self.record((*path, "$ref"), "equal", before.get("$ref"), after.get("$ref"), flip=flip)
        elif ("allOf" in before) != ("allOf" in after):
            self.record((*path, "allOf"), "equal", before.get("allOf"), after.get("allOf"), flip=flip)
        self._note_definitions(before, after, path)

    def _note_definitions(self, old: Schema, new: Schema, path: Path) -> None:
        for key in ("$defs", "definitions"):
            before, after = (side.get(key) for side in (old, new))
            olds, news = ({} if side is None else side for side in (before, after))
            if isinstance(olds, dict) and isinstance(news, dict):
                for name in {**olds, **news}:
                    place = (*path, key, name)
                    self._definitions.append((place, olds.get(name, ABSENT), news.get(name, ABSENT)))
            elif differs(old, new, key):
                self.record((*path, key), "other", before, after, flip=False)

    def _unused_definitions(self) -> None:
        """A definition that no compared reference leads to says nothing, unless some reference could not be followed."""
        waiting, self._definitions = self._definitions, []
        lost = self.old.opaque or self.new.opaque
        for path, old, new in waiting:
            if old is not ABSENT and new is not ABSENT and self.old.text(old) == self.new.text(new):
                continue
            if id(old) not in self.old.visited or id(new) not in self.new.visited:
                self.record(path, "other" if lost else "docs", old, new, flip=False)


def _names(key: str, schema: Schema) -> Any:
    held = schema.get(key)
    return held.keys() if key in SUBSCHEMA_MAPS and isinstance(held, dict) else None


def _said(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}


def _place(through: str | None, onward: str | None) -> Path | None:
    """Where the target is, if both sides refer to the same place: what many refer to is reported once, there."""
    if through is None or through != onward or not through.startswith("#"):
        return None
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in through[1:].split("/")[1:])
