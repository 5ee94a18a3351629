"""Where each host keeps its hooks and what an entry looks like there.

Sources. Claude Code: the settings type of npm @anthropic-ai/claude-agent-sdk 0.3.330, and Claude Code 2.1.330 itself.
Codex: developers.openai.com/codex/hooks. Cursor: cursor.com/docs/hooks as third parties restate it. Gemini CLI:
docs/hooks/reference.md of npm @google/gemini-cli-core 0.61.0. Copilot: docs.github.com, "GitHub Copilot hooks reference".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from codespar_cli.hosts.install.command import TAIL_BLOCK, TAIL_COPILOT, hook_command, shell_line

TIMEOUT_S = 10
"""What we ask a host to wait: well above the 2 s after which a hook answers by itself."""
LEAST_TIMEOUT_S = 3.0

Options = tuple[str, ...]
Entries = tuple[tuple[str, dict[str, Any]], ...]


class Layout(NamedTuple):
    """`judged` is the event that a call waits for. `unit_s` is the host's unit of a timeout, in seconds.

    `grouped` says that an event holds groups, each with a matcher and its own hooks, and not the hooks themselves.
    `comments`, `trailing_commas` and `byte_order_mark` say which of them the host itself reads.
    """

    host: str
    title: str
    judged: str
    home_variable: str | None
    home: str
    user_file: str
    project_file: str
    grouped: bool
    root: Mapping[str, Any]
    written: Callable[[Options], Entries]
    command_key: str = "command"
    timeout_key: str = "timeout"
    unit_s: float = 1.0
    comments: bool = False
    trailing_commas: bool = False
    byte_order_mark: bool = False
    programs: tuple[str, ...] = ()
    variable_is_above: bool = False

    def entries(self, options: Options = ()) -> Entries:
        """Each event with what is put into its list. `options` are a person's own of `codespar hook`.

        Raises ConfigError where no command line can be written that lasts.
        """
        return self.written(options)

    def home_of(self, environ: Mapping[str, str]) -> Path:
        """The host's own directory of this user."""
        named = environ.get(self.home_variable) if self.home_variable else None
        if named:
            return Path(named) / self.home if self.variable_is_above else Path(named)
        return Path(environ.get("HOME") or "/") / self.home

    def place(self, environ: Mapping[str, str], project: Path | None = None) -> Path:
        """Where its hooks are put: the user's settings, or a project's."""
        return self.home_of(environ) / self.user_file if project is None else project / self.project_file


def layout_of(host: str) -> Layout:
    """Raises KeyError for a host that is none of `LAYOUTS`."""
    return LAYOUTS[host]


def _claude(options: Options) -> Entries:
    program, *words = hook_command("claude", options=options)
    call = {"type": "command", "command": program, "args": words, "timeout": TIMEOUT_S}
    return (
        ("PreToolUse", {"matcher": "*", "hooks": [{**call, "onFailure": "block"}]}),
        *(
            (event, {"matcher": "*", "hooks": [{**call, "async": True}]})
            for event in ("PostToolUse", "PostToolUseFailure", "PermissionDenied")
        ),
    )


def _codex(options: Options) -> Entries:
    words = hook_command("codex", options=options)
    before = {"type": "command", "command": shell_line(words, TAIL_BLOCK), "timeout": TIMEOUT_S}
    after = {"type": "command", "command": shell_line(words), "timeout": TIMEOUT_S}
    return ("PreToolUse", {"hooks": [before]}), ("PostToolUse", {"hooks": [after]})


def _cursor(options: Options) -> Entries:
    words = hook_command("cursor", options=options)
    before = {"command": shell_line(words, TAIL_BLOCK), "timeout": TIMEOUT_S, "failClosed": True}
    after = {"command": shell_line(words), "timeout": TIMEOUT_S}
    return ("preToolUse", before), ("postToolUse", after), ("postToolUseFailure", after)


def _gemini(options: Options) -> Entries:
    words, timeout = hook_command("gemini", options=options), TIMEOUT_S * 1000
    before = {"name": "codespar", "type": "command", "command": shell_line(words, TAIL_BLOCK), "timeout": timeout}
    after = {"name": "codespar-after", "type": "command", "command": shell_line(words), "timeout": timeout}
    return ("BeforeTool", {"matcher": "*", "hooks": [before]}), ("AfterTool", {"matcher": "*", "hooks": [after]})


def _copilot(options: Options) -> Entries:
    def entry(event: str, tail: str = "") -> tuple[str, dict[str, Any]]:
        line = shell_line(hook_command("copilot", event, options), tail)
        return event, {"type": "command", "bash": line, "timeoutSec": TIMEOUT_S}

    return entry("preToolUse", TAIL_COPILOT), entry("postToolUse"), entry("postToolUseFailure")


LAYOUTS = {
    layout.host: layout
    for layout in (
        Layout(
            "claude", "Claude Code", "PreToolUse", "CLAUDE_CONFIG_DIR", ".claude", "settings.json",
            ".claude/settings.json", True, {}, _claude, byte_order_mark=True, programs=("claude",),
        ),
        Layout(
            "codex", "Codex", "PreToolUse", "CODEX_HOME", ".codex", "hooks.json",
            ".codex/hooks.json", True, {}, _codex, programs=("codex",),
        ),
        Layout(
            "cursor", "Cursor", "preToolUse", None, ".cursor", "hooks.json",
            ".cursor/hooks.json", False, {"version": 1}, _cursor,
            comments=True, trailing_commas=True, programs=("cursor", "cursor-agent"),
        ),
        Layout(
            "gemini", "Gemini CLI", "BeforeTool", "GEMINI_CLI_HOME", ".gemini", "settings.json",
            ".gemini/settings.json", True, {}, _gemini, unit_s=0.001, comments=True, programs=("gemini",),
            variable_is_above=True,
        ),
        Layout(
            "copilot", "GitHub Copilot CLI", "preToolUse", "COPILOT_HOME", ".copilot", "hooks/codespar.json",
            ".github/hooks/codespar.json", False, {"version": 1}, _copilot,
            command_key="bash", timeout_key="timeoutSec", programs=("copilot",),
        ),
    )
}  # fmt: skip
