"""`MCPObserver`: the observability plugin on a local store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codespar_cli.core.clock import Clock, iso, system_clock
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.hooks import Health, ToolMetric
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.admission import admit
from codespar_cli.plugins.observability.call_store import CallStore, Retention

if TYPE_CHECKING:
    from codespar_cli.core.administration.metrics import (
        CallStats,
        CostReport,
        Grouping,
        MetricFilter,
        MetricPage,
        RowRange,
    )
    from codespar_cli.core.services import Services
    from codespar_cli.plugins.observability.write_buffer import WriteBuffer

Durability: TypeAlias = Literal["commit", "batch"]


class MCPObserver:
    """Keeps a row of every call, and answers what they took, cost and broke.

    Safe to share between threads, and to use on one store from any number of processes. With `durability="commit"` a
    row is in the store when `record` returns, and outlives kill -9 (a power cut may take the last ones); with `"batch"`
    it is there within 100 ms, after `flush`, and when the process ends in an orderly way.
    """

    backend = "observer"

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "commit",
        retention: timedelta | None = None,
        max_rows: int | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.retention = retention
        self.max_rows = max_rows
        self._clock = clock
        self._store = CallStore(path, clock=clock, retention=Retention(retention, max_rows))
        self._buffer: WriteBuffer | None = None
        if durability == "batch":
            from codespar_cli.plugins.observability.write_buffer import WriteBuffer

            self._buffer = WriteBuffer(self._store.append_all)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> MCPObserver:
        """From `[observability]` in plugins.toml. Opens nothing."""
        retention = options.get("retention")
        return cls(
            services.state_dir / "metrics.db",
            durability=options.get("durability", "commit"),
            retention=parse_duration(retention) if retention else None,
            max_rows=options.get("max_rows"),
            clock=services.clock,
        )

    # ── writing ──

    def record(self, metric: ToolMetric) -> None:
        """Raises UsageError (`invalid_metric`) for a metric no sum should contain, StoreError."""
        row = admit(metric, self._clock)
        if self._buffer is None:
            self._store.append(row)
        else:
            self._buffer.add(row)

    def record_all(self, metrics: Iterable[ToolMetric]) -> int:
        """All or none, in one transaction whatever the durability. Answers how many. Raises as `record`."""
        rows = [admit(metric, self._clock) for metric in metrics]
        if rows:
            self._store.append_all(rows)
        return len(rows)

    def flush(self) -> None:
        """Put what waits in memory into the store. Raises StoreError."""
        if self._buffer is not None:
            self._buffer.flush()

    def close(self) -> None:
        """Flush, and let go of the store. Recording again opens it again."""
        self.flush()
        self._store.close()

    # ── reading ──

    def rows(self, wanted: MetricFilter, *, after: int = 0, upto: int | None = None, limit: int = 500) -> MetricPage:
        from codespar_cli.plugins.observability.row_reader import RowReader

        return RowReader(self._store).page(wanted, after, upto, limit)

    def last(self, wanted: MetricFilter, count: int) -> RowRange:
        from codespar_cli.plugins.observability.row_reader import RowReader

        return RowReader(self._store).last(wanted, count)

    def stats(self, wanted: MetricFilter, *, by: Grouping = "tool") -> list[CallStats]:
        from codespar_cli.plugins.observability import summaries

        return summaries.stats(self._store, wanted, by, self._clock())

    def costs(self, wanted: MetricFilter, *, by: Grouping = "tool") -> CostReport:
        from codespar_cli.plugins.observability import summaries

        return summaries.costs(self._store, wanted, by, self._clock())

    def get_stats(self, tool_name: str | None = None) -> list[dict[str, Any]]:
        """What `codespar metrics stats -o json` prints: for every tool, or for those that a name or glob matches."""
        from codespar_cli.core.administration.metrics import MetricFilter

        self.flush()
        return [row.document("tool") for row in self.stats(MetricFilter(tool=tool_name))]

    def health(self) -> Health:
        """Opens the store if there is one, and never makes one."""
        failure = self._buffer.failure if self._buffer is not None else None
        if self._buffer is not None and failure is not None:
            return Health("warning", f"{self._buffer.waiting} records wait for the store: {failure.message}")
        try:
            if not self._store.exists:
                return _place_for(self._store.database.path.parent)
            last = self._store.last_time()
        except CodesparError as error:
            return Health("error", str(error))
        return Health("ok", f"last call {iso(last)}" if last else "no calls yet")

    def __repr__(self) -> str:
        return f"<MCPObserver {self._store.database.path}>"


def _place_for(directory: Path) -> Health:
    """Whether a store could be made: looks at the nearest directory that is there."""
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return Health("error", f"{place} is not a directory")
    if not os.access(place, os.W_OK | os.X_OK):
        return Health("error", f"{place} cannot be written")
    return Health("ok", "no calls yet")
