"""Claude Code. Source: the hook types of the npm package @anthropic-ai/claude-agent-sdk 0.3.330 (Claude Code 2.1.330).

An allow is silence: it leaves Claude Code's own permission rules and prompts as they are, which a `permissionDecision` of
`allow` would skip. Crashes and timeouts let the call pass unless the hook's entry says `"onFailure": "block"`.
"""

from __future__ import annotations

from codespar_cli.hosts.answer import SILENCE, Answer, denied, reason_of
from codespar_cli.hosts.host_event import AFTER, BEFORE, FAILURE, JUDGED, OTHER, PERMISSION, HostEvent
from codespar_cli.hosts.strict_event import (
    arguments,
    event_name,
    milliseconds,
    place,
    read_object,
    size,
    text,
    tool_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.hosts.host_event import Kind

HOST = "claude"
_KINDS: dict[str, Kind] = {
    "PreToolUse": BEFORE,
    "PostToolUse": AFTER,
    "PostToolUseFailure": FAILURE,
    "PermissionRequest": PERMISSION,
    "PermissionDenied": FAILURE,  # the auto mode's classifier said no after PreToolUse had said yes
}
_OVER = ("PostToolUse", "PostToolUseFailure")


def read(raw: bytes, event_name_given: str | None = None) -> HostEvent:
    """Raises MalformedEvent. An event that is not known and names a tool is judged like one before a call."""
    found = read_object(raw)
    name = event_name(found)
    kind = _KINDS.get(name, BEFORE if "tool_name" in found else OTHER)
    if kind == OTHER:
        return HostEvent(HOST, OTHER, name)
    error = None
    if kind == FAILURE:
        error = "interrupted" if found.get("is_interrupt") is True else "tool_error"
        error = "permission_denied" if name == "PermissionDenied" else error
    return HostEvent(
        HOST,
        kind,
        name,
        tool=tool_name(found, "tool_name", name),
        args=arguments(found, "tool_input", name),
        tool_use_id=text(found, "tool_use_id", name),
        session=text(found, "session_id", name),
        cwd=place(found, "cwd"),
        agent=text(found, "agent_type", name),
        mode=text(found, "permission_mode", name),
        duration_ms=milliseconds(found, "duration_ms"),
        error=error,
        result_bytes=size(found, "tool_response"),
    )


def answer(event: HostEvent, decision: PolicyDecision | None) -> Answer:
    if event.kind not in JUDGED or (decision is not None and decision.allowed):
        return SILENCE
    return refuse(reason_of(decision), event.name)


def refuse(reason: str, event_name: str | None = None) -> Answer:
    return denied(reason, event_name, _OVER)
