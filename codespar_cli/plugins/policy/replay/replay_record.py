"""A recorded decision as a call that can be asked again, and what of it was not recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from codespar_cli.core.clock import parse_moment, to_micros
from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.language.money import as_amount
from codespar_cli.plugins.policy.language.money import to_micros as to_millionths
from codespar_cli.plugins.policy.language.policy import Plan, Policy
from codespar_cli.plugins.policy.language.rules import Budget, Rule
from codespar_cli.plugins.policy.stores.counters import Record

ARGS, CONTEXT, COST = "args", "context", "cost"
REASONS = {
    ARGS: "arguments not recorded",
    CONTEXT: "attributes not recorded in full",
    COST: "cost not recorded in full",
}
_NOTHING: Mapping[str, Any] = {}
_NONE_LOST: frozenset[str] = frozenset()
# No rule and no caller has an argument of this name: it keeps calls with different arguments apart.
_STAND_IN = "\x00"
# What the record writes for a value that JSON cannot hold: `<Decimal>`.
_TYPE = re.compile(r"<[^\W\d]\w*>")
_LONGEST = 300


class Recorded:
    """One decision of the record. `now` is what the clock said, in microseconds; `token` the approval it speaks of."""

    __slots__ = (
        "agent", "amount", "at", "body", "code", "context", "cost", "counters", "id", "lost", "micros", "now", "policy", "reservation",
        "rule", "space", "token", "tool", "verdict",
    )  # fmt: skip

    def __init__(self, record: Record) -> None:
        """Raises KeyError, TypeError or ValueError for a body that no engine wrote."""
        body = record.body
        get = body.get
        self.at = record.at
        self.body = body
        self.id: str = body["decision"]
        self.agent: str = body["agent"]
        self.tool: str = body["tool"]
        self.policy: str = body["policy"]
        self.space: str = body["mode"]
        self.verdict: str = body["verdict"]
        self.cost: str | None = get("cost")
        self.code: str | None = get("code")
        self.rule: str | None = get("rule")
        self.counters: list[list[Any]] = get("counters") or []
        self.reservation: str | None = get("reservation")
        self.token: str | None = get("approval")
        clock = get("clock")
        self.now = record.at if clock is None else to_micros(parse_moment(clock))
        args, self.lost = _args_of(self)
        attributes = get("context", _NOTHING)
        if attributes is not _NOTHING and (not isinstance(attributes, dict) or _names_a_type(attributes)):
            self.lost |= {CONTEXT}
            attributes = attributes if isinstance(attributes, dict) else _NOTHING
        self.amount: Decimal | None = None
        self.micros: int | None = None
        if self.cost is not None:
            self.amount, self.micros = _money_of(self.cost)
        if self.cost is not None and len(self.cost) >= _LONGEST:
            self.lost |= {COST}
        self.context = CallContext(
            body["tenant"], get("project"), get("session"), args, None, get("environment"), attributes
        )

    @property
    def observed(self) -> bool:
        """Whether it was let through whatever the policy said."""
        return self.space == "observe"

    @property
    def got(self) -> str:
        """The answer that the caller got: allow, deny or approve."""
        return "allow" if self.observed else self.verdict

    def call(self, policy: Policy) -> Call:
        """The call under a policy."""
        call = Call(self.agent, self.tool, None, self.context, policy)
        if self.amount is not None:  # read once, whatever it goes through
            call.cost = self.amount
            call.micros = self.micros if call.plan.counters else None
        return call


def undecided(call: Call, lost: frozenset[str]) -> list[Rule]:
    """The rules about this call that would have to know what was not recorded."""
    plan, found = call.plan, []
    if not plan.conditions and COST not in lost:
        return []
    for rule in _rules_of(plan):
        when = rule.when
        if (COST in lost and isinstance(rule, Budget)) or (
            when is not None and not lost.isdisjoint(when.roots) and when.may_hold(call.cost, call.context, lost)
        ):
            found.append(rule)
    return found


def _rules_of(plan: Plan) -> Iterable[Rule]:
    return (*plan.denies, *plan.approvals, *plan.counters, *plan.windows, *plan.allows)


@lru_cache(maxsize=4096)
def _money_of(text: str) -> tuple[Decimal, int]:
    amount = as_amount(text if len(text) < _LONGEST else Decimal(text))
    return amount, to_millionths(amount)


def _args_of(recorded: Recorded) -> tuple[Mapping[str, Any] | None, frozenset[str]]:
    """The arguments, or what stands in for them where they were not recorded."""
    body = recorded.body
    args = body.get("args")
    lost = _NONE_LOST
    if args is None:
        digest = body.get("args_digest")
        if digest is None and "args_unreadable" not in body:
            return None, lost
        args, lost = {_STAND_IN: digest or recorded.id}, frozenset((ARGS,))
    elif not isinstance(args, dict):
        raise TypeError("arguments are a table")
    elif _names_a_type(args):
        lost = frozenset((ARGS,))
    if "args_unreadable" in body or (recorded.code == "approval_invalid" and recorded.token is None):
        # No approval could be bound to the call: nor can one to what stands in for it.
        args = {**args, _STAND_IN: object()}
    return args, lost


def _names_a_type(value: Any) -> bool:
    """Whether a value in it was told by its type alone."""
    if isinstance(value, str):
        return value.startswith("<") and _TYPE.fullmatch(value) is not None
    if isinstance(value, dict):
        return any(_names_a_type(each) for each in value.values())
    return isinstance(value, list) and any(_names_a_type(each) for each in value)
