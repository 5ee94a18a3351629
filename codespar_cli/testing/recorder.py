"""An observability hook that remembers, for tests of what was recorded."""

from __future__ import annotations

from codespar_cli.core.hooks import Health, ToolMetric


class Recorder:
    """Keeps every metric in `metrics`, in the order of arrival. Safe to use from many threads."""

    backend = "recorder"

    def __init__(self) -> None:
        self.metrics: list[ToolMetric] = []

    def record(self, metric: ToolMetric) -> None:
        self.metrics.append(metric)

    def of(self, tool_name: str) -> list[ToolMetric]:
        """What was recorded of one tool."""
        return [metric for metric in self.metrics if metric.tool_name == tool_name]

    def health(self) -> Health:
        return Health("ok", f"{len(self.metrics)} metrics")
