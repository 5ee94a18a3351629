"""The answers of `metrics stats` and `metrics costs`, from totals."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from codespar_cli.core.administration.metrics import (
    PERIODS,
    CallStats,
    CostReport,
    CostShare,
    Grouping,
    MetricFilter,
)
from codespar_cli.core.clock import from_micros
from codespar_cli.plugins.observability.aggregation import (
    DAY_US,
    HOUR_US,
    GroupKey,
    Totals,
    calls_by_group,
    label_of,
    totals,
)
from codespar_cli.plugins.observability.call_store import CallStore
from codespar_cli.plugins.observability.money import from_micro_units

SHORTEST_PERIOD = timedelta(hours=1)
"""A forecast from less would multiply a single call into a fortune."""
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_MICRO = Decimal(1).scaleb(-6)


def stats(store: CallStore, wanted: MetricFilter, by: Grouping, now: datetime) -> list[CallStats]:
    """Busiest group first; hours and days in their order."""
    groups = totals(store, wanted, by)
    before = _calls_before(store, wanted, by, now, groups)
    answer = [each.stats(label_of(key, by), _change(each.calls, before.get(key))) for key, each in groups.items()]
    return sorted(answer, key=lambda row: (row.key or "") if by in PERIODS else (-row.calls, row.key or ""))


def costs(store: CallStore, wanted: MetricFilter, by: Grouping, now: datetime) -> CostReport:
    """Dearest group first, unknown costs last; hours and days in their order."""
    groups = totals(store, wanted, by)
    priced = [each.cost_micros for each in groups.values() if each.priced]
    total = sum(priced) if priced else None
    rows = [CostShare(label_of(key, by), each.cost, _share(each, total), each.calls) for key, each in groups.items()]
    rows.sort(key=lambda row: (row.key or "") if by in PERIODS else (row.cost is None, -(row.cost or 0), row.key or ""))
    elapsed = _elapsed(store, wanted, now)
    return CostReport(
        from_micro_units(total),
        rows,
        _forecast(total, elapsed, timedelta(days=1)),
        _forecast(total, elapsed, timedelta(days=30)),
    )


def _calls_before(
    store: CallStore, wanted: MetricFilter, by: Grouping, now: datetime, groups: dict[GroupKey, Totals]
) -> dict[GroupKey, int]:
    """Calls in the period of the same length before, for each group; for an hour or a day in the one before it."""
    if by in PERIODS:
        unit = DAY_US if by == "day" else HOUR_US
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
    return calls_by_group(store, wanted._replace(since=start, until=wanted.since), by)


def _change(calls: int, before: int | None) -> float | None:
    return (calls - before) / before if before else None


def _share(group: Totals, total: int | None) -> float | None:
    if not group.priced or total is None:
        return None
    return group.cost_micros / total if total else 0.0


def _elapsed(store: CallStore, wanted: MetricFilter, now: datetime) -> timedelta:
    """How long the period has been observed: from its beginning, or from the first record if that is later."""
    first = store.database.query("SELECT min(time) FROM calls")[0][0] if store.exists else None
    if first is None:
        return SHORTEST_PERIOD
    start = from_micros(first)
    if wanted.since is not None:
        start = max(start, wanted.since)
    return max((wanted.until or now) - start, SHORTEST_PERIOD)


def _forecast(total: int | None, elapsed: timedelta, period: timedelta) -> Decimal | None:
    if total is None:
        return None
    micros = _CONTEXT.divide(
        Decimal(total) * (period // timedelta(microseconds=1)), elapsed // timedelta(microseconds=1)
    )
    return micros.scaleb(-6, context=_CONTEXT).quantize(_MICRO, context=_CONTEXT)
