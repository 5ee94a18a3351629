"""Cursor. Source: cursor.com/docs/hooks as third parties restate it, see docs/hosts.md; field names of Cursor 2.0 and later.

With `failClosed` an empty stdout counts as a failure, so an allow is spelled out. `tool_input` is a text that holds JSON in
some versions and an object in others, and on Windows a byte order mark comes first. Hooks of `~/.cursor/hooks.json` are
started in `~/.cursor`, wherever the agent works: the folders that are open are told in the event.
"""

from __future__ import annotations

from codespar_cli.hosts.answer import Answer, document, reason_of, told
from codespar_cli.hosts.host_event import AFTER, BEFORE, FAILURE, JUDGED, OTHER, HostEvent, MalformedEvent
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
    from typing import Any

    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.hosts.host_event import Kind

HOST = "cursor"
_KINDS: dict[str, Kind] = {
    "preToolUse": BEFORE,
    "postToolUse": AFTER,
    "postToolUseFailure": FAILURE,
    "beforeShellExecution": BEFORE,
    "afterShellExecution": AFTER,
    "beforeMCPExecution": BEFORE,
    "afterMCPExecution": AFTER,
    "beforeReadFile": BEFORE,
    "beforeTabFileRead": BEFORE,
}
_SHELL, _READ = "Shell", "Read"
_FAILURES = {"timeout": "timeout", "permission_denied": "permission_denied"}
_NEUTRAL: dict[str, dict[str, Any]] = {
    "beforeSubmitPrompt": {"continue": True},
    "subagentStart": {"permission": "allow"},
}


def read(raw: bytes, event_name_given: str | None = None) -> HostEvent:
    """Raises MalformedEvent. An event that is not known and names a tool is judged like one before a call."""
    found = read_object(raw, byte_order_mark=True)
    name = event_name(found)
    kind = _KINDS.get(name, BEFORE if "tool_name" in found else OTHER)
    if kind == OTHER:
        return HostEvent(HOST, OTHER, name)
    tool, args = _call(found, name)
    error = None
    if kind == FAILURE:
        error = _FAILURES.get(str(found.get("failure_type")), "tool_error")
        error = "interrupted" if found.get("is_interrupt") is True else error
    return HostEvent(
        HOST,
        kind,
        name,
        tool=tool,
        args=args,
        tool_use_id=text(found, "tool_use_id", name),
        session=text(found, "conversation_id", name),
        cwd=place(found, "cwd") or next(iter(_roots(found)), None),
        duration_ms=milliseconds(found, "duration"),
        error=error,
        result_bytes=next((size(found, key) for key in ("tool_output", "output", "result_json") if key in found), None),
        workspaces=tuple(root for root in _roots(found) if root.startswith("/")),
    )


def _call(found: dict[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """The tool and its arguments: some events are about one tool and do not name it."""
    if name.endswith("ShellExecution"):
        command = found.get("command")
        if type(command) is not str:
            raise MalformedEvent("`command` is missing or no text", name)
        return _SHELL, {"command": command} | ({"cwd": found["cwd"]} if place(found, "cwd") else {})
    if name in {"beforeReadFile", "beforeTabFileRead"}:
        path = found.get("file_path")
        if type(path) is not str:
            raise MalformedEvent("`file_path` is missing or no text", name)
        return _READ, {"file_path": path}
    tool = tool_name(found, "tool_name", name)
    if name.endswith("MCPExecution") and not tool.startswith("MCP:"):
        # Bare, the name a server chose for its tool could be that of a tool of Cursor's own.
        tool = f"MCP:{tool}"
    return tool, arguments(found, "tool_input", name, spelled=True)


def _roots(found: dict[str, Any]) -> list[str]:
    roots = found.get("workspace_roots")
    return [root for root in roots if type(root) is str and root] if type(roots) is list else []


def answer(event: HostEvent, decision: PolicyDecision | None) -> Answer:
    if event.kind not in JUDGED:
        return document(_NEUTRAL.get(event.name, {}))
    if decision is not None and decision.allowed:
        return document({"permission": "allow"})
    return refuse(reason_of(decision), event.name)


def refuse(reason: str, event_name: str | None = None) -> Answer:
    why = told(reason)
    return document({"permission": "deny", "user_message": why, "agent_message": why})
