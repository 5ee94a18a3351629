"""Prometheus text from an observer's stores: summed up once, or counted from now on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from codespar_cli.core.administration.anomalies import AnomalyWatch
from codespar_cli.core.administration.metrics import MetricFilter, MetricsReader
from codespar_cli.plugins.observability.exporters.live_metrics import LiveMetrics
from codespar_cli.plugins.observability.exporters.prometheus_counters import CallCounters
from codespar_cli.plugins.observability.exporters.prometheus_families import families_beside
from codespar_cli.plugins.observability.exporters.prometheus_text import exposition
from codespar_cli.plugins.observability.rollup import Rollup
from codespar_cli.plugins.observability.stores.metric_store import MetricStore


class Observer(MetricsReader, AnomalyWatch, Protocol):
    """What is asked beside the store."""


def exposition_of(
    store: MetricStore, watch: AnomalyWatch, directory: Path, wanted: MetricFilter, *, openmetrics: bool
) -> Iterator[str]:
    """Raises StoreError."""
    counters = CallCounters()
    counters.add_totals(Rollup(store).totals(wanted, ("tool", "agent", "outcome", "source")))
    # Before the first line: what cannot be read is told instead of half a document.
    return exposition(counters, list(families_beside(directory, wanted, watch)), openmetrics=openmetrics)


def live_metrics_of(observer: Observer, directory: Path, now: datetime) -> LiveMetrics:
    """Raises StoreError."""
    since = MetricFilter(since=now)
    return LiveMetrics(observer, lambda: list(families_beside(directory, since, observer)))
