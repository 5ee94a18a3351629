"""Calls that are kept on a server: rows, globs, retention, sums."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_server_world import database_of, tools, within

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.globs import matches
from codespar_cli.errors import StoreCorrupt, StoreError
from codespar_cli.plugins.observability import rollup
from codespar_cli.plugins.observability.call_store import SWEEP_EVERY, SWEEP_ROWS
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.plugins.observability.stores import postgres_calls, postgres_fold
from codespar_cli.plugins.observability.stores.postgres_selection import glob_expression

# ── what a row is ──


def test_what_is_hard_to_spell_in_an_array_comes_back_as_it_was(opened, metric):
    observer = opened()
    texts = ['"', "\\", '\\"', "{a,b}", "NULL", "null", " ", "'", "\n\t", "é😀", ",", "", "%s"]
    observer.record_all([metric("t", project=text, session=text, error_type=text, success=False) for text in texts])
    observer.record(metric("t", arguments={"a": 1}, latency_ms=0.1 + 0.2, cost="999999999.999999"))
    *rows, last = observer.rows(MetricFilter()).rows
    assert [(row.project, row.session, row.error_type) for row in rows] == [(text or None,) * 3 for text in texts]
    assert (last.latency_ms, str(last.cost), last.success) == (0.1 + 0.2, "999999999.999999", True)
    assert (last.arguments_bytes, len(last.arguments_digest)) == (7, 32)


def test_ids_have_no_gaps_though_a_write_failed(opened, metric, monkeypatch):
    observer = opened()
    observer.record(metric("a"))
    with monkeypatch.context() as patched:
        patched.setattr(postgres_calls, "_ADVANCE", "SELECT 1 / 0, %s")
        with pytest.raises(StoreCorrupt, match="division by zero"):
            observer.record_all([metric("lost")] * 3)
    observer.record(metric("b"))
    assert [(row.id, row.tool) for row in observer.rows(MetricFilter()).rows] == [(1, "a"), (2, "b")]


def test_a_batch_of_many_statements_is_whole_or_not_at_all(opened, metric, monkeypatch):
    monkeypatch.setattr(postgres_calls, "ROWS_AT_ONCE", 7)
    observer = opened()
    observer.record_all(metric(f"t{number}") for number in range(50))
    assert tools(observer) == [f"t{number}" for number in range(50)]
    with monkeypatch.context() as patched:
        patched.setattr(postgres_calls, "_ADVANCE", "SELECT 1 / 0, %s")
        with pytest.raises(StoreCorrupt, match="division by zero"):
            observer.record_all(metric(f"t{number}") for number in range(50))
    assert len(tools(observer)) == 50


# ── globs ──

pieces = st.lists(
    st.sampled_from(["a", "b", "/", "*", "**", ".", "\\", "(", "é", "+", "[a]", "/**/", "\n"]), max_size=8
)


@pytest.fixture(scope="module")
def asked(postgres):
    import psycopg

    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        yield lambda name, expression: connection.execute("SELECT %s::text ~ %s", (name, expression)).fetchone()[0]


@settings(max_examples=400)
@given(pieces.map("".join), st.lists(st.sampled_from("ab/.\\(é+[]\n"), max_size=8).map("".join))
def test_a_glob_means_the_same_to_the_server(asked, pattern, name):
    if "*" in pattern and name:
        assert asked(name, glob_expression(pattern)) == matches(pattern, name)


@pytest.mark.parametrize("pattern", ["*a" * 5000, "/*" * 5000, "**/" * 5000 + "*", "*" * 9000, "a" * 300 + "*"])
def test_a_glob_of_any_length_is_answered(opened, metric, pattern):
    observer = opened()
    observer.record_all([metric("a" * 200), metric("/a" * 100)])
    found = [tool for tool in ("a" * 200, "/a" * 100) if matches(pattern, tool)]
    with within(2):
        assert [row.tool for row in observer.rows(MetricFilter(tool=pattern)).rows] == found


# ── retention ──


def test_rows_older_than_retention_go_and_sums_with_them(opened, clock, metric):
    keeper = opened(retention=timedelta(days=90))
    everything = opened()
    everything.record_all([metric("t", cost=1, time=clock() - timedelta(days=days)) for days in range(80, 100)])
    assert everything.stats(MetricFilter())[0].calls == 20
    keeper.record(metric("t", cost=1))
    assert keeper.stats(MetricFilter())[0].calls == 12
    assert keeper.costs(MetricFilter()).total == 12


def test_a_sweep_is_bounded_and_the_next_ones_catch_up(opened, clock, metric):
    opened().record_all([metric("old")] * (3 * SWEEP_ROWS))
    clock.advance(days=2)
    keeper = opened(retention=timedelta(days=1))
    keeper.record(metric("new"))
    assert tools(keeper).count("old") == 2 * SWEEP_ROWS
    keeper.record_all([metric("new")] * SWEEP_EVERY)
    keeper.record_all([metric("new")] * SWEEP_EVERY)
    assert tools(keeper) == ["new"] * (2 * SWEEP_EVERY + 1)


def test_a_sweep_outpaces_batches_of_any_size(opened, metric):
    keeper = opened(max_rows=100)
    for _ in range(4):
        keeper.record_all([metric()] * 9000)
    assert keeper.stats(MetricFilter())[0].calls < 20_000


def test_a_cap_on_rows_keeps_the_newest(opened, metric):
    keeper = opened(max_rows=2)
    keeper.record_all([metric(f"t{number}") for number in range(5)])
    assert tools(keeper) == ["t3", "t4"]


def test_a_cap_on_size_keeps_some_and_stops_there(opened, metric):
    keeper = opened(max_size=300_000)
    for number in range(12):
        keeper.record_all([metric(f"t{number}")] * 1000)
    kept = len(tools(keeper))
    for _ in range(5):
        keeper._store.sweep()
    assert 500 < len(tools(keeper)) <= kept < 4000
    assert tools(keeper)[-1] == "t11"


@pytest.mark.parametrize("kept", [{"retention": timedelta.max}, {"max_rows": 10**30}, {"max_size": 10**30}])
def test_a_limit_beyond_all_numbers_keeps_everything(opened, clock, metric, kept):
    keeper = opened(**kept)
    keeper.record_all([metric("old", time=clock() - timedelta(days=90_000)), metric("new")])
    assert tools(keeper) == ["old", "new"]


def test_names_that_nothing_has_any_more_are_forgotten(opened, clock, metric, postgres, url):
    opened().record_all([metric(f"made-up-{number}", time=clock() - timedelta(days=9)) for number in range(50)])
    keeper = opened(retention=timedelta(days=1))
    keeper.stats(MetricFilter())
    keeper.record(metric("new"))
    keeper.stats(MetricFilter())
    keeper.record(metric("new"))
    assert [row.key for row in keeper.stats(MetricFilter())] == ["new"]
    assert postgres.sql("SELECT tool FROM codespar_metrics.series", database_of(url)) == [("new",)]


# ── sums ──


def test_more_tools_than_can_be_named_are_added_up(opened, metric, monkeypatch):
    monkeypatch.setattr(rollup, "MAX_GROUPS", 3)
    observer = opened()
    for count, tool in enumerate("abcde", 1):
        observer.record_all([metric(tool, cost=1)] * count)
    assert {row.key: row.calls for row in observer.stats(MetricFilter())} == {"e": 5, "d": 4, "c": 3, rollup.OTHERS: 3}
    assert observer.costs(MetricFilter()).total == 15


def test_an_hour_of_many_expired_rows_is_read_as_rows(opened, clock, metric, monkeypatch):
    monkeypatch.setattr(postgres_fold, "FOLD_ROWS", 10)
    observer = opened()
    observer.record_all([metric(time=clock() + timedelta(minutes=number)) for number in range(40)])
    assert observer.stats(MetricFilter())[0].calls == 40
    keeper = opened(max_rows=30)
    keeper.record(metric())
    assert keeper.stats(MetricFilter())[0].calls == 30
    opened(max_rows=3).record(metric())
    assert keeper.stats(MetricFilter())[0].calls == 3


def test_who_may_only_read_reads_what_nobody_has_folded(opened, path, clock, metric, postgres, url):
    opened().record_all([metric("a")] * 3)
    opened().stats(MetricFilter())
    opened().record_all([metric("b")] * 2)
    postgres.sql("DROP ROLE IF EXISTS onlooker; CREATE ROLE onlooker LOGIN")
    postgres.sql("GRANT USAGE ON SCHEMA codespar_metrics TO onlooker", database_of(url))
    postgres.sql("GRANT SELECT ON ALL TABLES IN SCHEMA codespar_metrics TO onlooker", database_of(url))
    onlooker = MCPObserver(path, clock=clock, server=lambda: url.replace("postgres@", "onlooker@"))
    assert {row.key: row.calls for row in onlooker.stats(MetricFilter())} == {"a": 3, "b": 2}
    assert tools(onlooker) == ["a"] * 3 + ["b"] * 2
    with pytest.raises(StoreError, match="permission denied"):
        onlooker.record(metric())
    onlooker.close()
    assert postgres.sql("SELECT folded FROM codespar_metrics.head", database_of(url)) == [(3,)]
    postgres.sql("DROP OWNED BY onlooker", database_of(url))


def test_looking_makes_nothing(opened, postgres, url):
    observer = opened()
    assert (observer.stats(MetricFilter()), tools(observer), observer.last(MetricFilter(), 5)) == ([], [], (0, 0))
    assert observer.costs(MetricFilter()).total is None
    assert observer.health().message == "no calls yet"
    assert postgres.sql("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'codespar%'", database_of(url)) == []
