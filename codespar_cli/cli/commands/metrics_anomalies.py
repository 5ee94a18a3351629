"""`codespar metrics anomalies`: what was and is unusual about the calls."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from codespar_cli.cli.commands.metrics_options import AgentGlob, Since, chosen_tenant
from codespar_cli.cli.parameters import Output, OutputOption, as_since
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.anomalies import AnomalyFilter, AnomalyWatch, is_at_least


class SeverityChoice(str, Enum):
    info = "info"
    warning = "warning"
    critical = "critical"


def anomalies(
    context: typer.Context,
    tool: Annotated[
        str | None, typer.Option("--tool", metavar="NAME", help="only this tool; a name or a glob such as github/**")
    ] = None,
    agent: AgentGlob = None,
    since: Since = None,
    fail_on: Annotated[
        SeverityChoice | None, typer.Option("--fail-on", help="exit with 1 when one shown is at least this severe")
    ] = None,
    output: OutputOption = Output.table,
) -> int:
    """Show what was and is unusual: latency, errors, calls, silence, costs and failed checks.

    With --since only what lasted at any time from then on, whenever it began.
    """
    from codespar_cli.cli.views import anomalies as view

    session: Session = context.obj
    wanted = AnomalyFilter(
        tool=tool, agent=agent, tenant=chosen_tenant(session), since=as_since(since, "--since", session.clock)
    )
    watch: AnomalyWatch = session.able("observability", "anomalies")
    found = watch.anomalies(wanted)
    if output is Output.json:
        session.terminal.json_items(incident.document() for incident in found)
    else:
        session.terminal.table(view.HEADERS, view.rows(found), empty="nothing unusual")
        if found:
            session.terminal.note(view.summary(found))
    return int(fail_on is not None and any(is_at_least(each.severity, fail_on.value) for each in found))
