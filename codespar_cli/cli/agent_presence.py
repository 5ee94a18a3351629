"""Whether an agent may be running this: told from the variables that hosts give to what they start.

Found in this process or in one above it, where the system shows that (Linux). An agent that sets out to hide is not
found; docs/threat-model.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Claude Code, Codex, Cursor, Gemini CLI, Copilot, and the names that agents are asked to agree on (agents.md#136).
_NAMES = {
    "CLAUDECODE", "CURSOR_AGENT", "GEMINI_CLI", "COPILOT_CLI", "VSCODE_AGENT", "AI_AGENT", "AGENT", "GOOSE_TERMINAL",
    "AUGMENT_AGENT", "CLINE_ACTIVE", "OPENCODE", "OPENCODE_CLIENT",
}  # fmt: skip
_STARTS = ("CLAUDE_CODE_", "CODEX_", "CURSOR_", "GEMINI_CLI_", "COPILOT_AGENT_")
# What people set for their own terminals.
_PEOPLES = {
    "CODEX_HOME",
    "CODEX_API_KEY",
    "CURSOR_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
}
_MOST_ABOVE = 64


def sign_of_agent(environ: Mapping[str, str], *, above: int | None = None) -> str | None:
    """The variable that tells, or None. `above` is the process to begin with: the one that started this one."""
    found = _telling(environ)
    process = os.getppid() if above is None else above
    for _ in range(_MOST_ABOVE):
        if found is not None or process <= 1:
            return found
        found, process = _telling(_environ_of(process)), _parent_of(process)
    return found


def _telling(environ: Mapping[str, str]) -> str | None:
    for name, value in sorted(environ.items()):
        if value and name not in _PEOPLES and (name in _NAMES or name.startswith(_STARTS)):
            return name
    return None


def _environ_of(process: int) -> dict[str, str]:
    """What it was started with; nothing where that is not ours to see."""
    try:
        data = Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in data.decode("utf-8", "replace").split("\0"))
    return {name: value for name, _, value in pairs}


def _parent_of(process: int) -> int:
    try:
        # The name before it may hold anything, also blanks and brackets.
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return int(fields[1])
    except (OSError, ValueError, IndexError):
        return 0
