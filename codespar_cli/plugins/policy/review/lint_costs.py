"""Budgets that no priced call fits into."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from codespar_cli.plugins.policy.language.money import to_micros
from codespar_cli.plugins.policy.language.patterns import Pattern
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Budget
from codespar_cli.plugins.policy.review.comparing import covers
from codespar_cli.plugins.policy.review.comparing_tools import are_apart, has_one_name

Price = tuple[Pattern, Decimal]


def limits_below_cost(policy: Policy) -> Iterator[tuple[Budget, Price]]:
    """Budgets with the smallest price that one of their calls may have, where even that is above the limit."""
    for rule in policy.rules:
        if not isinstance(rule, Budget):
            continue
        prices = _prices_of(policy.prices, rule)
        smallest = min(prices, key=lambda price: price[1], default=None)
        if smallest is not None and to_micros(smallest[1]) > rule.limit:
            yield rule, smallest


def _prices_of(prices: tuple[Price, ...], rule: Budget) -> list[Price]:
    """Every price that a call of this rule may have; none where it is not certain that one is used at all."""
    if not rule.tools:
        return list(prices)
    found: list[Price] = []
    certain = False
    for tools in rule.tools:
        surely = [pattern for pattern, _ in prices if has_one_name(tools) and covers(pattern, tools)]
        beaten = max(map(_rank, surely), default=None)
        possible = [price for price in prices if not are_apart([tools], [price[0]])]
        found += [price for price in possible if beaten is None or _rank(price[0]) >= beaten]
        certain |= bool(surely) or any(covers(tools, pattern) for pattern, _ in possible)
    return found if certain else []


def _rank(pattern: Pattern) -> tuple[int, bool, str]:
    """The highest wins (Policy.price)."""
    return len(pattern.prefix), pattern.exact, pattern.text
