"""What every observability hook must do, as tests to inherit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from codespar_cli.core.hooks import ToolMetric
from codespar_cli.testing.hostile import TEXTS, threads


class ObservabilityContract:
    """Inherit, and override `make` to return a fresh hook."""

    def make(self, tmp_path: Path) -> Any:
        raise TypeError("override make(self, tmp_path) to return a fresh hook")

    def test_a_full_metric_is_taken(self, tmp_path: Path) -> None:
        metric = ToolMetric(
            tool_name="openai/chat",
            agent_id="agent-1",
            latency_ms=812.5,
            success=True,
            cost=Decimal("0.0123"),
            input_tokens=1200,
            output_tokens=340,
            time=datetime(2026, 11, 20, 14, 0, tzinfo=UTC),
            tenant="acme",
            project="web",
            session="s-1",
            cost_source="reported",
        )
        self.make(tmp_path).record(metric)

    def test_the_least_a_metric_can_say_is_enough(self, tmp_path: Path) -> None:
        """Unknown cost, unknown tokens, time left to the hook."""
        self.make(tmp_path).record(ToolMetric("fs/read", "agent-1", 0.0, success=True))

    def test_a_failure_is_taken(self, tmp_path: Path) -> None:
        self.make(tmp_path).record(ToolMetric("fs/read", "agent-1", 3.0, success=False, error_type="TimeoutError"))

    def test_every_spelling_of_a_cost_is_taken(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for cost in (None, 0, 1, 0.1, "0.10", Decimal("0.000001")):
            hook.record(ToolMetric("fs/read", "agent-1", 1.0, success=True, cost=cost))

    def test_hostile_names_do_not_raise(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for text in filter(None, TEXTS):
            hook.record(ToolMetric(text, text, 1.0, success=True, error_type=text, project=text))

    def test_many_threads_may_record_at_once(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        metric = ToolMetric("fs/read", "agent-1", 1.0, success=True)
        assert threads(8, lambda number: [hook.record(metric) for _ in range(20)]) == []

    def test_stats_can_be_asked_for_before_and_after(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        if not callable(getattr(hook, "get_stats", None)):
            return
        hook.get_stats()
        hook.record(ToolMetric("fs/read", "agent-1", 1.0, success=True))
        hook.get_stats()
        hook.get_stats("fs/read")
        hook.get_stats("unheard/of")
