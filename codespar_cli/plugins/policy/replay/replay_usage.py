"""A recorded cost that nobody held, asked of another policy: which of its budgets would have counted it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.decision.counting import key_of
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Budget
from codespar_cli.plugins.policy.stores.counters import CounterKey

_LOST = frozenset(("args",))


def unreserved_keys(body: Mapping[str, Any], policy: Policy, at: int) -> tuple[list[CounterKey], list[str]]:
    """The counters, and the budgets that cannot be asked: settlements never record arguments."""
    attributes = body.get("context")
    context = CallContext(
        body["tenant"],
        body.get("project"),
        environment=body.get("environment"),
        attributes=attributes if isinstance(attributes, dict) else {},
    )
    call = Call(body["agent"], body["tool"], body["cost"], context, policy)
    lost = _LOST if attributes is None or isinstance(attributes, dict) else _LOST | {"context"}
    keys, unasked = [], []
    for rule in call.plan.counters:
        if not isinstance(rule, Budget):
            continue
        when = rule.when
        if when is not None and not lost.isdisjoint(when.roots) and when.may_hold(call.cost, context, lost):
            unasked.append(rule.id)
        elif rule.applies(call.cost, context):
            keys.append(key_of(rule, call, body["mode"], at))
    return keys, unasked
