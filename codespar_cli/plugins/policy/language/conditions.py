"""`when`: what must hold of a call for a rule to be about it. Compiled once to a predicate.

All conditions must hold. One on a value that the call does not have (or that is null) is false, also under `not`. Numbers
compare exactly, a float at its shortest spelling; true is not 1, and "5" is not 5. Values of derived classes are taken at
what they hold, not at what their methods say.

A text too long for a glob is neither matched nor passed over, since either could be what an adversary wants: the call
is refused, unless another condition of the same rule says that the rule is not about it.
"""

from __future__ import annotations

from _collections_abc import Mapping  # `collections.abc`, without what `collections` costs
from _operator import ge, gt, le, lt
from decimal import Decimal

from codespar_cli.core.calls import CallContext
from codespar_cli.core.globs import Matcher
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.language.fields import Value, entries_of, suggestion, text_of, value_of
from codespar_cli.plugins.policy.language.nodes import Listing, Node, Refused, Table, mismatch
from codespar_cli.plugins.policy.language.patterns import TooLong, name_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, TypeAlias

When: TypeAlias = "Callable[[Decimal | None, CallContext], bool]"
_Lookup: TypeAlias = "Callable[[Decimal | None, CallContext], Any]"
_Test: TypeAlias = "Callable[[Any], bool]"

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_OPERATORS = (*_ORDER, "not", "glob")
# What a glob judges within a millisecond, whatever it is made of.
LARGEST_TEXT = 32 * 1024
# No bound in a rules file comes near it.
_BEYOND = 1 << 256


class Condition:
    """The whole of one `when`. `reads_args` says that a record without arguments cannot replay it; `roots` are what it
    reads of a call: `args`, `context`, `cost`, `environment`."""

    __slots__ = ("_tests", "holds", "reads_args", "reads_cost", "roots")

    def __init__(self, holds: When, tests: Mapping[str, When]) -> None:
        self.holds = holds
        self._tests = tests
        self.roots = frozenset(path.partition(".")[0] for path in tests)
        self.reads_args = "args" in self.roots
        self.reads_cost = "cost" in self.roots

    def may_hold(self, cost: Decimal | None, context: CallContext, lost: Collection[str]) -> bool:
        """Whether it could hold if nobody knew what these roots say."""
        try:
            return all(test(cost, context) for path, test in self._tests.items() if path.partition(".")[0] not in lost)
        except TooLong:
            return True

    def unmet(self, cost: Decimal | None, context: CallContext) -> list[str]:
        """The values, as the rule names them, that keep it from holding."""
        found = []
        for path, test in self._tests.items():
            try:
                if not test(cost, context):
                    found.append(path)
            except TooLong:
                pass
        return found


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
        """Raises TooLong."""
        too_long = None
        for lookup, test in pairs:
            value = lookup(cost, context)
            if value is None:
                return False
            try:
                if not test(value):
                    return False
            except TooLong as error:
                too_long = error
        if too_long is not None:
            raise too_long
        return True

    tests = {path: _one(*pair) for path, pair in zip(entries, pairs, strict=True)}
    return Condition(holds, tests)


def _one(lookup: _Lookup, test: _Test) -> When:
    return lambda cost, context: (value := lookup(cost, context)) is not None and test(value)


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
        # Globs last: what anything else rules out need not be short.
        operators = sorted(node.entries.items(), key=lambda entry: entry[0] == "glob")
        tests = [_operator(name, key.line, value, path) for name, (key, value) in operators]
        if not tests:
            raise ValueError("the table is empty")
        return lambda value: all(test(value) for test in tests)
    return _any_of(node, path)


def _operator(name: str, line: int, node: Node, path: str) -> _Test:
    if name not in _OPERATORS:
        raise Refused(line, f"when: {visible(path)}: unknown operator `{visible(name)}`", suggestion(name, _OPERATORS))
    if name == "glob":
        patterns = [name_pattern(text_of(item)).matches for item in _listed(node)]
        return _glob(patterns, path)
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
        return lambda value: isinstance(value, str) and compare(str.__str__(value), bound)
    return lambda value: (number := _number(value)) is not None and compare(number, bound)


def _glob(patterns: list[Matcher], path: str) -> _Test:
    def test(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        text = str.__str__(value)
        if len(text) > LARGEST_TEXT:
            raise TooLong(f"{path} is longer than {LARGEST_TEXT} characters, and a rule matches it with a glob")
        return any(match(text) for match in patterns)

    return test


def _any_of(node: Node, path: str) -> _Test:
    values = [value_of(item) for item in _listed(node)]
    if path == "cost":
        values = [_amount(value) if isinstance(value, str) else value for value in values]
    texts = frozenset(value for value in values if isinstance(value, str))
    flags = frozenset(value for value in values if isinstance(value, bool))
    numbers: list[Value] = [value for value in values if not isinstance(value, str | bool)]
    longest = max(map(len, texts), default=-1)

    def test(value: Any) -> bool:
        if isinstance(value, str):
            text = str.__str__(value)
            return len(text) <= longest and text in texts
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
    from codespar_cli.plugins.policy.language.money import as_amount

    return as_amount(text)


def _number(value: Any) -> int | Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        whole = int.__int__(value)
        # Comparing with a decimal would spell it out, digit by digit.
        return whole if -_BEYOND < whole < _BEYOND else _BEYOND if whole > 0 else -_BEYOND
    if isinstance(value, float):
        value = Decimal(float.__repr__(value))
    elif isinstance(value, Decimal) and type(value) is not Decimal:
        value = Decimal(value)
    return value if isinstance(value, Decimal) and value.is_finite() else None
