"""`MCPObserver`: the observability plugin, on a file or a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from codespar_cli.core.clock import Clock, iso, system_clock
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.hooks import Health, ToolMetric
from codespar_cli.core.sizes import parse_size
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.admission import StoredRow, admit
from codespar_cli.plugins.observability.argument_seal import ArgumentSeal
from codespar_cli.plugins.observability.call_store import CallStore, Retention
from codespar_cli.plugins.observability.stores.store_address import server_of

if TYPE_CHECKING:
    from codespar_cli.core.administration.anomalies import AnomalyFilter, Incident
    from codespar_cli.core.administration.metrics import (
        CallStats,
        Grouping,
        MetricFilter,
        MetricPage,
        RowRange,
    )
    from codespar_cli.core.administration.tool_checks import CheckFilter, CheckFinding
    from codespar_cli.core.administration.tool_costs import CostReport
    from codespar_cli.core.services import Services
    from codespar_cli.plugins.observability.costs.prices import PriceTable
    from codespar_cli.plugins.observability.exporters.live_metrics import LiveMetrics
    from codespar_cli.plugins.observability.exporters.otlp_exporter import OtlpExporter
    from codespar_cli.plugins.observability.stores.metric_store import MetricStore
    from codespar_cli.plugins.observability.write_buffer import WriteBuffer

Durability: TypeAlias = Literal["commit", "batch"]
KEY_NAME = "metrics.key"


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
        max_size: int | None = None,
        clock: Clock = system_clock,
        server: Callable[[], str] | None = None,
        prices: Sequence[Mapping[str, Any]] = (),
        budgets: Sequence[Mapping[str, Any]] = (),
        exporter: OtlpExporter | None = None,
    ) -> None:
        """`path` is the file, or with a `server` (its URL, asked for when it is needed) what lies beside it."""
        self.retention = retention
        self.max_rows = max_rows
        self.max_size = max_size
        self._clock = clock
        self._prices = _price_table(prices) if prices else None
        self._budgets = budgets
        self._exporter = exporter
        self._seal = ArgumentSeal(path.with_name(KEY_NAME))
        self._directory = path.parent
        self._store = _store(path, server, clock, Retention(retention, max_rows, max_size))
        self._buffer: WriteBuffer | None = None
        if durability == "batch":
            from codespar_cli.plugins.observability.write_buffer import WriteBuffer

            self._buffer = WriteBuffer(self._store.append_all)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> MCPObserver:
        """From `[observability]` in plugins.toml. Opens nothing."""
        retention, max_size = options.get("retention"), options.get("max_size")
        return cls(
            services.state_dir / "metrics.db",
            durability=options.get("durability", "commit"),
            retention=parse_duration(retention) if retention else None,
            max_rows=options.get("max_rows"),
            max_size=parse_size(max_size) if max_size else None,
            clock=services.clock,
            server=server_of(options, services),
            prices=options.get("prices", ()),
            budgets=options.get("budgets", ()),
            exporter=_exporter(options, services),
        )

    # ── writing ──

    def record(self, metric: ToolMetric) -> None:
        """Raises UsageError (`invalid_metric`) for a metric no sum should contain, StoreError."""
        row = self._admitted(metric)
        if self._buffer is None:
            self._store.append(row)
        else:
            self._buffer.add(row)
        if self._exporter is not None:
            self._exporter.add(row)

    def record_all(self, metrics: Iterable[ToolMetric]) -> int:
        """All or none, in one transaction whatever the durability. Answers how many. Raises as `record`."""
        rows = [self._admitted(metric) for metric in metrics]
        if rows:
            self._store.append_all(rows)
        if self._exporter is not None:
            for row in rows:
                self._exporter.add(row)
        return len(rows)

    def _admitted(self, metric: ToolMetric) -> StoredRow:
        row = admit(metric, self._clock, self._seal)
        return row if self._prices is None else self._prices.priced(row)

    def flush(self) -> None:
        """Put what waits in memory into the store. Raises StoreError."""
        if self._buffer is not None:
            self._buffer.flush()

    def close(self) -> None:
        """Flush, and let go of the store. Recording again opens it again."""
        try:
            self.flush()
            self._store.close()
        finally:
            if self._exporter is not None:
                self._exporter.close()

    # ── reading ──

    def rows(self, wanted: MetricFilter, *, after: int = 0, upto: int | None = None, limit: int = 500) -> MetricPage:
        return self._store.reader().page(wanted, after, upto, limit)

    def last(self, wanted: MetricFilter, count: int) -> RowRange:
        return self._store.reader().last(wanted, count)

    def stats(self, wanted: MetricFilter, *, by: Grouping = "tool") -> list[CallStats]:
        from codespar_cli.plugins.observability import summaries

        return summaries.stats(self._store, wanted, by, self._clock())

    def overall(self, wanted: MetricFilter) -> CallStats | None:
        """All wanted calls as one group, with the change against the period before; None without a call."""
        from codespar_cli.plugins.observability.report.overall import overall
        from codespar_cli.plugins.observability.rollup import Rollup

        return overall(Rollup(self._store), wanted, self._clock())

    def costs(self, wanted: MetricFilter, *, by: Grouping = "tool") -> CostReport:
        from codespar_cli.plugins.observability.costs.budgets import Budget
        from codespar_cli.plugins.observability.costs.cost_report import cost_report
        from codespar_cli.plugins.observability.rollup import Rollup

        budgets = [Budget.of(entry) for entry in self._budgets]
        first = self._store.first_time()
        return cost_report(Rollup(self._store), wanted, by, self._clock(), first=first, budgets=budgets)

    def anomalies(self, wanted: AnomalyFilter | None = None) -> list[Incident]:
        """What was and is unusual, by its beginning. Remembers beside the store how far it has looked."""
        from codespar_cli.plugins.observability.anomalies.analysis import incidents

        self.flush()
        return incidents(self._store, self._directory, wanted, self._clock)

    def exposition(self, wanted: MetricFilter, *, openmetrics: bool = False) -> Iterator[str]:
        """Sums over the wanted calls that are in the store now, as Prometheus reads them. Raises StoreError."""
        from codespar_cli.plugins.observability.exporters.prometheus_exports import exposition_of

        return exposition_of(self._store, self, self._directory, wanted, openmetrics=openmetrics)

    def live_metrics(self) -> LiveMetrics:
        """Counts from now on, for a server that is scraped. Raises StoreError."""
        from codespar_cli.plugins.observability.exporters.prometheus_exports import live_metrics_of

        return live_metrics_of(self, self._directory, self._clock())

    def findings(self, wanted: CheckFilter | None = None, *, limit: int = 1000) -> list[CheckFinding]:
        """What checks found and `record_findings` kept: the newest `limit` of the wanted ones, oldest first."""
        from codespar_cli.plugins.observability.checks.finding_store import kept_findings

        return kept_findings(self._directory, wanted, limit)

    def record_findings(self, findings: Iterable[CheckFinding]) -> int:
        """Keep what checks found, without argument values: all or none. Answers how many. Raises StoreError."""
        from codespar_cli.plugins.observability.checks.finding_store import keep_findings

        return keep_findings(self._directory, findings)

    def get_stats(self, tool_name: str | None = None) -> list[dict[str, Any]]:
        """What `codespar metrics stats -o json` prints: for every tool, or for those that a name or glob matches."""
        from codespar_cli.core.administration.metrics import MetricFilter

        self.flush()
        return [row.document("tool") for row in self.stats(MetricFilter(tool=tool_name))]

    def health(self) -> Health:
        """Opens the store if there is one, and never makes one."""
        health = self._health()
        if self._exporter is None:
            return health
        from codespar_cli.plugins.observability.exporters.otlp_health import with_exporting

        return with_exporting(health, self._exporter)

    def _health(self) -> Health:
        failure = self._buffer.failure if self._buffer is not None else None
        if self._buffer is not None and failure is not None:
            return Health("warning", f"{self._buffer.waiting} records wait for the store: {failure.message}")
        try:
            if not self._store.exists:
                return _place_for(self._directory)
            last = self._store.last_time()
        except CodesparError as error:
            return Health("error", str(error))
        return Health("ok", f"last call {iso(last)}" if last else "no calls yet")

    def __repr__(self) -> str:
        return f"<MCPObserver {self._store.place}>"


def _store(path: Path, server: Callable[[], str] | None, clock: Clock, retention: Retention) -> MetricStore:
    if server is None:
        return CallStore(path, clock=clock, retention=retention)
    from codespar_cli.plugins.observability.stores.postgres_calls import PostgresCalls

    return PostgresCalls(server, clock=clock, retention=retention)


def _exporter(options: Mapping[str, Any], services: Services) -> OtlpExporter | None:
    from codespar_cli.plugins.observability.exporters.otlp_wanted import is_wanted

    if not is_wanted(options, services):
        return None
    from codespar_cli.plugins.observability.exporters.otlp_health import exporter_of

    return exporter_of(options, services)


def _price_table(entries: Sequence[Mapping[str, Any]]) -> PriceTable:
    from codespar_cli.plugins.observability.costs.prices import PriceTable

    return PriceTable(entries)


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
