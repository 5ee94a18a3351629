"""`codespar policy diff`: what a second rules file means that the first does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session


def diff(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="the rules file as it is", show_default=False)],
    second: Annotated[Path, typer.Argument(metavar="B", help="the rules file as it would be", show_default=False)],
    output: OutputOption = Output.table,
) -> int:
    """Compare two rules files by what they mean. Exits as diff does: 0 the same, 1 different, 2 trouble."""
    from codespar_cli.cli.views import policy_diff as view
    from codespar_cli.workbench import diff_policies

    session: Session = context.obj
    changes = diff_policies(first, second)
    if output is Output.json:
        session.terminal.json({"same": not changes, "changes": [view.change_json(change) for change in changes]})
        return 1 if changes else 0
    session.terminal.table(view.CHANGES, view.change_rows(changes), empty="both mean the same")
    if changes:
        for line, style in view.summary_lines(changes):
            session.terminal.line(line, style=style)
    return 1 if changes else 0
