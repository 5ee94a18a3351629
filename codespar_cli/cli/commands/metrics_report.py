"""`codespar metrics report`: one page of everything, for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.commands.metrics_options import AgentGlob, Since, Until, chosen_tenant
from codespar_cli.cli.output_file import output_file
from codespar_cli.cli.parameters import as_since
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.errors import UsageError

_PERIOD = "7d"


def report(
    context: typer.Context,
    html: Annotated[str, typer.Option("--html", metavar="FILE", help="where to write the page; - is stdout")],
    since: Since = _PERIOD,
    until: Until = None,
    tool: Annotated[str | None, typer.Option("--tool", metavar="NAME", help="only this tool; a name or a glob")] = None,
    agent: AgentGlob = None,
) -> int:
    """Write one page with everything: totals, charts, tools, costs, anomalies, failed checks and drift.

    It is one file that fetches nothing. Exits as the worst of its parts that could not be read.
    """
    from codespar_cli.workbench import metrics_report, tool_pins

    session: Session = context.obj
    now = session.clock()
    wanted = MetricFilter(
        tool=tool,
        agent=agent,
        tenant=chosen_tenant(session),
        since=as_since(since, "--since", lambda: now),
        until=as_since(until, "--until", lambda: now) or now,
    )
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise UsageError(
            f"--until: expected a time after --since, found `{until}`" if until else f"--since: {since} is not past",
            hint="codespar metrics report --html report.html --since 2d --until 1d",
        )
    reader = session.able("observability", "stats", "overall")
    page, found = metrics_report(reader, tool_pins(session.config.state_dir), wanted, now)
    if html == "-":
        session.terminal.raw(page)
    else:
        with output_file(Path(html)) as stream:
            stream.write(page)
    for error in found.errors:
        session.terminal.error(str(error), error.hint)
    where = "" if html == "-" else f", {html}"
    calls = found.overall.calls if found.overall else 0
    session.terminal.note(f"a report of {calls} call{'' if calls == 1 else 's'}, {len(page) / 1000:.0f} kB{where}")
    if not calls:
        session.terminal.note(f"no calls since {since}: --since 90d looks further back")
    return max((error.exit_code for error in found.errors), default=0)
