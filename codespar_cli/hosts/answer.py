"""What a hook process leaves with its host: bytes for stdout, a line for stderr, the exit code.

Either JSON and exit 0, or nothing on stdout, a reason on stderr and exit 2; never both. Claude Code before 2.1.90 let a call
pass that was denied both ways, and Codex lets one pass that exits with 2 and says nothing on stderr.
"""

from __future__ import annotations

from codespar_cli.core.light_json import dumps
from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

    from codespar_cli.core.calls import PolicyDecision

BLOCK = 2
_MOST_BYTES = 1200
"""Of a reason as JSON. An answer holds it up to three times, and fits with that into one write that a pipe does not cut."""


class Answer(NamedTuple):
    """`stdout` is one JSON value or empty; `stderr` one line or empty; `code` 0 or 2."""

    stdout: bytes = b""
    stderr: str = ""
    code: int = 0


SILENCE = Answer()


def document(value: dict[str, Any]) -> Answer:
    """A JSON answer, in ASCII."""
    return Answer(dumps(value).encode() + b"\n")


def block(reason: str) -> Answer:
    """The deny that every host understands from an exit code alone."""
    return Answer(b"", told(reason), BLOCK)


def denied(reason: str, event_name: str | None, over: Container[str]) -> Answer:
    """The deny as Claude Code and Codex read it, which took over its format. `over` names their events of a call that is over."""
    why = told(reason)
    if event_name in {None, "PreToolUse"}:
        verdict = {"permissionDecision": "deny", "permissionDecisionReason": why}
        return document({"hookSpecificOutput": {"hookEventName": "PreToolUse", **verdict}})
    if event_name == "PermissionRequest":
        decision = {"behavior": "deny", "message": why}
        return document({"hookSpecificOutput": {"hookEventName": event_name, "decision": decision}})
    return document({"decision": "block", "reason": why}) if event_name in over else block(reason)


def reason_of(decision: PolicyDecision | None) -> str:
    """Why a call is denied, for the agent to read. The token of an approval that is missing is in it."""
    if decision is None:
        return "nothing was decided"
    reason = decision.reason or "denied by policy"
    token = decision.approval_id
    if not (decision.requires_approval and token):
        return reason
    # Not the command that approves: the agent reads this, has a shell, and is not who approves.
    return f"{reason}; a person has to approve {token} (codespar approvals show {token}), then make the very same call again"


def told(reason: str) -> str:
    """One printable line that begins with our name, cut where it would be too long to be written at once."""
    line = "codespar: " + "".join([char if char.isprintable() else " " for char in reason[:_MOST_BYTES]]).strip()
    while len(dumps(line)) > _MOST_BYTES:
        line = line[: len(line) * 3 // 4] + "…"
    return line
