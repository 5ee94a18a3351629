"""From what the stages found to one answer: the first stage that fails, in the documented order, is the reason."""

from __future__ import annotations

from codespar_cli.core.calls import TraceStep
from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.core.light_typing import NamedTuple
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.decision.counting import Counted, describe
from codespar_cli.plugins.policy.language.rules import Budget, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from codespar_cli.plugins.policy.decision.approval_state import Standing
    from codespar_cli.plugins.policy.decision.call import Call
    from codespar_cli.plugins.policy.decision.stages import Findings


class Failure(NamedTuple):
    """Why a call is not allowed. `asks` says that a person may still allow it."""

    code: str
    stage: str
    rule_id: str | None
    reason: str
    asks: bool = False


class Retry(NamedTuple):
    """`at` in microseconds; `never` when no time would do; neither when time is not what is missing."""

    at: int | None = None
    never: bool = False


_DENY_PASS = TraceStep("deny", "pass")
_APPROVAL_PASS = TraceStep("approval", "pass")
_BUDGET_SKIP = TraceStep("budget", "skip")
_RATE_SKIP = TraceStep("rate", "skip")
_WINDOW_SKIP = TraceStep("window", "skip")
_ALLOW_DEFAULT = TraceStep("allow", "pass", None, "allowed by default")
_ALLOW_NONE = TraceStep("allow", "fail", None, "no rule allows it")
_MOST_NEAR = 3


def failure_of(
    call: Call, findings: Findings, counted: Sequence[Counted], now: datetime | None, standing: Standing
) -> Failure | None:
    """None when the answer is allow."""
    if findings.denies:
        rule = findings.denies[0]
        return Failure("denied_by_rule", "deny", rule.id, rule.reason or f"denied by rule {rule.id}")
    if findings.approvals and standing.state != "granted":
        return _approval(findings, standing)
    return later_failure(call, findings, counted, now)


def later_failure(call: Call, findings: Findings, counted: Sequence[Counted], now: datetime | None) -> Failure | None:
    """Of the stages after approval, the first that fails."""
    for one in counted:
        if not one.passes:
            return _exhausted(one)
    if findings.closed and now is not None:
        window = findings.closed[0]
        wall = now.astimezone(call.policy.zone.tz)
        closed = f"rule {window.id}: closed at {wall:%a %H:%M} {call.policy.zone.name}"
        return Failure("outside_window", "window", window.id, _worded(window, closed))
    if findings.allow is None and not call.policy.allow_by_default:
        return Failure("no_rule_allows", "allow", None, f"no rule allows `{call.tool}` for `{call.agent}`")
    return None


def retry_of(call: Call, findings: Findings, counted: Sequence[Counted], now: int, standing: Standing) -> Retry:
    """The least time at which rates, budgets and windows would all pass, where only these deny."""
    waits = bool(findings.approvals) and standing.state != "granted"
    if findings.denies or waits or (findings.allow is None and not call.policy.allow_by_default):
        return Retry()
    at = now
    for one in counted:
        if one.amount is None:
            return Retry()
        if not one.passes:
            if one.passes_at is None:
                return Retry(never=True)
            at = max(at, one.passes_at)
    if findings.windows:
        from codespar_cli.plugins.policy.language.openings import next_open

        schedules = [rule.schedule for rule in findings.windows]
        moment = next_open(schedules, call.policy.zone, from_micros(at))
        if moment is None:
            return Retry(never=True)
        at = to_micros(moment)
    return Retry(at)


def trace_of(call: Call, findings: Findings, counted: Sequence[Counted], standing: Standing) -> tuple[TraceStep, ...]:
    """What every stage said, in order. A counter that is not among `counted` was not read."""
    steps = [rule.step for rule in findings.denies] or [_DENY_PASS]
    steps += _approval_steps(findings, standing) if findings.approvals else [_APPROVAL_PASS]
    steps += _counter_steps(findings, counted)
    if not findings.windows:
        steps.append(_WINDOW_SKIP)
    for rule in findings.windows:
        steps.append(rule.step if rule in findings.closed else TraceStep("window", "pass", rule.id, "open"))
    if findings.allow is not None:
        steps.append(findings.allow.step)
    else:
        steps.append(_ALLOW_DEFAULT if call.policy.allow_by_default else _unallowed(call))
    return tuple(steps)


def _unallowed(call: Call) -> TraceStep:
    """Names the rules that would allow this tool to this agent, and what of the call they do not find."""
    near = []
    for rule in call.plan.allows[:_MOST_NEAR]:
        missing = [] if rule.when is None else rule.when.unmet(call.cost, call.context)
        near.append(f"{rule.id} needs {', '.join(map(visible, missing))}")
    return TraceStep("allow", "fail", None, "; ".join((_ALLOW_NONE.detail, *near))) if near else _ALLOW_NONE


def _counter_steps(findings: Findings, counted: Sequence[Counted]) -> list[TraceStep]:
    if not findings.counting:
        return [_BUDGET_SKIP, _RATE_SKIP]
    steps = [TraceStep(one.rule.stage, "pass" if one.passes else "fail", one.rule.id, describe(one)) for one in counted]
    if len(counted) < len(findings.counting):
        read = {one.rule.id for one in counted}
        unread = [rule for rule in findings.counting if rule.id not in read]
        steps += [TraceStep(rule.stage, "skip", rule.id, "counter not read") for rule in unread]
    stages = {step.stage for step in steps}
    return [*([] if "budget" in stages else [_BUDGET_SKIP]), *steps, *([] if "rate" in stages else [_RATE_SKIP])]


def _approval_steps(findings: Findings, standing: Standing) -> list[TraceStep]:
    approval = standing.approval
    if approval is None:
        return [rule.step for rule in findings.approvals]
    from codespar_cli.plugins.policy.approvals.standing import need_of

    outcome = {"granted": "pass", "refused": "fail"}.get(standing.state, "approve")
    so_far = [(rule, approval.in_favour(need_of(rule))) for rule in findings.approvals]
    return [
        TraceStep("approval", outcome, rule.id, f"{rule.needs}, {count} so far" if count else rule.needs)
        for rule, count in so_far
    ]


def _approval(findings: Findings, standing: Standing) -> Failure:
    first = findings.approvals[0]
    if standing.state == "refused":
        return Failure("approval_invalid", "approval", first.id, standing.reason)
    needs = "; ".join(_worded(rule, f"rule {rule.id} {rule.needs}") for rule in findings.approvals)
    return Failure("approval_required", "approval", first.id, needs, asks=True)


def _exhausted(one: Counted) -> Failure:
    rule = one.rule
    if one.amount is None:
        reason = f"rule {rule.id} counts money, and what this call costs is unknown"
        return Failure("cost_unknown", "budget", rule.id, _worded(rule, reason))
    code = "budget_exceeded" if isinstance(rule, Budget) else "rate_limited"
    return Failure(code, rule.stage, rule.id, _worded(rule, f"rule {rule.id}: {describe(one)}"))


def _worded(rule: Rule, finding: str) -> str:
    return f"{rule.reason} ({finding})" if rule.reason else finding
