"""`codespar metrics`: what calls took, cost and broke."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer

from codespar_cli.cli.commands import (
    metrics_anomalies,
    metrics_checks,
    metrics_costs,
    metrics_drift,
    metrics_export,
    metrics_record,
    metrics_report,
    metrics_stats,
)
from codespar_cli.cli.commands.metrics_options import AgentGlob, Since, ToolGlob, chosen_tenant
from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import (
    StreamOption,
    StreamOutput,
    as_amount,
    as_duration,
    as_since,
    as_whole,
)
from codespar_cli.cli.session import Session
from codespar_cli.cli.tailing import ReaderWatch, follow, rows_within
from codespar_cli.cli.views import metrics as view
from codespar_cli.core.administration.metrics import (
    MetricFilter,
    MetricRow,
    MetricsReader,
    RowRange,
)
from codespar_cli.errors import UsageError

app = typer.Typer(
    cls=FileGroup,
    help="What calls took, cost and broke.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("record")(metrics_record.record)
app.command("stats")(metrics_stats.stats)
app.command("costs")(metrics_costs.costs)
app.command("anomalies")(metrics_anomalies.anomalies)
app.command("export")(metrics_export.export)
app.command("report")(metrics_report.report)
app.command("drift")(metrics_drift.drift)
app.command("checks")(metrics_checks.checks)

_INTERRUPTED = 130
_LAST_ROWS = 10
_LARGEST_COST = 10**9


@app.command()
def tail(
    context: typer.Context,
    tool: ToolGlob = None,
    agent: AgentGlob = None,
    errors: Annotated[bool, typer.Option("--errors", help="only calls that failed")] = False,
    slow: Annotated[
        str | None, typer.Option("--slow", metavar="DURATION", help="only calls that took as long as 2s")
    ] = None,
    min_cost: Annotated[
        str | None, typer.Option("--min-cost", metavar="N", help="only calls that cost as much")
    ] = None,
    since: Since = None,
    count: Annotated[
        str | None, typer.Option("-n", metavar="N", help="how many rows to begin with; 10, or all of --since")
    ] = None,
    wait: Annotated[bool, typer.Option("--follow/--no-follow", help="go on with rows as they are recorded")] = True,
    output: StreamOption = StreamOutput.table,
) -> int:
    """Show calls as they are recorded, by any process."""
    session: Session = context.obj
    if wait and output is StreamOutput.json:
        raise UsageError("`-o json` is one document and needs an end", hint="use -o jsonl, or add --no-follow")
    first = as_whole(count, "-n")
    slowest = as_duration(slow, "--slow")
    wanted = MetricFilter(
        tool=tool,
        agent=agent,
        tenant=chosen_tenant(session),
        errors=errors,
        slow_ms=slowest.total_seconds() * 1000 if slowest else None,
        min_cost=_least(min_cost, "--min-cost"),
        since=as_since(since, "--since", session.clock),
    )
    reader: MetricsReader = session.able("observability", "rows", "last")
    try:
        _tail(session, reader, wanted, first, wait=wait, output=output)
    except BrokenPipeError:
        pass  # whoever read has seen enough
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _tail(
    session: Session,
    reader: MetricsReader,
    wanted: MetricFilter,
    count: int | None,
    *,
    wait: bool,
    output: StreamOutput,
) -> None:
    if count is None and wanted.since is not None:
        span = RowRange(0, reader.last(MetricFilter(), 1).upto)
    else:
        span = reader.last(wanted, _LAST_ROWS if count is None else count)
    first = rows_within(reader, wanted, span)
    if output is StreamOutput.json:
        session.terminal.json([row.document() for row in first])
        return
    if output is StreamOutput.table:
        session.terminal.line(view.tail_header(), style="bold")
    for row in first:
        _show(session, row, output)
    session.terminal.stdout.flush()
    if wait:
        for row in follow(reader, wanted, span.upto, ReaderWatch(session.terminal.stdout).wait):
            _show(session, row, output)
            session.terminal.stdout.flush()


def _show(session: Session, row: MetricRow, output: StreamOutput) -> None:
    if output is StreamOutput.jsonl:
        session.terminal.json_line(row.document())
    else:
        session.terminal.line(view.tail_line(row), style="" if row.success else "red")


def _least(text: str | None, option: str) -> Decimal | None:
    amount = as_amount(text, option)
    if amount is not None and not 0 <= amount <= _LARGEST_COST:
        raise UsageError(f"{option}: expected an amount from 0 to {_LARGEST_COST}, found `{text}`")
    return amount
