"""`codespar metrics`: what calls took, cost and broke."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.commands import metrics_record
from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import (
    Output,
    OutputOption,
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
    CallStats,
    CostReport,
    Grouping,
    MetricFilter,
    MetricRow,
    MetricsReader,
    RowRange,
)
from codespar_cli.errors import StoreError, UsageError

app = typer.Typer(
    cls=FileGroup,
    help="What calls took, cost and broke.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("record")(metrics_record.record)

_INTERRUPTED = 130
_LAST_ROWS = 10
_LARGEST_COST = 10**9


class By(str, Enum):
    tool = "tool"
    agent = "agent"
    project = "project"
    tenant = "tenant"
    hour = "hour"
    day = "day"


class Sort(str, Enum):
    key = "key"
    calls = "calls"
    errors = "errors"
    error_rate = "error_rate"
    mean = "mean"
    p50 = "p50"
    p95 = "p95"
    p99 = "p99"
    max = "max"
    cost = "cost"


ToolGlob = Annotated[str | None, typer.Argument(metavar="[TOOL]", help="a name or a glob such as github/**")]
AgentGlob = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="only this agent; a name or a glob")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="a duration such as 10m, or a time")]
ByOption = Annotated[By, typer.Option("--by", help="what to add up")]


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
        tenant=_tenant(session),
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


@app.command()
def stats(
    context: typer.Context,
    tool: ToolGlob = None,
    by: ByOption = By.tool,
    since: Since = None,
    sort: Annotated[Sort | None, typer.Option("--sort", help="largest first; key: by name")] = None,
    output: OutputOption = Output.table,
) -> None:
    """Add up calls: errors, latency, cost and trend.

    Percentiles are within 1 % of exact. The trend compares with the period of the same length before --since.
    """
    session: Session = context.obj
    reader: MetricsReader = session.able("observability", "stats")
    wanted = MetricFilter(tool=tool, tenant=_tenant(session), since=as_since(since, "--since", session.clock))
    group: Grouping = by.value
    found = _sorted(reader.stats(wanted, by=group), sort)
    if output is Output.json:
        session.terminal.json([row.document(group) for row in found])
    else:
        session.terminal.table(view.stats_headers(group), view.stats_rows(found), empty="no calls")


@app.command()
def costs(
    context: typer.Context,
    by: ByOption = By.tool,
    since: Since = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="write the rows as CSV, too")] = None,
    output: OutputOption = Output.table,
) -> None:
    """Show what calls cost, with shares and a forecast.

    The forecast is what a day and 30 days cost at the rate of the period.
    """
    session: Session = context.obj
    reader: MetricsReader = session.able("observability", "costs")
    wanted = MetricFilter(tenant=_tenant(session), since=as_since(since, "--since", session.clock))
    group: Grouping = by.value
    report = reader.costs(wanted, by=group)
    if csv is not None:
        _write_csv(report, group, csv)
    if output is Output.json:
        session.terminal.json(report.document(group))
    else:
        session.terminal.table(view.costs_headers(group), view.costs_rows(report), empty="no calls")
        if report.rows:
            session.terminal.note(view.costs_summary(report))


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


def _sorted(rows: Sequence[CallStats], sort: Sort | None) -> Sequence[CallStats]:
    match sort:
        case None:
            return rows
        case Sort.key:
            return sorted(rows, key=lambda row: (row.key is None, row.key or ""))
        case Sort.cost:
            return sorted(rows, key=lambda row: (row.cost is None, -(row.cost or 0)))
        case Sort.calls | Sort.errors | Sort.error_rate:
            return sorted(rows, key=lambda row: -getattr(row, sort.value))
        case _:
            return sorted(rows, key=lambda row: -getattr(row.latency_ms, sort.value))


def _tenant(session: Session) -> str | None:
    """Reading looks at every tenant, unless one was asked for."""
    return session.tenant_option or session.environ.get("CODESPAR_TENANT") or None


def _least(text: str | None, option: str) -> Decimal | None:
    amount = as_amount(text, option)
    if amount is not None and not 0 <= amount <= _LARGEST_COST:
        raise UsageError(f"{option}: expected an amount from 0 to {_LARGEST_COST}, found `{text}`")
    return amount


def _write_csv(report: CostReport, by: Grouping, path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            view.write_costs_csv(report, by, stream)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise StoreError(f"cannot be written: {words}", code="output_failed", file=str(path)) from error
