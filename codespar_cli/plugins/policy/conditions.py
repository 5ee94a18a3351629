"""`when`: what must hold of a call for a rule to be about it. Compiled once to a predicate that cannot fail.

All conditions must hold. One on a value that the call does not have (or that is null) is false, also under `not`. Numbers compare exactly,
a float at its shortest spelling; true is not 1, and "5" is not 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

from codespar_cli.core.hooks import CallContext
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.document import Listing, Node, Refused, Table, mismatch
from codespar_cli.plugins.policy.fields import Value, entries_of, suggestion, text_of, value_of
from codespar_cli.plugins.policy.patterns import name_pattern

When: TypeAlias = Callable[[Decimal | None, CallContext], bool]
_Lookup: TypeAlias = Callable[[Decimal | None, CallContext], Any]
_Test: TypeAlias = Callable[[Any], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_OPERATORS = (*_ORDER, "not", "glob")
_LARGEST_TEXT = 1 << 20


class Condition:
    """The whole of one `when`. `reads_args` says that a record without arguments cannot replay it."""

    __slots__ = ("holds", "reads_args", "reads_cost")

    def __init__(self, holds: When, paths: tuple[str, ...]) -> None:
        self.holds = holds
        self.reads_args = any(path.startswith("args.") for path in paths)
        self.reads_cost = "cost" in paths


def compile_when(node: Node, what: str) -> Condition:
    """Raises Refused."""
    pairs: list[tuple[_Lookup, _Test]] = []
    entries = entries_of(node, f"{what}: when")
    for path, (key, value) in entries.items():
        lookup = _lookup(path)
        if lookup is None:
            known = ("args.NAME", "context.NAME", "cost", "environment")
            raise Refused(key.line, f"{what}: when: unknown value `{visible(path)}`", suggestion(path, known))
        try:
            pairs.append((lookup, _test(value, path)))
        except ValueError as error:
            raise Refused(value.line, f"{what}: when: {visible(path)}: {error}") from None
    if not pairs:
        raise Refused(node.line, f"{what}: when: the table is empty", "remove `when` to match every call")

    def holds(cost: Decimal | None, context: CallContext) -> bool:
        for lookup, test in pairs:
            value = lookup(cost, context)
            if value is None or not test(value):
                return False
        return True

    return Condition(holds, tuple(entries))


def _lookup(path: str) -> _Lookup | None:
    root, _, rest = path.partition(".")
    names = rest.split(".")
    if path == "cost":
        return lambda cost, context: cost
    if path == "environment":
        return lambda cost, context: context.environment
    if not all(names):
        return None
    if root == "args":
        return lambda cost, context: _walk(context.args, names)
    if root == "context":
        return lambda cost, context: _walk(context.attributes, names)
    return None


def _walk(value: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _test(node: Node, path: str) -> _Test:
    if isinstance(node, Table):
        tests = [_operator(name, key.line, value, path) for name, (key, value) in node.entries.items()]
        if not tests:
            raise ValueError("the table is empty")
        return lambda value: all(test(value) for test in tests)
    return _any_of(node, path)


def _operator(name: str, line: int, node: Node, path: str) -> _Test:
    if name not in _OPERATORS:
        raise Refused(line, f"when: {visible(path)}: unknown operator `{visible(name)}`", suggestion(name, _OPERATORS))
    if name == "glob":
        patterns = [name_pattern(text_of(item)).matches for item in _listed(node)]
        return lambda value: (
            isinstance(value, str) and len(value) <= _LARGEST_TEXT and any(match(value) for match in patterns)
        )
    if name == "not":
        test = _any_of(node, path)
        return lambda value: not test(value)
    bound = value_of(node)
    if path == "cost" and isinstance(bound, str):
        bound = _amount(bound)
    if isinstance(bound, bool):
        raise mismatch(f"a number or text after `{name}`", node)
    compare = _ORDER[name]
    if isinstance(bound, str):
        return lambda value: isinstance(value, str) and compare(value, bound)
    return lambda value: (number := _number(value)) is not None and compare(number, bound)


def _any_of(node: Node, path: str) -> _Test:
    values = [value_of(item) for item in _listed(node)]
    if path == "cost":
        values = [_amount(value) if isinstance(value, str) else value for value in values]
    texts = frozenset(value for value in values if isinstance(value, str))
    flags = frozenset(value for value in values if isinstance(value, bool))
    numbers: list[Value] = [value for value in values if not isinstance(value, str | bool)]

    def test(value: Any) -> bool:
        if isinstance(value, str):
            return value in texts
        if isinstance(value, bool):
            return value in flags
        number = _number(value) if numbers else None
        return number is not None and number in numbers

    return test


def _listed(node: Node) -> list[Node]:
    if isinstance(node, Table):
        raise mismatch("a value or a list", node)
    if not isinstance(node, Listing):
        return [node]
    if not node.items:
        raise ValueError("the list is empty, so it matches nothing")
    return node.items


def _amount(text: str) -> Decimal:
    from codespar_cli.plugins.policy.money import as_amount

    return as_amount(text)


def _number(value: Any) -> int | Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        value = Decimal(repr(value))
    return value if isinstance(value, Decimal) and value.is_finite() else None
