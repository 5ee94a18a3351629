"""`codespar hook HOST`, as help and completion know it. What a host runs takes the door in hook_door.py."""

from __future__ import annotations

from typing import Annotated

import typer

from codespar_cli.cli.session import Session

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def hook(
    context: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="claude, codex, cursor, gemini or copilot")],
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="who calls, else the host's name")] = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="what it is for")] = None,
    environment: Annotated[str | None, typer.Option("--env", metavar="NAME", help="where it acts")] = None,
    event: Annotated[
        str | None, typer.Option(metavar="NAME", help="the event, for a host that does not say (copilot)")
    ] = None,
) -> None:
    """Answer one event of an agent host: read from stdin, answered in the host's own format, exit 0 or 2.

    A call that is about to be made is allowed or denied by the policy, and one that is over is recorded. Whatever goes
    wrong before a call is a deny. `codespar hosts install HOST` writes the line that runs this.

    `--config PATH` and `--tenant NAME`, which every command takes, may stand behind HOST as well.
    """
    from codespar_cli.cli.hook_door import hook as answer

    session: Session = context.obj
    options = {
        "--config": session.config_path,
        "--tenant": session.tenant_option,
        "--agent": agent,
        "--project": project,
        "--env": environment,
        "--event": event,
    }
    given = [word for name, value in options.items() if value is not None for word in (name, value)]
    answer(["hook", host, *given])
