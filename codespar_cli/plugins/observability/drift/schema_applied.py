"""The keywords that hold other schemas for the same value: `anyOf`, `oneOf`, `allOf`, `$ref`, `not`, `if`.

`oneOf` is only understood where its branches provably exclude each other; then it is `anyOf`. Otherwise a branch that
takes more can make the whole take less, and no change of it can be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codespar_cli.plugins.observability.drift import schema_within
from codespar_cli.plugins.observability.drift.effect import ABSENT, UNSAID, one_way
from codespar_cli.plugins.observability.drift.schema_keywords import DOCS, Schema, differs, keyword_changes

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.drift.effect import Effect
    from codespar_cli.plugins.observability.drift.schema_walk import Path, Walk

_STILL_TAKEN = frozenset({"docs", "equal", "new", "wider"})
_NOTHING_MORE = frozenset({"docs", "equal", "new", "narrower"})
_MOST_PAIRS = 2_500


def are_alternatives(walk: Walk, old: Schema, new: Schema) -> bool:
    """Whether one side only lists alternatives, and the other says it in another way."""
    before, after = walk.old.branches(old), walk.new.branches(new)
    if before is None and after is None:
        return False
    return not any(key in old and key in new for key in ("anyOf", "oneOf"))


def alternatives(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    """`{"type": "string"}` became `{"anyOf": [{"type": "string"}, {"type": "null"}]}`, or the other way round."""
    for said, told in keyword_changes(
        *({key: side[key] for key in (*DOCS, "default") if key in side} for side in (old, new))
    ):
        walk.record((*path, said), told, old.get(said, ABSENT), new.get(said, ABSENT), flip=flip)
    key = next(key for side in (new, old) for key in ("anyOf", "oneOf") if key in side)
    effect = _coverage(walk, walk.old.alternatives(old), walk.new.alternatives(new))
    walk.record((*path, key), effect, old, new, flip=flip)


def _any_of(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    _branches(walk, old, new, (*path, "anyOf"), flip)


def _one_of(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    _branches(walk, old, new, (*path, "oneOf"), flip)


def _branches(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    key = str(path[-1])
    before, after = old.get(key, ABSENT), new.get(key, ABSENT)
    if before is ABSENT and after is ABSENT:
        return
    if before is ABSENT or after is ABSENT:
        walk.record(path, "narrower" if before is ABSENT else "wider", before, after, flip=flip)
        return
    if not isinstance(before, list) or not isinstance(after, list):
        if differs(old, new, key):
            walk.record(path, "other", before, after, flip=flip)
        return
    olds, news = _leftover(walk, before, after)
    if not olds and not news:
        return
    understood = key == "anyOf" or (walk.old.are_disjoint(before) and walk.new.are_disjoint(after))
    if not understood:
        walk.record(path, "other", before, after, flip=flip)
    elif len(olds) == len(news) == 1:
        place = next(index for index, branch in enumerate(after) if branch is news[0])
        walk.compare(olds[0], news[0], (*path, place), flip=flip)
    else:
        walk.record(path, _coverage(walk, before, after), before, after, flip=flip)


def _leftover(walk: Walk, olds: list[Any], news: list[Any]) -> tuple[list[Any], list[Any]]:
    """Both lists without what is in both."""
    left: list[Any] = []
    remaining = list(news)
    for old in olds:
        text = walk.old.text(old)
        twin = next((index for index, new in enumerate(remaining) if walk.new.text(new) == text), None)
        if twin is not None and (walk.same(old, remaining[twin]) or not walk.effects(old, remaining[twin])):
            del remaining[twin]
        else:
            left.append(old)
    return left, remaining


def _coverage(walk: Walk, olds: list[Any], news: list[Any]) -> Effect:
    """Whether every old alternative is within some new one, and every new one within some old one."""
    if len(olds) * len(news) > _MOST_PAIRS:
        return "other"
    wider = all(any(walk.effects(old, new) <= _STILL_TAKEN for new in news) for old in olds)
    narrower = all(any(walk.effects(old, new) <= _NOTHING_MORE for old in olds) for new in news)
    return one_way(wider, narrower)


def _all_of(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    """`allOf` and a `$ref` beside other keywords: conditions that must all hold."""
    if not any(key in side for key in ("allOf", "$ref") for side in (old, new)):
        return
    if any(not isinstance(side.get("allOf", []), list) for side in (old, new)):
        walk.record((*path, "allOf"), "other", old.get("allOf"), new.get("allOf"), flip=flip)
        return
    before = [*old.get("allOf", []), *([walk.old.reference(str(old["$ref"]))] if "$ref" in old else [])]
    after = [*new.get("allOf", []), *([walk.new.reference(str(new["$ref"]))] if "$ref" in new else [])]
    key = "allOf" if "allOf" in old or "allOf" in new else "$ref"
    olds, news = _leftover(walk, before, after)
    if _is_lost(walk, olds, news):
        # Nobody can look at what is behind it, so it must stay the same to be the same.
        walk.record((*path, key), "other", old.get(key), new.get(key), flip=flip)
    elif len(olds) == len(news) == 1:
        place = next(index for index, condition in enumerate(after) if condition is news[0])
        walk.compare(olds[0], news[0], (*path, key, place) if key == "allOf" else (*path, key), flip=flip)
    elif olds or news:
        # What is asked now must follow from something that was asked before.
        wider = all(any(walk.effects(one, asked) <= _STILL_TAKEN for one in before) for asked in news)
        narrower = all(any(walk.effects(asked, one) <= _NOTHING_MORE for one in after) for asked in olds)
        walk.record((*path, key), one_way(wider, narrower), old.get(key), new.get(key), flip=flip)


def _is_lost(walk: Walk, olds: list[Any], news: list[Any]) -> bool:
    lost = [not side.resolves(part["$ref"]) for side, part in _references(walk, olds, news)]
    return bool(olds and news) and any(lost)


def _references(walk: Walk, olds: list[Any], news: list[Any]) -> list[tuple[Any, Any]]:
    parts = [(walk.old, part) for part in olds] + [(walk.new, part) for part in news]
    return [(side, part) for side, part in parts if isinstance(part, dict) and "$ref" in part]


def _not(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    if "not" not in old and "not" not in new:
        return
    if "not" in old and "not" in new:
        walk.compare(old["not"], new["not"], (*path, "not"), flip=not flip)
        return
    effect: Effect = "narrower" if "not" in new else "wider"
    walk.record((*path, "not"), effect, old.get("not", ABSENT), new.get("not", ABSENT), flip=flip)


def _conditional(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    before, after = "if" in old, "if" in new
    if not before and not after:
        for key in ("then", "else"):  # nothing without an `if`
            if differs(old, new, key):
                walk.record((*path, key), "equal", old.get(key), new.get(key), flip=flip)
        return
    if before and after:
        if not walk.same(old["if"], new["if"]) and walk.effects(old["if"], new["if"]):
            walk.record((*path, "if"), "other", old["if"], new["if"], flip=flip)
        for key in ("then", "else"):
            walk.compare(old.get(key, UNSAID), new.get(key, UNSAID), (*path, key), flip=flip)
        return
    effect: Effect = "narrower" if after else "wider"
    walk.record((*path, "if"), effect, old.get("if", ABSENT), new.get("if", ABSENT), flip=flip)


def _dependent(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    before, after = old.get("dependentSchemas", {}), new.get("dependentSchemas", {})
    if not isinstance(before, dict) or not isinstance(after, dict):
        if differs(old, new, "dependentSchemas"):
            walk.record((*path, "dependentSchemas"), "other", before, after, flip=flip)
        return
    for name in {**before, **after}:
        place = (*path, "dependentSchemas", name)
        walk.compare(before.get(name, UNSAID), after.get(name, UNSAID), place, flip=flip)


def _tangled(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> bool:
    """`unevaluated…` beside conditions: which properties and items it is about depends on all of them.

    Then nothing of this can be told apart; any change of these keywords is one of the whole.
    """
    if not schema_within.is_tangled(old) and not schema_within.is_tangled(new):
        return False
    for key in sorted(KNOWN):
        if key in old or key in new:
            before, after = old.get(key, ABSENT), new.get(key, ABSENT)
            if differs(old, new, key) or walk.effects({key: before}, {key: after}):
                walk.record((*path, key), "other", before, after, flip=flip)
    return True


def applied(walk: Walk, old: Schema, new: Schema, path: Path, flip: bool) -> None:
    if _tangled(walk, old, new, path, flip):
        return
    for judge in (_any_of, _one_of, _all_of, _not, _conditional, _dependent, *schema_within.GROUPS):
        judge(walk, old, new, path, flip)


GROUPS = (applied,)
KNOWN = (
    frozenset({"$ref", "allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"})
    | schema_within.KNOWN
)
