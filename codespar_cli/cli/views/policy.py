"""What the policy commands show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from codespar_cli.core.clock import iso_second
from codespar_cli.core.decision_document import seconds_until
from codespar_cli.core.durations import render_duration
from codespar_cli.core.hooks import PolicyDecision

if TYPE_CHECKING:
    from codespar_cli.core.administration.policy import BudgetState, Finding, Settlement

EXPLAINED = ("stage", "outcome", "rule", "detail")
BUDGETS = ("rule", "scope", "window", "limit", "spent", "held", "left", "currency", "resets at")
FINDINGS = ("where", "rule", "code", "message")


def decision_lines(decision: PolicyDecision, now: datetime) -> Iterator[tuple[str, str]]:
    """Lines and their styles."""
    if decision.allowed:
        yield _allowed(decision), "green"
    else:
        word, style = ("approval required", "yellow") if decision.requires_approval else ("denied", "red")
        yield f"{word}  {_why(decision)}", style
    if decision.reservation_id:
        yield f"reservation {decision.reservation_id}", ""
    if decision.approval_id and (decision.allowed or decision.requires_approval):
        yield f"approval {decision.approval_id}", ""
    seconds = seconds_until(decision)
    if seconds is not None:
        yield _passes(seconds, now), ""
    if decision.never:
        yield "no time would do", ""


def next_step(decision: PolicyDecision) -> str | None:
    """What a person can do about a call that needs approval."""
    if not decision.requires_approval:
        return None
    if decision.approval_id:
        return f"codespar approvals approve {decision.approval_id} --as NAME"
    return "--reserve asks for the approval"


def trace_rows(decision: PolicyDecision) -> list[tuple[str | None, ...]]:
    return [(step.stage, step.outcome, step.rule_id, step.detail) for step in decision.trace]


def settlement_json(settlement: Settlement) -> dict[str, Any]:
    return {
        "reservation_id": settlement.reservation_id,
        "cost": None if settlement.cost is None else money(settlement.cost),
        "rules": list(settlement.rules),
        "overrun": money(settlement.overrun),
        "repeated": settlement.repeated,
        "unreserved": settlement.unreserved,
    }


def settlement_line(settlement: Settlement) -> str:
    if settlement.repeated:
        return f"{settlement.reservation_id} was settled before; nothing is counted twice"
    what = settlement.reservation_id or "no reservation"
    if not settlement.rules:
        return f"{what}: no budget counts this call"
    cost = "nothing" if settlement.cost is None else money(settlement.cost)
    over = f", {money(settlement.overrun)} over the limit" if settlement.overrun else ""
    return f"{what}: {cost} counted by {', '.join(settlement.rules)}{over}"


def budget_json(state: BudgetState) -> dict[str, Any]:
    return {
        "rule_id": state.rule_id,
        "scope": state.scope,
        "window": state.window,
        "limit": money(state.limit),
        "spent": money(state.spent),
        "held": money(state.held),
        "left": money(state.left),
        "resets_at": None if state.resets_at is None else iso_second(state.resets_at),
    }


def budget_rows(states: Iterable[BudgetState]) -> list[tuple[str, ...]]:
    return [(*budget_row(state), state.currency, _resets(state)) for state in states]


def budget_row(state: BudgetState) -> tuple[str, ...]:
    amounts = (state.limit, state.spent, state.held, state.left)
    return (state.rule_id, state.scope, state.window, *(money(amount, ",") for amount in amounts))


def finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule_id": finding.rule_id,
        "code": finding.code,
        "message": finding.message,
        "line": finding.line,
        "file": finding.file or None,
    }


def finding_rows(findings: Iterable[Finding]) -> list[tuple[str, ...]]:
    return [
        (f"{finding.file}:{finding.line}", finding.rule_id or "", finding.code, finding.message) for finding in findings
    ]


def money(amount: Decimal, separator: str = "") -> str:
    """`4980.00`; more digits only where there are some."""
    text = f"{amount:{separator}f}" if separator else f"{amount:f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _allowed(decision: PolicyDecision) -> str:
    if decision.code is not None:
        return f"allowed  {decision.reason}".rstrip()
    return f"allowed  by rule {decision.rule_id}" if decision.rule_id else "allowed  by default"


def _why(decision: PolicyDecision) -> str:
    code = "" if decision.requires_approval or decision.code is None else f"{decision.code} "
    by = f"by rule {decision.rule_id}" if decision.rule_id else ""
    finding = decision.reason.removeprefix(f"rule {decision.rule_id}").removeprefix(":").strip()
    if finding in {"", f"denied by rule {decision.rule_id}"}:
        return f"{code}{by}".rstrip()
    what = f"{code}{by}".rstrip()
    return f"{what}: {finding}" if what else finding


def _passes(seconds: float, now: datetime) -> str:
    try:
        moment = iso_second(now + timedelta(seconds=seconds))
    except OverflowError:
        return "passes after every date there is"
    return f"passes at {moment} (in {render_duration(seconds)})"


def _resets(state: BudgetState) -> str:
    return "" if state.resets_at is None else iso_second(state.resets_at)
