"""What happens to holds after the decision: settled with the real cost, released, or shown.

A hold that has expired can still be settled: what was spent is counted in full, in the window in which it was held, and
may put a budget over its limit. It is shown as an overrun, never clamped.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from codespar_cli.core.administration.policy import BudgetState, Settlement
from codespar_cli.core.clock import from_micros
from codespar_cli.core.light_typing import NamedTuple
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.decision.counting import key_of
from codespar_cli.plugins.policy.decision.record import plain as as_json
from codespar_cli.plugins.policy.language.money import from_micros as money
from codespar_cli.plugins.policy.language.money import plain, to_micros
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Budget
from codespar_cli.plugins.policy.stores.counters import CounterKey, Hold
from codespar_cli.plugins.policy.stores.store import Snapshot, Transaction


class Usage(NamedTuple):
    """What a call really cost; None settles at the estimate. `call` says which budgets are meant when there is no hold."""

    call: Call
    cost: Decimal | None
    space: str


def settle_hold(transaction: Transaction, hold: Hold, usage: Usage, now: int) -> Settlement:
    """Settle one hold; once, however often it is said."""
    amount = hold.estimate if usage.cost is None else to_micros(usage.cost)
    if hold.state == "settled":
        return Settlement(hold.id, None, repeated=True)
    late = hold.expires_at <= now or hold.state == "released"
    keys = transaction.settle(hold, amount, now)
    overrun = _overrun(transaction, usage.call.policy, keys, now)
    body: dict[str, object] = {
        "reservation": hold.id,
        "tenant": hold.tenant,
        "agent": hold.agent,
        "tool": hold.tool,
        "cost": plain(amount),
        "estimate": plain(hold.estimate),
        "rules": [key.rule for key in keys],
        "outcome": "settled",
    }
    _append(transaction, now, "settlement", hold.agent, body, overrun, late=late)
    rules = tuple(key.rule for key in keys)
    return Settlement(hold.id, money(amount), rules, money(overrun))


def count_unreserved(transaction: Transaction, usage: Usage, now: int) -> Settlement:
    """Count a cost that nobody held, on every budget that would have held it."""
    call, cost = usage.call, usage.cost
    assert cost is not None
    rules = [rule for rule in call.plan.counters if isinstance(rule, Budget) and rule.applies(cost, call.context)]
    keys = [key_of(rule, call, usage.space, now) for rule in rules]
    amount = to_micros(cost)
    for key in keys:
        transaction.count(key, amount, now, now)
    overrun = _overrun(transaction, call.policy, keys, now)
    body: dict[str, object] = {
        "tenant": call.context.tenant,
        "agent": call.agent,
        "tool": call.tool,
        "cost": plain(amount),
        "rules": [key.rule for key in keys],
        # No decision says which counters these were, nor of which call: a replay has only this record.
        "counters": [key[2:] for key in keys],
        "mode": usage.space,
        "outcome": "unreserved",
    }
    known = (("project", call.context.project), ("environment", call.context.environment))
    body.update((name, value) for name, value in known if value is not None)
    if call.context.attributes:
        body["context"] = as_json(call.context.attributes)
    _append(transaction, now, "settlement", call.agent, body, overrun)
    return Settlement(None, money(amount), tuple(key.rule for key in keys), money(overrun), unreserved=True)


def release_hold(transaction: Transaction, hold: Hold, now: int) -> None:
    """Give the money back; the token of a rate stays taken."""
    transaction.free(hold)
    body: dict[str, object] = {
        "reservation": hold.id,
        "tenant": hold.tenant,
        "agent": hold.agent,
        "tool": hold.tool,
        "estimate": plain(hold.estimate),
        "outcome": "released",
    }
    _append(transaction, now, "release", hold.agent, body)


def budget_states(snapshot: Snapshot, policy: Policy, space: str, tenant: str, now: int) -> list[BudgetState]:
    """Every counter of every budget in its present window; a budget that nobody has touched is one line at zero."""
    by_rule: dict[tuple[str, str, str], list[CounterKey]] = {}
    for key in snapshot.keys(space, tenant):
        by_rule.setdefault((key.rule, key.window, key.period), []).append(key)
    found: list[BudgetState] = []
    for rule in policy.budgets:
        period = rule.period.period(now)
        keys = by_rule.get((rule.id, rule.window, period), [])
        if not keys:
            scope = ", ".join(f"{name}={tenant if name == 'tenant' else '*'}" for name in rule.per)
            keys = [CounterKey(space, tenant, rule.id, scope, rule.window, period)]
        found.extend(_budget_state(snapshot, rule, key, now) for key in keys)
    return found


def _budget_state(snapshot: Snapshot, rule: Budget, key: CounterKey, now: int) -> BudgetState:
    state, ends = snapshot.state(key, now), rule.period.ends(now)
    return BudgetState(
        rule.id,
        key.scope,
        rule.period.text,
        money(rule.limit),
        money(state.used),
        money(state.held),
        money(rule.limit - state.used - state.held),
        None if ends is None else from_micros(ends),
        rule.currency,
    )


def _overrun(snapshot: Snapshot, policy: Policy, keys: Iterable[CounterKey], now: int) -> int:
    worst = 0
    for key in keys:
        limit = policy.limits.get((key.rule, key.window))
        if limit is not None:
            worst = max(worst, snapshot.state(key, now).used - limit)
    return worst


def _append(
    transaction: Transaction,
    now: int,
    kind: str,
    actor: str,
    body: dict[str, object],
    overrun: int = 0,
    *,
    late: bool = False,
) -> None:
    if overrun:
        body["overrun"] = plain(overrun)
    if late:
        body["late"] = True
    transaction.record(now, kind, actor, body)
