"""Calls counted for Prometheus: by tool and agent, as sums that only grow while they are kept.

Names come from agents, and every name is a series that somebody pays for: of pairs of tool and agent the first
MAX_PAIRS are named, of outcomes the first MAX_OUTCOMES, and all others are counted together as `(others)`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from codespar_cli.core.administration.metrics import MetricRow
from codespar_cli.plugins.observability.histogram import middle_of
from codespar_cli.plugins.observability.money import to_micro_units
from codespar_cli.plugins.observability.rollup import OTHERS, Key
from codespar_cli.plugins.observability.rollup_schema import OTHER_ERROR
from codespar_cli.plugins.observability.totals import Totals

MAX_PAIRS = 1000
MAX_OUTCOMES = 50
SUCCESS: Final = "success"
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds."""
Pair: TypeAlias = tuple[str, str]
Triple: TypeAlias = tuple[str, str, str]


@dataclass(slots=True)
class Durations:
    """How many calls took longer than the bound before and at most this one; the last is for all that took longer."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


@dataclass(slots=True)
class CallCounters:
    """Keys are (tool, agent), and with a third: the outcome, the kind of tokens, the source of a cost."""

    calls: Counter[Triple] = field(default_factory=Counter)
    durations: dict[Pair, Durations] = field(default_factory=dict)
    cost_micros: Counter[Triple] = field(default_factory=Counter)
    unpriced: Counter[Pair] = field(default_factory=Counter)
    tokens: Counter[Triple] = field(default_factory=Counter)
    outcomes: set[str] = field(default_factory=set)

    def add_row(self, row: MetricRow) -> None:
        pair = self._pair(row.tool, row.agent)
        self.calls[*pair, self._outcome("" if row.success else row.error_type or OTHER_ERROR)] += 1
        durations = self.durations[pair]
        durations.counts[bisect_left(BOUNDS, row.latency_ms / 1000)] += 1
        durations.seconds += row.latency_ms / 1000
        self.unpriced[pair] += row.cost is None
        if row.cost is not None:
            self.cost_micros[*pair, row.cost_source] += to_micro_units(row.cost)
        self._add_tokens(pair, row.input_tokens, row.output_tokens)

    def add_totals(self, groups: Mapping[Key, Totals]) -> None:
        """Sums by tool, agent, outcome and source of cost, the busiest named first. Latencies within 1 % of a bound
        may be counted on its other side."""
        for key, totals in sorted(groups.items(), key=lambda item: (-item[1].calls, str(item[0]))):
            tool, agent, outcome, source = map(str, key)
            pair = self._pair(tool, agent)
            self.calls[*pair, self._outcome(outcome)] += totals.calls
            durations = self.durations[pair]
            for bucket, count in totals.latency.buckets.items():
                durations.counts[bisect_left(BOUNDS, middle_of(bucket) / 1000)] += count
            durations.seconds += totals.latency.total / 1000
            self.unpriced[pair] += totals.calls - totals.priced
            if totals.priced:
                self.cost_micros[*pair, source] += totals.cost_micros
            self._add_tokens(pair, totals.input_tokens, totals.output_tokens)

    def _add_tokens(self, pair: Pair, given: int | None, got: int | None) -> None:
        for kind, count in (("input", given), ("output", got)):
            if count is not None:
                self.tokens[*pair, kind] += count

    def _pair(self, tool: str, agent: str) -> Pair:
        pair = (tool, agent)
        if pair not in self.durations:
            if len(self.durations) >= MAX_PAIRS:
                pair = (OTHERS, OTHERS)
            self.durations.setdefault(pair, Durations())
        return pair

    def _outcome(self, name: str) -> str:
        """`success`, or what an error is called: the rollup has '' for none."""
        if name == "":
            return SUCCESS
        if name == SUCCESS:
            return OTHER_ERROR
        if name not in self.outcomes:
            if len(self.outcomes) >= MAX_OUTCOMES:
                return OTHERS
            self.outcomes.add(name)
        return name
