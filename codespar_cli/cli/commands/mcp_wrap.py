"""`codespar mcp wrap -- CMD`, as Typer sees it: its help, and the command lines that the light door leaves over."""

from __future__ import annotations

from typing import Annotated

import typer

from codespar_cli.cli.session import Session

CONTEXT = {"allow_interspersed_args": False}


def wrap(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD ARGS", help="the server, after two dashes")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="its tools are NAME/tool; else told from the command")
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent", metavar="ID", help="who calls; else $CODESPAR_AGENT, else what the client calls itself"
        ),
    ] = None,
    session_id: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="else $CODESPAR_SESSION, else a new one")
    ] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="for which project")] = None,
    environment: Annotated[
        str | None, typer.Option("--env", metavar="NAME", help="what rules read as `environment`")
    ] = None,
    hide_denied: Annotated[
        bool, typer.Option("--hide-denied", help="leave out of lists the tools that the policy always denies")
    ] = False,
) -> int:
    """Run an MCP server with the policy in front of its tools; everything else passes as it is.

    Variables of the form NAME=secret:KEY are filled from the vault. The exit code, or signal, is the server's.
    """
    from codespar_cli.cli import mcp_wrap

    session: Session = context.obj
    options = mcp_wrap.Options(tuple(command), name, agent, session_id, project, environment, hide_denied)
    return mcp_wrap.run(session, options)
