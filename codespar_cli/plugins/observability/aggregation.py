"""Sums over many rows without holding them: a window of ids at a time, grouped by SQLite, merged here.

Memory is bounded by the number of groups and of latency buckets, whatever the number of rows. Windows are folded in
the order of their ids, so that a stored rollup can later take the place of those that lie behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal

from codespar_cli.core.administration.metrics import CallStats, Grouping, Latency, MetricFilter
from codespar_cli.core.clock import from_micros
from codespar_cli.plugins.observability.call_store import CallStore
from codespar_cli.plugins.observability.histogram import BUCKET_SQL, LatencyHistogram
from codespar_cli.plugins.observability.money import MICROS, from_micro_units
from codespar_cli.plugins.observability.row_reader import WINDOW, bounds
from codespar_cli.plugins.observability.selection import select
from codespar_cli.storage.sqlite import Row

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def _floor_sql(unit: int) -> str:
    # SQLite's % takes the sign of the dividend: times before 1970 need the second one.
    return f"time - ((time % {unit}) + {unit}) % {unit}"


_KEY_SQL: dict[Grouping, str] = {
    "tool": "tool",
    "agent": "agent",
    "project": "project",
    "tenant": "tenant",
    "hour": _floor_sql(HOUR_US),
    "day": _floor_sql(DAY_US),
}
# Money is summed in two parts: the sum of many large amounts would not fit SQLite's 64 bits.
_SUMS_SQL = (
    "count(*), count(*) - sum(success), sum(latency_ms), min(latency_ms), max(latency_ms), "
    f"count(cost), sum(cost / {MICROS}), sum(cost % {MICROS}), sum(input_tokens), sum(output_tokens)"
)

GroupKey = str | int | None
"""A name, or for hours and days their beginning in microseconds since the epoch."""


@dataclass(slots=True)
class Totals:
    """What is known of one group."""

    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    errors: int = 0
    priced: int = 0
    cost_micros: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def calls(self) -> int:
        return self.latency.count

    @property
    def cost(self) -> Decimal | None:
        return from_micro_units(self.cost_micros if self.priced else None)

    def add(self, bucket: int, sums: Row) -> None:
        count, errors, total, minimum, maximum, priced, whole, fraction, input_tokens, output_tokens = sums
        self.latency.add_bucket(bucket, count, total, minimum, maximum)
        self.errors += errors
        if priced:
            self.priced += priced
            self.cost_micros += whole * MICROS + fraction
        self.input_tokens = _known_sum(self.input_tokens, input_tokens)
        self.output_tokens = _known_sum(self.output_tokens, output_tokens)

    def stats(self, key: str | None, trend: float | None) -> CallStats:
        p50, p95, p99 = self.latency.quantiles(0.5, 0.95, 0.99)
        latency = Latency(self.latency.mean, p50, p95, p99, self.latency.maximum)
        return CallStats(key, self.calls, self.errors, latency, self.cost, self.input_tokens, self.output_tokens, trend)


def totals(store: CallStore, wanted: MetricFilter, by: Grouping) -> dict[GroupKey, Totals]:
    """Everything `stats` and `costs` need to know, by group."""
    key_sql = _KEY_SQL[by]
    groups: dict[GroupKey, Totals] = {}
    for key, bucket, *sums in _folded(store, wanted, f"{key_sql}, {BUCKET_SQL}, {_SUMS_SQL}", "1, 2"):
        if key not in groups:
            groups[key] = Totals()
        groups[key].add(bucket, tuple(sums))
    return groups


def calls_by_group(store: CallStore, wanted: MetricFilter, by: Grouping) -> dict[GroupKey, int]:
    counts: dict[GroupKey, int] = {}
    for key, count in _folded(store, wanted, f"{_KEY_SQL[by]}, count(*)", "1"):
        counts[key] = counts.get(key, 0) + count
    return counts


def label_of(key: GroupKey, by: Grouping) -> str | None:
    """The key as people read it: `2026-11-23T09:00:00Z` for an hour, `2026-11-23` for a day."""
    if not isinstance(key, int):
        return key
    return from_micros(key).astimezone(UTC).strftime("%Y-%m-%d" if by == "day" else "%Y-%m-%dT%H:00:00Z")


def _folded(store: CallStore, wanted: MetricFilter, columns: str, group: str) -> Iterator[Row]:
    if not store.exists:
        return
    chosen = select(wanted)
    sql = f"SELECT {columns} FROM calls WHERE id > ? AND id <= ?{chosen.sql} GROUP BY {group}"  # noqa: S608  own SQL
    with store.snapshot() as connection:
        newest, start = bounds(connection, wanted, 0)
    while start < newest:
        end = min(newest, start + WINDOW)
        with store.snapshot() as connection:
            rows = list(connection.execute(sql, (start, end, *chosen.parameters)))
        yield from rows
        start = end


def _known_sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (one or 0)
