"""What is known of one group of calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from codespar_cli.core.administration.metrics import CallStats, Latency
from codespar_cli.plugins.observability.histogram import LatencyHistogram
from codespar_cli.plugins.observability.money import MICROS, from_micro_units
from codespar_cli.storage.sqlite import Row


@dataclass(slots=True)
class Totals:
    """Exact but for the percentiles of `latency`. `priced` is how many costs are known; unknown ones are in no sum."""

    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    errors: int = 0
    priced: int = 0
    cost_micros: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def calls(self) -> int:
        return self.latency.count

    @property
    def cost(self) -> Decimal | None:
        return from_micro_units(self.cost_micros if self.priced else None)

    def add(self, sums: Row) -> None:
        """Sums in the order of a cell's columns."""
        count, errors, total, minimum, maximum, priced, whole, fraction, input_tokens, output_tokens, buckets = sums
        self.latency.add(count, total, minimum, maximum, buckets)
        self.errors += errors
        if priced:
            self.priced += priced
            self.cost_micros += whole * MICROS + fraction
        self.input_tokens = _known_sum(self.input_tokens, input_tokens)
        self.output_tokens = _known_sum(self.output_tokens, output_tokens)

    def stats(self, key: str | None, trend: float | None) -> CallStats:
        p50, p95, p99 = self.latency.quantiles(0.5, 0.95, 0.99)
        latency = Latency(self.latency.mean, p50, p95, p99, self.latency.maximum)
        return CallStats(key, self.calls, self.errors, latency, self.cost, self.input_tokens, self.output_tokens, trend)


def _known_sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (one or 0)
