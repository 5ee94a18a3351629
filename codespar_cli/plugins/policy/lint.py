"""What a rules file says that cannot be meant. Only what is certain: a finding fails the command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from codespar_cli.core.administration.policy import Finding
from codespar_cli.plugins.policy.money import grouped, to_micros
from codespar_cli.plugins.policy.openings import next_open
from codespar_cli.plugins.policy.patterns import Pattern
from codespar_cli.plugins.policy.policy import Policy
from codespar_cli.plugins.policy.rules import Allow, Budget, Deny, Rule, Window


def findings_in(policy: Policy, moment: datetime) -> list[Finding]:
    """Findings in the order of their lines."""
    found = [
        *_unreachable_allows(policy),
        *_pointless_allows(policy),
        *_shut_windows(policy, moment),
        *_small_limits(policy),
    ]
    return sorted(found, key=lambda finding: (finding.line or 0, finding.code))


def _finding(policy: Policy, rule: Rule, code: str, message: str) -> Finding:
    return Finding(rule.id, code, message, rule.line, policy.file)


def _unreachable_allows(policy: Policy) -> Iterator[Finding]:
    denies = [rule for rule in policy.rules if isinstance(rule, Deny) and rule.when is None]
    for rule in policy.rules:
        if isinstance(rule, Allow):
            for deny in denies:
                if _covers_all(deny.tools, rule.tools) and _covers_all(deny.agents, rule.agents):
                    message = f"nothing is ever allowed by it: rule `{deny.id}` (line {deny.line}) denies all of it"
                    yield _finding(policy, rule, "unreachable_allow", message)
                    break


def _pointless_allows(policy: Policy) -> Iterator[Finding]:
    if policy.allow_by_default:
        for rule in policy.rules:
            if isinstance(rule, Allow):
                yield _finding(policy, rule, "pointless_allow", "it changes nothing: the default is to allow")


def _shut_windows(policy: Policy, moment: datetime) -> Iterator[Finding]:
    windows = [rule for rule in policy.rules if isinstance(rule, Window)]
    for rule in windows:
        if next_open([rule.schedule], policy.zone, moment) is None:
            yield _finding(policy, rule, "window_never_opens", "it is never open again, so it denies every call")
            continue
        for other in windows:
            apart = other.id > rule.id and _same_calls(rule, other)
            if apart and next_open([rule.schedule, other.schedule], policy.zone, moment) is None:
                message = f"it is never open together with rule `{other.id}`, which is about the same calls"
                yield _finding(policy, rule, "window_never_opens", message)


def _small_limits(policy: Policy) -> Iterator[Finding]:
    for rule in policy.rules:
        if isinstance(rule, Budget) and policy.prices:
            reached = [
                (pattern, price)
                for pattern, price in policy.prices
                if not rule.tools or any(_covers(ours, pattern) for ours in rule.tools)
            ]
            smallest: tuple[Pattern, Decimal] | None = min(reached, key=lambda pair: pair[1], default=None)
            if smallest is not None and to_micros(smallest[1]) > rule.limit:
                pattern, price = smallest
                message = (
                    f"its limit {grouped(rule.limit)} is under the smallest cost of its calls,"
                    f" {grouped(to_micros(price))} of `{pattern.text}`"
                )
                yield _finding(policy, rule, "limit_below_cost", message)


def _same_calls(one: Rule, other: Rule) -> bool:
    return all(
        _covers_all(ours, theirs) and _covers_all(theirs, ours)
        for ours, theirs in ((one.tools, other.tools), (one.agents, other.agents))
    )


def _covers_all(wide: Sequence[Pattern], narrow: Iterable[Pattern]) -> bool:
    """Whether whatever matches one of `narrow` (nothing named: everything) matches one of `wide`."""
    narrow = tuple(narrow)
    if not wide or any(pattern.text == "**" for pattern in wide):
        return True
    return bool(narrow) and all(any(_covers(pattern, other) for pattern in wide) for other in narrow)


def _covers(wide: Pattern, narrow: Pattern) -> bool:
    if wide.text == narrow.text:
        return True
    if narrow.exact:
        return wide.matches(narrow.prefix)
    # `a/**` covers every pattern that goes on after `a/`.
    ends_open = wide.text.endswith("**") and wide.text[:-2] == wide.prefix
    return ends_open and narrow.text.startswith(wide.prefix) and len(narrow.text) > len(wide.prefix)
