"""`codespar metrics drift`: what changed in the tools that MCP servers offer, since they were pinned."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from codespar_cli.cli.input_file import read_input
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.tool_drift import DriftChange, ToolPins, at_least
from codespar_cli.errors import NotFoundError, UsageError


class GradeChoice(str, Enum):
    notation = "notation"
    docs = "docs"
    compatible = "compatible"
    breaking = "breaking"
    security = "security"


def drift(
    context: typer.Context,
    fail_on: Annotated[
        GradeChoice | None, typer.Option("--fail-on", help="exit with 1 for a change of this grade or a worse one")
    ] = None,
    tools: Annotated[
        str | None,
        typer.Option("--tools", metavar="FILE", help="what a server answers to tools/list, or -; with --server"),
    ] = None,
    server: Annotated[str | None, typer.Option("--server", metavar="NAME", help="whose tools; every server's")] = None,
    output: OutputOption = Output.table,
) -> int:
    """Compare tools with their pins: those in FILE, which are then the ones last seen, or the ones last seen already.

    What a server lists for the first time is pinned.
    """
    from codespar_cli.cli.views import tool_drift as view
    from codespar_cli.workbench import tool_pins

    session: Session = context.obj
    pins = tool_pins(session.config.state_dir)
    changes = pins.drift(server) if tools is None else _seen(session, pins, tools, server, output)
    if output is Output.json:
        session.terminal.json_items(change.document() for change in changes)
    else:
        session.terminal.table(view.CHANGES, view.change_rows(changes), empty="every tool is as it was pinned")
        if changes:
            session.terminal.note(view.summary(changes))
    return int(fail_on is not None and any(at_least(change.grade, fail_on.value) for change in changes))


def _seen(session: Session, pins: ToolPins, path: str, server: str | None, output: Output) -> list[DriftChange]:
    from codespar_cli.workbench import read_tools_list

    if server is None:
        raise UsageError("--tools needs --server: whose tools are these", hint=f"add --server NAME to --tools {path}")
    given = read_input(session.terminal, path)
    value = read_tools_list(given.data, given.name)
    try:
        pins.pins(server)
    except NotFoundError:
        first = True
    else:
        first = False
    found = pins.see(server, value, session.clock(), source=given.name)
    if first and output is Output.table:
        count = len(pins.pins(server))
        session.terminal.note(f"first sight of `{server}`: {count} tool{'' if count == 1 else 's'} pinned")
    return found
