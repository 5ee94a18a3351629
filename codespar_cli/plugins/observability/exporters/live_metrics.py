"""Counters for a server that is asked again and again: of the calls that were recorded since it began.

Each answer reads only the rows that are new. Sums over the store would go down whenever retention removes rows, and
Prometheus would take that for a restart and count everything anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from codespar_cli.core.administration.metrics import MetricFilter, MetricsReader
from codespar_cli.plugins.observability.exporters.prometheus_counters import CallCounters
from codespar_cli.plugins.observability.exporters.prometheus_text import Family, exposition

PAGE = 5000
BESIDE_EVERY_S = 60.0
"""Anomalies are looked for, and findings read, not more often: it may take longer than a scraper waits."""
EVERYTHING = MetricFilter()


class LiveMetrics:
    """For any backend that can be read. Safe to share between threads."""

    def __init__(
        self,
        reader: MetricsReader,
        beside: Callable[[], Sequence[Family]] = tuple,
        *,
        beside_every_s: float = BESIDE_EVERY_S,
    ) -> None:
        """Raises StoreError. Counting begins now."""
        self._reader = reader
        self._beside = beside
        self._beside_every_s = beside_every_s
        self._found: Sequence[Family] = ()
        self._due = 0.0
        self._lock = threading.Lock()
        self._counters = CallCounters()
        self._cursor = reader.last(EVERYTHING, 0).upto

    def text(self, *, openmetrics: bool = False) -> str:
        """Raises StoreError."""
        with self._lock:
            self._read()
            if time.monotonic() >= self._due:
                self._found = self._beside()
                self._due = time.monotonic() + self._beside_every_s
            return "".join(exposition(self._counters, self._found, openmetrics=openmetrics))

    def _read(self) -> None:
        while True:
            page = self._reader.rows(EVERYTHING, after=self._cursor, limit=PAGE)
            for row in page.rows:
                self._counters.add_row(row)
            self._cursor = page.cursor
            if page.complete:
                return
