"""What calls cost, how that is known, and what is left of budgets: the values of `metrics costs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from codespar_cli.core.administration.metrics import Grouping, MetricFilter, money_text
from codespar_cli.core.clock import iso, iso_second

KNOWN_SOURCES = ("reported", "estimated", "configured")
"""How a cost is known: billed, guessed by the caller before the call, or taken from the table of prices."""


class SourceSum(NamedTuple):
    """The cost of the calls whose cost is known in one way. `unknown` has calls, and no cost."""

    cost: Decimal | None
    calls: int

    def document(self) -> dict[str, Any]:
        return {"cost": money_text(self.cost), "calls": self.calls}


Sources: TypeAlias = Mapping[str, SourceSum]
"""By the words of `cost_source`; only those that calls have."""
NO_SOURCES: Sources = MappingProxyType({})


class CostShare(NamedTuple):
    """What one group cost; `share` is its part of the total, from 0 to 1. Unknown costs are in neither."""

    key: str | None
    cost: Decimal | None
    share: float | None
    calls: int
    sources: Sources = NO_SOURCES

    @property
    def unknown_calls(self) -> int:
        return _unknown(self.sources)


class BudgetState(NamedTuple):
    """A budget in its current day or month (UTC). `spent` is what is known: `unknown_calls` may have cost something, too.

    `reached_at` is when the limit is met at the rate of the period so far; None when that is not before it ends, or when
    it is met already.
    """

    name: str
    per: Literal["day", "month"]
    limit: Decimal
    spent: Decimal
    unknown_calls: int
    resets_at: datetime
    reached_at: datetime | None = None

    @property
    def share(self) -> Decimal:
        return self.spent / self.limit

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "per": self.per,
            "limit": money_text(self.limit),
            "spent": money_text(self.spent),
            "share": float(self.share),
            "unknown_calls": self.unknown_calls,
            "resets_at": iso_second(self.resets_at),
            "reached_at": None if self.reached_at is None else iso(self.reached_at),
        }


class CostReport(NamedTuple):
    """`total` is None when no cost is known. The forecasts are what 24 hours and 30 days cost at the period's rate."""

    total: Decimal | None
    rows: Sequence[CostShare]
    forecast_day: Decimal | None
    forecast_month: Decimal | None
    sources: Sources = NO_SOURCES
    budgets: Sequence[BudgetState] = ()

    @property
    def unknown_calls(self) -> int:
        return _unknown(self.sources)

    def document(self, by: Grouping) -> dict[str, Any]:
        return {
            "total": money_text(self.total),
            "rows": [
                {
                    by: row.key,
                    "cost": money_text(row.cost),
                    "share": row.share,
                    "calls": row.calls,
                    "sources": _documents(row.sources),
                }
                for row in self.rows
            ],
            "forecast": {"day": money_text(self.forecast_day), "month": money_text(self.forecast_month)},
            "sources": _documents(self.sources),
            "budgets": [budget.document() for budget in self.budgets],
        }


class CostReader(Protocol):
    """Answers what was spent. A store that does not exist yet is an empty one."""

    def costs(self, wanted: MetricFilter, *, by: Grouping = "tool") -> CostReport: ...


def _unknown(sources: Sources) -> int:
    unknown = sources.get("unknown")
    return 0 if unknown is None else unknown.calls


def _documents(sources: Sources) -> dict[str, Any]:
    return {name: sources[name].document() for name in (*KNOWN_SOURCES, "unknown") if name in sources}
