"""Codex CLI. Source: the generated schemas in codex-rs/hooks/schema of openai/codex.

Its answers must hold no key that the schema does not name, never `ask`, and `allow` only to rewrite a call: each of those
makes the answer invalid, and Codex then runs the tool. An allow is silence. Crashes and timeouts let the call pass; a hook's
line that ends in `|| exit 2` denies after a crash. No event follows a call that failed. Before a shell command runs outside
the sandbox a permission is asked for, with the agent's words for it beside the command: they are no argument of the call.
"""

from __future__ import annotations

from codespar_cli.hosts.answer import SILENCE, Answer, denied, reason_of
from codespar_cli.hosts.host_event import AFTER, BEFORE, JUDGED, OTHER, PERMISSION, HostEvent
from codespar_cli.hosts.strict_event import arguments, event_name, place, read_object, size, text, tool_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.hosts.host_event import Kind

HOST = "codex"
_KINDS: dict[str, Kind] = {"PreToolUse": BEFORE, "PostToolUse": AFTER, "PermissionRequest": PERMISSION}
_OVER = ("PostToolUse",)


def read(raw: bytes, event_name_given: str | None = None) -> HostEvent:
    """Raises MalformedEvent. An event that is not known and names a tool is judged like one before a call."""
    found = read_object(raw)
    name = event_name(found)
    kind = _KINDS.get(name, BEFORE if "tool_name" in found else OTHER)
    if kind == OTHER:
        return HostEvent(HOST, OTHER, name)
    tool, args = tool_name(found, "tool_name", name), arguments(found, "tool_input", name)
    if kind == PERMISSION and tool == "Bash":
        args = {key: value for key, value in args.items() if key != "description"}
    return HostEvent(
        HOST,
        kind,
        name,
        tool=tool,
        args=args,
        tool_use_id=text(found, "tool_use_id", name),
        session=text(found, "session_id", name),
        cwd=place(found, "cwd"),
        agent=text(found, "agent_type", name),
        mode=text(found, "permission_mode", name),
        result_bytes=size(found, "tool_response"),
    )


def answer(event: HostEvent, decision: PolicyDecision | None) -> Answer:
    if event.kind not in JUDGED or (decision is not None and decision.allowed):
        return SILENCE
    return refuse(reason_of(decision), event.name)


def refuse(reason: str, event_name: str | None = None) -> Answer:
    return denied(reason, event_name, _OVER)
