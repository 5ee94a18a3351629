"""`codespar trust`: a person lets a project's plugins.toml loosen what their own allows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.agent_presence import sign_of_agent
from codespar_cli.cli.session import Session
from codespar_cli.core.config import FILE_NAME, find_config, shown, working_directory
from codespar_cli.errors import CodesparError, NotFoundError, UsageError
from codespar_cli.project_trust import ProjectTrust, project_trust

app = typer.Typer(rich_markup_mode=None, add_completion=False)
_WORD = "trust"

DirectoryArgument = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="the project; the one above you if left out", show_default=False)
]


@app.command()
def trust(context: typer.Context, directory: DirectoryArgument = None) -> int:
    """Let a project's plugins.toml speak in your own file's place, as it is now: any change of it, of its rules or of where
    it lies takes the trust back. Only a person at a terminal can do this."""
    session: Session = context.obj
    _refuse_without_a_person(session)
    found = project_trust(project_file(session, directory), environ=session.environ)
    if found.is_trusted:
        session.terminal.note(f"{shown(found.path)} is trusted already, as it is")
        return 0
    _show(session, found)
    session.terminal.stderr.write(f"type `{_WORD}` to go on: ")
    session.terminal.stderr.flush()
    if session.terminal.stdin.readline().strip() != _WORD:
        raise CodesparError(
            "nothing is trusted", code="not_confirmed", hint=f"codespar trust {shown(found.path.parent)}"
        )
    found.grant()
    session.terminal.note(f"trusted: {shown(found.path)}, until it or its rules change")
    return 0


def project_file(session: Session, directory: Path | None) -> Path:
    """The plugins.toml that is meant. Raises NotFoundError, UsageError."""
    if directory is not None:
        path = directory / FILE_NAME if directory.is_dir() else directory
        if not path.is_file() or path.name != FILE_NAME:
            raise NotFoundError(f"there is no {FILE_NAME} in {shown(directory)}", hint=f"ls {shown(directory)}")
        return path.absolute()
    environ = {name: value for name, value in session.environ.items() if name != "CODESPAR_CONFIG"}
    found = find_config(None, environ=environ, start=working_directory())
    if found is None:
        raise NotFoundError(f"there is no {FILE_NAME} here or above", hint="codespar trust DIR")
    return found.absolute()


def _refuse_without_a_person(session: Session) -> None:
    sign = sign_of_agent(session.environ)
    if sign is not None:
        raise UsageError(
            f"only a person can do this, and {sign} says that an agent may be running it",
            code="not_a_person",
            hint="run codespar trust in a terminal of your own",
        )
    if not session.terminal.interactive:
        raise UsageError(
            "only a person at a terminal can do this, and there is no terminal",
            code="not_a_person",
            hint="run codespar trust in a terminal of your own, with neither input nor errors redirected",
        )


def _show(session: Session, found: ProjectTrust) -> None:
    say = session.terminal.note
    say(f"{shown(found.path)} would be asked in place of your own file:", style="bold")
    if found.own is None:
        say("  you have none now, so it works already as it is; trusting it holds for when you have one")
    else:
        say(f"  the policy of {shown(found.own)} would not be asked here, and its budgets would not count")
    for one in found.loosened:
        say(f"  line {one.line}: {one.key}, ignored so far, would hold")
    for line in found.changes:
        say(f"  {line}")
    if found.administrator is not None:
        say(f"  {shown(found.administrator)} goes on to bound it")
    say(f"  pinned: {', '.join(found.files)}")
