"""What the `metrics` commands ask of an observability plugin, beyond `record`.

A backend that offers these methods is read by every command; one that does not still records. All values are frozen,
and know their JSON shape (docs/observability.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from codespar_cli.core.clock import iso
from codespar_cli.core.hooks import ToolMetric

Grouping: TypeAlias = Literal["tool", "agent", "project", "tenant", "hour", "day"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
PERIODS: frozenset[Grouping] = frozenset({"hour", "day"})


class MetricFilter(NamedTuple):
    """Which rows count. `tool` and `agent` are globs; an unknown cost is above no minimum.

    `since` is inclusive and `until` exclusive; both look at a row's own time, not at its arrival.
    """

    tool: str | None = None
    agent: str | None = None
    tenant: str | None = None
    errors: bool = False
    slow_ms: float | None = None
    min_cost: Decimal | None = None
    since: datetime | None = None
    until: datetime | None = None


class MetricRow(NamedTuple):
    """One recorded call. Ids grow in the order of arrival and are never given twice.

    What follows `decision_id` is for checks and is no part of the document: sizes in bytes, and a keyed digest that is
    equal where the arguments are.
    """

    id: int
    time: datetime
    tenant: str
    project: str | None
    session: str | None
    agent: str
    tool: str
    latency_ms: float
    success: bool
    error_type: str | None
    cost: Decimal | None
    cost_source: str
    input_tokens: int | None
    output_tokens: int | None
    decision_id: str | None
    server: str | None = None
    arguments_bytes: int | None = None
    arguments_digest: bytes | None = None
    result_bytes: int | None = None

    def document(self) -> dict[str, Any]:
        shown = dict(zip(ROW_KEYS, self, strict=False))
        return {**shown, "time": iso(self.time), "cost": money_text(self.cost)}


ROW_KEYS: tuple[str, ...] = MetricRow._fields[: MetricRow._fields.index("decision_id") + 1]
"""The keys of a row's document."""


class RowRange(NamedTuple):
    """Rows with `after < id <= upto`."""

    after: int
    upto: int


class MetricPage(NamedTuple):
    """Some rows in the order of their ids. The next page starts after `cursor`; `complete` says there is none yet."""

    rows: Sequence[MetricRow]
    cursor: int
    complete: bool


class Latency(NamedTuple):
    """Milliseconds. The percentiles are within 1 % of the exact ones, the rest is exact."""

    mean: float
    p50: float
    p95: float
    p99: float
    max: float


class CallStats(NamedTuple):
    """What the calls of one group took, cost and broke.

    `cost` and tokens are sums over the calls where they are known, None where they are known of none. `trend` is the
    change in calls against the period before (0.25 is a quarter more), None without one to compare with. `history` are
    the calls in equal parts of the period, oldest first, for a line to be drawn; it is no part of the document.
    """

    key: str | None
    calls: int
    errors: int
    latency_ms: Latency
    cost: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    trend: float | None = None
    history: tuple[int, ...] = ()

    @property
    def error_rate(self) -> float:
        return self.errors / self.calls

    def document(self, by: Grouping) -> dict[str, Any]:
        return {
            by: self.key,
            "calls": self.calls,
            "errors": self.errors,
            "error_rate": self.error_rate,
            "latency_ms": self.latency_ms._asdict(),
            "cost": money_text(self.cost),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "trend": self.trend,
        }


class MetricsImporter(Protocol):
    """Takes many metrics, all or none of them.

    One that removes rows says so: `retention` is a timedelta or None, `max_rows` a number or None.
    """

    def record_all(self, metrics: Iterable[ToolMetric]) -> int:
        """Takes and judges one after the other. Answers how many; raises UsageError for the first that is not valid."""
        ...


class MetricsReader(Protocol):
    """Answers questions about what was recorded. A store that does not exist yet is an empty one."""

    def rows(self, wanted: MetricFilter, *, after: int = 0, upto: int | None = None, limit: int = 500) -> MetricPage:
        """Without `upto`, a cursor into a store that was removed or replaced since counts as 0."""
        ...

    def last(self, wanted: MetricFilter, count: int) -> RowRange:
        """The range that holds the last `count` wanted rows and ends at the newest row of all."""
        ...

    def stats(self, wanted: MetricFilter, *, by: Grouping = "tool") -> Sequence[CallStats]: ...


def money_text(amount: Decimal | None) -> str | None:
    """All digits, no exponent, no trailing zeros: `0.05`, `12`."""
    if amount is None:
        return None
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
