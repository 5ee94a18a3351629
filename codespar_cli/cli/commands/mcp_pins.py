"""`codespar mcp pins`: the definitions of tools as they were first seen, and a person's word on what changed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption, YesOption
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.tool_drift import Review, ToolPins
from codespar_cli.errors import UsageError

app = typer.Typer(
    cls=FileGroup,
    help="The pinned definitions of MCP servers' tools.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
ServerArgument = Annotated[
    str, typer.Argument(metavar="SERVER", help="as `mcp pins list` names it", show_default=False)
]
ToolArgument = Annotated[str | None, typer.Argument(metavar="[TOOL]", help="only this tool", show_default=False)]


@app.command(name="list")
def list_pins(context: typer.Context, output: OutputOption = Output.table) -> int:
    """Show every pinned tool, and whether it is still as it was pinned."""
    from codespar_cli.cli.views import tool_drift as view

    session: Session = context.obj
    pins = _store(session).pins()
    if output is Output.json:
        session.terminal.json_items(pin.summary() for pin in pins)
    else:
        rows = [view.pin_row(pin) for pin in pins]
        session.terminal.table(view.PINS, rows, empty="no server's tools were seen yet")
    return 0


@app.command()
def show(
    context: typer.Context, server: ServerArgument, tool: ToolArgument = None, output: OutputOption = Output.table
) -> int:
    """Show what is pinned of a server or one of its tools, and what changed since."""
    from codespar_cli.cli.views import tool_drift as view

    session: Session = context.obj
    store = _store(session)
    pins = store.pins(server, tool)
    changes = store.review(server, tool).changes
    if output is Output.json:
        found = {"pins": [pin.document() for pin in pins], "changes": [change.document() for change in changes]}
        session.terminal.json({"server": server, **found})
        return 0
    if tool is None:
        session.terminal.table(view.PINS, [view.pin_row(pin) for pin in pins])
    else:
        for line in view.pin_lines(pins[0]):
            session.terminal.line(line)
    if changes:
        session.terminal.line()
        for line, style in view.change_lines(changes):
            session.terminal.line(line, style=style)
        session.terminal.note(view.summary(changes))
    return 0


@app.command()
def approve(
    context: typer.Context,
    server: ServerArgument,
    tool: ToolArgument = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="who approves; the name you are logged in with")
    ] = None,
    yes: YesOption = False,
    output: OutputOption = Output.table,
) -> int:
    """Show what changed, and pin it: tools as they were last seen, with new ones, without those that are gone."""
    from codespar_cli.cli.views import tool_drift as view

    session: Session = context.obj
    store = _store(session)
    review = store.review(server, tool)
    if output is Output.table:
        for line, style in view.change_lines(review.changes):
            session.terminal.line(line, style=style)
        session.terminal.note(view.summary(review.changes) if review.changes else "nothing has changed")
    what = f"`{tool}` of `{server}`" if tool else f"every tool of `{server}`"
    if not _agreed(session, f"approve {what} as it was last seen?", yes=yes):
        session.terminal.note("nothing was approved")
        return 1
    by = name if name is not None else _login()
    _tell(session, review, store.approve(review, by, session.clock()), by, output)
    return 0


@app.command()
def reset(
    context: typer.Context, server: ServerArgument, yes: YesOption = False, output: OutputOption = Output.table
) -> int:
    """Forget the pins of a server: its tools are pinned anew, whatever they are, when they are next seen."""
    session: Session = context.obj
    store = _store(session)
    count = len(store.pins(server))
    if not _agreed(session, f"forget {count} pins of `{server}`?", yes=yes):
        session.terminal.note("nothing was forgotten")
        return 1
    forgotten = store.reset(server)
    if output is Output.json:
        session.terminal.json({"server": server, "forgotten": forgotten})
    else:
        session.terminal.line(f"forgot {forgotten} pins of `{server}`")
    return 0


def _store(session: Session) -> ToolPins:
    from codespar_cli.workbench import tool_pins

    return tool_pins(session.config.state_dir)


def _agreed(session: Session, question: str, *, yes: bool) -> bool:
    if yes:
        return True
    if not session.terminal.interactive:
        raise UsageError("nobody is there to be asked", hint="look at the changes, then add --yes")
    return session.terminal.confirm(question)


def _tell(session: Session, review: Review, approved: list[str], by: str, output: Output) -> None:
    if output is Output.json:
        changes = [change.document() for change in review.changes]
        session.terminal.json({"server": review.server, "approved": approved, "approved_by": by, "changes": changes})
    else:
        count = f"{len(approved)} tool{'' if len(approved) == 1 else 's'}"
        session.terminal.line(f"{by} approved {count} of `{review.server}`")


def _login() -> str:
    """Of the user this process runs as, whatever the environment says."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
