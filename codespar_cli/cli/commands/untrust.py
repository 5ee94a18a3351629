"""`codespar untrust`: a project may only tighten again."""

from __future__ import annotations

import typer

from codespar_cli.cli.commands.trust import DirectoryArgument, project_file
from codespar_cli.cli.session import Session
from codespar_cli.core.config import shown
from codespar_cli.errors import NotFoundError
from codespar_cli.project_trust import revoke_trust

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def untrust(context: typer.Context, directory: DirectoryArgument = None) -> int:
    """Take back what `codespar trust` gave. Exits with 6 where nothing was trusted."""
    session: Session = context.obj
    path = project_file(session, directory)
    if not revoke_trust(path, environ=session.environ):
        raise NotFoundError(f"{shown(path)} is not trusted", hint="codespar config show --origin")
    session.terminal.note(f"no longer trusted: {shown(path)}")
    return 0
