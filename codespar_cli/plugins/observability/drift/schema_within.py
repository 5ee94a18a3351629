"""The keywords that hold schemas for what is inside a value: properties of an object, items of an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from codespar_cli.plugins.observability.drift.effect import ABSENT, UNSAID, Effect, combined, one_way
from codespar_cli.plugins.observability.drift.schema_keywords import Schema, differs

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.drift.schema_walk import Path, Walk

_CONDITIONS = frozenset({"$ref", "allOf", "anyOf", "contains", "dependentSchemas", "if", "oneOf"})
_MAPS = ("properties", "patternProperties")
KNOWN = frozenset(
    {"additionalItems", "additionalProperties", "contains", "contentSchema", "items", "maxContains", "minContains"}
    | {"patternProperties", "prefixItems", "properties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"}
)


def is_tangled(schema: Schema) -> bool:
    """Whether `unevaluatedProperties` or `unevaluatedItems` depends on conditions beside it."""
    return any(schema.get(key, True) is not True for key in ("unevaluatedProperties", "unevaluatedItems")) and bool(
        _CONDITIONS & set(schema)
    )


def _objects(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    malformed = [key for key in _MAPS if not all(isinstance(side.get(key, {}), dict) for side in (old, new))]
    for key in malformed:
        if differs(old, new, key):
            walk.record((*path, key), "other", old.get(key), new.get(key), flip=flip)
    if malformed:
        return
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in {**before, **after}:
        place = (*path, "properties", name)
        if name in before and name in after:
            walk.compare(before[name], after[name], place, flip=flip)
        elif name in after:
            walk.record(place, _added(walk, old, new, after[name]), ABSENT, after[name], flip=flip, adds=name)
        else:
            walk.record(place, _removed(walk, old, new, before[name]), before[name], ABSENT, flip=flip)
    _patterns(walk, old, new, path, flip)
    (key, rest), (other_key, other) = _rest(old), _rest(new)
    walk.compare(rest, other, (*path, key if key in old else other_key), flip=flip)


def _rest(schema: Schema) -> tuple[str, Any]:
    """What holds for a property that nobody names."""
    key = "additionalProperties"
    if key not in schema and "unevaluatedProperties" in schema:
        key = "unevaluatedProperties"
    return key, schema.get(key, UNSAID)


def _added(walk: Walk, old: Schema, new: Schema, schema: Any) -> Effect:
    if old.get("patternProperties") or new.get("patternProperties"):
        return "other"  # its name may match a pattern, and patterns from outside are not tried
    rest = _rest(old)[1]
    if rest is False:
        return "wider"
    return "new" if rest is True or rest == {} else combined(walk.effects(rest, schema))


def _removed(walk: Walk, old: Schema, new: Schema, schema: Any) -> Effect:
    if old.get("patternProperties") or new.get("patternProperties"):
        return "other"
    rest = _rest(new)[1]
    if rest is False:
        return "narrower"
    return "wider" if rest is True or rest == {} else combined(walk.effects(schema, rest))


def _patterns(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    before, after = old.get("patternProperties", {}), new.get("patternProperties", {})
    for pattern in {**before, **after}:
        place = (*path, "patternProperties", pattern)
        if pattern in before and pattern in after:
            walk.compare(before[pattern], after[pattern], place, flip=flip)
        else:
            # The others that match the same names are not looked for, so only an end of the scale can be told.
            open_before, open_after = (_rest(side)[1] in (True, {}) for side in (old, new))
            effect: Effect = "other"
            if pattern in after and open_before:
                effect = "narrower"
            elif pattern in before and open_after:
                effect = "wider"
            walk.record(place, effect, before.get(pattern, ABSENT), after.get(pattern, ABSENT), flip=flip)


def _arrays(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    (before, rest, key), (after, other, other_key) = _places(old), _places(new)
    if not isinstance(before, list) or not isinstance(after, list):
        if differs(old, new, "prefixItems"):
            walk.record((*path, "prefixItems"), "other", before, after, flip=flip)
        return
    first = "prefixItems" if "prefixItems" in new or "prefixItems" in old else "items"
    for index in range(max(len(before), len(after))):
        one = before[index] if index < len(before) else rest
        two = after[index] if index < len(after) else other
        walk.compare(one, two, (*path, first, index), flip=flip)
    walk.compare(rest, other, (*path, key if key in old else other_key), flip=flip)


def _places(schema: Schema) -> tuple[Any, Any, str]:
    """The schemas of the first items, the one of the rest, and what the rest is called."""
    items = schema.get("items", ABSENT)
    if isinstance(items, list):
        return items, schema.get("additionalItems", UNSAID), "additionalItems"
    first = schema.get("prefixItems", [])
    if items is ABSENT and "unevaluatedItems" in schema:
        return first, schema["unevaluatedItems"], "unevaluatedItems"
    return first, UNSAID if items is ABSENT else items, "items"


def _contains(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    keys = ("contains", "minContains", "maxContains")
    before, after = "contains" in old, "contains" in new
    counted = [key for key in keys[1:] if differs(old, new, key)]
    if before != after:
        # With `minContains: 0` it asks nothing by itself; that it asks more is then still safe to say.
        walk.record(
            (*path, "contains"), "narrower" if after else "wider", old.get("contains"), new.get("contains"), flip=flip
        )
    elif not before:
        for key in counted:
            walk.record((*path, key), "equal", old.get(key), new.get(key), flip=flip)
    elif not any("maxContains" in side for side in (old, new)):
        walk.compare(old["contains"], new["contains"], (*path, "contains"), flip=flip)
    elif not walk.same(old["contains"], new["contains"]) and walk.effects(old["contains"], new["contains"]):
        # Where at most so many may match, matching more is no longer taking more.
        walk.record((*path, "contains"), "other", old["contains"], new["contains"], flip=flip)
    if before and after:
        for key in counted:
            walk.record((*path, key), _count(old, new, key), old.get(key), new.get(key), flip=flip)


def _count(old: Schema, new: Schema, key: str) -> Effect:
    most = key == "maxContains"
    before, after = (side.get(key, float("inf") if most else 1) for side in (old, new))
    if not all(isinstance(side, int | float) for side in (before, after)):
        return "other"
    return one_way(after >= before, after <= before) if most else one_way(after <= before, after >= before)


def _names(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    for key in ("propertyNames", "contentSchema"):
        walk.compare(old.get(key, UNSAID), new.get(key, UNSAID), (*path, key), flip=flip)


def _overruled(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    """Keywords that another one beside them makes void: written otherwise, and nothing else."""
    for key, void in _VOID:
        if differs(old, new, key) and all(void(side) for side in (old, new) if key in side):
            walk.record((*path, key), "equal", old.get(key, ABSENT), new.get(key, ABSENT), flip=flip)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_VOID: tuple[tuple[str, Callable[[Schema], bool]], ...] = (
    ("unevaluatedProperties", lambda side: "additionalProperties" in side),
    ("unevaluatedItems", lambda side: "items" in side),
    ("additionalItems", lambda side: not _is_list(side.get("items"))),
)
GROUPS = (_objects, _arrays, _contains, _names, _overruled)
