"""What a report says, as values: nothing here knows HTML, and nothing after it asks a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, NamedTuple, Protocol, TypeVar

from codespar_cli.core.administration.anomalies import Incident
from codespar_cli.core.administration.metrics import CallStats, Grouping, MetricFilter
from codespar_cli.core.administration.tool_checks import CheckFinding
from codespar_cli.core.administration.tool_costs import CostReport
from codespar_cli.core.administration.tool_drift import DriftChange
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.report.scales import TimeAxis

T = TypeVar("T")

MOST_PERIODS = 400
"""Hours or days on a chart's axis: the last ones of a longer time."""
HOURLY_UP_TO = timedelta(days=8)
OTHERS = "(others)"
"""The group of all that are too many to be named."""


class CallReader(Protocol):
    """What every report needs of an observability plugin. It may also offer `costs`, `anomalies` and `findings`."""

    def stats(self, wanted: MetricFilter, *, by: Grouping = "tool") -> Sequence[CallStats]: ...

    def overall(self, wanted: MetricFilter) -> CallStats | None:
        """All wanted calls as one group; None without a call."""
        ...


class Answer(NamedTuple, Generic[T]):
    """What was found; `error` says why it could not be read. An answer that nobody gives is None in its place."""

    found: Sequence[T]
    error: CodesparError | None = None


class Timeline(NamedTuple):
    """One group a slot of the axis, None where there was no call. `is_cut`: earlier periods are left out."""

    axis: TimeAxis
    periods: Sequence[CallStats | None]
    is_cut: bool = False


class DailyCosts(NamedTuple):
    """What every day cost, by how it is known; and for the dearest agents and tools what each of their days cost."""

    axis: TimeAxis
    by_source: Mapping[str, Sequence[Decimal | None]]
    of_agents: Mapping[str, Sequence[Decimal | None]]
    of_tools: Mapping[str, Sequence[Decimal | None]]


class Costs(NamedTuple):
    """`days` is None without a call."""

    by_tool: CostReport
    by_agent: CostReport
    days: DailyCosts | None


class Report(NamedTuple):
    """Everything of one page. `wanted` has a beginning and an end."""

    now: datetime
    wanted: MetricFilter
    overall: CallStats | None
    timeline: Timeline | None
    tools: Sequence[CallStats]
    agents: Sequence[CallStats]
    costs: Costs | None = None
    incidents: Answer[Incident] | None = None
    findings: Answer[CheckFinding] | None = None
    drift: Answer[DriftChange] | None = None

    @property
    def errors(self) -> list[CodesparError]:
        """Why parts of it are missing."""
        answers = (self.incidents, self.findings, self.drift)
        return [answer.error for answer in answers if answer is not None and answer.error is not None]

    @property
    def since(self) -> datetime:
        return self.wanted.since or self.now

    @property
    def until(self) -> datetime:
        return self.wanted.until or self.now
