"""Costs: every day by how it is known, agents and tools, what it comes to, and budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from codespar_cli.core.administration.tool_costs import KNOWN_SOURCES, BudgetState, CostReport, CostShare
from codespar_cli.plugins.observability.report import wording
from codespar_cli.plugins.observability.report.charts import Chart, Layer, Mark, sparkline, stacked_bars
from codespar_cli.plugins.observability.report.markup import Content, Markup, join, tag
from codespar_cli.plugins.observability.report.model import DailyCosts, Report
from codespar_cli.plugins.observability.report.pieces import (
    NAME,
    Column,
    Limits,
    figure,
    key,
    left_out,
    name,
    quiet,
    table,
)
from codespar_cli.plugins.observability.report.scales import linear

_STYLES = {"reported": "a1", "configured": "a2", "estimated": "a3"}
MOST_BUDGETS = 50


def costs(report: Report, limits: Limits, marks: Sequence[Mark]) -> Markup | None:
    if report.costs is None:
        return None
    by_tool, days = report.costs.by_tool, report.costs.days
    if by_tool.total is None and not by_tool.budgets:
        return quiet("No cost is known." if by_tool.rows else "No calls, no costs.")
    return join(
        quiet(_summary(by_tool)),
        _chart(days, marks) if days is not None else None,
        _budgets(by_tool.budgets),
        _groups("Agent", report.costs.by_agent, days.of_agents if days else {}, limits, "agent"),
        _groups("Tool", by_tool, days.of_tools if days else {}, limits, "tool"),
    )


def _summary(costs: CostReport) -> str:
    if costs.total is None:
        return "No cost is known in this period."
    unknown = (
        f" The cost of {wording.counted(costs.unknown_calls, 'call')} is not known." if costs.unknown_calls else ""
    )
    return (
        f"{wording.money(costs.total)} in this period. At its rate a day comes to {wording.money(costs.forecast_day)} and "
        f"30 days to {wording.money(costs.forecast_month)}.{unknown}"
    )


def _chart(days: DailyCosts, marks: Sequence[Mark]) -> Markup:
    sources = [source for source in KNOWN_SOURCES if source in days.by_source]
    sums = [sum((days.by_source[source][slot] or Decimal(0)) for source in sources) for slot in range(days.axis.slots)]
    most = float(max(sums, default=0))
    chart = Chart(
        "cost",
        "Cost of every day",
        f"Bars from zero, by how the cost is known. The dearest day cost {wording.axis_money(most)}.",
        days.axis,
        linear(most),
        "cost",
        wording.axis_money,
        [_told(days, sources, slot) for slot in range(days.axis.slots)],
        marks,
    )
    layers = [
        Layer(source, _STYLES[source], [None if each is None else float(each) for each in days.by_source[source]])
        for source in sources
    ]
    drawn = stacked_bars(chart, layers)
    ends = {0, days.axis.slots - 1}
    caption = (
        "Days are UTC; those at the ends are not whole." if any(map(days.axis.is_partial, ends)) else "Days are UTC."
    )
    shown = key((_STYLES[source], "fill", source) for source in sources)
    return figure("Cost a day", shown, drawn, caption=caption)


def _told(days: DailyCosts, sources: Sequence[str], slot: int) -> str:
    parts = [
        f"{wording.money(cost)} {source}" for source in sources if (cost := days.by_source[source][slot]) is not None
    ]
    return f"{wording.period(days.axis.begins(slot), days.axis.unit)}: {', '.join(parts) or 'no known cost'}"


def _groups(
    title: str, costs: CostReport, days: Mapping[str, Sequence[Decimal | None]], limits: Limits, by: str
) -> Markup | None:
    if not costs.rows:
        return None
    # One scale for all rows: a day of the dearest is as long as a day of any other that cost as much.
    most = max((float(cost) for row in days.values() for cost in row if cost is not None), default=0.0)
    shown = costs.rows[: max(limits.rows // 4, 1)]
    columns = (
        Column(title, NAME),
        *((Column("Every day", "spark-cell"),) if days else ()),
        *(Column(each) for each in ("Cost", "Share", "Calls", "Unknown")),
        Column("Known how", ""),
    )
    rows = [_row(each, days, most) for each in shown]
    return join(
        tag("h3", f"By {by}"),
        tag("p", "The dearest first; bars share one scale.", class_="quiet small") if days else None,
        table(f"Cost by {by}, the dearest first", columns, rows),
        left_out(len(costs.rows), len(shown), f"{by}s", f"codespar metrics costs --by {by}"),
    )


def _row(row: CostShare, days: Mapping[str, Sequence[Decimal | None]], most: float) -> tuple[Content, ...]:
    drawn: tuple[Content, ...] = ()
    if days:
        each = days.get(row.key or "")
        values = None if each is None else [None if cost is None else float(cost) for cost in each]
        drawn = ("" if values is None else sparkline(values, "cost of every day", most=most),)
    sources = [source for source in KNOWN_SOURCES if source in row.sources and row.sources[source].cost is not None]
    return (
        name(row.key),
        *drawn,
        wording.money(row.cost),
        wording.share(row.share),
        wording.count(row.calls),
        wording.count(row.unknown_calls),
        ", ".join(sources) or wording.NONE,
    )


def _budgets(budgets: Sequence[BudgetState]) -> Markup | None:
    if not budgets:
        return None
    more = left_out(len(budgets), MOST_BUDGETS, "budgets", "codespar metrics costs")
    return join(
        tag("h3", "Budgets"),
        tag("p", "Of the current day or month, over all calls that a budget counts.", class_="quiet small"),
        tag("ul", [_budget(each) for each in budgets[:MOST_BUDGETS]], class_="budgets"),
        more,
    )


def _budget(budget: BudgetState) -> Markup:
    part = min(float(budget.share), 1.0)
    style = "bad" if budget.share >= 1 else "warn" if budget.share >= Decimal("0.8") or budget.reached_at else "a1"
    if budget.share >= 1:
        end = "the limit is reached"
    elif budget.reached_at is not None:
        end = f"at this rate reached on {wording.short_moment(budget.reached_at)}"
    else:
        end = "at this rate not reached"
    unknown = f"; {wording.counted(budget.unknown_calls, 'call')} of unknown cost" if budget.unknown_calls else ""
    meter = tag(
        "svg",
        tag("rect", class_=f"{style} fill", x="0", y="0", width=part * 1000, height="6"),
        class_="meter",
        viewBox="0 0 1000 6",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    words = (
        f"{wording.money(budget.spent)} of {wording.money(budget.limit)} a {budget.per} ({_floored(budget.share)}), "
        f"{end}{unknown}"
    )
    return tag("li", tag("strong", name(budget.name)), " ", words, meter)


def _floored(share: Decimal) -> str:
    # Rounded down: nothing looks reached that is not.
    return f"{int(share * 1000) / 10:.1f}%" if share < 10**6 else "far above"
