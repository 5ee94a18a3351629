"""All stages over one call: the pure ones, then the counters as one snapshot shows them, then the answer."""

from __future__ import annotations

from codespar_cli.core.calls import PolicyDecision, TraceStep
from codespar_cli.core.clock import from_micros
from codespar_cli.core.light_typing import NamedTuple
from codespar_cli.plugins.policy.decision.approval_state import UNASKED, Standing
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.decision.consideration import Considered, consider
from codespar_cli.plugins.policy.decision.counting import Counted, ask, unpriced
from codespar_cli.plugins.policy.decision.stages import shut
from codespar_cli.plugins.policy.decision.verdict import Failure, Retry, failure_of, later_failure, retry_of, trace_of
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Approve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from codespar_cli.plugins.policy.stores.store import Snapshot

_IN_TIME = frozenset({"budget_exceeded", "rate_limited", "outside_window"})


class Ruling(NamedTuple):
    """What the rules say. `now` is what the clock said, `seen` the highest time the store has seen, both in
    microseconds; no `failure` means allow, by the rule `allow` or by default."""

    policy: Policy
    failure: Failure | None
    retry: Retry
    trace: tuple[TraceStep, ...]
    now: int
    seen: int
    counted: Sequence[Counted] = ()
    allow: str | None = None
    approvals: tuple[Approve, ...] = ()
    standing: Standing = UNASKED
    also: str | None = None

    @property
    def verdict(self) -> str:
        if self.failure is None:
            return "allow"
        return "approve" if self.failure.asks else "deny"


def rule_on(
    call: Call,
    space: str,
    now: int,
    snapshot: Snapshot | None,
    *,
    told: bool = True,
    considered: Considered | None = None,
) -> Ruling:
    """Ask every stage. `snapshot=None` leaves the counters out, except for what they deny unread; `told=False` leaves out
    what only people are told: when it would pass, and the trace. `considered` is what `consider` made of the call."""
    moment = from_micros(now)
    counted: tuple[Counted, ...] = ()
    policy = call.policy
    if considered is None:
        considered = consider(call, now, asks=snapshot is not None and space == "enforce")
    if considered.problem is not None:
        return refusal(policy, "invalid_request", "request", considered.problem, now)
    findings = considered.findings
    findings.closed = shut(findings.windows, policy.zone, moment)
    # Time never runs backwards for a counter: a clock that was set back must not refill it.
    seen = now if snapshot is None else max(now, snapshot.latest())
    if findings.counting and snapshot is not None:
        counted = ask(findings.counting, call, space, snapshot, seen, told=told)
    elif findings.counting and call.cost is None:
        counted = unpriced(findings.counting)
    standing, also = UNASKED, None
    if findings.approvals and not findings.denies and snapshot is not None and space == "enforce":
        from codespar_cli.plugins.policy.approvals.standing import standing_of

        standing = standing_of(call, findings.approvals, considered, snapshot, seen)
    failure = failure_of(call, findings, counted, moment, standing)
    allow = findings.allow.id if findings.allow is not None else None
    if not told:
        return Ruling(policy, failure, Retry(), (), now, seen, counted, allow, findings.approvals, standing)
    if failure is not None and failure.asks:
        later = later_failure(call, findings, counted, moment)
        also = None if later is None else f"{later.code}: {later.reason}"
    readable = snapshot is not None or not findings.counting
    in_time = failure is not None and readable and failure.code in _IN_TIME
    retry = retry_of(call, findings, counted, now, standing) if in_time else Retry()
    if standing.approval is not None and retry.at is not None and retry.at >= standing.approval.expires_at:
        retry = Retry()  # by then the approval has expired, and a new one is what is missing
    trace = trace_of(call, findings, counted, standing)
    return Ruling(policy, failure, retry, trace, now, seen, counted, allow, findings.approvals, standing, also)


def refusal(policy: Policy, code: str, stage: str, reason: str, now: int) -> Ruling:
    """A deny that no rule made: the request is not one, or the engine failed."""
    trace = (TraceStep(stage, "fail", None, reason),)
    return Ruling(policy, Failure(code, stage, None, reason), Retry(), trace, now, now)


def answer(
    ruling: Ruling,
    *,
    observe: bool = False,
    decision_id: str | None = None,
    reservation_id: str | None = None,
    approval_id: str | None = None,
) -> PolicyDecision:
    """The ruling as callers see it. Observe mode allows, and says what enforce mode would have said."""
    failure = ruling.failure
    if approval_id is None and ruling.standing.approval is not None:
        approval_id = ruling.standing.approval.token
    if failure is None:
        return PolicyDecision(
            allowed=True,
            reason=f"allowed by rule {ruling.allow}" if ruling.allow else "allowed by default",
            rule_id=ruling.allow,
            stage="allow",
            reservation_id=reservation_id,
            approval_id=approval_id,
            policy_hash=ruling.policy.hash,
            decision_id=decision_id,
            trace=ruling.trace,
        )
    at = ruling.retry.at
    return PolicyDecision(
        allowed=observe,
        reason=f"observe mode; enforce mode would say: {failure.reason}" if observe else failure.reason,
        requires_approval=failure.asks and not observe,
        code=failure.code,
        rule_id=failure.rule_id,
        stage=failure.stage,
        retry_after=None if at is None else (at - ruling.now) / 1e6,
        never=ruling.retry.never,
        approval_id=approval_id,
        policy_hash=ruling.policy.hash,
        decision_id=decision_id,
        trace=ruling.trace,
    )
