"""The light door: commands that stand in an agent's path, run without building the Typer program.

Typer is most of a cold start. For the few commands that are called once per tool call, a plain and complete command line
is read here from a table and handed to the same function that the Typer command calls. Whatever is not plain (help, an
unknown option, a missing argument) is left to Typer, so that there is one voice and one documentation; a test holds the
tables to the commands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from codespar_cli.cli.io import Terminal
from codespar_cli.cli.reporting import hoist, reported
from codespar_cli.cli.session import Session
from codespar_cli.errors import UsageError

_OUTPUTS = ("table", "json")


class LightCommand(NamedTuple):
    """`module` has `Options`, a NamedTuple, and `run(session, options) -> int`. Options map flags to its fields."""

    module: str
    argument: str
    values: dict[str, str]
    flags: dict[str, str]


COMMANDS: dict[tuple[str, str], LightCommand] = {
    ("policy", "check"): LightCommand(
        "codespar_cli.cli.policy_check",
        "tool",
        {
            "--agent": "agent",
            "--cost": "cost",
            "--project": "project",
            "--session": "session_id",
            "--env": "environment",
            "--args": "args",
            "--context": "attributes",
            "--approval": "approval",
            "--at": "at",
            "--output": "output",
            "-o": "output",
        },
        {"--explain": "explain", "--reserve": "reserve"},
    ),
    ("secrets", "get"): LightCommand(
        "codespar_cli.cli.secrets_get",
        "key",
        {"--version": "version", "--agent": "agent", "--tool": "tool", "--output": "output", "-o": "output"},
        {"--reveal": "reveal"},
    ),
}
_GLOBALS = {"--config": "config_path", "--tenant": "tenant_option"}


def try_light(arguments: Sequence[str]) -> int | None:
    """The exit code, or None when the command line is for Typer."""
    if "--" in arguments or any(name.endswith("_COMPLETE") for name in os.environ if name.startswith("_")):
        return None
    try:
        words = hoist(arguments)
    except UsageError:
        return None
    settings: dict[str, str] = {}
    no_color = False
    while words and words[0].startswith("--"):
        name, equals, value = words.pop(0).partition("=")
        if name == "--no-color" and not equals:
            no_color = True
        elif name in _GLOBALS and (equals or words):
            settings[_GLOBALS[name]] = value if equals else words.pop(0)
        else:
            return None
    command = COMMANDS.get((words[0], words[1])) if len(words) > 2 else None
    fields = None if command is None else _fields(command, words[2:])
    if command is None or fields is None:
        return None

    def act() -> int:
        module = import_module(command.module)
        session = Session(
            Terminal.of_process(os.environ, no_color=no_color),
            config_path=settings.get("config_path"),
            tenant_option=settings.get("tenant_option"),
        )
        code: int = module.run(session, module.Options(**fields))
        return code

    return reported(act, arguments)


def _fields(command: LightCommand, words: list[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word in command.flags:
            found[command.flags[word]] = True
        elif name in command.values and name.startswith("--" if equals else "-"):
            if not equals and not words:
                return None
            found[command.values[name]] = value if equals else words.pop(0)
        elif word.startswith("-") or command.argument in found:
            return None
        else:
            found[command.argument] = word
    complete = command.argument in found and found.get("output", "table") in _OUTPUTS
    return found if complete else None
