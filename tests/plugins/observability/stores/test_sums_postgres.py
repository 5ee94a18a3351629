"""Whatever is written, folded, made late or removed on a server, in any order: sums are sums over the rows."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from test_rollup_state import GROUPINGS, START, limits, metrics, moments, naive, told

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.clock import to_micros
from codespar_cli.plugins.observability.call_store import Retention
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.plugins.observability.rollup import Rollup
from codespar_cli.plugins.observability.stores import postgres_fold, postgres_reader, postgres_sums
from codespar_cli.plugins.observability.stores.postgres_calls import PostgresCalls

_EMPTY = "TRUNCATE codespar_metrics.calls, codespar_metrics.cells, codespar_metrics.series, codespar_metrics.hours"
_FIRST = "UPDATE codespar_metrics.head SET newest = 0, folded = 0"


class SumsMachine(RuleBasedStateMachine):
    server = None
    url = ""

    def __init__(self):
        super().__init__()
        self.now = START + timedelta(hours=60)
        self.observer = MCPObserver(Path("metrics.db"), clock=lambda: self.now, server=lambda: self.url)
        self.store = self.observer._store
        if self.store.exists:
            self.server.sql(_EMPTY, self.database)
            self.server.sql(_FIRST, self.database)
        # Small enough that a few rows fill a window, a statement and a fold.
        self.patches = [
            patch.object(postgres_fold, "FOLD_ROWS", 3),
            patch.object(postgres_sums, "AT_ONCE", 3),
            patch.object(postgres_reader, "_RECENT", 4),
        ]
        for each in self.patches:
            each.start()

    @property
    def database(self):
        return self.url.partition("@/")[2].partition("?")[0]

    def teardown(self):
        for each in self.patches:
            each.stop()
        self.observer.close()

    @rule(batch=st.lists(metrics, min_size=1, max_size=8))
    def record(self, batch):
        self.observer.record_all(batch)

    @rule(metric=metrics, times=st.integers(2, 9))
    def record_the_same(self, metric, times):
        self.observer.record_all([metric] * times)

    @rule(steps=st.integers(1, 4))
    def fold_a_little(self, steps):
        for _ in range(steps):
            with self.store.writing.write() as session:
                postgres_fold.step(session)

    @rule()
    def die_in_the_middle_of_folding(self):
        with pytest.raises(KeyboardInterrupt), self.store.writing.write() as session:
            postgres_fold.step(session)
            raise KeyboardInterrupt

    @rule()
    def catch_up(self):
        assert Rollup(self.store).catch_up()

    @rule(age=moments, at_once=st.integers(1, 9))
    def expire_by_age(self, age, at_once):
        self.sweep(Retention(age=max(self.now - START - age, timedelta(0))), at_once)

    @rule(rows=st.integers(1, 12), at_once=st.integers(1, 9))
    def expire_by_number(self, rows, at_once):
        self.sweep(Retention(rows=rows), at_once)

    def sweep(self, retention, at_once):
        store = PostgresCalls(lambda: self.url, clock=lambda: self.now, retention=retention)
        store.sweep(at_once)
        store.close()

    @rule(by=st.sampled_from(GROUPINGS), since=limits, until=limits,
          wanted=st.fixed_dictionaries(
              {}, optional={"tool": st.sampled_from(["a", "b/*", "none"]), "agent": st.just("x"), "errors": st.just(True),
                            "tenant": st.just("other"), "slow_ms": st.just(12.5)}), folded=st.booleans())  # fmt: skip
    def sums_are_those_of_the_rows(self, by, since, until, wanted, folded):
        chosen = MetricFilter(since=since, until=until, **wanted)
        rows, after = [], 0
        while True:
            page = self.observer.rows(chosen, after=after)
            rows += page.rows
            after = page.cursor
            if page.complete:
                break
        with patch.object(Rollup, "catch_up", Rollup.catch_up if folded else lambda self: False):
            found = Rollup(self.store).totals(chosen, by)
            counts = Rollup(self.store).calls(chosen, by)
        assert {key: told(totals) for key, totals in found.items()} == naive(rows, by)
        assert counts == {key: totals.calls for key, totals in found.items()}

    @rule(unit=st.sampled_from([("minute", 60_000_000), ("slice", 300_000_000)]), since=limits, until=limits)
    def small_periods_are_counted_from_the_rows(self, unit, since, until):
        name, width = unit
        wanted = MetricFilter(since=since, until=until)
        rows = self.observer.rows(MetricFilter(), limit=10_000).rows
        inside = [row for row in rows if (not since or row.time >= since) and (not until or row.time < until)]
        times = [to_micros(row.time) for row in inside]
        expected = Counter((time - time % width, row.tool) for time, row in zip(times, inside, strict=True))
        assert Rollup(self.store).calls(wanted, (name, "tool")) == expected

    @invariant()
    def nothing_is_counted_that_is_gone(self):
        if not self.store.exists:
            return
        with self.store.reading.read() as session:
            ((orphans,),) = session.rows("SELECT count(*) FROM cells WHERE series NOT IN (SELECT id FROM series)")
            ((stale,),) = session.rows("SELECT count(*) FROM cells JOIN hours USING (hour) WHERE stale")
            ((unknown,),) = session.rows("SELECT count(*) FROM cells WHERE hour NOT IN (SELECT hour FROM hours)")
        assert (orphans, stale, unknown) == (0, 0, 0)


def test_sums_are_those_of_the_rows(postgres):
    SumsMachine.server, SumsMachine.url = postgres, postgres.new_database()
    run_state_machine_as_test(
        SumsMachine,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
