"""Calls that are kept on a server, and everything that happens to servers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.globs import matches
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, ConfigError, MissingExtra, StoreCorrupt, StoreError, StoreUnreachable
from codespar_cli.plugins.observability import rollup
from codespar_cli.plugins.observability.call_store import SWEEP_EVERY, SWEEP_ROWS
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.plugins.observability.stores import postgres_calls, postgres_fold
from codespar_cli.plugins.observability.stores.postgres_selection import glob_expression
from codespar_cli.storage.postgres_connection import Connection

PASSWORD = "hunter2-secret"


@pytest.fixture
def url(postgres):
    return postgres.new_database()


@pytest.fixture
def opened(path, clock, url):
    """Observers on one server."""
    made = []

    def make(**options):
        made.append(MCPObserver(path, clock=clock, server=lambda: url, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@contextmanager
def within(seconds):
    started = time.monotonic()
    yield
    assert time.monotonic() - started <= seconds


@contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def tools(observer):
    return [row.tool for row in observer.rows(MetricFilter(), limit=100_000).rows]


def database_of(url):
    return url.partition("@/")[2].partition("?")[0]


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


# ── a server that is away, or was ──


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_a_server_that_never_answers(path, metric, durability):
    with listening() as port:
        url = f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d"
        observer = MCPObserver(path, server=lambda: url, durability=durability)
        with within(2), pytest.raises(StoreUnreachable, match="does not answer") as caught:
            observer.record(metric())
            observer.flush()
        with within(2), pytest.raises(StoreUnreachable):
            observer.stats(MetricFilter())
        with within(2):
            health = observer.health()
        assert health.state == ("error" if durability == "commit" else "warning")
        assert PASSWORD not in f"{caught.value}{health}{observer!r}"
        if durability == "batch":
            observer._buffer._reset()
        observer.close()


def test_what_waits_is_written_when_the_server_is_back(opened, postgres, metric):
    observer = opened(durability="batch")
    observer.record(metric("a"))
    observer.flush()
    postgres.kill()
    try:
        observer.record_all([])
        observer.record(metric("b"))
        with pytest.raises(StoreError):
            observer.flush()
        assert "1 records wait" in observer.health().message
    finally:
        postgres.start()
    observer.flush()
    assert tools(observer) == ["a", "b"]
    assert observer.health().state == "ok"


def test_a_session_that_ended_while_nobody_used_it_is_not_noticed(opened, postgres, metric):
    observer = opened()
    observer.record(metric("a"))
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'codespar'")
    observer.record(metric("b"))
    assert tools(observer) == ["a", "b"]


@pytest.mark.parametrize("arrives", [True, False])
def test_rows_are_there_once_though_the_answer_to_their_commit_was_lost(opened, metric, monkeypatch, arrives):
    observer = opened(durability="batch")
    observer.record(metric("a"))
    observer.flush()
    execute = Connection.execute

    def cut(self, statement, *arguments, **more):
        if statement == "COMMIT":
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
                # What we say arrives, and the answer does not; or neither.
                line.shutdown(socket.SHUT_RD if arrives else socket.SHUT_RDWR)
        return execute(self, statement, *arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "execute", cut)
        observer.record(metric("b"))
        with pytest.raises(StoreError):
            observer.flush()
    observer.record(metric("c"))
    observer.flush()
    assert tools(observer) == ["a", "b", "c"]


def test_a_store_that_took_the_place_of_another_is_read_from_its_beginning(opened, postgres, url, metric):
    opened().record_all([metric("old")] * 3)
    reader = opened()
    cursor = reader.rows(MetricFilter()).cursor
    postgres.sql("DROP SCHEMA codespar_metrics CASCADE", database_of(url))
    opened().record_all([metric("new")] * 5)
    assert [row.tool for row in reader.rows(MetricFilter(), after=cursor).rows] == ["new"] * 5


def test_a_schema_that_is_gone_is_damage_and_not_made_again(opened, postgres, url, metric):
    observer = opened()
    observer.record(metric())
    postgres.sql("DROP SCHEMA codespar_metrics CASCADE", database_of(url))
    with pytest.raises(StoreCorrupt):
        observer.record(metric())
    with pytest.raises(StoreError) as caught:
        observer.record(metric())
    assert caught.value.code == "store_missing"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_a_forked_child_has_a_session_of_its_own(opened, metric, durability):
    observer = opened(durability=durability)
    observer.record(metric("parent"))
    child = os.fork()
    if child == 0:
        try:
            observer.record(metric("child"))
            observer.close()
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    observer.record(metric("parent"))
    observer.flush()
    assert sorted(tools(observer)) == ["child", "parent", "parent"]


# ── where it is ──


def observer_of(store, resolve=lambda text: None):
    return MCPObserver.from_options({"store": store}, Services(Path("unused"), resolve=resolve))


def test_a_url_may_come_from_elsewhere(url, metric):
    for number, reference in enumerate(("env:DB", "secret:db", "file:db"), 1):
        observer = observer_of(reference, {reference: url}.get)
        observer.record(metric())
        assert observer.stats(MetricFilter())[0].calls == number
        observer.close()


@pytest.mark.parametrize("text", ["env:NONE", "env:ODD", "postgresql://h:port/d", f"postgresql://u:{PASSWORD}@1@h/d"])
def test_an_unusable_url_is_an_error_that_does_not_show_it(text):
    with pytest.raises(ConfigError) as caught:
        observer_of(text, {"env:ODD": f"mysql://u:{PASSWORD}@h/d"}.get)
    assert caught.value.key == "store"
    assert PASSWORD not in str(caught.value)


def test_a_secret_is_asked_for_when_it_is_needed_and_its_absence_is_told(metric):
    asked = []
    observer = observer_of("secret:db", lambda text: asked.append(text))
    assert repr(observer) == "<MCPObserver postgresql>"
    assert "secret:db" not in asked
    with pytest.raises(CodesparError, match="secret:db"):
        observer.record(metric())
    assert observer.health().state == "error"


def test_without_the_driver_the_extra_is_named(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="postgres"):
        observer_of("postgresql://h/d")


def test_no_error_shows_a_password(postgres, url, metric):
    observer = observer_of(f"postgresql://{PASSWORD}:{PASSWORD}@/{database_of(url)}?host={postgres.base}")
    with pytest.raises(StoreError) as caught:
        observer.record(metric())
    assert PASSWORD not in f"{caught.value}{observer.health()}{observer!r}"
    observer.close()


# ── the command line ──


def test_commands_ask_the_server(codespar, url):
    codespar.configure(f"[observability]\nbackend = 'observer'\nstore = {json.dumps(url)}\n")
    assert codespar.run("metrics", "record", "git/push", "--cost", "0.5").returncode == 0
    assert codespar.run("metrics", "record", "--from", "-", given='{"tool": "a"}\n' * 3).returncode == 0
    found = json.loads(codespar.run("metrics", "stats", "-o", "json").stdout)
    assert [(row["tool"], row["calls"], row["cost"]) for row in found] == [("a", 3, None), ("git/push", 1, "0.5")]
    assert json.loads(codespar.run("metrics", "costs", "-o", "json").stdout)["total"] == "0.5"
    lines = codespar.run("metrics", "tail", "--no-follow", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3, 4]
    assert codespar.run("plugins", "status").returncode == 0
    assert not (codespar.state_dir / "metrics.db").exists()


def test_commands_say_that_the_server_is_away(codespar):
    with listening() as port:
        url = f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d"
        codespar.configure(f"[observability]\nbackend = 'observer'\nstore = {json.dumps(url)}\n")
        for command in (("metrics", "stats"), ("metrics", "record", "t"), ("metrics", "tail"), ("plugins", "status")):
            with within(5):
                done = codespar.run(*command)
            assert done.returncode == 1, (command, done.stdout, done.stderr)
            assert "does not answer" in done.stdout + done.stderr
            assert PASSWORD not in done.stdout + done.stderr


def test_tail_follows_the_server(codespar, url):
    codespar.configure(f"[observability]\nbackend = 'observer'\nstore = {json.dumps(url)}\n")
    tail = codespar.start("metrics", "tail", "-o", "jsonl")
    for number in range(3):
        assert codespar.run("metrics", "record", f"t{number}").returncode == 0
    assert [json.loads(tail.stdout.readline())["tool"] for _ in range(3)] == ["t0", "t1", "t2"]
    tail.send_signal(signal.SIGINT)
    out, err = tail.communicate(timeout=30)
    assert (tail.returncode, out, err) == (130, "", "")


def test_a_command_that_asks_a_file_does_not_import_the_driver(codespar):
    code = (
        "import sys; from codespar_cli.plugins.observability.observer import MCPObserver; "
        "print([name for name in sys.modules if name.startswith('psycopg') or 'postgres' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=codespar.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_metric_is_still_refused_before_it_goes_anywhere():
    with pytest.raises(CodesparError, match="latency_ms"):
        observer_of("postgresql://nowhere.invalid/d").record(ToolMetric("t", "bot", -1.0, True))
