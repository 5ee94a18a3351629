"""`codespar metrics costs`: what calls cost, how that is known, and what is left of budgets."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.commands.metrics_options import By, ByOption, Since, Until, chosen_tenant
from codespar_cli.cli.output_file import output_file
from codespar_cli.cli.parameters import Output, OutputOption, as_since
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import tool_costs as view
from codespar_cli.core.administration.metrics import Grouping, MetricFilter
from codespar_cli.core.administration.tool_costs import BudgetState, CostReader, CostReport
from codespar_cli.errors import ConfigError, UsageError

_PERCENT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)%")


def costs(
    context: typer.Context,
    by: ByOption = By.tool,
    since: Since = None,
    until: Until = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="write the rows as CSV, too; - is stdout, alone")
    ] = None,
    fail_on_budget: Annotated[
        str | None, typer.Option("--fail-on-budget", metavar="N%", help="exit 1 once a budget is spent by so much")
    ] = None,
    output: OutputOption = Output.table,
) -> int:
    """Show what calls cost, with a forecast and budgets.

    The forecast is what a day and 30 days cost at the rate of the period. Budgets are those of plugins.toml, for
    the current day or month.
    """
    session: Session = context.obj
    limit = _limit(fail_on_budget)
    wanted = MetricFilter(
        tenant=chosen_tenant(session),
        since=as_since(since, "--since", session.clock),
        until=as_since(until, "--until", session.clock),
    )
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise UsageError(
            f"--until: expected a time after --since, found `{until}`",
            hint="codespar metrics costs --since 2d --until 1d",
        )
    reader: CostReader = session.able("observability", "costs")
    group: Grouping = by.value
    report = reader.costs(wanted, by=group)
    if limit is not None and not report.budgets:
        raise ConfigError(
            "--fail-on-budget: no budget is configured for these calls",
            key="observability.budgets",
            hint='add [[observability.budgets]] with name = "all", limit = "25.00", per = "day" to plugins.toml',
        )
    if str(csv) == "-":
        view.write_costs_csv(report, group, session.terminal.stdout)
    else:
        if csv is not None:
            _write_csv(report, group, csv)
        _show(session, report, group, output)
    return 1 if limit is not None and _told(session, report, limit) else 0


def _limit(text: str | None) -> Decimal | None:
    if text is None:
        return None
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--fail-on-budget: expected a share such as 80%, found `{text}`",
            hint="codespar metrics costs --fail-on-budget 80%",
        )
    return Decimal(found[1]) / 100


def _show(session: Session, report: CostReport, by: Grouping, output: Output) -> None:
    if output is Output.json:
        session.terminal.json(report.document(by))
        return
    session.terminal.table(view.costs_headers(by), view.costs_rows(report), empty="no calls")
    if report.budgets:
        if report.rows:
            session.terminal.line()
        session.terminal.table(view.BUDGET_HEADERS, view.budget_rows(report.budgets))
    if report.rows:
        session.terminal.note(view.costs_summary(report))


def _told(session: Session, report: CostReport, limit: Decimal) -> list[BudgetState]:
    spent = [budget for budget in report.budgets if budget.share >= limit]
    for budget in spent:
        session.terminal.note(f"budget `{budget.name}` is spent by {view.percent(budget.share)}", style="red")
    return spent


def _write_csv(report: CostReport, by: Grouping, path: Path) -> None:
    with output_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        view.write_costs_csv(report, by, text)
        text.flush()
        text.detach()
