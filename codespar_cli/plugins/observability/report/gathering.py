"""Asks everything that a report says, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar

from codespar_cli.core.administration.anomalies import AnomalyFilter
from codespar_cli.core.administration.metrics import CallStats, MetricFilter
from codespar_cli.core.administration.tool_checks import CheckFilter
from codespar_cli.core.administration.tool_costs import CostReader, CostReport
from codespar_cli.core.administration.tool_drift import DriftChange, ToolPins
from codespar_cli.core.clock import parse_moment
from codespar_cli.core.globs import matches
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.report.model import (
    HOURLY_UP_TO,
    MOST_PERIODS,
    OTHERS,
    Answer,
    CallReader,
    Costs,
    DailyCosts,
    Report,
    Timeline,
)
from codespar_cli.plugins.observability.report.scales import TimeAxis, time_axis

T = TypeVar("T")
Side = Literal["tool", "agent"]

WITH_DAYS = 8
"""How many agents, and how many tools, have their days drawn: each is a question of its own."""
MOST_FINDINGS = 1000
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_LAST_DAY = datetime(9990, 1, 1, tzinfo=UTC)


def gather(reader: CallReader, pins: ToolPins | None, wanted: MetricFilter, now: datetime) -> Report:
    """`wanted` has a beginning; without an end it ends now. Raises StoreError, StoreCorrupt for the calls themselves; what
    else cannot be read is an error in its answer."""
    wanted = wanted._replace(until=wanted.until or now)
    days = reader.stats(wanted, by="day")
    span = _span(days, wanted, now)
    return Report(
        now,
        wanted,
        reader.overall(wanted),
        None if span is None else _timeline(reader, wanted, days, *span),
        reader.stats(wanted, by="tool"),
        reader.stats(wanted, by="agent"),
        _costs(reader, wanted, span),
        _incidents(reader, wanted),
        _findings(reader, wanted),
        None if pins is None else _answer(lambda: _drift(pins, wanted)),
    )


def _span(days: Sequence[CallStats], wanted: MetricFilter, now: datetime) -> tuple[datetime, datetime] | None:
    """From the first day that has calls to the end of the period, or to today where that lies in the future."""
    if not days or wanted.since is None or wanted.until is None:
        return None
    first, last = (parse_moment(days[index].key or "") for index in (0, -1))
    end = min(wanted.until, max(now, min(last, _LAST_DAY) + _DAY), _LAST_DAY + _DAY)
    start = max(wanted.since, first)
    return (start, end) if start < end else None


def _axis(start: datetime, end: datetime, unit: timedelta) -> tuple[TimeAxis, bool]:
    axis = time_axis(start, end, unit)
    if axis.slots <= MOST_PERIODS:
        return axis, False
    return time_axis(axis.last - unit * MOST_PERIODS, end, unit), True


def _timeline(
    reader: CallReader, wanted: MetricFilter, days: Sequence[CallStats], start: datetime, end: datetime
) -> Timeline:
    hourly = end - start <= HOURLY_UP_TO
    axis, is_cut = _axis(start, end, _HOUR if hourly else _DAY)
    if hourly:
        days = reader.stats(wanted, by="hour")
    periods: list[CallStats | None] = [None] * axis.slots
    for each in days:
        if 0 <= (slot := axis.slot_of(parse_moment(each.key or ""))) < axis.slots:
            periods[slot] = each
    first = next((slot for slot, each in enumerate(periods) if each is not None), 0)
    if hourly and first:  # hours before the first call of the first day are no gap: nothing was recorded yet
        axis = axis._replace(first=axis.begins(first), slots=axis.slots - first)
    return Timeline(axis, tuple(periods[first:] if hourly else periods), is_cut)


def _costs(reader: CallReader, wanted: MetricFilter, span: tuple[datetime, datetime] | None) -> Costs | None:
    if not callable(getattr(reader, "costs", None)):
        return None
    asked: CostReader = reader  # type: ignore[assignment]  # it has the method
    by_tool, by_agent = asked.costs(wanted, by="tool"), asked.costs(wanted, by="agent")
    if span is None or by_tool.total is None:
        return Costs(by_tool, by_agent, None)
    axis, _ = _axis(*span, _DAY)
    sources: dict[str, list[Decimal | None]] = {}
    for row in asked.costs(wanted, by="day").rows:
        if 0 <= (slot := axis.slot_of(parse_moment(row.key or ""))) < axis.slots:
            for source, known in row.sources.items():
                if known.cost is not None:
                    sources.setdefault(source, [None] * axis.slots)[slot] = known.cost
    days = DailyCosts(
        axis,
        sources,
        _each_day(reader, wanted, by_agent, axis, "agent"),
        _each_day(reader, wanted, by_tool, axis, "tool"),
    )
    return Costs(by_tool, by_agent, days)


def _each_day(
    reader: CallReader, wanted: MetricFilter, costs: CostReport, axis: TimeAxis, side: Side
) -> Mapping[str, Sequence[Decimal | None]]:
    found: dict[str, Sequence[Decimal | None]] = {}
    for row in costs.rows:
        # A name with a star would be read as a glob, and is left without days.
        if row.key is None or not row.cost or row.key == OTHERS or "*" in row.key:
            continue
        if len(found) == WITH_DAYS:
            break
        only = wanted._replace(tool=row.key) if side == "tool" else wanted._replace(agent=row.key)
        days: list[Decimal | None] = [None] * axis.slots
        for each in reader.stats(only, by="day"):
            if 0 <= (slot := axis.slot_of(parse_moment(each.key or ""))) < axis.slots:
                days[slot] = each.cost
        found[row.key] = tuple(days)
    return found


def _incidents(reader: Any, wanted: MetricFilter) -> Answer[Any] | None:
    ask = getattr(reader, "anomalies", None)
    if not callable(ask):
        return None
    which = AnomalyFilter(wanted.tool, wanted.agent, wanted.tenant, wanted.since)
    return _answer(lambda: [each for each in ask(which) if wanted.until is None or each.started_at < wanted.until])


def _findings(reader: Any, wanted: MetricFilter) -> Answer[Any] | None:
    ask = getattr(reader, "findings", None)
    if not callable(ask):
        return None
    which = CheckFilter(wanted.tool, wanted.agent, wanted.tenant, wanted.since, wanted.until)
    return _answer(lambda: ask(which, limit=MOST_FINDINGS))


def _drift(pins: ToolPins, wanted: MetricFilter) -> list[DriftChange]:
    """Definitions belong to no agent, tenant or time: only the tool limits them."""
    return [each for each in pins.drift() if wanted.tool is None or matches(wanted.tool, each.tool)]


def _answer(ask: Callable[[], Sequence[T]]) -> Answer[T]:
    try:
        return Answer(tuple(ask()))
    except CodesparError as error:
        return Answer((), error)
