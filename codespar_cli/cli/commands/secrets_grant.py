"""`codespar secrets grant`: to which agents, and for which tools, a secret is given out; its value stays as it is."""

from __future__ import annotations

from typing import Annotated

import typer

from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.secret_options import AgentsOption, KeyArgument, ToolsOption, globs_of, tell_written
from codespar_cli.cli.secrets_get import actor, own_command
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.core.administration.secrets import SecretGranter
from codespar_cli.errors import UsageError

_ALL = ["**"]


def grant(
    context: typer.Context,
    key: KeyArgument,
    agents: AgentsOption = None,
    tools: ToolsOption = None,
    anyone: Annotated[bool, typer.Option("--anyone", help="lift both limits")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Change to whom a secret is granted, without a new value.

    What is not given stays as it was.
    """
    session: Session = context.obj
    vault: SecretGranter = session.able("secrets", "grant")
    command = own_command(session, "grant", key)
    to_agents, to_tools = globs_of(agents, "--agents", command), globs_of(tools, "--tools", command)
    if anyone and (to_agents or to_tools):
        raise UsageError("--anyone lifts every limit: leave out --agents and --tools", hint=f"{command} --anyone")
    if anyone:
        to_agents, to_tools = _ALL, _ALL
    if not (to_agents or to_tools):
        raise UsageError(
            "expected --agents, --tools or --anyone",
            hint=f"{own_command(session, 'get', key)} shows who it is granted to",
        )
    facts = vault.grant(session.tenant, key, agents=to_agents, tools=to_tools, actor=actor())
    tell_written(session, facts, view.granted_line(facts), output)
    return 0
