"""The answer of `metrics stats`, from totals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias

from codespar_cli.core.administration.metrics import (
    PERIODS,
    CallStats,
    Grouping,
    MetricFilter,
)
from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.plugins.observability.rollup import UNITS, Dimension, Rollup
from codespar_cli.plugins.observability.rollup_schema import DAY_US, HOUR_US
from codespar_cli.plugins.observability.stores.metric_store import MetricStore
from codespar_cli.plugins.observability.totals import Totals

GroupKey: TypeAlias = str | int | None
"""A name, or for hours and days their beginning in microseconds since the epoch."""
HISTORY = 12
"""How many parts a period's history has at most."""


def stats(store: MetricStore, wanted: MetricFilter, by: Grouping, now: datetime) -> list[CallStats]:
    """Busiest group first; hours and days in their order. Everything is read from the rollup."""
    rollup = Rollup(store)
    groups = {key: each for (key,), each in rollup.totals(wanted, (by,)).items()}
    before = _calls_before(rollup, wanted, by, now, groups)
    history = _history(store, rollup, wanted, by, now)
    answer = [
        each.stats(label_of(key, by), _change(each.calls, before.get(key)))._replace(history=history.get(key, ()))
        for key, each in groups.items()
    ]
    return sorted(answer, key=lambda row: (row.key or "") if by in PERIODS else (-row.calls, row.key or ""))


def label_of(key: GroupKey, by: Grouping) -> str | None:
    """The key as people read it: `2026-11-23T09:00:00Z` for an hour, `2026-11-23` for a day."""
    if not isinstance(key, int):
        return key
    return from_micros(key).astimezone(UTC).strftime("%Y-%m-%d" if by == "day" else "%Y-%m-%dT%H:00:00Z")


def _calls_before(
    rollup: Rollup, wanted: MetricFilter, by: Grouping, now: datetime, groups: dict[GroupKey, Totals]
) -> dict[GroupKey, int]:
    """Calls in the period of the same length before, for each group; for an hour or a day in the one before it."""
    if by in PERIODS:
        unit = UNITS[by]
        return {key + unit: each.calls for key, each in groups.items() if isinstance(key, int)}
    if wanted.since is None:
        return {}
    end = wanted.until or now
    if end <= wanted.since:
        return {}
    try:
        start = wanted.since - (end - wanted.since)
    except OverflowError:
        return {}
    counts = rollup.calls(wanted._replace(since=start, until=wanted.since), (by,))
    return {key: calls for (key,), calls in counts.items()}


def _history(
    store: MetricStore, rollup: Rollup, wanted: MetricFilter, by: Grouping, now: datetime
) -> dict[GroupKey, tuple[int, ...]]:
    """Calls of each group in equal parts of the period, oldest first; empty for groups that are periods themselves."""
    first = store.first_time()
    if by in PERIODS or first is None:
        return {}
    start = to_micros(max(first, wanted.since) if wanted.since else first)
    end = max(to_micros(wanted.until or now), start + 1)
    unit: Dimension = "slice" if end - start <= 2 * HOUR_US else "hour" if end - start <= 12 * DAY_US else "day"
    start -= start % UNITS[unit]
    width = max(-(-(end - start) // (HISTORY * UNITS[unit])), 1) * UNITS[unit]
    parts = -(-(end - start) // width)
    found: dict[GroupKey, list[int]] = {}
    for (period, key), calls in rollup.calls(wanted, (unit, by)).items():
        part = (int(period or 0) - start) // width
        if 0 <= part < parts:  # what was made after now is counted, but has no place in a line that ends now
            found.setdefault(key, [0] * parts)[part] += calls
    return {key: tuple(counts) for key, counts in found.items()}


def _change(calls: int, before: int | None) -> float | None:
    return (calls - before) / before if before else None
