"""GitHub Copilot: the CLI, the cloud agent and VS Code. Source: docs.github.com, "GitHub Copilot CLI hooks reference", and
code.visualstudio.com, "Hooks reference".

How an event is named in the configuration decides what is sent. `preToolUse` gets camelCase fields and does not say which
event it is: that is read off the fields, or told by `--event`. `PreToolUse` gets snake_case fields and the event's name.
`apply_patch` is a tool without a schema: where every other tool has an object, or a text that holds one, it has the patch
itself (seen with Copilot CLI 1.0.63, pbakaus/impeccable 279).
Reports differ on whether an exit code other than 0 lets the call pass, so every deny is JSON with exit 0.
"""

from __future__ import annotations

from codespar_cli.hosts.answer import SILENCE, Answer, document, reason_of, told
from codespar_cli.hosts.host_event import AFTER, BEFORE, FAILURE, JUDGED, OTHER, PERMISSION, HostEvent
from codespar_cli.hosts.strict_event import arguments, event_name, place, read_object, size, text, tool_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.hosts.host_event import Kind

HOST = "copilot"
_KINDS: dict[str, Kind] = {
    "preToolUse": BEFORE,
    "postToolUse": AFTER,
    "postToolUseFailure": FAILURE,
    "permissionRequest": PERMISSION,
}
_KINDS |= {name[:1].upper() + name[1:]: kind for name, kind in tuple(_KINDS.items())}
_ABOUT_TOOLS = ("toolName", "tool_name", "toolArgs", "tool_input", "toolInput", "toolResult", "tool_result")
# What marks a nameless event that is not about a tool: one of a session, a prompt, an agent, an error, a notification.
_ABOUT_OTHERS = (
    "source",
    "reason",
    "prompt",
    "stopReason",
    "agentName",
    "errorContext",
    "trigger",
    "notification_type",
)
_FREE_FORM, _PATCH = "apply_patch", "*** Begin Patch"
_ENDED_BADLY = {
    "failure": "tool_error",
    "error": "tool_error",
    "denied": "permission_denied",
    "rejected": "permission_denied",
}


def read(raw: bytes, event_name_given: str | None = None) -> HostEvent:
    """Raises MalformedEvent. `event_name_given` is what the configuration calls the event; it beats what is sent."""
    found = read_object(raw)
    name = event_name_given or _name_in(found)
    if name not in _KINDS and not any(key in found for key in _ABOUT_TOOLS):
        return HostEvent(HOST, OTHER, name)
    kind = _KINDS.get(name, BEFORE)
    snake = "tool_name" in found or ("toolName" not in found and name[:1].isupper())
    tool_key, result_key = ("tool_name", "tool_result") if snake else ("toolName", "toolResult")
    error = _error_in(found, result_key) if kind == AFTER else None
    error = "tool_error" if kind == FAILURE else error
    return HostEvent(
        HOST,
        FAILURE if error else kind,
        name,
        tool=tool_name(found, tool_key, name),
        args=_arguments(found, tool_key, _arguments_key(found, snake=snake), name),
        tool_use_id=text(found, "tool_use_id" if snake else "toolCallId", name),
        session=text(found, "session_id" if "session_id" in found else "sessionId", name),
        cwd=place(found, "cwd"),
        error=error,
        result_bytes=size(found, result_key if result_key in found else "tool_response"),
    )


def _name_in(found: dict[str, Any]) -> str:
    """What the event is called, or must be by its fields."""
    for key in ("hook_event_name", "hookEventName"):
        if key in found:
            return event_name(found, key)
    if "toolResult" in found:
        return "postToolUse"
    if "toolName" in found and type(found.get("error")) is str:
        return "postToolUseFailure"
    if "permissionSuggestions" in found:
        return "permissionRequest"
    if any(key in found for key in _ABOUT_TOOLS) or not any(key in found for key in _ABOUT_OTHERS):
        return "preToolUse"
    return "other"


def _arguments_key(found: dict[str, Any], *, snake: bool) -> str:
    if snake:
        return "tool_input"
    return "toolInput" if "toolInput" in found and "toolArgs" not in found else "toolArgs"


def _arguments(found: dict[str, Any], tool_key: str, key: str, name: str) -> dict[str, Any]:
    """Raises MalformedEvent. A bare patch stands under the name that the tool gives it where it is called with an object."""
    value = found.get(key)
    if found.get(tool_key) == _FREE_FORM and type(value) is str and value.lstrip().startswith(_PATCH):
        return {"input": value}
    return arguments(found, key, name, spelled=True)


def _error_in(found: dict[str, Any], result_key: str) -> str | None:
    result = found.get(result_key)
    if type(result) is not dict:
        return None
    return _ENDED_BADLY.get(str(result.get("resultType", result.get("result_type"))))


def answer(event: HostEvent, decision: PolicyDecision | None) -> Answer:
    if event.kind not in JUDGED or (decision is not None and decision.allowed):
        return SILENCE
    return refuse(reason_of(decision), event.name)


def refuse(reason: str, event_name: str | None = None) -> Answer:
    why = told(reason)
    kind = _KINDS.get(event_name or "preToolUse", BEFORE)
    if kind in {AFTER, FAILURE}:
        return SILENCE  # nothing can be undone, and nothing that is said is heard
    if kind == PERMISSION:
        return document({"behavior": "deny", "message": why})
    verdict: dict[str, Any] = {"permissionDecision": "deny", "permissionDecisionReason": why}
    if event_name is not None and event_name[:1].isupper():  # VS Code looks for it one level deeper
        verdict["hookSpecificOutput"] = {"hookEventName": "PreToolUse", **verdict}
    return document(verdict)
