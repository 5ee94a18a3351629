"""Why a call is denied, in words that a model can act on and a person can mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError

if TYPE_CHECKING:
    from codespar_cli.core.gate import Gate
    from codespar_cli.core.hooks import PolicyDecision, ToolCall

_LONGEST_NAME = 128
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def reason_of(tool: str, decision: PolicyDecision) -> str:
    """One plain text, with the token to approve where a person may still allow it."""
    name, reason = _shown(tool), visible(decision.reason)
    if decision.requires_approval and decision.approval_id is not None:
        token = visible(decision.approval_id)
        return (
            f"codespar: {name} needs approval {token}: {reason}. "
            f"A person approves it with `codespar approvals approve {token} --as NAME`; then make the same call again."
        )
    later = _later(decision)
    return f"codespar denied {name}: {reason}{f' ({decision.code})' if decision.code else ''}.{later}"


def broken(tool: str, error: CodesparError) -> str:
    """What is said while the policy cannot be used."""
    mend = f"; hint: {visible(error.hint)}" if error.hint else ". `codespar doctor` says how to mend it."
    return f"codespar denied {_shown(tool)}: the policy cannot be used, so no call passes: {visible(str(error))}{mend}"


def is_always_denied(gate: Gate, call: ToolCall) -> bool:
    """Whether no arguments would make the policy allow this tool, as far as can be told; nothing is taken or recorded.

    A rule's condition never matches an argument that is not there, so a deny rule that matches without any holds for all.
    A missing allow rule is final only where no allow rule waits for arguments: the engine names those in its trace.
    """
    decision = gate.preview(call)
    if decision.allowed or decision.requires_approval:
        return False
    if decision.code == "denied_by_rule":
        return True
    if decision.code != "no_rule_allows" or getattr(gate.registry.policy, "backend", None) != "engine":
        return False
    details = [step.detail for step in decision.trace if step.stage == "allow"]
    return bool(details) and "; " not in details[-1]


def _shown(tool: Any) -> str:
    text = visible(str(tool)[:_LONGEST_NAME])
    return f"`{text}`"


def _later(decision: PolicyDecision) -> str:
    if decision.never:
        return " Waiting does not help."
    seconds = decision.retry_after
    if seconds is None:
        return ""
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f" It may pass in {round(seconds / unit)}{letter}."
    return f" It may pass in {max(1, round(seconds))}s."
