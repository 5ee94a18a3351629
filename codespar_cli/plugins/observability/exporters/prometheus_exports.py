"""Prometheus text from an observer's stores: summed up once, or counted from now on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from codespar_cli.core.administration.metrics import MetricFilter, MetricsReader
from codespar_cli.plugins.observability.exporters.live_metrics import EVERYTHING, LiveMetrics
from codespar_cli.plugins.observability.exporters.prometheus_counters import CallCounters
from codespar_cli.plugins.observability.exporters.prometheus_families import families_beside
from codespar_cli.plugins.observability.exporters.prometheus_text import exposition
from codespar_cli.plugins.observability.rollup import Rollup
from codespar_cli.plugins.observability.stores.metric_store import MetricStore


def exposition_of(store: MetricStore, directory: Path, wanted: MetricFilter, *, openmetrics: bool) -> Iterator[str]:
    """Raises StoreError."""
    counters = CallCounters()
    counters.add_totals(Rollup(store).totals(wanted, ("tool", "agent", "outcome", "source")))
    return exposition(counters, families_beside(directory, wanted), openmetrics=openmetrics)


def live_metrics_of(reader: MetricsReader, directory: Path) -> LiveMetrics:
    """Raises StoreError."""
    return LiveMetrics(reader, lambda: families_beside(directory, EVERYTHING))
