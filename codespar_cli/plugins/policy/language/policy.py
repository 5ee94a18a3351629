"""A whole policy, compiled: which rules are about a call is looked up, never searched for."""

from __future__ import annotations

from decimal import Decimal

from codespar_cli.core.calls import CallContext, PolicyDecision
from codespar_cli.core.light_typing import TypeVar
from codespar_cli.plugins.policy.language.rule_index import RuleIndex
from codespar_cli.plugins.policy.language.rules import Allow, Approve, Budget, Deny, Rate, Rule, Window
from codespar_cli.plugins.policy.language.tool_names import counted_name, names_of, priced_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from codespar_cli.core.clock import Clock
    from codespar_cli.plugins.policy.decision.judge import Judge
    from codespar_cli.plugins.policy.language.patterns import Pattern
    from codespar_cli.plugins.policy.language.zones import Zone

R = TypeVar("R", bound=Rule)

# A plan a pair of agent and tool; of so many the oldest is forgotten, so that nobody can fill the memory, nor make one
# call pay for forgetting all of them.
_PLANS = 4096
_ANSWERS = 64
_PRICED, _UNPRICED = (False,), (True,)


class Plan:
    """The rules about one agent calling one tool, by stage, each in the order of their ids.

    `names` are the tool's, for allows; `counted` is the one that counters and holds go by."""

    __slots__ = (
        "_open",
        "allows",
        "answers",
        "approvals",
        "conditions",
        "counted",
        "counters",
        "denies",
        "memorable",
        "names",
        "only_key",
        "price",
        "windows",
    )

    def __init__(self, rules: list[Rule], price: Decimal | None, names: tuple[str, ...], *, judged: bool) -> None:
        self.denies = _of(rules, Deny)
        self.approvals = _of(rules, Approve)
        self.windows = _of(rules, Window)
        self.allows = _of(rules, Allow)
        self.counters: tuple[Budget | Rate, ...] = (*_of(rules, Budget), *_of(rules, Rate))
        self.price = price
        self.names = names
        self.counted = counted_name(names[0])
        # What `decide` answers depends on nothing but which conditions hold (and which windows are shut): it is made once
        # for each combination of them that is met.
        self.memorable = not judged
        self.conditions = tuple(rule.when.holds for rule in rules if rule.when is not None)
        self.answers: dict[tuple[bool, ...], PolicyDecision] = {}
        self._open = (-1, False)
        # Without conditions and windows a call whose caller names no cost has one answer.
        self.only_key = (price is None,) if not self.conditions and not self.windows else None

    def memory_key(
        self, cost: Decimal | None, context: CallContext, clock: Clock, zone: Zone
    ) -> tuple[bool, ...] | None:
        """All that the answer of `decide` depends on now, or None while a window is shut: then the time is in the answer.
        Raises TooLong."""
        if self.windows and not self._is_open(clock(), zone):
            return None
        if not self.conditions:
            return _UNPRICED if cost is None else _PRICED
        return (cost is None, *[holds(cost, context) for holds in self.conditions])

    def _is_open(self, now: datetime, zone: Zone) -> bool:
        """Whether all windows are open. Nothing opens or shuts within a second."""
        second = int(now.timestamp())
        if second != self._open[0]:
            wall = now.astimezone(zone.tz)
            self._open = (second, all(rule.schedule.is_open(wall) for rule in self.windows))
        return self._open[1]

    def remember(self, key: tuple[bool, ...] | None, decision: PolicyDecision) -> None:
        # A window may have opened between the answer and the key.
        shut = any(step.stage == "window" and step.outcome == "fail" for step in decision.trace)
        if self.memorable and key is not None and not shut and len(self.answers) < _ANSWERS:
            self.answers[key] = decision


class Policy:
    """`hash` is the SHA-256 of `source`, the text of the file, as `sha256sum` prints it; `hold_ttl` in microseconds.

    An `index` is one of these very rules, which are then in order already. A `judge` answers the deny, approval and allow stages in place of the rules."""

    def __init__(
        self,
        *,
        file: str,
        hash: str,
        rules: Sequence[Rule],
        zone: Zone,
        currency: str,
        allow_by_default: bool,
        prices: tuple[tuple[Pattern, Decimal], ...],
        hold_ttl: int,
        source: str = "",
        judge: Judge | None = None,
        index: RuleIndex | None = None,
    ) -> None:
        self.file = file
        self.hash = hash
        # In the order of ids: the order in the file never matters, not even for which of two reasons is given.
        self.rules = tuple(sorted(rules, key=lambda rule: rule.id)) if index is None else rules
        self.zone = zone
        self.currency = currency
        self.allow_by_default = allow_by_default
        self.prices = prices
        self.hold_ttl = hold_ttl
        self.source = source
        self.judge = judge
        self.plans: dict[tuple[str, str], Plan] = {}
        self._limits: dict[tuple[str, str], int] | None = None
        self.index = RuleIndex(self.rules) if index is None else index

    def plan(self, agent: str, tool: str) -> Plan:
        """Which rules are about this call."""
        plan = self.plans.get((agent, tool))
        if plan is None:
            names = names_of(tool)
            plan = Plan(self.index.about(agent, tool), self.price(tool), names, judged=self.judge is not None)
            if len(self.plans) >= _PLANS:
                # Another thread may be doing the same; then this one leaves it at that.
                try:
                    self.plans.pop(next(iter(self.plans)), None)
                except (RuntimeError, StopIteration):
                    pass
            self.plans[agent, tool] = plan
        return plan

    def price(self, tool: str) -> Decimal | None:
        """The cost of a call whose caller cannot tell: the dearest of what the tool's name can mean."""
        if not self.prices:
            return None
        prices = [price for price in map(self._price, priced_names(tool)) if price is not None]
        return max(prices, default=None)

    def _price(self, name: str) -> Decimal | None:
        """Of the patterns that match, the longest literal prefix wins."""
        best: tuple[int, bool, str] | None = None
        found = None
        for pattern, amount in self.prices:
            if pattern.matches(name):
                rank = (len(pattern.prefix), pattern.exact, pattern.text)
                if best is None or rank > best:
                    best, found = rank, amount
        return found

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return _of(self.rules, Budget)

    @property
    def limits(self) -> dict[tuple[str, str], int]:
        """What each budget allows, in micros, by its rule and window."""
        if self._limits is None:
            self._limits = {(rule.id, rule.window): rule.limit for rule in self.budgets}
        return self._limits


def _of(rules: Iterable[Rule], kind: type[R]) -> tuple[R, ...]:
    return tuple(rule for rule in rules if isinstance(rule, kind))
