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
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


def tail_header() -> str:
    return _columns([name.upper() for name, _ in TAIL_COLUMNS])


def tail_line(row: MetricRow) -> str:
    outcome = "ok" if row.success else row.error_type or "error"
    tokens = UNKNOWN
    if row.input_tokens is not None or row.output_tokens is not None:
        tokens = f"{_number(row.input_tokens)}/{_number(row.output_tokens)}"
    moment = f"{iso(row.time)[:-4]}Z"
    return _columns([moment, row.agent, row.tool, outcome, latency_text(row.latency_ms), _money(row.cost), tokens])


def stats_headers(by: Grouping) -> tuple[str, ...]:
    return (by, *STATS_HEADERS)


def stats_rows(stats: Iterable[CallStats]) -> list[tuple[object, ...]]:
    return [
        (
            UNKNOWN if row.key is None else row.key,
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
            UNKNOWN if row.key is None else row.key,
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
        f"total {_money(report.total)}; at this rate {_money(_cents(report.forecast_day))} a day, "
        f"{_money(_cents(report.forecast_month))} in 30 days"
    )


def write_costs_csv(report: CostReport, by: Grouping, stream: TextIO) -> None:
    """`<by>,cost,share,calls`. A name that a spreadsheet would take for a formula gets a leading apostrophe."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(costs_headers(by))
    for row in report.rows:
        writer.writerow((inert_cell(row.key or ""), money_text(row.cost) or "", _share(row.share), row.calls))


def inert_cell(text: str) -> str:
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text


def latency_text(milliseconds: float) -> str:
    """`0.25ms`, `12.5ms`, `850ms`, `3.2s`, `3m 20s`."""
    if milliseconds < 999.5:
        return f"{milliseconds:.3g}ms"
    seconds = milliseconds / 1000
    return f"{seconds:.3g}s" if seconds < 60 else render_duration(seconds)


def _columns(cells: Sequence[str]) -> str:
    # A stream cannot know its widest cell: columns have a usual width, and a longer cell moves what is right of it.
    padded = (cell.ljust(width) for cell, (_, width) in zip(cells, TAIL_COLUMNS, strict=True))
    return "  ".join(padded).rstrip()


def _money(amount: Decimal | None) -> str:
    return money_text(amount) or UNKNOWN


def _cents(amount: Decimal | None) -> Decimal | None:
    return amount if amount is None or amount < 1 else amount.quantize(Decimal("0.01"))


def _number(count: int | None) -> str:
    return UNKNOWN if count is None else str(count)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.6f}"
