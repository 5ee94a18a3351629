"""Which of two things in a rule is about more: two lists of patterns, two conditions, two periods. Only what is certain.

Nothing here guesses: where the answer would need a search, it is `unclear`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from codespar_cli.plugins.policy.language.fields import Value, value_of
from codespar_cli.plugins.policy.language.money import as_amount
from codespar_cli.plugins.policy.language.nodes import Listing, Node, Table
from codespar_cli.plugins.policy.language.patterns import RE2, Pattern
from codespar_cli.plugins.policy.language.periods import Calendar, Rolling, Total
from codespar_cli.plugins.policy.review.globs_within import is_within

Width: TypeAlias = Literal["same", "wider", "narrower", "unclear"]
"""What the second of two is, seen from the first."""

_Values: TypeAlias = frozenset[tuple[bool, Value]]
Conditions: TypeAlias = dict[str, dict[str, _Values]]
"""One `when`: path -> operator -> values; `=` is the bare value or list, `all` of one operator as it stands."""

_BARE = "="
_WIDER_WHEN_LOWER = {"gt": True, "gte": True, "lt": False, "lte": False}
_OPPOSITE: dict[Width, Width] = {"same": "same", "wider": "narrower", "narrower": "wider", "unclear": "unclear"}


def opposite(width: Width) -> Width:
    return _OPPOSITE[width]


def together(widths: Iterable[Width]) -> Width:
    """Of several things that must all hold."""
    found = set(widths) - {"same"}
    return found.pop() if len(found) == 1 else "unclear" if found else "same"


# ── patterns ──


def covers_all(wide: Sequence[Pattern], narrow: Sequence[Pattern]) -> bool:
    """Whether whatever matches one of `narrow` (nothing named: everything) matches one of `wide`."""
    if not wide or any(pattern.text == "**" for pattern in wide):
        return True
    return bool(narrow) and all(any(covers(pattern, other) for pattern in wide) for other in narrow)


def covers(wide: Pattern, narrow: Pattern) -> bool:
    if wide.text == narrow.text:
        return True
    if narrow.exact:
        return wide.matches(narrow.prefix)
    # What every match of the wide one begins with, every match of the narrow one must.
    globs = not (wide.text.startswith(RE2) or narrow.text.startswith(RE2))
    return globs and narrow.prefix.startswith(wide.prefix) and is_within(narrow.text, wide.text)


def width_of_patterns(first: Sequence[Pattern], second: Sequence[Pattern]) -> Width:
    return _width(covers_all(second, first), covers_all(first, second))


def _width(wider: bool, narrower: bool) -> Width:
    if wider and narrower:
        return "same"
    return "wider" if wider else "narrower" if narrower else "unclear"


# ── conditions ──


def conditions_of(node: Node | None) -> Conditions:
    """A `when` that has been compiled before, as values to compare."""
    if not isinstance(node, Table):
        return {}
    return {path: _operators(value, money=path == "cost") for path, (_, value) in node.entries.items()}


def width_of_conditions(first: Conditions, second: Conditions) -> Width:
    """All conditions must hold, so one more makes it narrower."""
    widths: list[Width] = []
    for path in {*first, *second}:
        if path not in first:
            widths.append("narrower")
        elif path not in second:
            widths.append("wider")
        else:
            widths.append(_width_of_operators(first[path], second[path]))
    return together(widths)


def _operators(node: Node, *, money: bool) -> dict[str, _Values]:
    if isinstance(node, Table):
        return {name: _values(value, money=money) for name, (_, value) in node.entries.items()}
    return {_BARE: _values(node, money=money)}


def _values(node: Node, *, money: bool) -> _Values:
    found: list[Value] = [value_of(item) for item in (node.items if isinstance(node, Listing) else [node])]
    if money:
        found = [as_amount(value) if isinstance(value, str) else value for value in found]
    # A flag is told from a number: in Python True is 1.
    return frozenset((isinstance(value, bool), value) for value in found)


def _width_of_operators(first: dict[str, _Values], second: dict[str, _Values]) -> Width:
    widths: list[Width] = []
    for name in {*first, *second}:
        if name not in first or name not in second:
            # A bare value stands alone; of operators all must hold.
            if _BARE in (*first, *second):
                return "unclear"
            widths.append("narrower" if name in second else "wider")
        else:
            widths.append(_width_of_values(name, first[name], second[name]))
    return together(widths)


def _width_of_values(operator: str, first: _Values, second: _Values) -> Width:
    if first == second:
        return "same"
    if operator in _WIDER_WHEN_LOWER:
        ((_, before),), ((_, after),) = first, second
        if isinstance(before, str) or isinstance(after, str):
            return "unclear"
        return "wider" if (after < before) is _WIDER_WHEN_LOWER[operator] else "narrower"
    if not (first < second or second < first):
        return "unclear"
    width: Width = "wider" if first < second else "narrower"
    return opposite(width) if operator == "not" else width


# ── periods ──


def width_of_periods(first: Total, second: Total) -> Width:
    """Wider: whatever counts in the first counts in the second as well."""
    if first.text == second.text:
        return "same"
    if _lies_within(first, second):
        return "wider"
    return "narrower" if _lies_within(second, first) else "unclear"


def _lies_within(one: Total, other: Total) -> bool:
    if isinstance(one, Rolling) and isinstance(other, Rolling):
        return one.length <= other.length
    if isinstance(one, Calendar) and isinstance(other, Calendar):
        return one.text in {other.text, "calendar day"}
    return not isinstance(other, Rolling | Calendar)
