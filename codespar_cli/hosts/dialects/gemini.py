"""Gemini CLI. Source: hooks/types and docs/hooks/reference.md of the npm package @google/gemini-cli-core 0.61.0.

Its runner reads stderr where stdout is empty, and takes what it finds there for an answer: so there is always an answer on
stdout. It sends no id of a call; a result is matched to its call by session, tool and arguments. Crashes and timeouts let
the call pass with a warning, and nothing switches that off.
"""

from __future__ import annotations

from codespar_cli.hosts.answer import Answer, document, reason_of, told
from codespar_cli.hosts.host_event import AFTER, BEFORE, FAILURE, JUDGED, OTHER, HostEvent
from codespar_cli.hosts.strict_event import arguments, event_name, place, read_object, size, text, tool_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.hosts.host_event import Kind

HOST = "gemini"
_KINDS: dict[str, Kind] = {"BeforeTool": BEFORE, "AfterTool": AFTER}


def read(raw: bytes, event_name_given: str | None = None) -> HostEvent:
    """Raises MalformedEvent. An event that is not known and names a tool is judged like one before a call."""
    found = read_object(raw)
    name = event_name(found)
    kind = _KINDS.get(name, BEFORE if "tool_name" in found else OTHER)
    if kind == OTHER:
        return HostEvent(HOST, OTHER, name)
    response = found.get("tool_response")
    failed = kind == AFTER and type(response) is dict and response.get("error") is not None
    return HostEvent(
        HOST,
        FAILURE if failed else kind,
        name,
        tool=tool_name(found, "tool_name", name),
        args=arguments(found, "tool_input", name),
        session=text(found, "session_id", name),
        cwd=place(found, "cwd"),
        error="tool_error" if failed else None,
        result_bytes=size(found, "tool_response"),
    )


def answer(event: HostEvent, decision: PolicyDecision | None) -> Answer:
    if event.kind not in JUDGED:
        return document({})
    if decision is not None and decision.allowed:
        return document({"decision": "allow"})
    return refuse(reason_of(decision), event.name)


def refuse(reason: str, event_name: str | None = None) -> Answer:
    return document({"decision": "deny", "reason": told(reason)})
