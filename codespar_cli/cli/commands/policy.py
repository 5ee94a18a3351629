"""`codespar policy`: ask the policy, settle and free holds, look at budgets, lint the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.commands import policy_diff, policy_simulate, policy_templates, policy_test
from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import AgentOption, Output, OutputOption
from codespar_cli.cli.policy_check import Options, run
from codespar_cli.cli.session import Session
from codespar_cli.errors import NotFoundError

app = typer.Typer(
    cls=FileGroup,
    help="Ask the policy about a call, settle and free reservations, look at budgets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ToolArgument = Annotated[str, typer.Argument(metavar="TOOL", help="the tool, such as deploy/run", show_default=False)]
JsonOption = Annotated[str | None, typer.Option("--args", metavar="JSON|@FILE", help="the call's arguments")]


@app.command()
def check(
    context: typer.Context,
    tool: ToolArgument,
    agent: AgentOption = "cli",
    cost: Annotated[str | None, typer.Option("--cost", metavar="N", help="what the call is estimated to cost")] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="P", help="for which project")] = None,
    session_id: Annotated[str | None, typer.Option("--session", metavar="ID", help="in which session")] = None,
    environment: Annotated[
        str | None, typer.Option("--env", metavar="NAME", help="what rules read as `environment`")
    ] = None,
    args: JsonOption = None,
    attributes: Annotated[
        str | None, typer.Option("--context", metavar="JSON|@FILE", help="what rules read as context.*")
    ] = None,
    approval: Annotated[str | None, typer.Option("--approval", metavar="TOKEN", help="an approval to present")] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="as if it were this time (ISO 8601, UTC without offset)")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="show what every stage said")] = False,
    reserve: Annotated[bool, typer.Option("--reserve", help="take the reservation and print its id")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Evaluate one call. Reads only, unless --reserve. Exits with 0 allowed, 3 denied, 4 approval required."""
    options = Options(
        tool,
        agent,
        cost,
        project,
        session_id,
        environment,
        args,
        attributes,
        approval,
        at,
        explain,
        reserve,
        output.value,
    )
    return run(context.obj, options)


@app.command()
def record(
    context: typer.Context,
    tool: ToolArgument,
    cost: Annotated[str, typer.Option("--cost", metavar="N", help="what the call really cost", show_default=False)],
    agent: AgentOption = "cli",
    reservation: Annotated[
        str | None, typer.Option("--reservation", metavar="ID", help="which one; else the oldest open one")
    ] = None,
    output: OutputOption = Output.table,
) -> int:
    """Settle a reservation with what the call really cost."""
    from codespar_cli.cli.views import policy as view

    session: Session = context.obj
    engine = session.able("policy", "record_usage")
    settlement = engine.record_usage(agent, tool, cost, reservation_id=reservation)
    if output is Output.json:
        session.terminal.json(view.settlement_json(settlement))
    else:
        session.terminal.line(view.settlement_line(settlement))
    return 0


@app.command()
def release(
    context: typer.Context,
    reservation: Annotated[str, typer.Argument(metavar="ID", help="the reservation", show_default=False)],
    output: OutputOption = Output.table,
) -> int:
    """Free a reservation: its money is available again."""
    session: Session = context.obj
    engine = session.able("policy", "release")
    if not engine.release(reservation):
        raise NotFoundError(
            f"there is no open reservation `{reservation[:60]}`", hint="codespar policy budgets shows what is held"
        )
    if output is Output.json:
        session.terminal.json({"reservation_id": reservation, "released": True})
    else:
        session.terminal.line(f"{reservation} released")
    return 0


@app.command()
def budgets(context: typer.Context, output: OutputOption = Output.table) -> int:
    """Show each budget: spent, held, left, and when it resets."""
    from codespar_cli.cli.views import policy as view

    session: Session = context.obj
    states = session.able("policy", "budgets").budgets()
    if output is Output.json:
        session.terminal.json([view.budget_json(state) for state in states])
    else:
        session.terminal.table(view.BUDGETS, view.budget_rows(states), empty="the policy has no budgets")
    return 0


@app.command()
def lint(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="rules files; else those of plugins.toml", show_default=False),
    ] = None,
    tools: Annotated[
        str | None,
        typer.Option("--tools", metavar="FILE|-", help="the tools there are: names, or an MCP server's tools/list"),
    ] = None,
    output: OutputOption = Output.table,
) -> int:
    """Find rules that cannot mean what they say. Exits with 1 when there are any."""
    from codespar_cli.cli.policy_lint import lint as find
    from codespar_cli.cli.views import policy as view

    session: Session = context.obj
    findings = find(session, files or (), tools)
    if output is Output.json:
        session.terminal.json([view.finding_json(finding) for finding in findings])
    else:
        session.terminal.table(view.FINDINGS, view.finding_rows(findings), empty="no findings")
    return 1 if findings else 0


app.command()(policy_diff.diff)
app.command()(policy_templates.templates)


app.command("test")(policy_test.play)
app.command("simulate")(policy_simulate.simulate)
