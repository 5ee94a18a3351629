"""What calls cost, as people and spreadsheets read it: with how each sum is known, and with what is not."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TextIO

from codespar_cli.cli.views.metrics import UNKNOWN, money, name_cell
from codespar_cli.core.administration.metrics import Grouping, money_text
from codespar_cli.core.administration.tool_costs import (
    KNOWN_SOURCES,
    BudgetState,
    CostReport,
    CostShare,
    Sources,
)
from codespar_cli.core.clock import iso_second
from codespar_cli.core.spreadsheet_cells import inert_cell
from codespar_cli.core.text import visible

BUDGET_HEADERS = ("budget", "per", "limit", "spent", "share", "unknown calls", "reached", "resets")


def costs_headers(by: Grouping) -> tuple[str, ...]:
    return (by, "cost", "share", "calls", "unknown calls", "source")


def costs_rows(report: CostReport) -> list[tuple[object, ...]]:
    return [
        (
            UNKNOWN if row.key is None else name_cell(row.key),
            money(row.cost),
            UNKNOWN if row.share is None else f"{row.share:.1%}",
            row.calls,
            row.unknown_calls,
            source_words(row),
        )
        for row in report.rows
    ]


def source_words(row: CostShare) -> str:
    """`reported`, or where a cost is known in several ways `reported, estimated 12.5%`: the mark is never left out."""
    found = _known(row.sources)
    if len(found) < 2:
        return "".join(found) or UNKNOWN
    return ", ".join(
        name if name == "reported" or not row.cost else f"{name} {cost / row.cost:.1%}" for name, cost in found.items()
    )


def costs_summary(report: CostReport) -> str:
    """What it comes to, what of that nobody billed, and for how many calls nothing is known."""
    unknown = f"; the cost of {_calls(report.unknown_calls)} is not known" if report.unknown_calls else ""
    if report.total is None:
        return f"no cost is known{unknown}"
    others = [f"{_readable(cost)} {name}" for name, cost in _known(report.sources).items() if name != "reported"]
    of_which = f", of which {' and '.join(others)}" if others else ""
    return (
        f"total {_readable(report.total)}{of_which}{unknown}; at this rate {_readable(report.forecast_day)} a day, "
        f"{_readable(report.forecast_month)} in 30 days"
    )


def budget_rows(budgets: Sequence[BudgetState]) -> list[tuple[object, ...]]:
    return [
        (
            name_cell(budget.name),
            budget.per,
            money(budget.limit),
            money(budget.spent),
            percent(budget.share),
            budget.unknown_calls,
            "reached" if budget.share >= 1 else _when(budget.reached_at),
            iso_second(budget.resets_at),
        )
        for budget in budgets
    ]


def percent(share: Decimal) -> str:
    """`85.0%`; rounded down, so that nothing looks reached that is not."""
    return f"{int(share * 1000) / 10:.1f}%" if share < 10**6 else f"{share:.0%}"


def write_costs_csv(report: CostReport, by: Grouping, stream: TextIO) -> None:
    """A line a row, with the cost by source. A name that a spreadsheet would run gets a leading apostrophe."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((by, "cost", "share", "calls", "unknown_calls", *KNOWN_SOURCES))
    for row in report.rows:
        known = _known(row.sources)
        writer.writerow(
            (
                inert_cell(visible(row.key or "")),
                money_text(row.cost) or "",
                "" if row.share is None else f"{row.share:.6f}",
                row.calls,
                row.unknown_calls,
                *(money_text(known.get(name)) or "" for name in KNOWN_SOURCES),
            )
        )


def _known(sources: Sources) -> dict[str, Decimal]:
    return {name: found.cost for name in KNOWN_SOURCES if (found := sources.get(name)) and found.cost is not None}


def _when(moment: datetime | None) -> str:
    return UNKNOWN if moment is None else iso_second(moment)


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def _readable(amount: Decimal | None) -> str:
    """`1,234.50`; below 1 with the digits that matter there: `0.1235`, `0.000004`."""
    if amount is None:
        return UNKNOWN
    if amount == 0 or amount >= 1:
        return f"{amount:,.2f}"
    return money(amount.quantize(Decimal("0.0001"))) if amount >= Decimal("0.01") else money(amount)
