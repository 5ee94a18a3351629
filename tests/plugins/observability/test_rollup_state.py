"""Whatever is written, folded, made late or removed, in any order: sums from the rollup are sums over the rows."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.clock import to_micros
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability import call_store, removal, rollup, rollup_fold
from codespar_cli.plugins.observability.call_store import CallStore, Retention
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.plugins.observability.rollup import Rollup
from codespar_cli.plugins.observability.rollup_fold import Fold

START = datetime(2026, 11, 21, 22, 58, tzinfo=UTC)
GROUPINGS = [
    ("tool",),
    ("agent",),
    ("project",),
    ("tenant",),
    ("hour",),
    ("day",),
    ("tool", "agent", "outcome", "source"),
]
names = st.sampled_from(["a", "b/c", "b/d"])
# Close to the edges of minutes, slices, hours and days, where a period's limits are decided.
moments = st.builds(
    lambda minutes, edge: timedelta(minutes=minutes) + timedelta(microseconds=edge),
    st.one_of(st.integers(-400, 3000), st.sampled_from([-1440, 0, 2, 62, 67, 1502])),
    st.integers(-1, 1),
)
metrics = st.builds(
    lambda tool, agent, ok, latency, cost, tokens, project, tenant, ago: ToolMetric(
        tool, agent, latency, ok, cost=cost, input_tokens=tokens, error_type=None if ok else "Timeout" if tokens else None,
        project=project, tenant=tenant, cost_source="estimated" if tokens else None, time=START + ago,
    ),
    names, st.sampled_from(["x", "y"]), st.booleans(), st.sampled_from([0.0, 1.0, 12.5, 3000.0]),
    st.sampled_from([None, 0, "0.000001", "999999999.5"]), st.sampled_from([None, 7, 10**12]),
    st.sampled_from([None, "p"]), st.sampled_from(["default", "other"]), moments,
)  # fmt: skip
limits = st.none() | moments.map(lambda moment: START + moment)


def key_of(row, by):
    minute = to_micros(row.time)
    values = {
        **row._asdict(),
        "outcome": "" if row.success else row.error_type or "_OTHER",
        "source": row.cost_source,
        "hour": minute - minute % 3_600_000_000,
        "day": minute - minute % 86_400_000_000,
    }
    return tuple(values[each] for each in by)


def naive(rows, by):
    groups = defaultdict(list)
    for row in rows:
        groups[key_of(row, by)].append(row)
    return {key: facts(found) for key, found in groups.items()}


def facts(rows):
    costs = [row.cost for row in rows if row.cost is not None]
    tokens = [row.input_tokens for row in rows if row.input_tokens is not None]
    latencies = sorted(row.latency_ms for row in rows)
    return (
        len(rows), sum(not row.success for row in rows), sum(costs) if costs else None, len(costs),
        sum(tokens) if tokens else None, latencies[0], latencies[-1], pytest.approx(math.fsum(latencies)),
        pytest.approx(latencies[len(latencies) // 2], rel=0.01, abs=1e-9),
    )  # fmt: skip


def told(totals):
    latency, count = totals.latency, totals.calls
    (middle,) = latency.quantiles((count // 2) / (count - 1) if count > 1 else 0)
    return (
        count, totals.errors, totals.cost, totals.priced, totals.input_tokens, latency.minimum, latency.maximum,
        latency.total, middle,
    )  # fmt: skip


class RollupMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.now = START + timedelta(hours=60)
        self.path = self.directory / "state" / "metrics.db"
        self.observer = MCPObserver(self.path, clock=lambda: self.now)
        # Small enough that a few rows fill a window, an hour and a text.
        self.patches = [
            patch.object(rollup_fold, "FOLD_ROWS", 3), patch.object(rollup, "FOLD_ROWS", 3),
            patch.object(rollup_fold, "BUSY_HOUR", 4), patch.object(rollup_fold, "SHORT_TEXT", 8),
            patch.object(removal, "FEW", 1), patch.object(call_store, "SWEEP_ROWS", 4),
        ]  # fmt: skip
        for each in self.patches:
            each.start()

    def teardown(self):
        for each in self.patches:
            each.stop()
        self.observer.close()
        shutil.rmtree(self.directory)

    @rule(batch=st.lists(metrics, min_size=1, max_size=8))
    def record(self, batch):
        self.observer.record_all(batch)

    @rule(metric=metrics, times=st.integers(2, 9))
    def record_the_same(self, metric, times):
        self.observer.record_all([metric] * times)

    @rule(steps=st.integers(1, 4))
    def fold_a_little(self, steps):
        store = CallStore(self.path, clock=lambda: self.now)
        for _ in range(steps):
            with store.database.write() as connection:
                Fold(connection).step()
        store.close()

    @rule()
    def die_in_the_middle_of_folding(self):
        store = CallStore(self.path, clock=lambda: self.now)
        with pytest.raises(KeyboardInterrupt), store.database.write() as connection:
            Fold(connection).step()
            raise KeyboardInterrupt
        store.close()

    @rule()
    def catch_up(self):
        store = CallStore(self.path, clock=lambda: self.now)
        assert Rollup(store).catch_up()
        store.close()

    @rule(age=moments)
    def expire_by_age(self, age):
        self.sweep(Retention(age=max(self.now - START - age, timedelta(0))))

    @rule(rows=st.integers(1, 12))
    def expire_by_number(self, rows):
        self.sweep(Retention(rows=rows))

    def sweep(self, retention):
        store = CallStore(self.path, clock=lambda: self.now, retention=retention)
        store.sweep()
        store.close()

    @rule(by=st.sampled_from(GROUPINGS), since=limits, until=limits, wanted=st.fixed_dictionaries(
        {}, optional={"tool": st.sampled_from(["a", "b/*", "none"]), "agent": st.just("x"), "errors": st.just(True),
                      "tenant": st.just("other"), "slow_ms": st.just(12.5)}), folded=st.booleans())  # fmt: skip
    def sums_are_those_of_the_rows(self, by, since, until, wanted, folded):
        chosen = MetricFilter(since=since, until=until, **wanted)
        store = CallStore(self.path, clock=lambda: self.now)
        rows, after = [], 0
        while True:
            page = self.observer.rows(chosen, after=after)
            rows += page.rows
            after = page.cursor
            if page.complete:
                break
        with patch.object(Rollup, "catch_up", Rollup.catch_up if folded else lambda self: False):
            found = Rollup(store).totals(chosen, by)
            counts = Rollup(store).calls(chosen, by)
        assert {key: told(totals) for key, totals in found.items()} == naive(rows, by)
        assert counts == {key: totals.calls for key, totals in found.items()}
        store.close()

    @invariant()
    def nothing_is_counted_that_is_gone(self):
        if not self.path.exists():
            return
        query = self.observer._store.database.query
        ((orphans,),) = query("SELECT count(*) FROM cells WHERE series NOT IN (SELECT id FROM series)")
        assert orphans == 0


TestRollup = RollupMachine.TestCase
TestRollup.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
