"""What can differ in a rule, and which of two values is the wider one: a wider value lets more through, and a wider
`tools`, `agents` or `when` makes the rule be about more calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.language.document import parse
from codespar_cli.plugins.policy.language.nodes import Listing, Node, Scalar, Table
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rates import Bucket, Sliding
from codespar_cli.plugins.policy.language.rules import Rule
from codespar_cli.plugins.policy.language.schedule import Span
from codespar_cli.plugins.policy.review.comparing import (
    Conditions,
    Width,
    conditions_of,
    opposite,
    together,
    width_of_conditions,
    width_of_patterns,
    width_of_periods,
)
from codespar_cli.plugins.policy.review.comparing_tools import width_of_tools


class Entry:
    """One rule, and how it was written."""

    def __init__(self, rule: Rule, node: Table) -> None:
        self.rule = rule
        self._node = node

    @property
    def conditions(self) -> Conditions:
        return conditions_of(self._written("when"))

    def text(self, field: str) -> str:
        """A field as it was written, or what it is when it is not."""
        node = self._written(field)
        return _UNWRITTEN[field] if node is None else _text(node)

    def line(self, field: str) -> int:
        node = self._written(field)
        return self.rule.line if node is None else node.line

    def _written(self, field: str) -> Node | None:
        return self._node.entries[field][1] if field in self._node.entries else None


class Field(NamedTuple):
    """`value` of an Entry whose rule has the effect that the field belongs to."""

    value: Callable[[Any], Any]
    width: Callable[[Any, Any], Width]


def entries_of(policy: Policy) -> dict[str, Entry]:
    """The policy's rules by their ids."""
    document = parse(_rules_text(policy).encode())
    assert isinstance(document, Table)
    listing = document.entries["rules"][1]
    assert isinstance(listing, Listing)
    nodes = {}
    for node in listing.items:
        assert isinstance(node, Table)
        name = node.entries["id"][1]
        assert isinstance(name, Scalar)
        nodes[name.text] = node
    return {rule.id: Entry(rule, nodes[rule.id]) for rule in policy.rules}


def _rules_text(policy: Policy) -> str:
    """Beside a foreign policy the rules file is one file of the source (foreign_policy.py), or there is none."""
    if policy.judge is None:
        return policy.source
    whole = json.loads(policy.source)
    name = whole["options"].get("rules")
    return "rules: []" if name is None else str(whole["files"][name])


def _higher(first: Any, second: Any) -> Width:
    return "same" if first == second else "wider" if second > first else "narrower"


def _lower(first: Any, second: Any) -> Width:
    return opposite(_higher(first, second))


def _unclear(first: Any, second: Any) -> Width:
    return "same" if first == second else "unclear"


def _larger_set(first: frozenset[Any], second: frozenset[Any]) -> Width:
    if first == second:
        return "same"
    return "wider" if first < second else "narrower" if second < first else "unclear"


def _larger_or_none(first: frozenset[Any], second: frozenset[Any]) -> Width:
    """Where nobody named stands for everybody."""
    if first == second:
        return "same"
    if not second:
        return "wider"
    return "narrower" if not first else _larger_set(first, second)


def _rates(first: Sliding | Bucket, second: Sliding | Bucket) -> Width:
    if isinstance(first, Sliding) and isinstance(second, Sliding):
        pairs = [_higher(first.count, second.count), _lower(first.length, second.length)]
    elif isinstance(first, Bucket) and isinstance(second, Bucket):
        pairs = [_lower(first.interval, second.interval), _higher(first.burst, second.burst)]
    else:
        return "unclear"
    return together(pairs)


def _hours(first: tuple[Span, ...], second: tuple[Span, ...]) -> Width:
    wider = all(any(_within(span, other) for other in second) for span in first)
    narrower = all(any(_within(span, other) for other in first) for span in second)
    if wider and narrower:
        return "same"
    return "wider" if wider else "narrower" if narrower else "unclear"


def _opening(first: tuple[Span, ...], second: tuple[Span, ...]) -> Width:
    """No span at all is always open."""
    if first and second:
        return _hours(first, second)
    return "same" if not (first or second) else "narrower" if second else "wider"


def _within(span: Span, other: Span) -> bool:
    """Whether a span is open only where one other is. Over midnight only what starts and ends alike is compared."""
    if span.start < span.end and other.start < other.end:
        in_hours = other.start <= span.start and span.end <= other.end
    else:
        in_hours = (span.start, span.end) == (other.start, other.end)
    if span.dates is not None and other.dates is not None:
        return in_hours and other.dates[0] <= span.dates[0] and span.dates[1] <= other.dates[1]
    return in_hours and span.dates is None and other.dates is None and span.weekdays <= other.weekdays


_ALLOW = {
    "tools": Field(lambda entry: entry.rule.tools, width_of_patterns),
    "agents": Field(lambda entry: entry.rule.agents, width_of_patterns),
    "when": Field(lambda entry: entry.conditions, width_of_conditions),
    "reason": Field(lambda entry: entry.rule.reason, _unclear),
}
# A rule that limits knows a tool by more names.
_EVERY = {**_ALLOW, "tools": Field(lambda entry: entry.rule.tools, width_of_tools)}
_APPROVE = {
    "quorum": Field(lambda entry: entry.rule.quorum, _lower),
    "approvers": Field(lambda entry: frozenset(entry.rule.approvers), _larger_or_none),
    "expires": Field(lambda entry: entry.rule.expires, _higher),
    "allow_self": Field(lambda entry: entry.rule.allow_self, _higher),
}
# Finer scopes are more counters, each with the whole limit. Every counter is a tenant's own.
_PER = {"per": Field(lambda entry: frozenset(entry.rule.per) - {"tenant"}, _larger_set)}
_BUDGET = {
    "limit": Field(lambda entry: entry.rule.limit, _higher),
    **_PER,
    "window": Field(lambda entry: entry.rule.period, lambda first, second: opposite(width_of_periods(first, second))),
}
_RATE = {"limit": Field(lambda entry: entry.rule.limit, _rates), **_PER}
_WINDOW = {
    "open": Field(lambda entry: entry.rule.schedule.opens, _opening),
    "closed": Field(lambda entry: entry.rule.schedule.closes, lambda first, second: opposite(_hours(first, second))),
}
FIELDS: dict[str | None, dict[str, Field]] = {
    None: _EVERY,
    "deny": _EVERY,
    "allow": _ALLOW,
    "approve": {**_EVERY, **_APPROVE},
    "budget": {**_EVERY, **_BUDGET},
    "rate": {**_EVERY, **_RATE},
    "window": {**_EVERY, **_WINDOW},
}
"""By effect; None for what rules of two effects have in common."""

_UNWRITTEN = {
    "tools": "every tool",
    "agents": "every agent",
    "when": "always",
    "reason": "none",
    "quorum": "1",
    "approvers": "anyone else",
    "expires": "10m",
    "allow_self": "false",
    "per": "tenant",
    "open": "always",
    "closed": "never",
}


def _text(node: Node) -> str:
    if isinstance(node, Scalar):
        return visible(node.text)
    if isinstance(node, Listing):
        return f"[{', '.join(map(_text, node.items))}]"
    return f"{{{', '.join(f'{visible(key)}: {_text(value)}' for key, (_, value) in node.entries.items())}}}"
