"""What each host sends before a shell command: the event that a configured hook is tried with.

The fields are those of the golden events in tests/hosts/fixtures, where their sources stand.
"""

from __future__ import annotations

import json
from typing import Any

_ID = "codespar-probe"
_COMMAND = "true # a probe of `codespar hosts status`, which is never run"


def probe_event(host: str, directory: str) -> bytes:
    """One event, as the host sends it."""
    return json.dumps(_EVENTS[host](directory)).encode() + b"\n"


def _claude(directory: str) -> dict[str, Any]:
    return {
        "session_id": _ID,
        "transcript_path": f"{directory}/transcript.jsonl",
        "cwd": directory,
        "permission_mode": "default",
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": _COMMAND, "description": "nothing"},
        "tool_use_id": _ID,
    }


def _codex(directory: str) -> dict[str, Any]:
    return {
        "session_id": _ID,
        "turn_id": _ID,
        "transcript_path": None,
        "cwd": directory,
        "hook_event_name": "PreToolUse",
        "model": "none",
        "permission_mode": "default",
        "tool_name": "Bash",
        "tool_input": {"command": _COMMAND},
        "tool_use_id": _ID,
    }


def _cursor(directory: str) -> dict[str, Any]:
    return {
        "conversation_id": _ID,
        "generation_id": _ID,
        "model": "none",
        "hook_event_name": "preToolUse",
        "cursor_version": "3.2",
        "workspace_roots": [directory],
        "user_email": None,
        "transcript_path": None,
        "tool_name": "Shell",
        "tool_input": {"command": _COMMAND, "working_directory": directory},
        "tool_use_id": _ID,
        "cwd": directory,
    }


def _gemini(directory: str) -> dict[str, Any]:
    return {
        "session_id": _ID,
        "transcript_path": f"{directory}/transcript.json",
        "cwd": directory,
        "hook_event_name": "BeforeTool",
        "timestamp": "2026-11-23T09:00:00.000Z",
        "tool_name": "run_shell_command",
        "tool_input": {"command": _COMMAND, "description": "nothing"},
    }


def _copilot(directory: str) -> dict[str, Any]:
    return {
        "sessionId": _ID,
        "timestamp": 1763888400000,
        "cwd": directory,
        "toolName": "bash",
        "toolArgs": json.dumps({"command": _COMMAND, "description": "nothing"}),
    }


_EVENTS = {"claude": _claude, "codex": _codex, "cursor": _cursor, "gemini": _gemini, "copilot": _copilot}
