"""Metrics as people and spreadsheets read them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TextIO

from codespar_cli.core.administration.metrics import (
    CallStats,
    CostReport,
    Grouping,
    MetricRow,
    money_text,
)
from codespar_cli.core.clock import iso
from codespar_cli.core.durations import render_duration
from codespar_cli.core.text import visible

TAIL_COLUMNS = (
    ("time", 24),
    ("agent", 16),
    ("tool", 32),
    ("outcome", 20),
    ("latency", 8),
    ("cost", 10),
    ("tokens", 12),
)
STATS_HEADERS = (
    "calls",
    "errors",
    "error rate",
    "mean",
    "p50",
    "p95",
    "p99",
    "max",
    "cost",
    "tokens in",
    "tokens out",
    "trend",
)
UNKNOWN = "-"
LONGEST_NAME = 48
"""Characters of a name in a table: a name may have hundreds, and would push all else off the screen."""
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


def tail_header() -> str:
    return _columns([name.upper() for name, _ in TAIL_COLUMNS])


def tail_line(row: MetricRow) -> str:
    outcome = "ok" if row.success else row.error_type or "error"
    tokens = UNKNOWN
    if row.input_tokens is not None or row.output_tokens is not None:
        tokens = f"{_number(row.input_tokens)}/{_number(row.output_tokens)}"
    moment = f"{iso(row.time)[:-4]}Z"
    names = [_name(text) for text in (row.agent, row.tool, outcome)]
    return _columns([moment, *names, latency_text(row.latency_ms), _money(row.cost), tokens])


def stats_headers(by: Grouping) -> tuple[str, ...]:
    return (by, *STATS_HEADERS)


def stats_rows(stats: Iterable[CallStats]) -> list[tuple[object, ...]]:
    return [
        (
            UNKNOWN if row.key is None else _name(row.key),
            row.calls,
            row.errors,
            f"{row.error_rate:.1%}",
            *(latency_text(value) for value in row.latency_ms),
            _money(row.cost),
            _number(row.input_tokens),
            _number(row.output_tokens),
            UNKNOWN if row.trend is None else f"{row.trend:+.0%}",
        )
        for row in stats
    ]


def costs_headers(by: Grouping) -> tuple[str, ...]:
    return (by, "cost", "share", "calls")


def costs_rows(report: CostReport) -> list[tuple[object, ...]]:
    return [
        (
            UNKNOWN if row.key is None else _name(row.key),
            _money(row.cost),
            UNKNOWN if row.share is None else f"{row.share:.1%}",
            row.calls,
        )
        for row in report.rows
    ]


def costs_summary(report: CostReport) -> str:
    if report.total is None:
        return "no cost is known"
    return (
        f"total {_readable(report.total)}; at this rate {_readable(report.forecast_day)} a day, "
        f"{_readable(report.forecast_month)} in 30 days"
    )


def recorded_text(calls: int, removed: str) -> str:
    """`recorded 5 calls, 4 of them older than the retention of 90d: not kept`."""
    text = f"recorded {calls} call{'' if calls == 1 else 's'}"
    return f"{text}, {removed}: not kept" if removed else text


def write_costs_csv(report: CostReport, by: Grouping, stream: TextIO) -> None:
    """`<by>,cost,share,calls`. A name that a spreadsheet would take for a formula gets a leading apostrophe."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(costs_headers(by))
    for row in report.rows:
        writer.writerow((inert_cell(row.key or ""), money_text(row.cost) or "", _share(row.share), row.calls))


def inert_cell(text: str) -> str:
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text


def latency_text(milliseconds: float) -> str:
    """`0.25ms`, `12.5ms`, `850ms`, `3.2s`, `3m 20s`; nothing finer than a microsecond."""
    if 0 < milliseconds < 0.0005:
        return "<0.001ms"
    if milliseconds < 999.5:
        return f"{round(float(f'{milliseconds:.3g}'), 3):g}ms"
    seconds = milliseconds / 1000
    return f"{seconds:.3g}s" if seconds < 60 else render_duration(seconds)


def _columns(cells: Sequence[str]) -> str:
    # A stream cannot know its widest cell: columns have a usual width, and a longer cell moves what is right of it.
    padded = (cell.ljust(width) for cell, (_, width) in zip(cells, TAIL_COLUMNS, strict=True))
    return "  ".join(padded).rstrip()


def _money(amount: Decimal | None) -> str:
    return money_text(amount) or UNKNOWN


def _readable(amount: Decimal | None) -> str:
    """`1,234.50`; below 1 with the digits that matter there: `0.1235`, `0.000004`."""
    if amount is None:
        return UNKNOWN
    if amount == 0 or amount >= 1:
        return f"{amount:,.2f}"
    return _money(amount.quantize(Decimal("0.0001"))) if amount >= Decimal("0.01") else _money(amount)


def _name(text: str) -> str:
    # Spelled out first: what is harmless on a terminal can be six times as long.
    text = visible(text)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def _number(count: int | None) -> str:
    return UNKNOWN if count is None else str(count)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.6f}"
