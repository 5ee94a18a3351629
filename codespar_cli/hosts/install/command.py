"""The command line that a host runs before and after every call, and how to know it again.

It names the interpreter that runs now by its own path, whatever the PATH says later, and starts it on a file of ours,
isolated: see hook_main.py.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.shims import shim_at

_PACKAGE = "codespar_cli"
_CONSOLE = "codespar"
_ENTRY = "hook_main.py"
_ISOLATED = ("-I", "-S")
OPTIONS = frozenset(("--config", "--tenant", "--agent", "--project", "--env"))
"""What a person may give the line: it decides which policy is asked, and on whose account."""

TAIL_BLOCK = "|| /bin/sh -c 'echo codespar: no answer, so it is no >&2; exit 2'"
"""Says no where the hook is gone, killed or broken, in any shell; with words, since Codex lets a silent exit 2 pass."""
TAIL_COPILOT = (
    """|| echo '{"permissionDecision":"deny","permissionDecisionReason":"codespar: no answer, so it is no"}'"""
)
"""The same for Copilot, of which it is not certain what exit codes mean to it."""


class HookCall(NamedTuple):
    """One command line of ours, found in a host's settings. `program` is what is started.

    `options` are those that a person gave it: they outlive an installation.
    """

    program: str
    words: tuple[str, ...]
    host: str | None
    options: tuple[str, ...] = ()


def hook_command(host: str, event: str | None = None, options: tuple[str, ...] = ()) -> list[str]:
    """What answers this host's events. `event` for a host that does not say which event it sends.

    `options` are a person's own, such as `--agent NAME`.

    Raises ConfigError where the interpreter is a version manager's shim, or none that can be named.
    """
    program = sys.executable
    if not program or not Path(program).is_absolute() or not os.access(program, os.X_OK):
        raise ConfigError("this Python does not know its own path", hint="run codespar from a virtual environment")
    shim = shim_at(program)
    if shim is not None:
        raise ConfigError(
            f"the interpreter `{program}` is a shim of {shim.manager}",
            hint="install codespar into a virtual environment of its own, and run that one's `codespar hosts install`",
        )
    entry = Path(os.path.realpath(sys.modules[_PACKAGE].__file__ or "")).with_name(_ENTRY)
    if not entry.is_file():
        raise ConfigError(
            f"`{entry}` is not a file that Python can be started on",
            hint="install codespar into a virtual environment, not into an archive",
        )
    told = [] if event is None else ["--event", event]
    return [program, *_ISOLATED, str(entry), host, *told, *options]


def shell_line(words: list[str], tail: str = "") -> str:
    return f"{shlex.join(words)} {tail}".rstrip()


def read_call(command: object, args: object = None) -> HookCall | None:
    """What a configured command is, if it is a hook of ours: through any interpreter, shim, launcher or shell tail."""
    if not isinstance(command, str):
        return None
    try:
        words = [command] if isinstance(args, list) else shlex.split(command)
    except ValueError:
        words = command.split()
    words += [word for word in args if isinstance(word, str)] if isinstance(args, list) else []
    rest = _after_hook(words)
    if rest is None:
        return None
    return HookCall(_program(words), tuple(words), rest[0] if rest else None, _options(rest[1:]))


def _after_hook(words: list[str]) -> list[str] | None:
    """What follows our entry, or our `hook`; None where neither is there."""
    for number, word in enumerate(words):
        if word.replace("\\", "/").endswith(f"/{_PACKAGE}/{_ENTRY}"):
            return words[number + 1 :]
    for number, word in enumerate(words):
        if _is_us(words, number, word) and "hook" in words[number + 1 :]:
            return words[words.index("hook", number + 1) + 1 :]
    return None


def _options(words: list[str]) -> tuple[str, ...]:
    """The options in front of what a shell would read otherwise. `--event` is ours to write."""
    found: list[str] = []
    waiting = iter(words)
    for word in waiting:
        name, equals, value = word.partition("=")
        if name not in OPTIONS:
            if name != "--event":
                break
            next(waiting, None) if not equals else None
            continue
        found += [name, value if equals else next(waiting, "")]
    return tuple(found)


def _is_us(words: list[str], number: int, word: str) -> bool:
    if word == _PACKAGE:
        return number > 0 and words[number - 1] == "-m"
    name = word.replace("\\", "/").rpartition("/")[2]
    return name in {_CONSOLE, f"{_CONSOLE}.exe"} or f"/{_PACKAGE}/" in word.replace("\\", "/")


def _program(words: list[str]) -> str:
    """The first word that is no assignment (`NAME=value command`)."""
    return next((word for word in words if "=" not in word.partition("/")[0]), words[0])
