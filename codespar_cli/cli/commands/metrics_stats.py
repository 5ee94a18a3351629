"""`codespar metrics stats`: calls added up, once or again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Annotated

import typer

from codespar_cli.cli.commands.metrics_options import By, ByOption, Since, ToolGlob, Until, chosen_tenant
from codespar_cli.cli.parameters import StreamOption, StreamOutput, as_duration, as_since
from codespar_cli.cli.session import Session
from codespar_cli.cli.tailing import ReaderWatch
from codespar_cli.cli.views import metrics as view
from codespar_cli.core.administration.metrics import CallStats, Grouping, MetricFilter, MetricsReader
from codespar_cli.core.clock import iso
from codespar_cli.errors import UsageError

_INTERRUPTED = 130
_SHORTEST_WATCH = timedelta(milliseconds=100)
_REDRAW = b"\x1b[H\x1b[2J"


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
    trend = "trend"


def stats(
    context: typer.Context,
    tool: ToolGlob = None,
    by: ByOption = By.tool,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Sort | None, typer.Option("--sort", help="largest first; key: by name")] = None,
    watch: Annotated[
        str | None, typer.Option("--watch", metavar="DURATION", help="again and again, such as every 2s")
    ] = None,
    output: StreamOption = StreamOutput.table,
) -> int:
    """Add up calls: errors, latency, cost and trend.

    Percentiles are within 1 % of exact. The trend compares with the period of the same length before --since.
    """
    session: Session = context.obj
    every = _interval(watch, output)
    group: Grouping = by.value

    def found() -> Sequence[CallStats]:
        # Asked for anew every time: "since 10m" moves on with the clock.
        wanted = MetricFilter(
            tool=tool,
            tenant=chosen_tenant(session),
            since=as_since(since, "--since", session.clock),
            until=as_since(until, "--until", session.clock),
        )
        return _sorted(reader.stats(wanted, by=group), sort)

    _check_span(session, since, until)
    reader: MetricsReader = session.able("observability", "stats")
    if every is None:
        _show(session, found(), group, output)
        return 0
    try:
        _watch(session, found, group, output, every.total_seconds())
    except BrokenPipeError:
        pass  # whoever read has seen enough
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _interval(watch: str | None, output: StreamOutput) -> timedelta | None:
    every = as_duration(watch, "--watch")
    if every is None:
        return None
    if every < _SHORTEST_WATCH:
        raise UsageError(f"--watch: expected a duration of at least 100ms, found `{watch}`", hint="--watch 2s")
    if output is StreamOutput.json:
        raise UsageError("`-o json` is one document and needs an end", hint="use -o jsonl, or leave out --watch")
    return every


def _check_span(session: Session, since: str | None, until: str | None) -> None:
    first, last = as_since(since, "--since", session.clock), as_since(until, "--until", session.clock)
    if first is not None and last is not None and last <= first:
        raise UsageError(
            f"--until: expected a time after --since, found `{until}`",
            hint="codespar metrics stats --since 2d --until 1d",
        )


def _watch(
    session: Session, found: Callable[[], Sequence[CallStats]], group: Grouping, output: StreamOutput, seconds: float
) -> None:
    terminal = session.terminal
    watching = ReaderWatch(terminal.stdout)
    redraw = output is StreamOutput.table and terminal.stdout.isatty()
    while not terminal.reader_gone:
        rows = found()
        if redraw:
            terminal.raw(_REDRAW)
        if output is StreamOutput.jsonl:
            terminal.json_line({"time": iso(session.clock()), "rows": [row.document(group) for row in rows]})
        else:
            _show(session, rows, group, output)
            terminal.line()
        terminal.stdout.flush()
        if not watching.wait(seconds):
            return


def _show(session: Session, rows: Sequence[CallStats], group: Grouping, output: StreamOutput) -> None:
    match output:
        case StreamOutput.json:
            session.terminal.json([row.document(group) for row in rows])
        case StreamOutput.jsonl:
            for row in rows:
                session.terminal.json_line(row.document(group))
        case _:
            drawn = view.can_draw(getattr(session.terminal.stdout, "encoding", None))
            session.terminal.table(
                view.stats_headers(group, drawn=drawn), view.stats_rows(rows, group, drawn=drawn), empty="no calls"
            )


def _sorted(rows: Sequence[CallStats], sort: Sort | None) -> Sequence[CallStats]:
    match sort:
        case None:
            return rows
        case Sort.key:
            return sorted(rows, key=lambda row: (row.key is None, row.key or ""))
        case Sort.cost:
            return sorted(rows, key=lambda row: (row.cost is None, -(row.cost or 0)))
        case Sort.trend:
            return sorted(rows, key=lambda row: (row.trend is None, -(row.trend or 0)))
        case Sort.calls | Sort.errors | Sort.error_rate:
            return sorted(rows, key=lambda row: -getattr(row, sort.value))
        case _:
            return sorted(rows, key=lambda row: -getattr(row.latency_ms, sort.value))
