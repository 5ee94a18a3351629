"""A decision as JSON: the same keys at every door that answers with one."""

from __future__ import annotations

from typing import Any

from codespar_cli.core.calls import PolicyDecision


def decision_document(decision: PolicyDecision) -> dict[str, Any]:
    return {
        "allowed": decision.allowed,
        "requires_approval": decision.requires_approval,
        "reason": decision.reason or None,
        "code": decision.code,
        "rule_id": decision.rule_id,
        "stage": decision.stage,
        "retry_after": seconds_until(decision),
        "reservation_id": decision.reservation_id,
        "approval": decision.approval_id,
        "never": decision.never,
        "policy_hash": decision.policy_hash,
        "trace": [
            {"stage": step.stage, "outcome": step.outcome, "rule_id": step.rule_id, "detail": step.detail or None}
            for step in decision.trace
        ],
    }


def seconds_until(decision: PolicyDecision) -> float | None:
    """`retry_after`, where it is a time; JSON has no NaN and no infinity."""
    seconds = decision.retry_after
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None
