"""Budgets and rates that never deny, because a stricter one about the same calls always does so first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codespar_cli.plugins.policy.language.rates import Bucket, Sliding
from codespar_cli.plugins.policy.language.rules import Budget, Rate, Rule
from codespar_cli.plugins.policy.review.comparing import covers_all, width_of_periods
from codespar_cli.plugins.policy.review.comparing_tools import covers_tools

Counter = Budget | Rate


def idle_counters(rules: Iterable[Rule]) -> Iterator[tuple[Counter, Counter]]:
    """Pairs of an idle rule and the one that is stricter; of two alike, the one with the later id is idle."""
    counters = [rule for rule in rules if isinstance(rule, Budget | Rate)]
    for rule in counters:
        for other in counters:
            if other is rule or not _is_stricter(other, rule):
                continue
            if _is_stricter(rule, other) and rule.id < other.id:
                continue
            yield rule, other
            break


def _is_stricter(one: Counter, other: Counter) -> bool:
    """Whether `one` denies whenever `other` would.

    It counts every call that the other counts (more agents, more tools, under no condition), in no finer scopes, for no
    shorter time, and has no higher limit.
    """
    return (
        one.when is None
        and covers_all(one.agents, other.agents)
        and covers_tools(one.tools, other.tools)
        and _scopes(one) <= _scopes(other)
        and _has_no_higher_limit(one, other)
    )


def _scopes(rule: Counter) -> set[str]:
    # Every counter is a tenant's own.
    return set(rule.per) - {"tenant"}


def _has_no_higher_limit(one: Counter, other: Counter) -> bool:
    if isinstance(one, Budget) and isinstance(other, Budget):
        return one.limit <= other.limit and width_of_periods(other.period, one.period) in {"same", "wider"}
    if not (isinstance(one, Rate) and isinstance(other, Rate)):
        return False
    ours, theirs = one.limit, other.limit
    if isinstance(ours, Sliding) and isinstance(theirs, Sliding):
        return ours.count <= theirs.count and ours.length >= theirs.length
    if isinstance(ours, Bucket) and isinstance(theirs, Bucket):
        return ours.interval >= theirs.interval and ours.burst <= theirs.burst
    return False
