"""Metrics as people and spreadsheets read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from codespar_cli.core.administration.metrics import (
    PERIODS,
    CallStats,
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
_BLOCKS = " ▁▂▃▄▅▆▇█"


def tail_header() -> str:
    return _columns([name.upper() for name, _ in TAIL_COLUMNS])


def tail_line(row: MetricRow) -> str:
    outcome = "ok" if row.success else row.error_type or "error"
    tokens = UNKNOWN
    if row.input_tokens is not None or row.output_tokens is not None:
        tokens = f"{_number(row.input_tokens)}/{_number(row.output_tokens)}"
    moment = f"{iso(row.time)[:-4]}Z"
    names = [name_cell(text) for text in (row.agent, row.tool, outcome)]
    return _columns([moment, *names, latency_text(row.latency_ms), money(row.cost), tokens])


def stats_headers(by: Grouping, *, drawn: bool = False) -> tuple[str, ...]:
    return (by, *STATS_HEADERS, *(("history",) if _has_history(by, drawn) else ()))


def stats_rows(stats: Iterable[CallStats], by: Grouping, *, drawn: bool = False) -> list[tuple[object, ...]]:
    """`drawn` adds a line of the calls over the period, for who can be shown block characters."""
    with_history = _has_history(by, drawn)
    return [
        (
            UNKNOWN if row.key is None else name_cell(row.key),
            row.calls,
            row.errors,
            f"{row.error_rate:.1%}",
            *(latency_text(value) for value in row.latency_ms),
            money(row.cost),
            _number(row.input_tokens),
            _number(row.output_tokens),
            UNKNOWN if row.trend is None else f"{row.trend:+.0%}",
            *((sparkline(row.history),) if with_history else ()),
        )
        for row in stats
    ]


def sparkline(counts: Sequence[int]) -> str:
    """`▁▃█ ▂`: the largest is full, nothing is blank, and anything else is seen."""
    most = max(counts, default=0)
    # Rounded up: one call among a million is not none.
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // most)] if most else _BLOCKS[0] for count in counts)


def can_draw(encoding: str | None) -> bool:
    try:
        _BLOCKS.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _has_history(by: Grouping, drawn: bool) -> bool:
    return drawn and by not in PERIODS


def recorded_text(calls: int, removed: str) -> str:
    """`recorded 5 calls, 4 of them older than the retention of 90d: not kept`."""
    text = f"recorded {calls} call{'' if calls == 1 else 's'}"
    return f"{text}, {removed}: not kept" if removed else text


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


def money(amount: Decimal | None) -> str:
    return money_text(amount) or UNKNOWN


def name_cell(text: str) -> str:
    # Spelled out first: what is harmless on a terminal can be six times as long.
    text = visible(text)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def _number(count: int | None) -> str:
    return UNKNOWN if count is None else str(count)
