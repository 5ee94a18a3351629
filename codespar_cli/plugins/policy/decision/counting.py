"""Budgets and rates: what a counter says to one call, and when it would say yes.

Time alone only ever frees a counter, so each has one least moment from which it passes; `passes_at` is that moment.
"""

from __future__ import annotations

from codespar_cli.plugins.policy.language.money import grouped
from codespar_cli.plugins.policy.language.rules import Budget, Rate, scope_of
from codespar_cli.plugins.policy.stores.counters import CounterKey, CounterState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codespar_cli.plugins.policy.decision.call import Call
    from codespar_cli.plugins.policy.stores.store import Snapshot, Transaction

_NO_KEY = CounterKey("", "", "", "", "", "")


class Counted:
    """One budget or rate, asked. `passes_at` is None when no time would do; `amount` is None for an unknown cost."""

    __slots__ = ("amount", "key", "passes", "passes_at", "rule", "state")

    def __init__(
        self,
        rule: Budget | Rate,
        key: CounterKey,
        amount: int | None,
        state: CounterState,
        passes: bool,
        passes_at: int | None = None,
    ) -> None:
        self.rule = rule
        self.key = key
        self.amount = amount
        self.state = state
        self.passes = passes
        self.passes_at = passes_at


def key_of(rule: Budget | Rate, call: Call, space: str, now: int) -> CounterKey:
    context = call.context
    scope = scope_of(rule.per, context.tenant, call.agent, call.plan.counted, context.project)
    period = rule.period.period(now) if isinstance(rule, Budget) else ""
    return CounterKey(space, context.tenant, rule.id, scope, rule.window, period)


def ask(
    rules: Sequence[Budget | Rate], call: Call, space: str, snapshot: Snapshot, now: int, *, told: bool = True
) -> tuple[Counted, ...]:
    """What the counters of these rules for this call say at `now`; `told=False` leaves out when they would pass."""
    keys = [key_of(rule, call, space, now) for rule in rules]
    states = snapshot.states(keys, now)
    return tuple(
        [
            _asked(rule, call, key, state, snapshot if told else None, now)
            for rule, key, state in zip(rules, keys, states, strict=True)
        ]
    )


def _asked(
    rule: Budget | Rate, call: Call, key: CounterKey, state: CounterState, snapshot: Snapshot | None, now: int
) -> Counted:
    if isinstance(rule, Rate):
        if rule.limit.kind == "bucket":
            at = rule.limit.passes_at(state.used)
            return Counted(rule, key, 1, state, at <= now, at)
        amount, limit = 1, rule.limit.count
    else:
        if call.micros is None:
            return Counted(rule, key, None, state, passes=False)
        amount, limit = call.micros, rule.limit
    over = state.used + state.held + amount - limit
    if over <= 0:
        return Counted(rule, key, amount, state, passes=True)
    if snapshot is None:
        return Counted(rule, key, amount, state, passes=False)
    ends = rule.period.ends(now) if isinstance(rule, Budget) else None
    at_last = None if amount > limit else _relief(snapshot, key, over, now, ends)
    return Counted(rule, key, amount, state, passes=False, passes_at=at_last)


def unpriced(rules: Iterable[Budget | Rate]) -> tuple[Counted, ...]:
    """The budgets among these, for a call whose cost is unknown: they deny without being read."""
    return tuple(
        Counted(rule, _NO_KEY, None, CounterState(0, 0), passes=False) for rule in rules if isinstance(rule, Budget)
    )


def consume_rate(counted: Counted, transaction: Transaction, now: int) -> None:
    """Take the token of a rate that passed."""
    rule = counted.rule
    assert isinstance(rule, Rate)
    if rule.limit.kind == "bucket":
        transaction.arrive(counted.key, rule.limit.after_call(counted.state.used, now))
    else:
        transaction.count(counted.key, 1, now, now)


def hold_until(rule: Budget, now: int, expires_at: int) -> int:
    """When a hold taken now stops counting: at its end, or when its own moment leaves a rolling window."""
    length = rule.period.length
    return min(expires_at, now + length) if length else expires_at


def describe(counted: Counted) -> str:
    """`4,980.00 of 5,000.00 USD spent, 30.00 asked`."""
    rule, state = counted.rule, counted.state
    if isinstance(rule, Rate):
        if rule.limit.kind == "bucket":
            return f"{rule.text}, {'a token is free' if counted.passes else 'no token is free'}"
        return f"{state.used} of {rule.text} used"
    held = f", {grouped(state.held)} held" if state.held else ""
    asked = "cost unknown" if counted.amount is None else f"{grouped(counted.amount)} asked"
    return f"{grouped(state.used)} of {rule.limit_text} spent{held}, {asked}"


def _relief(snapshot: Snapshot, key: CounterKey, over: int, now: int, ends: int | None) -> int | None:
    for at, freed in snapshot.reliefs(key, now):
        if ends is not None and at >= ends:
            return ends
        over -= freed
        if over <= 0:
            return at
    return ends
