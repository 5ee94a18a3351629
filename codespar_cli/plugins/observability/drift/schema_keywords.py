"""The keywords of JSON Schema that look at one value: each tells by itself what its change does.

An object of a schema is all its keywords at once, so that one which gets wider makes the whole wider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from codespar_cli.plugins.observability.drift.canonical import canonical
from codespar_cli.plugins.observability.drift.effect import ABSENT, Effect, one_way

Schema = dict[str, Any]

DOCS = ("$comment", "deprecated", "description", "examples", "readOnly", "title", "writeOnly")
TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_LEAST = ("minItems", "minLength", "minProperties")
_MOST = ("maxItems", "maxLength", "maxProperties")
# They cannot be compared with themselves: any change may let in some values and keep out others.
_OPAQUE = ("contentEncoding", "contentMediaType", "format", "pattern")
KNOWN: frozenset[str] = frozenset(
    {"const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf", "required", "type"}
    | {"uniqueItems", "default", "dependentRequired", *DOCS, *_LEAST, *_MOST, *_OPAQUE}
)


def differs(old: Schema, new: Schema, key: str) -> bool:
    """Whether one keyword is written otherwise."""
    first, second = old.get(key, ABSENT), new.get(key, ABSENT)
    if first is ABSENT or second is ABSENT:
        return first is not second
    return canonical(first) != canonical(second)


def keyword_changes(old: Schema, new: Schema) -> Iterator[tuple[str, Effect]]:
    """Each keyword of this page that changed, and what that does."""
    for key in DOCS:
        if differs(old, new, key):
            yield key, "docs"
    if differs(old, new, "default"):
        yield "default", "equal"
    for group, judge in _JUDGES:
        changed = [key for key in group if differs(old, new, key)]
        if changed:
            yield changed[-1], judge(old, new)
    for keys, judge_one in ((_LEAST, _least), (_MOST, _most), (_OPAQUE, _opaque)):
        for key in keys:
            if differs(old, new, key):
                yield key, judge_one(old.get(key, ABSENT), new.get(key, ABSENT))


def types_of(schema: Schema) -> frozenset[str] | None:
    """The types a schema takes; all when it names none; None for what is no type."""
    said = schema.get("type", ABSENT)
    if said is ABSENT:
        return TYPES
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, list) or not all(isinstance(name, str) and name in TYPES for name in names):
        return None
    return frozenset(names) | ({"integer"} if "number" in names else set())


def values_of(schema: Schema) -> frozenset[str] | None:
    """The canonical texts of the values that `enum` and `const` leave; None without them."""
    found: frozenset[str] | None = None
    if isinstance(schema.get("enum"), list):
        found = frozenset(map(canonical, schema["enum"]))
    if "const" in schema:
        one = frozenset({canonical(schema["const"])})
        found = one if found is None else found & one
    return found


def _type(old: Schema, new: Schema) -> Effect:
    before, after = types_of(old), types_of(new)
    return "other" if before is None or after is None else one_way(before <= after, after <= before)


def _values(old: Schema, new: Schema) -> Effect:
    if any("enum" in side and not isinstance(side["enum"], list) for side in (old, new)):
        return "other"
    before, after = values_of(old), values_of(new)
    if before is None or after is None:
        return one_way(after is None, before is None)
    return one_way(before <= after, after <= before)


def _required(old: Schema, new: Schema) -> Effect:
    before, after = old.get("required", []), new.get("required", [])
    if not _are_names(before) or not _are_names(after):
        return "other"
    return one_way(set(after) <= set(before), set(before) <= set(after))


def _dependent(old: Schema, new: Schema) -> Effect:
    before, after = (side.get("dependentRequired", {}) for side in (old, new))
    if not all(isinstance(side, dict) and all(map(_are_names, side.values())) for side in (before, after)):
        return "other"
    pairs = [(set(before.get(name, ())), set(after.get(name, ()))) for name in {*before, *after}]
    return one_way(all(b >= a for b, a in pairs), all(b <= a for b, a in pairs))


def _lower(old: Schema, new: Schema) -> Effect:
    return _bound(old, new, "minimum", "exclusiveMinimum", 1)


def _upper(old: Schema, new: Schema) -> Effect:
    return _bound(old, new, "maximum", "exclusiveMaximum", -1)


def _bound(old: Schema, new: Schema, inclusive: str, exclusive: str, sign: int) -> Effect:
    try:
        before, after = (_strictest(side, inclusive, exclusive, sign) for side in (old, new))
    except ValueError:
        return "other"
    if before is None or after is None:
        return one_way(after is None, before is None)
    return one_way(after <= before, before <= after)


def _strictest(schema: Schema, inclusive: str, exclusive: str, sign: int) -> tuple[Fraction, bool] | None:
    """The bound that holds, mirrored for an upper one, and whether it is itself outside."""
    bounds: list[tuple[Fraction, bool]] = []
    outside = schema.get(exclusive, ABSENT)
    if inclusive in schema:
        bounds.append((sign * _number(schema[inclusive]), outside is True))  # draft 4 says it with a truth value
    if outside is not ABSENT and not isinstance(outside, bool):
        bounds.append((sign * _number(outside), True))
    return max(bounds, default=None)


def _multiple(old: Schema, new: Schema) -> Effect:
    try:
        before, after = (_number(side["multipleOf"]) if "multipleOf" in side else None for side in (old, new))
    except ValueError:
        return "other"
    if before is None or after is None:
        return one_way(after is None, before is None)
    if before <= 0 or after <= 0:
        return "other"
    return one_way((before / after).denominator == 1, (after / before).denominator == 1)


def _unique(old: Schema, new: Schema) -> Effect:
    before, after = old.get("uniqueItems", False), new.get("uniqueItems", False)
    if not isinstance(before, bool) or not isinstance(after, bool):
        return "other"
    return one_way(before or not after, after or not before)


def _least(old: Any, new: Any) -> Effect:
    try:
        before, after = (Fraction(0) if side is ABSENT else _number(side) for side in (old, new))
    except ValueError:
        return "other"
    return one_way(after <= before, before <= after)


def _most(old: Any, new: Any) -> Effect:
    try:
        before, after = (None if side is ABSENT else _number(side) for side in (old, new))
    except ValueError:
        return "other"
    if before is None or after is None:
        return one_way(after is None, before is None)
    return one_way(after >= before, before >= after)


def _opaque(old: Any, new: Any) -> Effect:
    return "narrower" if old is ABSENT else "wider" if new is ABSENT else "other"


def _number(value: Any) -> Fraction:
    """Exactly as written: a tenth is a tenth. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")  # noqa: TRY004  what the judges catch
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


_JUDGES: tuple[tuple[tuple[str, ...], Callable[[Schema, Schema], Effect]], ...] = (
    (("type",), _type),
    (("const", "enum"), _values),
    (("exclusiveMinimum", "minimum"), _lower),
    (("exclusiveMaximum", "maximum"), _upper),
    (("multipleOf",), _multiple),
    (("uniqueItems",), _unique),
    (("required",), _required),
    (("dependentRequired",), _dependent),
)
