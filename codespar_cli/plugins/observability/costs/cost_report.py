"""The answer of `metrics costs`: who cost what, how that is known, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from codespar_cli.core.administration.metrics import PERIODS, Grouping, MetricFilter
from codespar_cli.core.administration.tool_costs import CostReport, CostShare, Sources, SourceSum
from codespar_cli.core.clock import MICROSECOND
from codespar_cli.plugins.observability.costs.budgets import Budget, budget_states
from codespar_cli.plugins.observability.money import from_micro_units
from codespar_cli.plugins.observability.rollup import OTHERS, Key, Rollup
from codespar_cli.plugins.observability.summaries import GroupKey, label_of
from codespar_cli.plugins.observability.totals import Totals

SHORTEST_PERIOD = timedelta(hours=1)
"""A forecast from less would multiply a single call into a fortune."""
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_MICRO = Decimal(1).scaleb(-6)


class _Sum:
    """Costs and calls by source, of one group or of all."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.micros: dict[str, int] = {}

    def add(self, source: str, calls: int, priced: int, micros: int) -> None:
        """A cost that is not known is unknown, whatever its row says."""
        if priced:
            self.calls[source] = self.calls.get(source, 0) + priced
            self.micros[source] = self.micros.get(source, 0) + micros
        if calls > priced:
            self.calls["unknown"] = self.calls.get("unknown", 0) + calls - priced

    @property
    def total(self) -> int | None:
        return sum(self.micros.values()) if self.micros else None

    @property
    def sources(self) -> Sources:
        return {name: SourceSum(from_micro_units(self.micros.get(name)), calls) for name, calls in self.calls.items()}


def cost_report(
    rollup: Rollup,
    wanted: MetricFilter,
    by: Grouping,
    now: datetime,
    *,
    first: datetime | None,
    budgets: Sequence[Budget] = (),
) -> CostReport:
    """Dearest group first, unknown costs last; hours and days in their order. `first` is the time of the oldest call."""
    groups, everything = _groups(rollup, wanted, by)
    total = everything.total
    rows = [
        CostShare(
            label_of(key, by),
            from_micro_units(each.total),
            _share(each.total, total),
            sum(each.calls.values()),
            each.sources,
        )
        for key, each in groups.items()
    ]
    rows.sort(key=lambda row: (row.key or "") if by in PERIODS else (row.cost is None, -(row.cost or 0), row.key or ""))
    elapsed = _elapsed(first, wanted, now)
    return CostReport(
        from_micro_units(total),
        rows,
        _forecast(total, elapsed, timedelta(days=1)),
        _forecast(total, elapsed, timedelta(days=30)),
        everything.sources,
        budget_states(rollup, budgets, wanted.tenant, now),
    )


def _groups(rollup: Rollup, wanted: MetricFilter, by: Grouping) -> tuple[dict[GroupKey, _Sum], _Sum]:
    found = rollup.totals(wanted, (by, "source"))
    groups: dict[GroupKey, _Sum] = {}
    everything = _Sum()
    rest = found.pop((OTHERS, OTHERS), None)
    for (key, source), totals in found.items():
        for each in (groups.setdefault(key, _Sum()), everything):
            each.add(str(source), totals.calls, totals.priced, totals.cost_micros)
    if rest is not None:
        _add_rest(rollup.totals(wanted, ("source",)), groups.setdefault(OTHERS, _Sum()), everything)
    return groups, everything


def _add_rest(by_source: dict[Key, Totals], others: _Sum, everything: _Sum) -> None:
    """Where groups are too many to be named, the sum of the unnamed has lost its sources: what is left of each is theirs."""
    named = {name: (calls, everything.micros.get(name, 0)) for name, calls in everything.calls.items()}
    whole = _Sum()
    for (source,), totals in by_source.items():
        whole.add(str(source), totals.calls, totals.priced, totals.cost_micros)
    for name, calls in whole.calls.items():
        known_calls, known_micros = named.get(name, (0, 0))
        left = calls - known_calls
        if left > 0:
            priced = 0 if name == "unknown" else left
            micros = whole.micros.get(name, 0) - known_micros
            for each in (others, everything):
                each.add(name, left, priced, micros)


def _share(micros: int | None, total: int | None) -> float | None:
    if micros is None or total is None:
        return None
    return micros / total if total else 0.0


def _elapsed(first: datetime | None, wanted: MetricFilter, now: datetime) -> timedelta:
    """How long the period has been observed: from its beginning, or from the oldest call if that is later, until now."""
    if first is None:
        return SHORTEST_PERIOD
    start = first if wanted.since is None else max(first, wanted.since)
    end = now if wanted.until is None else min(wanted.until, now)
    return max(end - start, SHORTEST_PERIOD)


def _forecast(total: int | None, elapsed: timedelta, period: timedelta) -> Decimal | None:
    if total is None:
        return None
    micros = _CONTEXT.divide(Decimal(total) * (period // MICROSECOND), elapsed // MICROSECOND)
    return micros.scaleb(-6, context=_CONTEXT).quantize(_MICRO, context=_CONTEXT)
