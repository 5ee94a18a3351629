"""What `metrics export` and `codespar serve` ask for, beyond rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from codespar_cli.core.administration.metrics import MetricFilter


class MetricsExporter(Protocol):
    """Tells its sums as Prometheus reads them."""

    def exposition(self, wanted: MetricFilter, *, openmetrics: bool = False) -> Iterator[str]:
        """Lines with their ends: sums over the wanted calls that are in the store now. Raises StoreError."""
        ...


class LiveExporter(Protocol):
    """Counts from now on, for a server that is scraped."""

    def live_metrics(self) -> LiveText:
        """Raises StoreError."""
        ...


class LiveText(Protocol):
    def text(self, *, openmetrics: bool = False) -> str:
        """Everything that was counted until now. Raises StoreError."""
        ...
