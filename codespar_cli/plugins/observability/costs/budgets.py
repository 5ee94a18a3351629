"""Budgets: what a day or a month (UTC) may cost, and what of it is spent. They watch and never stop a call: that is for a
policy's rules of effect `budget`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.administration.tool_costs import BudgetState
from codespar_cli.core.clock import MICROSECOND
from codespar_cli.core.globs import matches
from codespar_cli.plugins.observability.costs.options import amount_of
from codespar_cli.plugins.observability.money import from_micro_units
from codespar_cli.plugins.observability.rollup import Dimension, Rollup


class Budget(NamedTuple):
    """Globs are None where they do not limit. A call without a project is in no budget that names one."""

    name: str
    limit: Decimal
    per: Literal["day", "month"]
    tool: str | None = None
    agent: str | None = None
    project: str | None = None
    tenant: str | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Budget:
        """From a table that `options.BUDGETS` lets pass."""
        return cls(**{**entry, "limit": amount_of(entry["limit"])})

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """The calendar day or month in UTC that `now` lies in: its beginning, and that of the next."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.per == "day":
            return day, day + timedelta(days=1)
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1)


def budget_states(rollup: Rollup, budgets: Sequence[Budget], tenant: str | None, now: datetime) -> list[BudgetState]:
    """In their order. For one tenant: what that tenant spent, without the budgets that are for others."""
    return [
        _state(rollup, budget, tenant, now)
        for budget in budgets
        if tenant is None or budget.tenant is None or matches(budget.tenant, tenant)
    ]


def _state(rollup: Rollup, budget: Budget, tenant: str | None, now: datetime) -> BudgetState:
    start, end = budget.period(now)
    wanted = MetricFilter(tool=budget.tool, agent=budget.agent, tenant=tenant, since=start, until=end)
    globs: dict[Dimension, str] = {"tenant": budget.tenant or "**"}
    if budget.project is not None:
        globs["project"] = budget.project
    micros = unknown = 0
    for key, totals in rollup.totals(wanted, tuple(globs)).items():
        if all(name is not None and matches(glob, str(name)) for glob, name in zip(globs.values(), key, strict=True)):
            micros += totals.cost_micros
            unknown += totals.calls - totals.priced
    spent = from_micro_units(micros) or Decimal(0)
    return BudgetState(
        budget.name, budget.per, budget.limit, spent, unknown, end, _reached(micros, budget.limit, start, end, now)
    )


def _reached(micros: int, limit: Decimal, start: datetime, end: datetime, now: datetime) -> datetime | None:
    """When what was spent since `start` comes to the limit, going on at the same rate."""
    left = int(limit.scaleb(6)) - micros
    if left <= 0 or micros <= 0:
        return None
    more = (now - start) // MICROSECOND * left // micros
    return now + more * MICROSECOND if more < (end - now) // MICROSECOND else None
