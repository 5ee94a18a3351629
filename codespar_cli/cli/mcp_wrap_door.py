"""The light door of `codespar mcp wrap`: chosen before Typer, since a client waits while its servers start.

A plain and complete command line is read here; whatever is not (help, an unknown option, no `--`) is left to Typer, so that
there is one voice and one documentation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from codespar_cli.errors import UsageError

_VALUES = {
    "--name": "name",
    "--agent": "agent",
    "--session": "session_id",
    "--project": "project",
    "--env": "environment",
}
_FLAGS = {"--hide-denied": "hide_denied"}
_GLOBALS = {"--config": "config_path", "--tenant": "tenant_option"}


def try_wrap(arguments: Sequence[str]) -> int | None:
    """The exit code, or None when the command line is for Typer."""
    if any(name.endswith("_COMPLETE") for name in os.environ if name.startswith("_")):
        return None
    from codespar_cli.cli.reporting import hoist, reported

    try:
        words = hoist(arguments)
    except UsageError:
        return None
    dashes = words.index("--")
    words, command = words[:dashes], words[dashes + 1 :]
    settings = _read(words, _GLOBALS, {"--no-color": "no_color"}, until="mcp")
    if settings is None or words[:2] != ["mcp", "wrap"] or not command:
        return None
    del words[:2]
    fields = _read(words, _VALUES, _FLAGS)
    if fields is None or words:
        return None

    def act() -> int:
        from codespar_cli.cli import mcp_wrap
        from codespar_cli.cli.io import Terminal
        from codespar_cli.cli.session import Session

        no_color = bool(settings.pop("no_color", False))
        session = Session(Terminal.of_process(os.environ, no_color=no_color), **settings)  # type: ignore[arg-type]
        return mcp_wrap.run(session, mcp_wrap.Options(tuple(command), **fields))  # type: ignore[arg-type]

    return reported(act, arguments)


def _read(
    words: list[str], values: dict[str, str], flags: dict[str, str], until: str | None = None
) -> dict[str, str | bool] | None:
    """Options from the front of `words`, which they leave; None when there is one that is not plain."""
    found: dict[str, str | bool] = {}
    while words and words[0] != until:
        name, equals, value = words.pop(0).partition("=")
        if name in flags and not equals:
            found[flags[name]] = True
        elif name in values and (equals or words) and (value or not equals):
            found[values[name]] = value if equals else words.pop(0)
        else:
            return None
    return found
