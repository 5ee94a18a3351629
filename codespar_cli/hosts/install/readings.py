"""How a host takes what a hook left behind: as a permission, a denial, or a failure, and what a failure means to it.

Sources as in layouts.py; that Codex lets a call pass whose hook exits with 2 and says nothing is its own output_parser.
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple, TypeAlias

Verdict: TypeAlias = Literal["allow", "deny"]

_BLOCKED = 2
_NESTED_KEYS = frozenset(("hookEventName", "permissionDecision", "permissionDecisionReason", "updatedInput"))


class Ended(NamedTuple):
    """How a hook's command line ended. `code` is negative for a signal, None when the host gave up waiting."""

    code: int | None
    stdout: bytes
    stderr: bytes
    took_s: float


class Reading(NamedTuple):
    """`verdict` is what becomes of the call; `failed` says why the host takes the hook for a failed one, if it does."""

    verdict: Verdict
    failed: str | None = None
    reason: str = ""


def reading_of(host: str, handler: dict[str, Any], ended: Ended) -> Reading:
    """What this host does with a call whose hook ended like this."""
    read = _READERS[host]
    closed = _is_closed(host, handler)
    if ended.code is None:
        return Reading("deny" if closed else "allow", "it did not answer in time")
    if ended.code == _BLOCKED and host != "copilot":
        said = ended.stderr.decode("utf-8", "replace").strip()
        if host == "codex" and not said:
            return Reading("allow", "exit 2 without a word on stderr")
        return Reading("deny", None, said)
    if ended.code != 0:
        ending = f"signal {-ended.code}" if ended.code < 0 else f"exit {ended.code}"
        return Reading("deny" if closed else "allow", f"it ended with {ending}")
    value, problem = _document(ended.stdout)
    if problem is None:
        found = read(value)
        if isinstance(found, Reading):
            return found
        problem = found
    return Reading("deny" if closed else "allow", problem)


def _is_closed(host: str, handler: dict[str, Any]) -> bool:
    """Whether a failure of this hook blocks the call."""
    if host == "claude":
        return handler.get("onFailure") == "block" and not handler.get("async")
    return host == "cursor" and handler.get("failClosed") is True


def _document(stdout: bytes) -> tuple[dict[str, Any] | None, str | None]:
    if not stdout.strip():
        return None, None
    try:
        value = json.loads(stdout)
    except ValueError:
        return None, "what it printed is not JSON"
    return (value, None) if isinstance(value, dict) else (None, "what it printed is no JSON object")


def _claude(value: dict[str, Any] | None) -> Reading | str:
    if value is None:
        return Reading("allow")
    nested = value.get("hookSpecificOutput")
    if not isinstance(nested, dict) or nested.get("hookEventName") != "PreToolUse":
        return "its answer is not one to PreToolUse"
    decision = nested.get("permissionDecision")
    if decision not in {"allow", "deny", "ask", "defer"}:
        return "its answer holds no decision"
    return Reading("deny" if decision == "deny" else "allow", None, str(nested.get("permissionDecisionReason", "")))


def _codex(value: dict[str, Any] | None) -> Reading | str:
    found = _claude(value)
    if value is None or isinstance(found, str):
        return found
    nested = value["hookSpecificOutput"]
    if set(value) - {"hookSpecificOutput"} or set(nested) - _NESTED_KEYS:
        return "its answer has keys that Codex does not know"
    return found if found.verdict == "deny" else "its answer is an allow, which Codex does not take"


def _cursor(value: dict[str, Any] | None) -> Reading | str:
    decision = None if value is None else value.get("permission")
    if value is None or decision not in {"allow", "deny", "ask"}:
        return "its answer holds no permission"
    return Reading("deny" if decision == "deny" else "allow", None, str(value.get("agent_message", "")))


def _gemini(value: dict[str, Any] | None) -> Reading | str:
    if value is None:
        return "it answered nothing"
    decision = value.get("decision")
    if decision not in {"allow", "deny", "block", "approve", None}:
        return "its answer holds no decision"
    return Reading("deny" if decision in {"deny", "block"} else "allow", None, str(value.get("reason", "")))


def _copilot(value: dict[str, Any] | None) -> Reading | str:
    if value is None:
        return Reading("allow")
    decision = value.get("permissionDecision")
    if decision not in {"allow", "deny", "ask"}:
        return "its answer holds no decision"
    return Reading("deny" if decision == "deny" else "allow", None, str(value.get("permissionDecisionReason", "")))


_READERS = {"claude": _claude, "codex": _codex, "cursor": _cursor, "gemini": _gemini, "copilot": _copilot}
