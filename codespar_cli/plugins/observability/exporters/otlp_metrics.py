"""Recorded calls as OTLP metrics: `ExportMetricsServiceRequest` of opentelemetry-proto, metrics/v1."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.plugins.observability.exporters import genai
from codespar_cli.plugins.observability.exporters.otlp_spans import text_attribute
from codespar_cli.plugins.observability.exporters.protobuf import (
    data,
    double,
    fixed64,
    packed_doubles,
    packed_fixed64,
    text,
    whole,
)
from codespar_cli.plugins.observability.money import MICROS

Labels: TypeAlias = tuple[tuple[str, str], ...]

MOST_SETS = 2000
"""Attribute sets of one metric; what comes after them is counted together, as OpenTelemetry's SDKs do."""
OVERFLOW: Labels = (("otel.metric.overflow", "true"),)
_DELTA, _CUMULATIVE = 1, 2


class Distribution:
    """Counts of values by bucket: the values of bucket i are above bounds[i-1] and at most bounds[i]."""

    __slots__ = ("counts", "maximum", "minimum", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = 0.0

    def add(self, bounds: Sequence[float], value: float) -> None:
        self.counts[bisect_left(bounds, value)] += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)


class CallMetrics:
    """Durations, tokens and costs of the calls since `start`. For one thread."""

    def __init__(self, start: int, *, delta: bool) -> None:
        """`start` in nanoseconds since the epoch. `delta`: an export tells what came since the one before."""
        self._start = start
        self._delta = delta
        self._empty()

    def _empty(self) -> None:
        self._durations: dict[Labels, Distribution] = {}
        self._tokens: dict[Labels, Distribution] = {}
        self._costs: dict[Labels, int] = {}
        self.fresh = False

    def add(self, row: StoredRow) -> None:
        agent, tool, latency_ms, success, error_type, cost, source, given, got = *row[4:11], *row[11:13]
        call: Labels = ((genai.OPERATION_NAME, genai.EXECUTE_TOOL), (genai.TOOL_NAME, tool), (genai.AGENT_NAME, agent))
        failure: Labels = () if success else ((genai.ERROR_TYPE, error_type or genai.OTHER),)
        _observe(self._durations, (*call, *failure), genai.DURATION_BOUNDS, latency_ms / 1000)
        for kind, count in (("input", given), ("output", got)):
            if count is not None:
                labels: Labels = (*call, (genai.TOKEN_TYPE, kind), (genai.PROVIDER_NAME, genai.OTHER))
                _observe(self._tokens, labels, genai.TOKEN_BOUNDS, count)
        if cost is not None:
            key = _kept(self._costs, (*call, (genai.COST_SOURCE, source)))
            self._costs[key] = self._costs.get(key, 0) + cost
        self.fresh = True

    def request(self, now: int, resource: bytes, scope: bytes) -> bytes:
        """`now` in nanoseconds since the epoch."""
        metrics = [
            _metric(genai.DURATION, "s", 9, self._histogram(self._durations, genai.DURATION_BOUNDS, now)),
            _metric(genai.TOKEN_USAGE, "{token}", 9, self._histogram(self._tokens, genai.TOKEN_BOUNDS, now)),
            _metric(genai.COST, "{USD}", 7, self._sum(self._costs, now)),
        ]
        told = b"".join(data(2, metric) for metric in metrics if metric)
        return data(1, data(1, resource) + data(2, data(1, scope) + told))

    def accepted(self, now: int) -> None:
        """The request made at `now` has arrived."""
        self.fresh = False
        if self._delta:
            self._start = now
            self._empty()

    def _histogram(self, found: dict[Labels, Distribution], bounds: Sequence[float], now: int) -> bytes:
        return self._points(found, now, lambda each: _distribution(each, bounds))

    def _sum(self, found: dict[Labels, int], now: int) -> bytes:
        points = self._points(found, now, lambda micros: double(4, micros / MICROS), number=7)
        return points and points + whole(3, 1)

    def _points(self, found: dict[Labels, Any], now: int, values: Callable[[Any], bytes], number: int = 9) -> bytes:
        """The field of a point's attributes is 9 in a histogram and 7 in a sum."""
        if not found:
            return b""
        times = fixed64(2, self._start) + fixed64(3, now)
        points = [
            data(1, b"".join(text_attribute(number, *label) for label in labels) + times + values(each))
            for labels, each in found.items()
        ]
        return b"".join(points) + whole(2, _DELTA if self._delta else _CUMULATIVE)


def _observe(found: dict[Labels, Distribution], labels: Labels, bounds: Sequence[float], value: float) -> None:
    key = _kept(found, labels)
    if key not in found:
        found[key] = Distribution(len(bounds) + 1)
    found[key].add(bounds, value)


def _kept(found: dict[Labels, Any], labels: Labels) -> Labels:
    return labels if labels in found or len(found) < MOST_SETS - 1 else OVERFLOW


def _distribution(each: Distribution, bounds: Sequence[float]) -> bytes:
    return b"".join(
        (
            fixed64(4, sum(each.counts)),
            double(5, each.total),
            packed_fixed64(6, each.counts),
            packed_doubles(7, bounds),
            double(11, each.minimum),
            double(12, each.maximum),
        )
    )


def _metric(name: str, unit: str, number: int, content: bytes) -> bytes:
    return content and text(1, name) + text(3, unit) + data(number, content)
